//! What is known already of the recipients whose hits have come in.

use super::{Case, HitNames, Kept, Key, a_little_back, far_back};
use crate::bulk::pieces;
use crate::engine::{Tx, on_tx, values_list};
use crate::error::{StoreError, bad_row};
use std::collections::{BTreeMap, HashMap, HashSet};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::{HitRules, HitVerdict, Judged, Network};

/// What a recipient did with a campaign until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether there is a row.
    pub is_kept: bool,
    pub open: Option<HitVerdict>,
    pub opened_at: Option<Timestamp>,
    pub click: Option<HitVerdict>,
    pub clicked_at: Option<Timestamp>,
    pub trapped_at: Option<Timestamp>,
    /// When the relay took the message; in the far future while it is on the wire.
    sent_at: Option<Timestamp>,
}

/// Judges the new hits together with what is kept around them. `is_again`: a row with the time of a new one was there.
pub(super) async fn judged<'r>(
    tx: &mut Tx,
    new: BTreeMap<Key, Vec<Kept>>,
    rules: &'r HitRules,
    names: &HitNames,
    is_again: bool,
) -> Result<Vec<(Case, Vec<Judged<'r>>)>, StoreError> {
    let keys: Vec<Key> = new.keys().copied().collect();
    let mut standings = standings(tx, &keys).await?;
    let mut cases: Vec<Case> = new
        .into_iter()
        .map(|(key, hits)| Case::of_new(key, standings.remove(&key).unwrap_or_default(), hits))
        .collect();
    let known = |case: &Case| {
        let from = match case.is_trapped() {
            true => far_back,
            // What else came lately says nothing of an open.
            false if case.is_nothing_but_opens() && !is_again => return None,
            false => a_little_back,
        };
        case.standing.is_kept.then(|| (case.key, from(case.since)))
    };
    let wanted: Vec<_> = cases.iter().filter_map(known).collect();
    let mut around = kept_since(tx, &wanted).await?;
    let mut verdicts = Vec::with_capacity(cases.len());
    let mut suspicious = Vec::new();
    for case in &mut cases {
        case.add(around.remove(&case.key).unwrap_or_default());
        let judged = case.judge(rules);
        // Trapped ones have been read that far already.
        if !case.is_trapped() && case.is_suspicious(&judged, names) {
            suspicious.push((case.key, far_back(case.since)));
        }
        verdicts.push(judged);
    }
    let mut around = kept_since(tx, &suspicious).await?;
    for (case, judged) in cases.iter_mut().zip(&mut verdicts) {
        if let Some(kept) = around.remove(&case.key) {
            case.hits.retain(|hit| hit.judged.is_none());
            case.add(kept);
            *judged = case.judge(rules);
        }
    }
    Ok(cases.into_iter().zip(verdicts).collect())
}

impl Case {
    fn of_new(key: Key, standing: Standing, mut hits: Vec<Kept>) -> Case {
        hits.sort_by_key(|hit| hit.at);
        let since = hits.first().map_or(Timestamp(i64::MAX), |hit| hit.at);
        for hit in &mut hits {
            let delay = standing.sent_at.map(|sent| hit.at.since(sent).as_secs());
            hit.delay = delay.and_then(|seconds| i64::try_from(seconds).ok());
        }
        Case {
            key,
            standing,
            hits,
            since,
        }
    }

    /// All kept hits of a recipient, to be judged again.
    pub(super) fn of_kept(key: Key, standing: Standing, hits: Vec<Kept>) -> Case {
        Case {
            key,
            standing,
            hits,
            since: Timestamp(i64::MIN),
        }
    }

    fn is_nothing_but_opens(&self) -> bool {
        self.hits.iter().all(|hit| hit.target == HitTarget::Pixel)
    }

    /// Adds kept hits. Of hits at the same microsecond the new ones move on: the key of a row is its time.
    fn add(&mut self, kept: Vec<Kept>) {
        if kept.is_empty() && self.hits.len() == 1 {
            return;
        }
        let mut taken: HashSet<Timestamp> = kept.iter().map(|hit| hit.at).collect();
        for hit in &mut self.hits {
            while !taken.insert(hit.at) {
                hit.at = Timestamp(hit.at.0 + 1);
            }
        }
        self.hits.extend(kept);
        self.hits.sort_by_key(|hit| hit.at);
    }

    pub(super) fn judge<'r>(&self, rules: &'r HitRules) -> Vec<Judged<'r>> {
        let evidence: Vec<_> = self.hits.iter().map(Kept::evidence).collect();
        rules.judge(&evidence)
    }
}

#[derive(sqlx::FromRow)]
struct StandingRow {
    campaign_id: i64,
    recipient_id: i64,
    sent_at: Option<i64>,
    open_verdict: Option<i64>,
    opened_at: Option<i64>,
    click_verdict: Option<i64>,
    clicked_at: Option<i64>,
    trapped_at: Option<i64>,
}

