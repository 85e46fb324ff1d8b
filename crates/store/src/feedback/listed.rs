//! Reading what came in.

use crate::engine::{Store, on_pool, on_write_pool};
use crate::error::StoreError;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

/// An event as it is listed for people.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ListedEvent {
    /// Its number.
    pub id: i64,
    /// The arrival that told it.
    pub arrival_id: i64,
    /// By which way that came in.
    pub way: String,
    /// What kind of event it is.
    pub kind: String,
    /// The campaign of its delivery.
    pub campaign_id: Option<i64>,
    /// The delivery's place in it.
    pub seq: Option<i64>,
    /// The recipient's address in lower case; of one that was not found, what was told.
    pub address_key: String,
    /// The address that was told.
    pub told_address: String,
    /// The verdict's class.
    pub class: String,
    /// The verdict's cause.
    pub cause: String,
    /// The finer reason.
    pub reason: String,
    /// The rule that decided.
    pub rule: String,
    /// The enhanced status.
    pub status: Option<String>,
    /// The reply code.
    pub code: Option<i64>,
    /// What was said.
    pub text: String,
    /// The host that said it.
    pub host: Option<String>,
    /// By what its delivery was found.
    pub matched_by: String,
    /// What was done.
    pub done: String,
    /// When it happened, UTC microseconds.
    pub happened_at: i64,
}

/// An arrival as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// By which way it came.
    pub way: String,
    /// As it came in; of a long one the beginning, of an old one nothing.
    pub raw: Vec<u8>,
    /// How long it was.
    pub octets: i64,
    /// When.
    pub received_at: Timestamp,
}

macro_rules! listed {
    () => {
        "SELECT e.id, e.arrival_id, COALESCE(a.way, '') AS way, e.kind, e.campaign_id, e.seq, e.address_key, e.told_address, \
         e.class, e.cause, e.reason, e.rule, e.status, e.code, e.text, e.host, e.matched_by, e.done, e.happened_at \
         FROM feedback_events e LEFT JOIN arrivals a ON a.id = e.arrival_id "
    };
}

impl Store {
    /// The newest events about an address, by its comparison key.
    pub async fn events_of_address(&self, key: &str, limit: i64) -> Result<Vec<ListedEvent>, StoreError> {
        const OF: &str = concat!(listed!(), "WHERE e.address_key = $1 ORDER BY e.id DESC LIMIT $2");
        Ok(on_pool!(self, pool => sqlx::query_as(OF).bind(key).bind(limit).fetch_all(pool).await)?)
    }

    /// A page of all events, or of those of one campaign: up to `limit` from before the event with the number `before`, the
    /// newest first.
    pub async fn list_events(
        &self,
        campaign: Option<CampaignId>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<ListedEvent>, StoreError> {
        const ALL: &str = concat!(listed!(), "WHERE e.id < $1 ORDER BY e.id DESC LIMIT $2");
        // Which they are comes first: else arrivals are looked up for all that there are.
        const OF_CAMPAIGN: &str = concat!(
            listed!(),
            "WHERE e.id IN (SELECT id FROM feedback_events WHERE id < $1 AND campaign_id = $3 ORDER BY id DESC LIMIT $2) \
             ORDER BY e.id DESC"
        );
        Ok(on_pool!(self, pool => {
            let query = sqlx::query_as(match campaign { Some(_) => OF_CAMPAIGN, None => ALL }).bind(before).bind(limit);
            let query = match campaign { Some(id) => query.bind(id.0), None => query };
            query.fetch_all(pool).await
        })?)
    }

    /// An arrival; nothing if there is none with this number.
    pub async fn arrival(&self, id: i64) -> Result<Option<Arrived>, StoreError> {
        const GET: &str = "SELECT way, raw, octets, received_at FROM arrivals WHERE id = $1";
        let row: Option<(String, Vec<u8>, i64, i64)> =
            on_pool!(self, pool => sqlx::query_as(GET).bind(id).fetch_optional(pool).await)?;
        Ok(row.map(|(way, raw, octets, received_at)| Arrived {
            way,
            raw,
            octets,
            received_at: Timestamp(received_at),
        }))
    }

    /// Empties up to `limit` arrivals that came in before then: that they came stays known, so that they do not count again.
    /// Returns how many were emptied.
    pub async fn empty_old_arrivals(&self, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
        const EMPTY: &str = "UPDATE arrivals SET raw = $1 WHERE id IN \
            (SELECT id FROM arrivals WHERE received_at < $2 AND LENGTH(raw) > 0 ORDER BY received_at LIMIT $3)";
        Ok(
            on_write_pool!(self, pool => sqlx::query(EMPTY).bind(Vec::<u8>::new()).bind(before.0).bind(limit)
            .execute(pool).await.map(|done| done.rows_affected()))?,
        )
    }
}
