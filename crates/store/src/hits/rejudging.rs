//! Judging again what is kept, by rules that have changed.

use super::deltas::HitDeltas;
use super::reading::{HitRow, columns, kept_since, standings};
use super::writing::Writing;
use super::{Case, HitNames, Kept, Key, TRIES};
use crate::engine::{Store, Tx, on_tx};
use crate::error::StoreError;
use std::collections::BTreeMap;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;

/// Hits of one transaction, more or less: those of one recipient are judged together.
const BATCH: i64 = 2000;

/// What one batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejudged {
    /// So many hits were judged.
    pub hits: usize,
    /// Of so many another verdict or another rule is kept now.
    pub changed: usize,
    /// After whom the next batch begins; nothing if this was the last.
    pub next: Option<(CampaignId, RecipientId)>,
}

impl Store {
    /// Judges the next of the kept hits again, of one campaign or of all, and corrects the counters, in one transaction. `after`:
    /// what the batch before said; nothing at first. Senders and pages may go on meanwhile.
    pub async fn rejudge_hits(
        &self,
        campaign: Option<CampaignId>,
        after: Option<(CampaignId, RecipientId)>,
        names: &mut HitNames<'_>,
    ) -> Result<Rejudged, StoreError> {
        names.learn(self, &[]).await?;
        let first = campaign.map_or(CampaignId(0), |campaign| campaign);
        let after = after.unwrap_or((first, RecipientId(0)));
        let last = campaign.map_or(CampaignId(i64::MAX), |campaign| campaign);
        for _ in 0..TRIES {
            match self.try_rejudge(after, last, names).await {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => {}
                Err(error) if error.is_deadlock() => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Contended)
    }

    async fn try_rejudge(
        &self,
        after: Key,
        last: CampaignId,
        names: &mut HitNames<'_>,
    ) -> Result<Option<Rejudged>, StoreError> {
        let mut tx = self.begin_write().await?;
        let (recipients, next) = recipients_after(&mut tx, (after, last), names).await?;
        let asked = recipients.keys().map(|key| (*key, None)).collect();
        let Some(mut standings) = standings(&mut tx, asked).await? else {
            return Ok(None);
        };
        let (mut writing, mut deltas) = (Writing::default(), HitDeltas::default());
        let mut hits = 0;
        for (key, kept) in recipients {
            hits += kept.len();
            let case = Case::of_kept(key, standings.remove(&key).unwrap_or_default(), kept);
            let judged = case.judge(names.rules);
            case.settle(&judged, names, &mut writing, &mut deltas);
        }
        let changed = writing.corrected();
        if !writing.write(&mut tx, &mut deltas).await? {
            return Ok(None);
        }
        deltas.write(&mut tx, self.node()).await?;
        tx.commit().await?;
        Ok(Some(Rejudged { hits, changed, next }))
    }
}

/// All hits of the next recipients, and the last of them if there are more.
async fn recipients_after(
    tx: &mut Tx,
    (after, last): (Key, CampaignId),
    names: &mut HitNames<'_>,
) -> Result<(BTreeMap<Key, Vec<Kept>>, Option<Key>), StoreError> {
    const NEXT: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM hits h LEFT JOIN hit_agents a ON a.id = h.agent_id \
         WHERE (h.campaign_id, h.recipient_id) > ($1, $2) AND h.campaign_id <= $3 \
         ORDER BY h.campaign_id, h.recipient_id, h.at, h.target LIMIT $4"
    );
    let rows: Vec<HitRow> = on_tx!(&mut *tx, conn => sqlx::query_as(NEXT)
        .bind(after.0.0).bind(after.1.0).bind(last.0).bind(BATCH).fetch_all(conn).await)?;
    let is_last = rows.len() < usize::try_from(BATCH).expect("a batch is small");
    let mut recipients: BTreeMap<Key, Vec<Kept>> = BTreeMap::new();
    for row in rows {
        recipients.entry(row.key()).or_default().push(row.kept(names)?);
    }
    if is_last {
        return Ok((recipients, None));
    }
    // The last one may have been cut.
    if recipients.len() > 1 {
        recipients.pop_last();
    } else if let Some(only) = recipients.keys().next().copied() {
        recipients = kept_since(tx, &[(only, Timestamp(i64::MIN))], names)
            .await?
            .into_iter()
            .collect();
    }
    let next = recipients.keys().next_back().copied();
    Ok((recipients, next))
}
