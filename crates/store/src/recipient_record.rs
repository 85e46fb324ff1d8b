//! Everything that is known of one address: what a person needs to see why it is mailed or not.

use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use crate::feedback::ListedEvent;
use crate::suppressions::{Suppression, end_of};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::RecipientId;
use tidings_campaign::recipient::Recipient;
use tidings_campaign::time::Timestamp;

/// A recipient's standing on a list.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ListStanding {
    /// The list's name.
    pub list: String,
    /// `pending`, `confirmed` or `unsubscribed`.
    pub state: String,
    /// Since when, UTC microseconds.
    pub since: i64,
    /// The import that it comes from.
    pub import_id: Option<i64>,
    /// Where consent comes from, as the person said who imported it.
    pub import_consent: Option<String>,
    /// When a sign-up for the list was last confirmed, UTC microseconds.
    pub signed_up_at: Option<i64>,
    /// Where the form of that sign-up stood.
    pub signed_up_by: Option<String>,
    /// What the recipient read who agreed to it, or who joined the list by their own link.
    pub agreed_to: Option<String>,
}

/// Somebody whose address begins as it was looked for.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct FoundRecipient {
    /// The address.
    pub address: String,
    /// The name; empty if it is not known.
    pub name: String,
}

/// What became of one campaign to a recipient.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RecipientDelivery {
    /// The campaign.
    pub campaign_id: i64,
    /// The campaign's name.
    pub campaign: String,
    /// The delivery's place in it.
    pub seq: i64,
    /// The delivery's state.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// The verdict's class.
    pub class: Option<String>,
    /// The finer reason.
    pub reason: Option<String>,
    /// The rule that decided, if it was refused.
    pub rule: Option<String>,
    /// What was done about the address for it: `suppressed`, or nothing.
    pub action: Option<String>,
    /// The relay's reply code.
    pub code: Option<i64>,
    /// The relay's words.
    pub reply: Option<String>,
    /// When it was last settled, UTC microseconds.
    pub settled_at: Option<i64>,
}

/// Everything that is known of one address.
#[derive(Clone, Debug)]
pub struct RecipientRecord {
    /// The recipient; none if the address is not known, or was deleted.
    pub recipient: Option<Recipient>,
    /// On which lists, by name.
    pub lists: Vec<ListStanding>,
    /// Why the address must not be mailed, if it must not.
    pub suppression: Option<Suppression>,
    /// Until when the recipient has asked for no mail; it may be over.
    pub paused_until: Option<Timestamp>,
    /// Earlier suppressions, each with when it was lifted, the last first.
    pub lifted: Vec<(Suppression, Timestamp)>,
    /// What was sent, the newest first.
    pub deliveries: Vec<RecipientDelivery>,
    /// When deliveries of old campaigns were last removed, of this recipient or of others; never, if all are there.
    pub deliveries_removed_at: Option<Timestamp>,
    /// What came back, the newest first.
    pub events: Vec<ListedEvent>,
}

impl Store {
    /// Everything that is known of an address; of deliveries and events the newest `limit`.
    pub async fn recipient_record(
        &self,
        address: &EmailAddress,
        limit: i64,
    ) -> Result<RecipientRecord, StoreError> {
        let recipient = self.find_recipient(address).await?;
        let (lists, deliveries, paused_until) = match &recipient {
            Some(recipient) => (
                self.list_standings(recipient.id).await?,
                self.deliveries_to(recipient.id, limit).await?,
                self.pause_of(recipient.id).await?,
            ),
            None => (Vec::new(), Vec::new(), None),
        };
        Ok(RecipientRecord {
            recipient,
            lists,
            suppression: self.find_suppression(address).await?,
            lifted: self.lifted_suppressions(address).await?,
            paused_until,
            deliveries,
            deliveries_removed_at: self.last_removal().await?,
            events: self.events_of_address(&address.key(), limit).await?,
        })
    }

    /// Recipients whose comparison key begins so, by it: up to `limit`.
    pub async fn recipients_beginning(
        &self,
        beginning: &str,
        limit: i64,
    ) -> Result<Vec<FoundRecipient>, StoreError> {
        const FOUND: &str = "SELECT address, name FROM recipients \
            WHERE address_key >= $1 AND address_key < $2 ORDER BY address_key LIMIT $3";
        Ok(
            on_pool!(self, pool => sqlx::query_as(FOUND).bind(beginning).bind(end_of(beginning)).bind(limit)
            .fetch_all(pool).await)?,
        )
    }

    async fn list_standings(&self, recipient: RecipientId) -> Result<Vec<ListStanding>, StoreError> {
        // By list, because the primary key begins with it. `CROSS JOIN`, because SQLite keeps its order: else it may look through all
        // subscriptions.
        const STANDINGS: &str = "SELECT l.name AS list, s.state, s.updated_at AS since, s.import_id, \
            i.consent AS import_consent, u.confirmed_at AS signed_up_at, u.form AS signed_up_by, \
            COALESCE(j.text, u.text) AS agreed_to FROM lists l CROSS JOIN subscriptions s \
            LEFT JOIN imports i ON i.id = s.import_id \
            LEFT JOIN sign_ups u ON u.id = (SELECT MAX(o.id) FROM sign_ups o WHERE o.recipient_id = s.recipient_id \
                AND o.list_id = s.list_id AND o.confirmed_at IS NOT NULL) \
            LEFT JOIN own_joins j ON j.recipient_id = s.recipient_id AND j.list_id = s.list_id AND j.joined_at = s.updated_at \
            WHERE s.list_id = l.id AND s.recipient_id = $1 ORDER BY l.name";
        Ok(on_pool!(self, pool => sqlx::query_as(STANDINGS).bind(recipient.0).fetch_all(pool).await)?)
    }

    async fn deliveries_to(
        &self,
        recipient: RecipientId,
        limit: i64,
    ) -> Result<Vec<RecipientDelivery>, StoreError> {
        const DELIVERIES: &str = "SELECT d.campaign_id, COALESCE(c.name, '') AS campaign, d.seq, d.state, d.attempts, \
            d.class, d.reason, a.rule, a.action, d.code, d.reply, d.settled_at FROM deliveries d \
            LEFT JOIN campaigns c ON c.id = d.campaign_id \
            LEFT JOIN attempts a ON a.campaign_id = d.campaign_id AND a.seq = d.seq AND a.attempt = d.attempts \
            WHERE d.recipient_id = $1 ORDER BY d.campaign_id DESC LIMIT $2";
        Ok(
            on_pool!(self, pool => sqlx::query_as(DELIVERIES).bind(recipient.0).bind(limit)
            .fetch_all(pool).await)?,
        )
    }
}
