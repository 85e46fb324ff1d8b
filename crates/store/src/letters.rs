//! Letters: single mails that the engine itself writes to one person. They have states as deliveries have, and the same
//! promise: none is sent twice, and what became of each is known or said to be unknown.

mod handing;
mod tests_of_campaigns;

use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use data_encoding::HEXLOWER;
pub use handing::{DueLetter, LetterOutcome};
use std::time::Duration;
pub use tests_of_campaigns::{NewTest, TESTS_PER_HOUR, TestQueued};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, LetterId, ListId};
use tidings_campaign::letter::{Cap, LetterCaps, LetterKind};
use tidings_campaign::time::Timestamp;

/// So long letters that are done with are kept, without what was said in them.
pub const LETTERS_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// A letter to be sent.
#[derive(Clone, Copy, Debug)]
pub struct NewLetter<'a> {
    /// What it is for.
    pub kind: LetterKind,
    /// To whom it goes.
    pub to: &'a EmailAddress,
    /// The domain of its author, by which its relays are chosen.
    pub sender_domain: &'a str,
    /// The whole message ([`LetterText::compose`](tidings_campaign::message::LetterText::compose)).
    pub message: &'a [u8],
    /// The list it is about, if it is about one.
    pub list: Option<ListId>,
    /// The campaign that it tries, if it is a test.
    pub campaign: Option<CampaignId>,
    /// Whoever caused it, in a form that is the same for the same: the network of somebody outside, or the person who tries a campaign.
    pub network: Option<&'a str>,
    /// Recognises the same letter: of those with this word one is sent, as long as the first is remembered.
    pub once: Option<&'a str>,
    /// What has not gone out by then need not go any more.
    pub expires_at: Timestamp,
}

/// What became of a letter that was to be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It goes out.
    Yes(LetterId),
    /// The same was queued before.
    Before,
    /// Too many have gone out.
    TooMany(Cap),
}

/// A letter for people to look at.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ListedLetter {
    /// Its number.
    pub id: i64,
    /// What it is for.
    pub kind: String,
    /// To whom.
    pub address: String,
    /// Where it is.
    pub state: String,
    /// Tries that ended.
    pub attempts: i64,
    /// When it was queued, UTC microseconds.
    pub queued_at: i64,
    /// When it is tried next, UTC microseconds, if it is still to go.
    pub due_at: i64,
    /// When it was done with, UTC microseconds.
    pub settled_at: Option<i64>,
    /// Through which relay it went last.
    pub relay: Option<String>,
    /// What was answered last.
    pub reply: Option<String>,
    /// Why it is where it is, in a word or a sentence.
    pub reason: Option<String>,
}

/// An identifier for a letter's Message-ID that nobody can guess: 32 hexadecimal digits.
pub fn fresh_letter_id() -> Result<String, StoreError> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(StoreError::Random)?;
    Ok(HEXLOWER.encode(&octets))
}

impl Store {
    /// Queues a letter, unless one of the caps keeps it back; durable when it returns. A running sender takes it within a second.
    pub async fn queue_letter(
        &self,
        letter: &NewLetter<'_>,
        caps: LetterCaps,
        now: Timestamp,
    ) -> Result<Queued, StoreError> {
        let mut tx = self.begin_write().await?;
        let queued = queue_letter_in(&mut tx, letter, caps, now).await?;
        if matches!(queued, Queued::Yes(_)) {
            tx.commit().await?;
        }
        Ok(queued)
    }

    /// The letters, the newest first: up to `limit` before `before`.
    pub async fn list_letters(&self, before: LetterId, limit: i64) -> Result<Vec<ListedLetter>, StoreError> {
        const PAGE: &str = "SELECT id, kind, address, state, attempts, queued_at, due_at, settled_at, relay, reply, reason \
            FROM letters WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let rows: Vec<ListedLetter> = on_pool!(self, pool => sqlx::query_as(PAGE).bind(before.0).bind(limit)
            .fetch_all(pool).await)?;
        match rows.iter().find(|row| LetterKind::parse(&row.kind).is_none()) {
            Some(row) => Err(bad_row("letters", row.id, format!("unknown kind `{}`", row.kind))),
            None => Ok(rows),
        }
    }
}

