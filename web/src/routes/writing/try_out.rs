//! `/campaigns/{id}/test`: a campaign to a few addresses, as one of its recipients would get it; and what became of such letters.

use super::find;
use super::form::addresses;
use crate::composer::Composer;
use crate::figures::numbers::moment;
use crate::people::Visitor;
use crate::routes::problem::{failed, not_found, see_other};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::RecipientId;
use tidings_campaign::lifecycle::CampaignState;
use tidings_campaign::message::TestLetter;
use tidings_campaign::recipient::Recipient;
use tidings_campaign::template::Newsletter;
use tidings_campaign::time::Timestamp;
use tidings_campaign::tracking::Tracking;
use tidings_store::audit::By;
use tidings_store::campaigns::Campaign;
use tidings_store::letters::{ListedLetter, NewTest, TESTS_PER_HOUR, TestQueued, fresh_letter_id};
use tidings_store::people::Role;
use tidings_store::{Store, StoreError};

/// Addresses of a test at most.
const MOST: usize = 5;
/// Letters that are shown.
const SHOWN: i64 = 20;
/// Octets of the word by which a form is known.
const LONGEST_ONCE: usize = 64;

/// The form that sends a test.
#[derive(Default, Deserialize)]
pub(crate) struct TestForm {
    #[serde(default)]
    to: String,
    /// Whose values are merged; the first of the lists if nobody is named.
    #[serde(default)]
    merged_for: String,
    /// Recognises this form: sent twice, it sends one test.
    #[serde(default)]
    once: String,
}

#[derive(Serialize)]
struct TestPage {
    id: String,
    name: String,
    may_send: bool,
    most: usize,
    per_hour: u32,
    to: String,
    merged_for: String,
    once: String,
    problem: Option<String>,
    faults: BTreeMap<&'static str, String>,
    letters: Vec<LetterView>,
}

#[derive(Serialize)]
struct LetterView {
    address: String,
    queued: String,
    level: &'static str,
    state: String,
    /// What the relay said, or why it is where it is.
    words: String,
    relay: String,
}

