//! Retention: removing the single deliveries of campaigns that have long been over. Their records and all counters stay, and so
//! do suppressions, consent, unsubscribes and the audit log (docs/retention.md).
//!
//! First a campaign is marked, in a transaction of its own, and from then on nothing is done any more that would need to know
//! who was reached. Then its rows go: on PostgreSQL with their part of the ledger if all of it may go, else a few at a time.

mod dropping;

use crate::audit::{By, audit_in};
use crate::deliveries::lock_state;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use crate::parts::Part;
use crate::steering::about;
use std::collections::BTreeMap;
use std::time::Duration;
use tidings_campaign::ids::{CampaignId, Seq};
use tidings_campaign::time::Timestamp;

/// On PostgreSQL so much longer deliveries are kept if then all of their part of the ledger goes at once, for next to nothing.
pub const WAITS_FOR_ITS_PART: Duration = Duration::from_secs(31 * 86_400);

/// A campaign that has been over for longer than its deliveries are to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldCampaign {
    /// Which.
    pub id: CampaignId,
    /// For people.
    pub name: String,
    /// How many deliveries it has.
    pub planned: i64,
    /// Since when it has been over.
    pub over_at: Timestamp,
    /// Why they stay all the same; nothing if they may go.
    pub stays: Option<Stays>,
}

/// Why deliveries stay although they are old enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// Some of them have no outcome yet.
    Open,
    /// Of some the answer was lost, and nobody has said what is to become of them.
    Unsettled,
    /// A campaign to those that it did not reach is not over.
    Child,
    /// On PostgreSQL: the rest of their part of the ledger is old enough soon.
    Part,
}

impl Stays {
    /// In words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Stays::Open => "some deliveries have no outcome yet",
            Stays::Unsettled => "some deliveries are unknown, and nobody has settled them",
            Stays::Child => "a campaign to those not reached is not over",
            Stays::Part => "they go with the rest of their part of the ledger, within 31 days",
        }
    }
}

/// Since when a campaign is over.
macro_rules! over_at {
    () => {
        "CASE c.state WHEN 'finished' THEN c.finished_at WHEN 'cancelled' THEN COALESCE(c.cancelled_at, \
         (SELECT MAX(d.settled_at) FROM deliveries d WHERE d.campaign_id = c.id)) END"
    };
}
use over_at;

/// Deliveries in a state, by the counters.
macro_rules! counted {
    ($states:literal) => {
        concat!(
            "COALESCE((SELECT SUM(k.n) FROM campaign_counters k WHERE k.campaign_id = c.id AND k.state IN (",
            $states,
            ")), 0)"
        )
    };
}

/// Why the deliveries of a campaign stay, and nothing if they need not.
macro_rules! stays {
    () => {
        concat!(
            "CASE WHEN ",
            counted!("'planned', 'leased', 'on_wire', 'deferred'"),
            " > 0 OR EXISTS (SELECT 1 FROM leases l WHERE l.campaign_id = c.id) THEN 'open' WHEN c.unknown_policy <> 'skip' AND ",
            counted!("'unknown'"),
            " > 0 THEN 'unsettled' WHEN EXISTS (SELECT 1 FROM campaigns k WHERE k.parent_id = c.id \
             AND k.state NOT IN ('finished', 'cancelled')) THEN 'child' END"
        )
    };
}
use {counted, stays};

/// `id, name, planned, over_at, stays`.
type OldRow = (i64, String, i64, i64, Option<String>);

impl Store {
    /// The campaigns that have been over since before `before` and whose single deliveries are still there, the oldest first.
    pub async fn old_campaigns(&self, before: Timestamp) -> Result<Vec<OldCampaign>, StoreError> {
        const OLD: &str = concat!(
            "SELECT * FROM (SELECT c.id, c.name, c.planned, ",
            over_at!(),
            " AS over_at, ",
            stays!(),
            " AS stays FROM campaigns c WHERE c.state IN ('finished', 'cancelled') AND c.planned > 0 \
             AND c.deliveries_removed_at IS NULL) AS o WHERE over_at < $1 ORDER BY id"
        );
        let rows: Vec<OldRow> =
            on_pool!(self, pool => sqlx::query_as(OLD).bind(before.0).fetch_all(pool).await)?;
        let mut old = Vec::with_capacity(rows.len());
        // What is asked of a part is asked once: it looks at every campaign of it.
        let mut waiting: BTreeMap<Part, bool> = BTreeMap::new();
        for (id, name, planned, over_at, stays) in rows {
            let id = CampaignId(id);
            let stays = match stays.as_deref() {
                Some("open") => Some(Stays::Open),
                Some("unsettled") => Some(Stays::Unsettled),
                Some(_) => Some(Stays::Child),
                None => {
                    let part = self.parts.of(id);
                    let waits = match waiting.get(&part) {
                        Some(waits) => *waits,
                        None => self.part_waits(part, before).await?,
                    };
                    waiting.insert(part, waits);
                    waits.then_some(Stays::Part)
                }
            };
            old.push(OldCampaign {
                id,
                name,
                planned,
                over_at: Timestamp(over_at),
                stays,
            });
        }
        Ok(old)
    }

