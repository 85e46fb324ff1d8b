//! Writing what was judged.

use super::deltas::HitDeltas;
use super::reading::Standing;
use super::{Kept, Key};
use crate::bulk::{Bulk, Value, filled, pieces};
use crate::engine::{Tx, on_tx, values_list};
use crate::error::StoreError;
use std::collections::HashMap;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;
use tidings_feedback::hits::{HitKind, HitVerdict};

/// All that a batch writes, the counters excepted.
#[derive(Default)]
pub(super) struct Writing {
    new: Vec<[Value; 10]>,
    corrections: Vec<[Value; 8]>,
    standings: Vec<Change>,
    /// Seconds after its message within which a hit is kept.
    keep: i64,
}

struct Change {
    key: Key,
    old: Standing,
    new: Standing,
    /// Kept verdicts have changed, so that the greatest must be looked for.
    is_corrected: bool,
}

impl Writing {
    /// Keeps hits that come within so many seconds after their message.
    pub(super) fn keeping(keep: i64) -> Writing {
        Writing {
            keep,
            ..Writing::default()
        }
    }

    /// Keeps a new hit; false if it comes too late to be kept.
    pub(super) fn keep(
        &mut self,
        (campaign, recipient): Key,
        hit: &Kept,
        (verdict, rule): (HitVerdict, i64),
    ) -> bool {
        if hit.delay.is_some_and(|seconds| seconds > self.keep) {
            return false;
        }
        self.new.push([
            campaign.0.into(),
            recipient.0.into(),
            hit.at.0.into(),
            hit.target.number().into(),
            Value::Int(hit.delay),
            Value::Int(hit.agent_id),
            Value::Int(hit.network.map(|network| network.number())),
            hit.signs.into(),
            verdict.number().into(),
            rule.into(),
        ]);
        true
    }

    /// `hit` is judged otherwise now.
    pub(super) fn correct(
        &mut self,
        (campaign, recipient): Key,
        hit: &Kept,
        (verdict, rule): (HitVerdict, i64),
    ) {
        let Some((old, old_rule)) = hit.judged else {
            return;
        };
        self.corrections.push([
            campaign.0.into(),
            recipient.0.into(),
            hit.at.0.into(),
            hit.target.number().into(),
            old.number().into(),
            old_rule.into(),
            verdict.number().into(),
            rule.into(),
        ]);
    }

    pub(super) fn stands(&mut self, key: Key, old: Standing, new: Standing, is_corrected: bool) {
        if old != new || !old.is_kept || is_corrected {
            self.standings.push(Change {
                key,
                old,
                new,
                is_corrected,
            });
        }
    }

    /// How many kept hits are judged otherwise.
    pub(super) fn corrected(&self) -> usize {
        self.corrections.len()
    }

    /// Writes hits and standings, and adds to `deltas` what changes of the standings. False if a row was not as it had been
    /// read: then the transaction must not be committed.
    pub(super) async fn write(mut self, tx: &mut Tx, deltas: &mut HitDeltas) -> Result<bool, StoreError> {
        const KEEP: &str = "INSERT INTO hits (campaign_id, recipient_id, at, target, delay, agent_id, network, signs, verdict, \
            rule_id) VALUES ";
        const CORRECT: (&str, &str) = (
            "UPDATE hits SET verdict = v.column7, rule_id = v.column8 FROM (VALUES ",
            ") AS v WHERE hits.campaign_id = v.column1 AND hits.recipient_id = v.column2 AND hits.at = v.column3 \
             AND hits.target = v.column4 AND hits.verdict = v.column5 AND hits.rule_id = v.column6",
        );
        let once = " ON CONFLICT (campaign_id, recipient_id, at, target) DO NOTHING";
        if !run(tx, KEEP, once, self.new).await? || !run(tx, CORRECT.0, CORRECT.1, self.corrections).await? {
            return Ok(false);
        }
        recount(tx, &mut self.standings).await?;
        for Change { key, old, new, .. } in &self.standings {
            for (kind, old, new) in [
                (HitKind::Open, old.open, new.open),
                (HitKind::Click, old.click, new.click),
            ] {
                deltas.recipient(key.0, kind, old, -1);
                deltas.recipient(key.0, kind, new, 1);
            }
        }
        write_standings(tx, &self.standings).await
    }
}

