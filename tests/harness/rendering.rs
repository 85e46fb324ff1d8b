//! What Tidings renders: the octets of a campaign's messages as they go over the wire, made beside the binary.

use crate::{App, Settings};
use std::collections::HashMap;
use tidings_campaign::eligibility::{Mailable, may_mail};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::message::{BodyEncoding, MessageFactory};
use tidings_campaign::time::{Clock, Timestamp};
use tidings_campaign::tracking::Tracking;
use tidings_sender::planner;
use tidings_sender::run::{Identity, factory};
use tidings_store::Store;

/// A campaign that can be rendered: by the same factory that the sender uses, from the same database.
pub struct Rendering {
    factory: MessageFactory,
    recipients: HashMap<String, Mailable>,
}

impl Rendering {
    /// Takes a campaign as it is now, with all recipients that it would be sent to. The configuration must be that of
    /// [`Settings`] as far as messages are concerned.
    pub fn of(app: &App, campaign: i64) -> Self {
        app.database.block_on(async {
            let store = Store::open(app.database.url(), "rendering")
                .await
                .expect("the test's database");
            let rendering = Self::read(&store, CampaignId(campaign)).await;
            store.close().await;
            rendering
        })
    }

    async fn read(store: &Store, id: CampaignId) -> Self {
        let campaign = store.get_campaign(id).await.expect("the test's campaign");
        let keys = store.key_ring(Clock::System.now()).await;
        let identity = Identity {
            public_url: Settings::PUBLIC_URL.to_owned(),
            return_path_domain: None,
            sender_id: None,
            attachments_folder: None,
            tracking: Tracking::default(),
            keys: keys.expect("the keys of the test's database"),
        };
        let newsletter = planner::check_content(store, &campaign, &identity).await;
        let factory = factory(store, &campaign, &newsletter.expect("a newsletter"), &identity).await;

        let now = Clock::System.now();
        let page = store
            .eligible_page(id, RecipientId(0), i64::from(u16::MAX), now)
            .await;
        let mailable = page.expect("the campaign's recipients").into_iter().map(|one| {
            let recipient = one.recipient.expect("a recipient that was imported");
            may_mail(recipient, &one.standing, now).expect("a recipient who subscribed")
        });
        Self {
            factory: factory.expect("a newsletter"),
            recipients: mailable
                .map(|to| (to.recipient().address.to_string(), to))
                .collect(),
        }
    }

    /// The message for an address, as it goes to a relay with 8BITMIME. Of all its octets only those of `Date` depend
    /// on the moment.
    #[track_caller]
    pub fn message(&self, address: &str, date: Timestamp) -> Vec<u8> {
        let to = &self.recipients[address];
        let mut octets = Vec::new();
        self.factory
            .build(to, date, BodyEncoding::EightBit, &mut octets)
            .expect("a message that can be sent");
        octets
    }
}