/// Of the recipients of whom nothing is known there is none.
pub(super) async fn standings(tx: &mut Tx, keys: &[Key]) -> Result<HashMap<Key, Standing>, StoreError> {
    let mut standings = HashMap::with_capacity(keys.len());
    for keys in pieces(keys) {
        // A look-up for each, not a join: for that PostgreSQL may read all parts of the ledger.
        let text = format!(
            "SELECT v.column1 AS campaign_id, v.column2 AS recipient_id, \
                (SELECT CASE d.state WHEN 'accepted' THEN d.settled_at WHEN 'unknown' THEN d.settled_at \
                    WHEN 'on_wire' THEN 9223372036854775807 END FROM deliveries d \
                    WHERE d.recipient_id = v.column2 AND d.campaign_id = v.column1) AS sent_at, \
                r.open_verdict, r.opened_at, r.click_verdict, r.clicked_at, r.trapped_at \
             FROM (VALUES {}) AS v \
             LEFT JOIN hit_recipients r ON r.campaign_id = v.column1 AND r.recipient_id = v.column2",
            values_list(keys.len(), 2, 1)
        );
        let text = tx.bulk_text(text);
        let rows: Vec<StandingRow> = on_tx!(&mut *tx, conn => {
            let mut query = sqlx::query_as(text);
            for (campaign, recipient) in keys {
                query = query.bind(campaign.0).bind(recipient.0);
            }
            query.fetch_all(conn).await
        })?;
        for row in rows {
            let standing = Standing {
                is_kept: row.open_verdict.is_some(),
                open: row.open_verdict.and_then(HitVerdict::from_number),
                opened_at: row.opened_at.map(Timestamp),
                click: row.click_verdict.and_then(HitVerdict::from_number),
                clicked_at: row.clicked_at.map(Timestamp),
                trapped_at: row.trapped_at.map(Timestamp),
                sent_at: row.sent_at.map(Timestamp),
            };
            let key = (CampaignId(row.campaign_id), RecipientId(row.recipient_id));
            standings.insert(key, standing);
        }
    }
    Ok(standings)
}

#[derive(sqlx::FromRow)]
pub(super) struct HitRow {
    campaign_id: i64,
    recipient_id: i64,
    at: i64,
    target: i64,
    delay: Option<i64>,
    agent_id: Option<i64>,
    agent: Option<String>,
    network: Option<i64>,
    signs: i64,
    verdict: i64,
    rule_id: i64,
}

macro_rules! columns {
    () => {
        "h.campaign_id, h.recipient_id, h.at, h.target, h.delay, h.agent_id, a.name AS agent, h.network, h.signs, h.verdict, \
         h.rule_id"
    };
}
pub(super) use columns;

impl HitRow {
    pub(super) fn key(&self) -> Key {
        (CampaignId(self.campaign_id), RecipientId(self.recipient_id))
    }
}

impl TryFrom<HitRow> for Kept {
    type Error = StoreError;

    fn try_from(row: HitRow) -> Result<Kept, StoreError> {
        let bad = |problem: &str| {
            let place = format!(
                "campaign {}, recipient {}, {}",
                row.campaign_id, row.recipient_id, row.at
            );
            bad_row("hits", place, problem)
        };
        let verdict = HitVerdict::from_number(row.verdict).ok_or_else(|| bad("unknown verdict"))?;
        Ok(Kept {
            at: Timestamp(row.at),
            target: HitTarget::from_number(row.target).ok_or_else(|| bad("unknown target"))?,
            delay: row.delay,
            agent_id: row.agent_id,
            network: row.network.and_then(Network::from_number),
            signs: row.signs,
            judged: Some((verdict, row.rule_id)),
            agent: row.agent.unwrap_or_default(),
        })
    }
}

/// The kept hits of each recipient since a moment of its own, in the order of time.
pub(super) async fn kept_since(
    tx: &mut Tx,
    wanted: &[(Key, Timestamp)],
) -> Result<HashMap<Key, Vec<Kept>>, StoreError> {
    let mut kept: HashMap<Key, Vec<Kept>> = HashMap::new();
    for wanted in pieces(wanted) {
        let text = format!(
            concat!(
                "SELECT ",
                columns!(),
                " FROM (VALUES {}) AS v JOIN hits h ON h.campaign_id = v.column1 AND h.recipient_id = v.column2 \
                 AND h.at >= v.column3 LEFT JOIN hit_agents a ON a.id = h.agent_id"
            ),
            values_list(wanted.len(), 3, 1)
        );
        let text = tx.bulk_text(text);
        let rows: Vec<HitRow> = on_tx!(&mut *tx, conn => {
            let mut query = sqlx::query_as(text);
            for ((campaign, recipient), since) in wanted {
                query = query.bind(campaign.0).bind(recipient.0).bind(since.0);
            }
            query.fetch_all(conn).await
        })?;
        for row in rows {
            kept.entry(row.key()).or_default().push(row.try_into()?);
        }
    }
    for hits in kept.values_mut() {
        hits.sort_by_key(|hit| hit.at);
    }
    Ok(kept)
}