/// Campaign and recipient; the greatest verdict of kept opens and of clicks; when the first of each came.
type GreatestRow = (i64, i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

/// The greatest verdict of what is kept, with when the first of it came. If the very first is not kept any more, what had
/// counted by it counts on.
fn counted(
    (greatest, first): (Option<i64>, Option<i64>),
    (old, very_first): (Option<HitVerdict>, Option<Timestamp>),
) -> Option<HitVerdict> {
    let greatest = greatest.and_then(HitVerdict::from_number);
    let is_all = very_first.is_none_or(|at| first.is_some_and(|first| first <= at.0));
    match is_all {
        true => greatest,
        false => greatest.max(old),
    }
}

/// The greatest verdicts of those whose kept hits were corrected, as they are in the database now.
async fn recount(tx: &mut Tx, standings: &mut [Change]) -> Result<(), StoreError> {
    let corrected: Vec<Key> = standings
        .iter()
        .filter(|change| change.is_corrected)
        .map(|change| change.key)
        .collect();
    let mut greatest = HashMap::with_capacity(corrected.len());
    for keys in pieces(&corrected) {
        let text = format!(
            "SELECT h.campaign_id, h.recipient_id, MAX(CASE WHEN h.target = 0 THEN h.verdict END), \
                MAX(CASE WHEN h.target > 0 THEN h.verdict END), \
                MIN(CASE WHEN h.target = 0 THEN h.at END), MIN(CASE WHEN h.target > 0 THEN h.at END) \
             FROM (VALUES {}) AS v JOIN hits h ON h.campaign_id = v.column1 AND h.recipient_id = v.column2 \
             GROUP BY h.campaign_id, h.recipient_id",
            values_list(keys.len(), 2, 1)
        );
        let text = tx.bulk_text(text);
        let rows: Vec<GreatestRow> = on_tx!(&mut *tx, conn => {
            let mut query = sqlx::query_as(text);
            for (campaign, recipient) in keys {
                query = query.bind(campaign.0).bind(recipient.0);
            }
            query.fetch_all(conn).await
        })?;
        for (campaign, recipient, open, click, opened_at, clicked_at) in rows {
            let key = (CampaignId(campaign), RecipientId(recipient));
            greatest.insert(key, [(open, opened_at), (click, clicked_at)]);
        }
    }
    for change in standings {
        if let Some([open, click]) = greatest.get(&change.key) {
            let old = &change.old;
            change.new.open = counted(*open, (old.open, old.opened_at));
            change.new.click = counted(*click, (old.click, old.clicked_at));
        }
    }
    Ok(())
}

async fn write_standings(tx: &mut Tx, standings: &[Change]) -> Result<bool, StoreError> {
    const ADD: &str = "INSERT INTO hit_recipients (campaign_id, recipient_id, open_verdict, opened_at, click_verdict, \
        clicked_at, trapped_at) VALUES ";
    const CHANGE: (&str, &str) = (
        "UPDATE hit_recipients SET open_verdict = v.column3, opened_at = v.column4, click_verdict = v.column5, \
         clicked_at = v.column6, trapped_at = v.column7 FROM (VALUES ",
        ") AS v WHERE hit_recipients.campaign_id = v.column1 AND hit_recipients.recipient_id = v.column2 \
         AND hit_recipients.open_verdict = v.column8 AND hit_recipients.click_verdict = v.column9",
    );
    let number = |verdict: Option<HitVerdict>| Value::from(verdict.map_or(-1, HitVerdict::number));
    let values = |change: &Change| -> [Value; 7] {
        [
            change.key.0.0.into(),
            change.key.1.0.into(),
            number(change.new.open),
            Value::Int(change.new.opened_at.map(|at| at.0)),
            number(change.new.click),
            Value::Int(change.new.clicked_at.map(|at| at.0)),
            Value::Int(change.new.trapped_at.map(|at| at.0)),
        ]
    };
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for change in standings {
        if change.old.is_kept {
            let [a, b, c, d, e, f, g] = values(change);
            let (open, click) = (number(change.old.open), number(change.old.click));
            changed.push([a, b, c, d, e, f, g, open, click]);
        } else {
            added.push(values(change));
        }
    }
    let once = " ON CONFLICT (campaign_id, recipient_id) DO NOTHING";
    Ok(run(tx, ADD, once, added).await? && run(tx, CHANGE.0, CHANGE.1, changed).await?)
}

/// Runs a statement for these rows; false if it did not change each. A row that stands there twice changes once.
async fn run<const N: usize>(
    tx: &mut Tx,
    before: &str,
    after: &str,
    rows: Vec<[Value; N]>,
) -> Result<bool, StoreError> {
    let (expected, mut changed) = (rows.len() as u64, 0);
    for rows in filled(rows) {
        let n = rows.len();
        let values = rows.into_iter().flatten().collect();
        let statement = Bulk::new(before, after, values, n, N, n as u64);
        changed += tx.run(statement).await?;
    }
    Ok(changed == expected)
}
