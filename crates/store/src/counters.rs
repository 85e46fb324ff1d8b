//! Sums that the pages read instead of the ledger, kept in the transaction that changes the ledger.

use crate::engine::{Tx, on_tx, values_list};
use crate::error::StoreError;
use std::collections::BTreeMap;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;

/// What a minute's counter is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MinuteKey {
    campaign: CampaignId,
    relay: String,
    provider: &'static str,
    outcome: &'static str,
    class: &'static str,
}

/// Changes gathered during a transaction and written once, at its end.
#[derive(Debug, Default)]
pub(crate) struct Deltas {
    states: BTreeMap<(CampaignId, DeliveryState), i64>,
    minutes: BTreeMap<MinuteKey, i64>,
}

/// Rows of one statement at most, far below SQLite's limit of 32,766 values.
const ROWS: usize = 500;

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

    /// Adds everything to this node's rows.
    pub(crate) async fn write(self, tx: &mut Tx, node: &str, now: Timestamp) -> Result<(), StoreError> {
        let states: Vec<_> = self.states.into_iter().filter(|(_, n)| *n != 0).collect();
        for rows in states.chunks(ROWS) {
            let text = tx.bulk_text(format!(
                "INSERT INTO campaign_counters (campaign_id, node, state, n) VALUES {} \
                 ON CONFLICT (campaign_id, node, state) DO UPDATE SET n = campaign_counters.n + excluded.n",
                values_list(rows.len(), 4, 1)
            ));
            on_tx!(tx, conn => {
                let mut query = sqlx::query(text);
                for ((campaign, state), n) in rows {
                    query = query.bind(campaign.0).bind(node).bind(state.as_str()).bind(*n);
                }
                query.execute(conn).await.map(drop)
            })?;
        }
        let minutes: Vec<_> = self.minutes.into_iter().collect();
        for rows in minutes.chunks(ROWS) {
            let text = tx.bulk_text(format!(
                "INSERT INTO send_counters (campaign_id, minute, node, relay, provider, outcome, class, n) VALUES {} \
                 ON CONFLICT (campaign_id, minute, node, relay, provider, outcome, class) \
                 DO UPDATE SET n = send_counters.n + excluded.n",
                values_list(rows.len(), 8, 1)
            ));
            on_tx!(tx, conn => {
                let mut query = sqlx::query(text);
                for (key, n) in rows {
                    query = query.bind(key.campaign.0).bind(now.minute()).bind(node).bind(&key.relay)
                        .bind(key.provider).bind(key.outcome).bind(key.class).bind(*n);
                }
                query.execute(conn).await.map(drop)
            })?;
        }
        Ok(())
    }
}
