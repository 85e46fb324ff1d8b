//! Sums that the pages read instead of the ledger, kept in the transaction that changes the ledger.

use crate::bulk::{Bulk, Value};
use crate::engine::{Store, Tx, on_pool};
use crate::error::StoreError;
use std::collections::BTreeMap;
use tidings_campaign::ids::{CampaignId, ListId};
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::recipient::Subscription;
use tidings_campaign::time::Timestamp;
use tidings_feedback::verdict::Verdict;

/// What a minute's counter is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MinuteKey {
    campaign: CampaignId,
    relay: String,
    provider: &'static str,
    outcome: &'static str,
    class: &'static str,
}

/// What an hour's counter of bounces is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HourKey {
    campaign: CampaignId,
    relay: String,
    provider: String,
    kind: &'static str,
    class: &'static str,
    cause: &'static str,
    reason: &'static str,
}

/// Changes gathered during a transaction and written once, at its end.
#[derive(Debug, Default)]
pub(crate) struct Deltas {
    states: BTreeMap<(CampaignId, DeliveryState), i64>,
    minutes: BTreeMap<MinuteKey, i64>,
    hours: BTreeMap<HourKey, i64>,
    lists: BTreeMap<ListId, i64>,
}

/// Rows of one statement at most, far below SQLite's limit of 32,766 values.
const ROWS: usize = 500;

impl Store {
    /// How many deliveries of a campaign have no outcome yet, retries that wait included.
    pub async fn count_open(&self, campaign: CampaignId) -> Result<u64, StoreError> {
        const OPEN: &str = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM campaign_counters \
            WHERE campaign_id = $1 AND state IN ('planned', 'leased', 'on_wire', 'deferred')";
        let n: i64 = on_pool!(self, pool => sqlx::query_scalar(OPEN).bind(campaign.0).fetch_one(pool).await)?;
        Ok(u64::try_from(n).unwrap_or_default())
    }
}

impl Deltas {
    /// `n` deliveries came into `state` (or left it, if negative).
    pub(crate) fn state(&mut self, campaign: CampaignId, state: DeliveryState, n: i64) {
        *self.states.entry((campaign, state)).or_default() += n;
    }

    /// A delivery went from one state to another.
    pub(crate) fn moved(&mut self, campaign: CampaignId, from: DeliveryState, to: DeliveryState, n: i64) {
        self.state(campaign, from, -n);
        self.state(campaign, to, n);
    }

    /// Something happened in this minute.
    pub(crate) fn happened(
        &mut self,
        campaign: CampaignId,
        relay: &str,
        provider: &'static str,
        outcome: &'static str,
        class: &'static str,
        n: i64,
    ) {
        let key = MinuteKey {
            campaign,
            relay: relay.to_owned(),
            provider,
            outcome,
            class,
        };
        *self.minutes.entry(key).or_default() += n;
    }

    /// Something was said of a delivery, by a refusal (`kind`: the outcome's word) or by a report (the word of its
    /// `EventKind`).
    pub(crate) fn said(
        &mut self,
        campaign: CampaignId,
        relay: &str,
        provider: &str,
        kind: &'static str,
        verdict: &Verdict,
    ) {
        let key = HourKey {
            campaign,
            relay: relay.to_owned(),
            provider: provider.to_owned(),
            kind,
            class: verdict.class.as_str(),
            cause: verdict.cause.as_str(),
            reason: verdict.reason,
        };
        *self.hours.entry(key).or_default() += 1;
    }

    /// `n` recipients came to be confirmed on a list (or are so no more, if negative).
    pub(crate) fn confirmed(&mut self, list: ListId, n: i64) {
        *self.lists.entry(list).or_default() += n;
    }

    /// These lists have lost a confirmed recipient each, as often as they are named: what statements that change standings
    /// return.
    pub(crate) fn lost(&mut self, lists: impl IntoIterator<Item = i64>) {
        for list in lists {
            self.confirmed(ListId(list), -1);
        }
    }