/// The same inside a transaction, which is to be committed only if the letter is queued.
pub(crate) async fn queue_letter_in(
    tx: &mut Tx,
    letter: &NewLetter<'_>,
    caps: LetterCaps,
    now: Timestamp,
) -> Result<Queued, StoreError> {
    // Also what makes all who queue wait for each other, so that no two pass the last place below a cap.
    const NUMBER: &str = "UPDATE sequences SET next = next + 1 WHERE name = 'letters' RETURNING next - 1";
    const INSERT: &str = "INSERT INTO letters (id, kind, address, address_key, sender_domain, message, list_id, network, \
        once, queued_at, due_at, expires_at, campaign_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12) \
        ON CONFLICT (once) DO NOTHING";
    let id: i64 = on_tx!(tx, conn => sqlx::query_scalar(NUMBER).fetch_one(conn).await)?;
    if let Some(cap) = reached(tx, letter, caps, now).await? {
        return Ok(Queued::TooMany(cap));
    }
    let rows = on_tx!(tx, conn => sqlx::query(INSERT).bind(id).bind(letter.kind.as_str()).bind(letter.to.as_str())
        .bind(letter.to.key()).bind(letter.sender_domain).bind(letter.message).bind(letter.list.map(|list| list.0))
        .bind(letter.network).bind(letter.once).bind(now.0).bind(letter.expires_at.0)
        .bind(letter.campaign.map(|campaign| campaign.0))
        .execute(conn).await.map(|done| done.rows_affected()))?;
    Ok(match rows {
        1 => Queued::Yes(LetterId(id)),
        _ => Queued::Before,
    })
}

/// The cap that is reached, if one is. Letters count from when they were queued, whatever became of them.
async fn reached(
    tx: &mut Tx,
    letter: &NewLetter<'_>,
    caps: LetterCaps,
    now: Timestamp,
) -> Result<Option<Cap>, StoreError> {
    const TO_ADDRESS: &str = "SELECT COUNT(*) FROM letters WHERE address_key = $1 AND queued_at > $2";
    const BY_NETWORK: &str = "SELECT COUNT(*) FROM letters WHERE network = $1 AND queued_at > $2";
    const OF_LIST: &str = "SELECT COUNT(*) FROM letters WHERE list_id = $1 AND queued_at > $2";
    let (day, hour) = (now.minus(LetterCaps::DAY).0, now.minus(LetterCaps::HOUR).0);
    let is_reached = |n: i64, cap: u32| cap > 0 && n >= i64::from(cap);
    if caps.address_per_day > 0 {
        let n: i64 = on_tx!(tx, conn => sqlx::query_scalar(TO_ADDRESS).bind(letter.to.key()).bind(day)
            .fetch_one(conn).await)?;
        if is_reached(n, caps.address_per_day) {
            return Ok(Some(Cap::Address));
        }
    }
    if let Some(network) = letter.network.filter(|_| caps.network_per_hour > 0) {
        let n: i64 = on_tx!(tx, conn => sqlx::query_scalar(BY_NETWORK).bind(network).bind(hour)
            .fetch_one(conn).await)?;
        if is_reached(n, caps.network_per_hour) {
            return Ok(Some(Cap::Network));
        }
    }
    if let Some(list) = letter.list.filter(|_| caps.list_per_hour > 0) {
        let n: i64 = on_tx!(tx, conn => sqlx::query_scalar(OF_LIST).bind(list.0).bind(hour)
            .fetch_one(conn).await)?;
        if is_reached(n, caps.list_per_hour) {
            return Ok(Some(Cap::List));
        }
    }
    Ok(None)
}
