//! From the clues of events to deliveries of the ledger.

use super::{MatchedBy, Told};
use crate::engine::{Tx, on_tx, values_list};
use crate::error::{StoreError, bad_row};
use std::collections::HashMap;
use std::time::Duration;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, RecipientId, Seq};
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::KeyRing;
use tidings_feedback::matching::{self, Found};
use tidings_feedback::policy::Policy;

/// Events of one statement.
const ROWS: usize = 300;

/// A report may name so many addresses without proving anything; one that names more is about no message of ours, each of
/// which goes to one recipient.
const MOST_BY_ADDRESS: usize = 5;

/// The clock of who tells when something happened may be so much behind ours.
const SLACK: Duration = Duration::from_secs(600);

/// What an event is about, as far as it was found out.
#[derive(Clone, Debug)]
pub(super) enum Match {
    /// A delivery.
    Delivery(Box<Delivery>),
    /// A recipient of a campaign; the delivery is gone, or there never was one.
    Recipient(CampaignId, RecipientId),
    /// The token is right, and what it names is gone.
    Gone,
    /// The token is false.
    Forged,
    /// Nothing.
    Nothing,
}

/// A delivery that an event is about.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub campaign: CampaignId,
    pub seq: Seq,
    pub recipient: RecipientId,
    pub state: DeliveryState,
    pub attempts: i64,
    pub settled_at: Option<Timestamp>,
    /// Through which relay it went last.
    pub relay: Option<String>,
    /// The recipient's comparison key when the message went out; nothing if the recipient is gone.
    pub address_key: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    place: i64,
    campaign_id: i64,
    seq: i64,
    recipient_id: i64,
    state: String,
    attempts: i64,
    settled_at: Option<i64>,
    relay: Option<String>,
    address_key: Option<String>,
}

impl TryFrom<Row> for Delivery {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Delivery {
            campaign: CampaignId(row.campaign_id),
            seq: Seq(row.seq),
            recipient: RecipientId(row.recipient_id),
            state: DeliveryState::parse(&row.state)
                .ok_or_else(|| bad_row("deliveries", row.seq, format!("unknown state `{}`", row.state)))?,
            attempts: row.attempts,
            settled_at: row.settled_at.map(Timestamp),
            relay: row.relay,
            address_key: row.address_key,
        })
    }
}

macro_rules! columns {
    () => {
        "d.campaign_id, d.seq, d.recipient_id, d.state, d.attempts, d.settled_at, d.relay, \
         COALESCE((SELECT a.from_key FROM address_changes a WHERE a.recipient_id = d.recipient_id \
             AND a.changed_at > d.settled_at ORDER BY a.changed_at LIMIT 1), r.address_key) AS address_key"
    };
}

