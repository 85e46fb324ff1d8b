//! Everything that is known of recipients, page by page, for those who take it elsewhere.

use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use tidings_campaign::ids::{CampaignId, ListId, RecipientId};

/// A recipient to be exported.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ExportedRecipient {
    /// Its identity, by which the next page is found.
    pub id: i64,
    /// The address.
    pub address: String,
    /// The name.
    pub name: String,
    /// The attributes, as the text of a JSON object.
    pub attributes: String,
    /// When it was first known, UTC microseconds.
    pub created_at: i64,
    /// When it was last changed, UTC microseconds.
    pub updated_at: i64,
    /// Its standing on the list that was asked for.
    pub subscription: Option<String>,
}

/// What a recipient has agreed to, on one list.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Consent {
    /// The list's identity; with the recipient's the next page is found.
    pub list_id: i64,
    /// The recipient's identity.
    pub recipient_id: i64,
    /// The address; none if the recipient is gone.
    pub address: Option<String>,
    /// The list's name.
    pub list: String,
    /// `pending`, `confirmed` or `unsubscribed`.
    pub state: String,
    /// Since when, UTC microseconds.
    pub since: i64,
    /// The import that brought the recipient onto the list.
    pub import_id: Option<i64>,
    /// Its files.
    pub import_files: Option<String>,
    /// Who imported.
    pub imported_by: Option<String>,
    /// Where consent comes from, as that person said; or what the recipient read who joined the list by their own link.
    pub consent: Option<String>,
}

/// An unsubscribe as it was received.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ExportedUnsubscribe {
    /// The campaign whose link was used; with the recipient's identity the next page is found.
    pub campaign_id: i64,
    /// The recipient's identity.
    pub recipient_id: i64,
    /// The address; none if the recipient is gone.
    pub address: Option<String>,
    /// When, UTC microseconds.
    pub at: i64,
    /// By which way.
    pub how: String,
    /// From which lists: `lists`, those of the campaign, or `all`.
    pub scope: String,
    /// Why, in a word, if that was said.
    pub reason: Option<String>,
    /// What the recipient wrote.
    pub comment: Option<String>,
    /// When the recipient took it back, UTC microseconds.
    pub undone_at: Option<i64>,
}

/// A pause as it was wished last.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ExportedPause {
    /// The recipient's identity, by which the next page is found.
    pub recipient_id: i64,
    /// The address; none if the recipient is gone.
    pub address: Option<String>,
    /// When it was wished, UTC microseconds.
    pub at: i64,
    /// Until when it holds, UTC microseconds; it may be over.
    pub paused_until: i64,
    /// The campaign whose link was used.
    pub campaign_id: i64,
    /// Why, in a word, if that was said.
    pub reason: Option<String>,
    /// What the recipient wrote.
    pub comment: Option<String>,
}

/// A list with its recipients counted by their standing.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ExportedList {
    /// Its name.
    pub name: String,
    /// When it was made, UTC microseconds.
    pub created_at: i64,
    /// Who wants its mail.
    pub confirmed: i64,
    /// Who was asked and has not answered.
    pub pending: i64,
    /// Who wants it no more.
    pub unsubscribed: i64,
}

impl Store {
    /// A page of all recipients, by ascending id: up to `limit` after `after`.
    pub async fn export_recipients(
        &self,
        after: RecipientId,
        limit: i64,
    ) -> Result<Vec<ExportedRecipient>, StoreError> {
        const PAGE: &str = "SELECT id, address, name, attributes, created_at, updated_at, NULL AS subscription \
            FROM recipients WHERE id > $1 ORDER BY id LIMIT $2";
        Ok(on_pool!(self, pool => sqlx::query_as(PAGE).bind(after.0).bind(limit).fetch_all(pool).await)?)
    }