    /// The statements that add everything to this node's rows.
    pub(crate) fn statements(self, node: &str, now: Timestamp) -> Vec<Bulk> {
        let states: Vec<_> = self.states.into_iter().filter(|(_, n)| *n != 0).collect();
        let minutes: Vec<_> = self.minutes.into_iter().collect();
        let hours: Vec<_> = self.hours.into_iter().collect();
        let states = states.chunks(ROWS).map(|rows| {
            let values = rows.iter().flat_map(|((campaign, state), n)| {
                [campaign.0.into(), node.into(), state.as_str().into(), (*n).into()]
            });
            Bulk::new(
                "INSERT INTO campaign_counters (campaign_id, node, state, n) VALUES ",
                " ON CONFLICT (campaign_id, node, state) DO UPDATE SET n = campaign_counters.n + excluded.n",
                values.collect(),
                rows.len(),
                4,
                rows.len() as u64,
            )
        });
        let minutes = minutes.chunks(ROWS).map(|rows| {
            let values = rows.iter().flat_map(|(key, n)| -> [Value; 8] {
                [
                    key.campaign.0.into(),
                    now.minute().into(),
                    node.into(),
                    key.relay.as_str().into(),
                    key.provider.into(),
                    key.outcome.into(),
                    key.class.into(),
                    (*n).into(),
                ]
            });
            Bulk::new(
                "INSERT INTO send_counters (campaign_id, minute, node, relay, provider, outcome, class, n) VALUES ",
                " ON CONFLICT (campaign_id, minute, node, relay, provider, outcome, class) \
                 DO UPDATE SET n = send_counters.n + excluded.n",
                values.collect(),
                rows.len(),
                8,
                rows.len() as u64,
            )
        });
        let hours = hours.chunks(ROWS).map(|rows| adding_to_hours(rows, node, now));
        let lists: Vec<_> = self.lists.into_iter().filter(|(_, n)| *n != 0).collect();
        let lists = lists.chunks(ROWS).map(|rows| {
            let values = rows
                .iter()
                .flat_map(|(list, n)| [list.0.into(), node.into(), (*n).into()]);
            Bulk::new(
                "INSERT INTO list_counters (list_id, node, n) VALUES ",
                " ON CONFLICT (list_id, node) DO UPDATE SET n = list_counters.n + excluded.n",
                values.collect(),
                rows.len(),
                3,
                rows.len() as u64,
            )
        });
        states.chain(minutes).chain(hours).chain(lists).collect()
    }

    /// Adds everything to this node's rows.
    pub(crate) async fn write(self, tx: &mut Tx, node: &str, now: Timestamp) -> Result<(), StoreError> {
        for statement in self.statements(node, now) {
            tx.run(statement).await?;
        }
        Ok(())
    }
}

/// The lists of those standings that are confirmed.
pub(crate) fn confirmed(standings: Vec<(i64, String)>) -> impl Iterator<Item = i64> {
    standings
        .into_iter()
        .filter(|(_, state)| state == Subscription::Confirmed.as_str())
        .map(|(list, _)| list)
}

fn adding_to_hours(rows: &[(HourKey, i64)], node: &str, now: Timestamp) -> Bulk {
    let values = rows.iter().flat_map(|(key, n)| -> [Value; 10] {
        [
            key.campaign.0.into(),
            hour(now).into(),
            node.into(),
            key.relay.as_str().into(),
            key.provider.as_str().into(),
            key.kind.into(),
            key.class.into(),
            key.cause.into(),
            key.reason.into(),
            (*n).into(),
        ]
    });
    Bulk::new(
        "INSERT INTO bounce_counters (campaign_id, hour, node, relay, provider, kind, class, cause, reason, n) VALUES ",
        " ON CONFLICT (campaign_id, hour, node, relay, provider, kind, class, cause, reason) \
         DO UPDATE SET n = bounce_counters.n + excluded.n",
        values.collect(),
        rows.len(),
        10,
        rows.len() as u64,
    )
}

/// Hours since 1970, as the counters of bounces have them.
pub(crate) fn hour(at: Timestamp) -> i64 {
    at.minute().div_euclid(60)
}