/// What each of the events is about, in their order, and by what that was found.
pub(super) async fn matches(
    tx: &mut Tx,
    told: &[Told<'_>],
    policy: &Policy,
    keys: &KeyRing,
    now: Timestamp,
) -> Result<Vec<(Match, MatchedBy)>, StoreError> {
    let found: Vec<_> = told.iter().map(|told| matching::find(told.event, keys)).collect();
    let mut deliveries = proven(tx, &found).await?;
    let mut by_address: HashMap<i64, usize> = HashMap::new();
    for (found, told) in found.iter().zip(told) {
        if matches!(found.0, Found::Campaign(_) | Found::Address) {
            *by_address.entry(told.arrival).or_default() += 1;
        }
    }
    let mut matches = Vec::with_capacity(told.len());
    for (place, ((found, by), told)) in found.into_iter().zip(told).enumerate() {
        let delivery = deliveries.remove(&place);
        let matched = match (found, delivery) {
            (_, Some(delivery)) => (Match::Delivery(Box::new(delivery)), by),
            (Found::Forged, None) => (Match::Forged, MatchedBy::Nothing),
            (Found::Delivery(..), None) => (Match::Gone, by),
            (Found::Recipient(campaign, recipient), None) => (Match::Recipient(campaign, recipient), by),
            (Found::Campaign(_) | Found::Address, None) if by_address[&told.arrival] > MOST_BY_ADDRESS => {
                (Match::Nothing, MatchedBy::Nothing)
            }
            (Found::Campaign(campaign), None) => {
                let since = now.minus(policy.stale);
                guess(tx, told, Some(campaign), since, MatchedBy::FeedbackId).await?
            }
            (Found::Address, None) => {
                let since = now.minus(policy.window);
                guess(tx, told, None, since, MatchedBy::Address).await?
            }
        };
        matches.push(matched);
    }
    Ok(matches)
}

/// Lets nobody be erased until the transaction ends, and takes note of those who have just been.
pub(super) async fn hold_recipients(
    tx: &mut Tx,
    matches: &mut [(Match, MatchedBy)],
) -> Result<(), StoreError> {
    // In the order of their ids, so that no two wait for each other. Nobody else writes on SQLite.
    const HOLD: &str = "SELECT id FROM recipients WHERE id = ANY($1) ORDER BY id FOR KEY SHARE";
    let Tx::Postgres(tx) = tx else {
        return Ok(());
    };
    let id = |(about, _): &(Match, MatchedBy)| match about {
        Match::Delivery(delivery) => Some(delivery.recipient.0),
        Match::Recipient(_, recipient) => Some(recipient.0),
        Match::Gone | Match::Forged | Match::Nothing => None,
    };
    let ids: Vec<i64> = matches.iter().filter_map(id).collect();
    let there: Vec<i64> = sqlx::query_scalar(HOLD).bind(&ids).fetch_all(&mut **tx).await?;
    for (about, _) in matches {
        if let Match::Delivery(delivery) = about
            && there.binary_search(&delivery.recipient.0).is_err()
        {
            delivery.address_key = None;
        }
    }
    Ok(())
}

/// The deliveries that signatures name, by the places of their events.
async fn proven(tx: &mut Tx, found: &[(Found, MatchedBy)]) -> Result<HashMap<usize, Delivery>, StoreError> {
    const BY_SEQ: (&str, &str) = (
        concat!("SELECT v.column1 AS place, ", columns!(), " FROM (VALUES "),
        ") AS v JOIN deliveries d ON d.campaign_id = v.column2 AND d.seq = v.column3 \
         LEFT JOIN recipients r ON r.id = d.recipient_id",
    );
    const BY_RECIPIENT: (&str, &str) = (
        concat!("SELECT v.column1 AS place, ", columns!(), " FROM (VALUES "),
        ") AS v JOIN deliveries d ON d.campaign_id = v.column2 AND d.recipient_id = v.column3 \
         LEFT JOIN recipients r ON r.id = d.recipient_id",
    );
    let (mut by_seq, mut by_recipient) = (Vec::new(), Vec::new());
    for (place, (found, _)) in found.iter().enumerate() {
        let place = i64::try_from(place).expect("a batch is small");
        match found {
            Found::Delivery(campaign, seq) => by_seq.push([place, campaign.0, seq.0]),
            Found::Recipient(campaign, recipient) => by_recipient.push([place, campaign.0, recipient.0]),
            Found::Campaign(_) | Found::Forged | Found::Address => {}
        }
    }
    let mut deliveries = HashMap::new();
    for (wanted, (before, after)) in [(by_seq, BY_SEQ), (by_recipient, BY_RECIPIENT)] {
        for rows in wanted.chunks(ROWS) {
            let text = tx.bulk_text(format!("{before}{}{after}", values_list(rows.len(), 3, 1)));
            let found: Vec<Row> = on_tx!(tx, conn => {
                let mut query = sqlx::query_as(text);
                for value in rows.iter().flatten() {
                    query = query.bind(*value);
                }
                query.fetch_all(conn).await
            })?;
            for row in found {
                let place = usize::try_from(row.place).expect("a place was bound");
                deliveries.insert(place, row.try_into()?);
            }
        }
    }
    Ok(deliveries)
}

/// The last message to the address that was sent since then, of any campaign or of one.
async fn guess(
    tx: &mut Tx,
    told: &Told<'_>,
    campaign: Option<CampaignId>,
    since: Timestamp,
    by: MatchedBy,
) -> Result<(Match, MatchedBy), StoreError> {
    const LAST: &str = concat!(
        "SELECT CAST(0 AS BIGINT) AS place, ",
        columns!(),
        " FROM recipients r JOIN deliveries d ON d.recipient_id = r.id \
         WHERE r.address_key = $1 AND d.settled_at >= $2 AND d.settled_at <= $3 \
         AND d.state IN ('accepted', 'unknown', 'rejected', 'expired') \
         ORDER BY d.settled_at DESC, d.campaign_id DESC LIMIT 1"
    );
    const OF_CAMPAIGN: &str = concat!(
        "SELECT CAST(0 AS BIGINT) AS place, ",
        columns!(),
        " FROM recipients r JOIN deliveries d ON d.recipient_id = r.id \
         WHERE r.address_key = $1 AND d.settled_at >= $2 AND d.campaign_id = $3 AND d.attempts > 0"
    );
    let nothing = (Match::Nothing, MatchedBy::Nothing);
    let Ok(address) = EmailAddress::parse(&told.event.address) else {
        return Ok(nothing);
    };
    let (text, last) = match campaign {
        Some(campaign) => (OF_CAMPAIGN, campaign.0),
        None => (LAST, told.at.plus(SLACK).0),
    };
    let row: Option<Row> = on_tx!(tx, conn => sqlx::query_as(text).bind(address.key()).bind(since.0).bind(last)
        .fetch_optional(conn).await)?;
    match row {
        Some(row) => Ok((Match::Delivery(Box::new(row.try_into()?)), by)),
        None => Ok(nothing),
    }
}