/// Why a test was not sent: beside a field, or above the form.
enum Refusal {
    Field(&'static str, String),
    Whole(StatusCode, String),
}

/// `GET /campaigns/{id}/test`
pub(crate) async fn ask(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    match find(&site, &id).await {
        Ok(Some(campaign)) => show(&site, &visitor, &campaign, TestForm::default(), None).await,
        Ok(None) => not_found(site, visitor).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

/// `POST /campaigns/{id}/test`
pub(crate) async fn send(
    site: web::Data<Site>,
    composer: web::Data<Composer>,
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<TestForm>,
) -> HttpResponse {
    let campaign = match find(&site, &id).await {
        Ok(Some(campaign)) => campaign,
        Ok(None) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let form = form.into_inner();
    let refusal = match addresses(&form.to, MOST) {
        Err(why) => Refusal::Field("to", why),
        Ok(to) => {
            let (store, now, by) = (site.store.clone(), site.clock.now(), visitor.by.clone());
            let (composer, campaign) = (composer.into_inner(), campaign.clone());
            let merged_for = form.merged_for.trim().to_owned();
            // Who sends no word of a form asks for a test each time.
            let once = match form.once.trim() {
                "" => match fresh_letter_id() {
                    Ok(once) => once,
                    Err(error) => return failed(&site, &Trouble::Store(error)),
                },
                once => once.chars().take(LONGEST_ONCE).collect(),
            };
            let test = Test {
                campaign,
                to,
                merged_for,
                once,
            };
            match site
                .ask(async move { test.queue(&store, &composer, &by, now).await })
                .await
            {
                Ok(None) => return see_other(&format!("/campaigns/{id}/test")),
                Ok(Some(refusal)) => refusal,
                Err(trouble) => return failed(&site, &trouble),
            }
        }
    };
    show(&site, &visitor, &campaign, form, Some(refusal)).await
}

/// A test that was asked for.
struct Test {
    campaign: Campaign,
    to: Vec<EmailAddress>,
    merged_for: String,
    once: String,
}

impl Test {
    /// Makes the messages and queues them; or says why not.
    async fn queue(
        self,
        store: &Store,
        composer: &Composer,
        by: &By,
        now: Timestamp,
    ) -> Result<Option<Refusal>, StoreError> {
        let conflict = |why: String| Ok(Some(Refusal::Whole(StatusCode::CONFLICT, why)));
        if self.campaign.state == CampaignState::Cancelled {
            return conflict("Nothing was sent: the campaign is cancelled.".to_owned());
        }
        let recipient = match self.recipient(store, now).await? {
            Ok(recipient) => recipient,
            Err(refusal) => return Ok(Some(refusal)),
        };
        let newsletter = match said_by(store, &self.campaign).await {
            Ok(newsletter) => newsletter,
            Err(error @ StoreError::NotFound { .. }) => {
                return conflict(format!("Nothing was sent: {error}."));
            }
            Err(error) => return Err(error),
        };
        let untracked = Campaign {
            // Who tries it is no reader, and before the start its links are not known.
            tracking: Some(Tracking::Off),
            ..self.campaign.clone()
        };
        let factory = match composer.compose(untracked, newsletter).await? {
            Ok(factory) => factory,
            Err(why) => return conflict(format!("Nothing was sent: {why}.")),
        };
        let mut letters = Vec::with_capacity(self.to.len());
        for to in &self.to {
            let test = TestLetter {
                merged_for: &recipient,
                to,
                id: &fresh_letter_id()?,
            };
            match factory.test_letter(test, now) {
                Ok(message) => letters.push((to.clone(), message)),
                Err(error) => return conflict(format!("Nothing was sent: {error}.")),
            }
        }
        let test = NewTest {
            campaign: self.campaign.id,
            sender_domain: factory.sender_domain(),
            letters: &letters,
            once: &self.once,
        };
        Ok(match store.queue_test(test, by, now).await? {
            TestQueued::Yes => None,
            TestQueued::Suppressed(address, reason) => Some(Refusal::Field(
                "to",
                format!("{address} is suppressed ({reason}): nothing goes there. Nothing was sent."),
            )),
            TestQueued::TooMany => Some(Refusal::Whole(
                StatusCode::TOO_MANY_REQUESTS,
                format!(
                    "Nothing was sent: {TESTS_PER_HOUR} test letters in an hour are the most for one person."
                ),
            )),
        })
    }

    /// Whose values are merged.
    async fn recipient(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> Result<Result<Recipient, Refusal>, StoreError> {
        let refused = |why: String| Ok(Err(Refusal::Field("merged_for", why)));
        if !self.merged_for.is_empty() {
            let address = match EmailAddress::parse(&self.merged_for) {
                Ok(address) => address,
                Err(error) => return refused(format!("The address {error}.")),
            };
            return match store.find_recipient(&address).await? {
                Some(recipient) => Ok(Ok(recipient)),
                None => refused("No recipient has this address.".to_owned()),
            };
        }
        for (list, _) in store.lists_of(self.campaign.id).await? {
            let first = store.recipients_of_list(list, RecipientId(0), 1, now).await?;
            if let Some(first) = first.into_iter().next() {
                return Ok(Ok(first));
            }
        }
        refused(
            "The campaign's lists reach nobody yet: name the recipient whose values are merged.".to_owned(),
        )
    }
}

/// What a campaign says: what was frozen, once it has started.
pub(crate) async fn said_by(store: &Store, campaign: &Campaign) -> Result<Newsletter, StoreError> {
    match campaign.content.as_deref().map(serde_json::from_str) {
        Some(Ok(newsletter)) => Ok(newsletter),
        _ => store.newsletter_of(campaign).await,
    }
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    campaign: &Campaign,
    form: TestForm,
    refusal: Option<Refusal>,
) -> HttpResponse {
    let (store, id) = (site.store.clone(), campaign.id);
    let letters = match site.ask(async move { store.tests_of(id, SHOWN).await }).await {
        Ok(letters) => letters,
        Err(trouble) => return failed(site, &trouble),
    };
    let once = match fresh_letter_id() {
        Ok(once) => once,
        Err(error) => return failed(site, &Trouble::Store(error)),
    };
    let mut faults = BTreeMap::new();
    let (status, problem) = match refusal {
        None => (StatusCode::OK, None),
        Some(Refusal::Field(field, why)) => {
            faults.insert(field, why);
            (StatusCode::UNPROCESSABLE_ENTITY, None)
        }
        Some(Refusal::Whole(status, why)) => (status, Some(why)),
    };
    let own = visitor.by.who.contains('@').then(|| visitor.by.who.clone());
    let view = TestPage {
        id: campaign.id.to_string(),
        name: campaign.name.clone(),
        may_send: visitor.role >= Role::Editor && campaign.state != CampaignState::Cancelled,
        most: MOST,
        per_hour: TESTS_PER_HOUR,
        to: match form.to.is_empty() {
            true => own.unwrap_or_default(),
            false => form.to,
        },
        merged_for: form.merged_for,
        once,
        problem,
        faults,
        letters: letters.iter().map(letter_view).collect(),
    };
    Page::new("campaign_test", "Test")
        .under("/campaigns")
        .shown_to(visitor)
        .live()
        .answer(site, status, &view)
}

fn letter_view(letter: &ListedLetter) -> LetterView {
    let (level, state) = match letter.state.as_str() {
        "accepted" => ("good", "accepted"),
        "rejected" => ("bad", "refused"),
        "expired" => ("bad", "given up"),
        "unknown" => ("warn", "unknown"),
        "deferred" => ("warn", "refused for now, tried again"),
        _ => ("quiet", "on its way"),
    };
    let words = letter.reply.clone().or_else(|| letter.reason.clone());
    LetterView {
        address: letter.address.clone(),
        queued: moment(Timestamp(letter.queued_at)),
        level,
        state: state.to_owned(),
        words: words.unwrap_or_default(),
        relay: letter.relay.clone().unwrap_or_default(),
    }
}
