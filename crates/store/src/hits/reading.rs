//! What is known already of the recipients whose hits have come in.

use super::{Case, HitNames, Kept, Key, a_little_back, far_back};
use crate::bulk::{filled, pieces};
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
    /// Whether there are hits since the moment that was asked for.
    has_hits_since: bool,
}

/// Judges the new hits together with what is kept around them. `is_again`: a row with the time of a new one was there. Nothing if
/// somebody else wrote the same rows meanwhile.
pub(super) async fn judged<'r>(
    tx: &mut Tx,
    new: BTreeMap<Key, Vec<Kept>>,
    names: &mut HitNames<'r>,
    is_again: bool,
) -> Result<Option<Vec<(Case, Vec<Judged<'r>>)>>, StoreError> {
    let asked = new.iter().map(|(key, hits)| {
        // What else came lately says nothing of an open.
        let since = (is_again || !is_nothing_but_opens(hits)).then(|| a_little_back(first_of(hits)));
        (*key, since)
    });
    let Some(mut standings) = standings(tx, asked.collect()).await? else {
        return Ok(None);
    };
    let mut cases: Vec<Case> = new
        .into_iter()
        .map(|(key, hits)| Case::of_new(key, standings.remove(&key).unwrap_or_default(), hits))
        .collect();
    let known = |case: &Case| {
        let from = match case.is_trapped() {
            true => far_back,
            false if case.standing.has_hits_since => a_little_back,
            false => return None,
        };
        case.standing.is_kept.then(|| (case.key, from(case.since)))
    };
    let wanted: Vec<_> = cases.iter().filter_map(known).collect();
    let mut around = kept_since(tx, &wanted, names).await?;
    let mut verdicts = Vec::with_capacity(cases.len());
    let mut suspicious = Vec::new();
    for case in &mut cases {
        case.add(around.remove(&case.key).unwrap_or_default());
        let judged = case.judge(names.rules);
        // Trapped ones have been read that far already.
        if !case.is_trapped() && case.is_suspicious(&judged, names) {
            suspicious.push((case.key, far_back(case.since)));
        }
        verdicts.push(judged);
    }
    let mut around = kept_since(tx, &suspicious, names).await?;
    for (case, judged) in cases.iter_mut().zip(&mut verdicts) {
        if let Some(kept) = around.remove(&case.key) {
            case.hits.retain(|hit| hit.judged.is_none());
            case.add(kept);
            *judged = case.judge(names.rules);
        }
    }
    Ok(Some(cases.into_iter().zip(verdicts).collect()))
}

fn is_nothing_but_opens(hits: &[Kept]) -> bool {
    hits.iter().all(|hit| hit.target == HitTarget::Pixel)
}

/// When the first of them came.
fn first_of(hits: &[Kept]) -> Timestamp {
    let first = hits.iter().map(|hit| hit.at).min();
    first.unwrap_or(Timestamp(i64::MAX))
}

