//! What a batch changes of the counters.

use crate::bulk::{Bulk, Value};
use crate::engine::Tx;
use crate::error::StoreError;
use std::collections::BTreeMap;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::{HitKind, HitVerdict};

/// Changes gathered during a transaction and written once, at its end.
#[derive(Debug, Default)]
pub(super) struct HitDeltas {
    hits: BTreeMap<(CampaignId, i64, i64, HitVerdict), i64>,
    recipients: BTreeMap<(CampaignId, HitKind, HitVerdict), i64>,
}

/// The number of the hour, since 1970.
pub(super) fn hour_of(at: Timestamp) -> i64 {
    at.minute().div_euclid(60)
}

/// Rows of one statement at most.
const ROWS: usize = 500;

impl HitDeltas {
    /// `n` hits of that hour have this verdict now (or have not, if negative).
    pub(super) fn hit(
        &mut self,
        campaign: CampaignId,
        at: Timestamp,
        target: HitTarget,
        verdict: HitVerdict,
        n: i64,
    ) {
        self.counted(campaign, hour_of(at), target, verdict, n);
    }

    /// The same by the hour's number.
    pub(super) fn counted(
        &mut self,
        campaign: CampaignId,
        hour: i64,
        target: HitTarget,
        verdict: HitVerdict,
        n: i64,
    ) {
        let key = (campaign, hour, target.number(), verdict);
        *self.hits.entry(key).or_default() += n;
    }

    /// The greatest verdict of `n` recipients is this now (or is not any more). Nothing: they did not do it.
    pub(super) fn recipient(
        &mut self,
        campaign: CampaignId,
        kind: HitKind,
        verdict: Option<HitVerdict>,
        n: i64,
    ) {
        if let Some(verdict) = verdict {
            *self.recipients.entry((campaign, kind, verdict)).or_default() += n;
        }
    }

    /// Adds everything to this node's rows.
    pub(super) async fn write(self, tx: &mut Tx, node: &str) -> Result<(), StoreError> {
        const HITS: (&str, &str) = (
            "INSERT INTO hit_counters (campaign_id, hour, node, target, verdict, n) VALUES ",
            " ON CONFLICT (campaign_id, hour, node, target, verdict) DO UPDATE SET n = hit_counters.n + excluded.n",
        );
        const RECIPIENTS: (&str, &str) = (
            "INSERT INTO hit_recipient_counters (campaign_id, node, kind, verdict, n) VALUES ",
            " ON CONFLICT (campaign_id, node, kind, verdict) DO UPDATE SET n = hit_recipient_counters.n + excluded.n",
        );
        let hits: Vec<[Value; 6]> = self
            .hits
            .into_iter()
            .filter(|(_, n)| *n != 0)
            .map(|((campaign, hour, target, verdict), n)| {
                let verdict = verdict.number();
                [
                    campaign.0.into(),
                    hour.into(),
                    node.into(),
                    target.into(),
                    verdict.into(),
                    n.into(),
                ]
            })
            .collect();
        let recipients: Vec<[Value; 5]> = self
            .recipients
            .into_iter()
            .filter(|(_, n)| *n != 0)
            .map(|((campaign, kind, verdict), n)| {
                let verdict = verdict.number();
                [
                    campaign.0.into(),
                    node.into(),
                    kind.as_str().into(),
                    verdict.into(),
                    n.into(),
                ]
            })
            .collect();
        add(tx, HITS, hits).await?;
        add(tx, RECIPIENTS, recipients).await
    }
}

async fn add<const N: usize>(
    tx: &mut Tx,
    (before, after): (&str, &str),
    rows: Vec<[Value; N]>,
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS) {
        let values = rows.iter().flatten().cloned().collect();
        let n = rows.len();
        tx.run(Bulk::new(before, after, values, n, N, n as u64)).await?;
    }
    Ok(())
}