    /// The same of those who are on a list, however they stand on it.
    pub async fn export_recipients_of(
        &self,
        list: ListId,
        after: RecipientId,
        limit: i64,
    ) -> Result<Vec<ExportedRecipient>, StoreError> {
        const PAGE: &str = "SELECT r.id, r.address, r.name, r.attributes, r.created_at, r.updated_at, \
            s.state AS subscription FROM subscriptions s JOIN recipients r ON r.id = s.recipient_id \
            WHERE s.list_id = $1 AND s.recipient_id > $2 ORDER BY s.recipient_id LIMIT $3";
        Ok(
            on_pool!(self, pool => sqlx::query_as(PAGE).bind(list.0).bind(after.0).bind(limit)
            .fetch_all(pool).await)?,
        )
    }

    /// A page of all standings on lists, by list and recipient: up to `limit` after `after`.
    pub async fn export_consent(
        &self,
        after: (ListId, RecipientId),
        limit: i64,
    ) -> Result<Vec<Consent>, StoreError> {
        const PAGE: &str = "SELECT s.list_id, s.recipient_id, r.address, l.name AS list, s.state, \
            s.updated_at AS since, s.import_id, i.file_name AS import_files, i.started_by AS imported_by, COALESCE(i.consent, j.text) AS consent \
            FROM subscriptions s JOIN lists l ON l.id = s.list_id LEFT JOIN recipients r ON r.id = s.recipient_id \
            LEFT JOIN imports i ON i.id = s.import_id \
            LEFT JOIN own_joins j ON j.recipient_id = s.recipient_id AND j.list_id = s.list_id AND j.joined_at = s.updated_at \
            WHERE (s.list_id, s.recipient_id) > ($1, $2) ORDER BY s.list_id, s.recipient_id LIMIT $3";
        Ok(
            on_pool!(self, pool => sqlx::query_as(PAGE).bind(after.0.0).bind(after.1.0).bind(limit)
            .fetch_all(pool).await)?,
        )
    }

    /// A page of all unsubscribes, by campaign and recipient: up to `limit` after `after`.
    pub async fn export_unsubscribes(
        &self,
        after: (CampaignId, RecipientId),
        limit: i64,
    ) -> Result<Vec<ExportedUnsubscribe>, StoreError> {
        const PAGE: &str = "SELECT u.campaign_id, u.recipient_id, r.address, u.at, u.how, u.scope, u.reason, u.comment, \
            u.undone_at FROM unsubscribes u LEFT JOIN recipients r ON r.id = u.recipient_id \
            WHERE (u.campaign_id, u.recipient_id) > ($1, $2) ORDER BY u.campaign_id, u.recipient_id LIMIT $3";
        Ok(
            on_pool!(self, pool => sqlx::query_as(PAGE).bind(after.0.0).bind(after.1.0).bind(limit)
            .fetch_all(pool).await)?,
        )
    }

    /// A page of all pauses, those that are over too, by recipient: up to `limit` after `after`.
    pub async fn export_pauses(
        &self,
        after: RecipientId,
        limit: i64,
    ) -> Result<Vec<ExportedPause>, StoreError> {
        const PAGE: &str = "SELECT z.recipient_id, r.address, z.created_at AS at, z.paused_until, z.campaign_id, z.reason, \
            z.comment FROM pauses z LEFT JOIN recipients r ON r.id = z.recipient_id \
            WHERE z.recipient_id > $1 ORDER BY z.recipient_id LIMIT $2";
        Ok(on_pool!(self, pool => sqlx::query_as(PAGE).bind(after.0).bind(limit).fetch_all(pool).await)?)
    }

    /// All lists by name, counted.
    pub async fn export_lists(&self) -> Result<Vec<ExportedList>, StoreError> {
        const LISTS: &str = "SELECT l.name, l.created_at, \
            COUNT(CASE WHEN s.state = 'confirmed' THEN 1 END) AS confirmed, \
            COUNT(CASE WHEN s.state = 'pending' THEN 1 END) AS pending, \
            COUNT(CASE WHEN s.state = 'unsubscribed' THEN 1 END) AS unsubscribed \
            FROM lists l LEFT JOIN subscriptions s ON s.list_id = l.id \
            GROUP BY l.id, l.name, l.created_at ORDER BY l.name";
        Ok(on_pool!(self, pool => sqlx::query_as(LISTS).fetch_all(pool).await)?)
    }
}