impl Case {
    fn of_new(key: Key, standing: Standing, mut hits: Vec<Kept>) -> Case {
        hits.sort_by_key(|hit| hit.at);
        let since = first_of(&hits);
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

/// What is known of the recipients, of whom nothing is known of some. With a moment it is asked too whether there are hits since.
/// Until the transaction ends nobody else judges hits of those of whom something is known, so what is read of them from now on stays
/// true. Nothing if somebody else has just written of one for the first time.
///
/// It comes as one text: SQLite's driver takes longer to hand over a row of eight columns than SQLite to find it.
pub(super) async fn standings(
    tx: &mut Tx,
    asked: Vec<(Key, Option<Timestamp>)>,
) -> Result<Option<HashMap<Key, Standing>>, StoreError> {
    // A look-up for each, not a join: for that PostgreSQL may read all parts of the ledger.
    const FIND: &str = "SELECT STRING_AGG( \
            CAST(v.column1 AS TEXT) || ',' || CAST(v.column2 AS TEXT) || ',' || COALESCE(CAST( \
                (SELECT CASE d.state WHEN 'accepted' THEN d.settled_at WHEN 'unknown' THEN d.settled_at \
                    WHEN 'on_wire' THEN 9223372036854775807 END FROM deliveries d \
                    WHERE d.recipient_id = v.column2 AND d.campaign_id = v.column1) AS TEXT), '') || \
            CASE WHEN r.open_verdict IS NULL THEN '' ELSE \
                ',' || CAST(r.open_verdict AS TEXT) || ',' || COALESCE(CAST(r.opened_at AS TEXT), '') || \
                ',' || CAST(r.click_verdict AS TEXT) || ',' || COALESCE(CAST(r.clicked_at AS TEXT), '') || \
                ',' || COALESCE(CAST(r.trapped_at AS TEXT), '') || ',' || \
                CASE WHEN v.column3 IS NOT NULL AND EXISTS (SELECT 1 FROM hits h WHERE h.campaign_id = v.column1 \
                    AND h.recipient_id = v.column2 AND h.at >= v.column3) THEN '1' ELSE '' END \
            END, ';') FROM (VALUES ";
    const KNOWN: &str =
        ") AS v LEFT JOIN hit_recipients r ON r.campaign_id = v.column1 AND r.recipient_id = v.column2";
    let mut standings = HashMap::with_capacity(asked.len());
    for asked in filled(asked) {
        let held = hold(tx, &asked).await?;
        let mut kept = HashSet::new();
        let text = tx.text_with_rows(FIND, (asked.len(), 3), KNOWN);
        let found: Option<String> = on_tx!(&mut *tx, conn => {
            let mut query = sqlx::query_scalar(text);
            for ((campaign, recipient), since) in asked {
                query = query.bind(campaign.0).bind(recipient.0).bind(since.map(|at| at.0));
            }
            query.fetch_one(conn).await
        })?;
        for text in found.iter().flat_map(|found| found.split(';')) {
            let (key, standing) =
                Standing::read(text).ok_or_else(|| bad_row("hit_recipients", text, "not numbers"))?;
            if standing.is_kept {
                kept.insert(key);
            }
            standings.insert(key, standing);
        }
        if held.is_some_and(|held| held != kept.len()) {
            return Ok(None);
        }
    }
    Ok(Some(standings))
}

/// Waits for whoever judges hits of these recipients, and lets nobody else do so until the transaction ends. How many recipients are held
/// so: those who have a row. Nothing on SQLite, where nobody else writes anyway.
async fn hold(tx: &mut Tx, asked: &[(Key, Option<Timestamp>)]) -> Result<Option<usize>, StoreError> {
    // In the order of the keys, so that no two wait for each other.
    const HOLD: &str = "WITH held AS MATERIALIZED (SELECT r.campaign_id, r.recipient_id FROM (VALUES ";
    const IN_ORDER: &str = ") AS v JOIN hit_recipients r ON r.campaign_id = v.column1 AND r.recipient_id = v.column2 \
         ORDER BY r.campaign_id, r.recipient_id FOR NO KEY UPDATE OF r) \
         SELECT COUNT(DISTINCT (campaign_id, recipient_id)) FROM held";
    if matches!(tx, Tx::Sqlite(_)) {
        return Ok(None);
    }
    let text = tx.text_with_rows(HOLD, (asked.len(), 2), IN_ORDER);
    let held: i64 = on_tx!(&mut *tx, conn => {
        let mut query = sqlx::query_scalar(text);
        for ((campaign, recipient), _) in asked {
            query = query.bind(campaign.0).bind(recipient.0);
        }
        query.fetch_one(conn).await
    })?;
    Ok(usize::try_from(held).ok())
}

impl Standing {
    /// From the numbers of `standings`, some of which may be empty; after the first three there may be no more.
    fn read(text: &str) -> Option<(Key, Standing)> {
        let mut numbers = text.split(',');
        let mut next = || match numbers.next() {
            None | Some("") => Some(None),
            Some(number) => number.parse::<i64>().ok().map(Some),
        };
        let key = (CampaignId(next()??), RecipientId(next()??));
        let sent_at = next()?.map(Timestamp);
        let open = next()?;
        let standing = Standing {
            sent_at,
            is_kept: open.is_some(),
            open: open.and_then(HitVerdict::from_number),
            opened_at: next()?.map(Timestamp),
            click: next()?.and_then(HitVerdict::from_number),
            clicked_at: next()?.map(Timestamp),
            trapped_at: next()?.map(Timestamp),
            has_hits_since: next()?.is_some(),
        };
        Some((key, standing))
    }
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

    pub(super) fn kept(self, names: &mut HitNames<'_>) -> Result<Kept, StoreError> {
        let bad = |problem: &str| {
            let place = format!(
                "campaign {}, recipient {}, {}",
                self.campaign_id, self.recipient_id, self.at
            );
            bad_row("hits", place, problem)
        };
        let verdict = HitVerdict::from_number(self.verdict).ok_or_else(|| bad("unknown verdict"))?;
        Ok(Kept {
            at: Timestamp(self.at),
            target: HitTarget::from_number(self.target).ok_or_else(|| bad("unknown target"))?,
            delay: self.delay,
            agent_id: self.agent_id,
            agent: names.agent(self.agent.as_deref().unwrap_or_default()),
            network: self.network.and_then(Network::from_number),
            signs: self.signs,
            judged: Some((verdict, self.rule_id)),
        })
    }
}

/// The kept hits of each recipient since a moment of its own, in the order of time.
pub(super) async fn kept_since(
    tx: &mut Tx,
    wanted: &[(Key, Timestamp)],
    names: &mut HitNames<'_>,
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
            kept.entry(row.key()).or_default().push(row.kept(names)?);
        }
    }
    for hits in kept.values_mut() {
        hits.sort_by_key(|hit| hit.at);
    }
    Ok(kept)
}