    /// Marks a campaign whose deliveries go, if it has been over since before `before` and nothing speaks against it. From then on
    /// [`Store::drop_removed_parts`] and [`Store::delete_removed`] may remove them. Returns whether it is marked now; not if
    /// another process was first.
    pub async fn mark_removed(
        &self,
        campaign: CampaignId,
        before: Timestamp,
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const MARK: &str = concat!(
            "UPDATE campaigns SET deliveries_removed_at = $1 WHERE id = (SELECT c.id FROM campaigns c WHERE c.id = $2 \
             AND c.planned > 0 AND ",
            over_at!(),
            " < $3 AND ",
            stays!(),
            " IS NULL) AND deliveries_removed_at IS NULL RETURNING planned"
        );
        let mut tx = self.begin_write().await?;
        // Whoever resends, or makes a child, has locked it before or does so after this.
        lock_state(&mut tx, campaign).await?;
        let planned: Option<i64> = on_tx!(&mut tx, conn => sqlx::query_scalar(MARK).bind(now.0).bind(campaign.0)
            .bind(before.0).fetch_optional(conn).await)?;
        let Some(planned) = planned else {
            return Ok(false);
        };
        let (about, day) = (about(campaign), day(before));
        let detail = format!("{planned} deliveries of a campaign that was over before {day}");
        audit_in(&mut tx, by, "removed old deliveries", (&about, &detail), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Campaigns that are marked and of whose deliveries some are still there, but for those that go with their part.
    pub async fn removed_but_there(&self) -> Result<Vec<CampaignId>, StoreError> {
        const THERE: &str = "SELECT c.id FROM campaigns c WHERE c.deliveries_removed_at IS NOT NULL \
            AND EXISTS (SELECT 1 FROM deliveries d WHERE d.campaign_id = c.id) ORDER BY c.id";
        let ids: Vec<i64> = on_pool!(self, pool => sqlx::query_scalar(THERE).fetch_all(pool).await)?;
        let (mut there, mut whole) = (Vec::new(), BTreeMap::new());
        for id in ids.into_iter().map(CampaignId) {
            let part = self.parts.of(id);
            let goes_whole = match whole.get(&part) {
                Some(known) => *known,
                None => self.part_is_over(part).await?,
            };
            whole.insert(part, goes_whole);
            if !goes_whole {
                there.push(id);
            }
        }
        Ok(there)
    }

    /// Deletes the next deliveries of a marked campaign, at most `limit`, and their attempts. False if there were none.
    pub async fn delete_removed(&self, campaign: CampaignId, limit: i64) -> Result<bool, StoreError> {
        const FIRST: &str = "SELECT MIN(d.seq) FROM deliveries d WHERE d.campaign_id = $1 AND EXISTS \
            (SELECT 1 FROM campaigns c WHERE c.id = $1 AND c.deliveries_removed_at IS NOT NULL)";
        const DELETE: [&str; 2] = [
            "DELETE FROM attempts WHERE campaign_id = $1 AND seq < $2",
            "DELETE FROM deliveries WHERE campaign_id = $1 AND seq < $2",
        ];
        let first: Option<i64> =
            on_pool!(self, pool => sqlx::query_scalar(FIRST).bind(campaign.0).fetch_one(pool).await)?;
        let Some(first) = first.map(Seq) else {
            return Ok(false);
        };
        let mut tx = self.begin_write().await?;
        for text in DELETE {
            on_tx!(&mut tx, conn => sqlx::query(text).bind(campaign.0).bind(first.0.saturating_add(limit))
                .execute(conn).await.map(drop))?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// When single deliveries were last removed, whichever campaign's; never, if all are there.
    pub async fn last_removal(&self) -> Result<Option<Timestamp>, StoreError> {
        const LAST: &str = "SELECT MAX(deliveries_removed_at) FROM campaigns";
        let at: Option<i64> = on_pool!(self, pool => sqlx::query_scalar(LAST).fetch_one(pool).await)?;
        Ok(at.map(Timestamp))
    }
}

/// Refuses what would need to know who was reached, if that is not known any more. The campaign must be locked.
pub(crate) async fn check_deliveries_are_there(tx: &mut Tx, campaign: CampaignId) -> Result<(), StoreError> {
    const REMOVED: &str = "SELECT deliveries_removed_at FROM campaigns WHERE id = $1";
    let at: Option<i64> =
        on_tx!(tx, conn => sqlx::query_scalar(REMOVED).bind(campaign.0).fetch_one(conn).await)?;
    match at {
        None => Ok(()),
        Some(at) => Err(StoreError::DeliveriesRemoved {
            campaign,
            day: day(Timestamp(at)),
        }),
    }
}

/// `2026-12-01`
fn day(at: Timestamp) -> String {
    at.to_string().chars().take("2026-12-01".len()).collect()
}
