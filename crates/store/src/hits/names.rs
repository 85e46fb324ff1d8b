//! Names of programs and rules, kept once each and written as numbers.

use super::{Kept, NewHit};
use crate::bulk::Bulk;
use crate::engine::{Store, Tx, on_tx, values_list};
use crate::error::StoreError;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tidings_feedback::hits::{Agent, HitRules, LONGEST_AGENT};
use tidings_feedback::rules::cut;

/// Agents are what strangers call themselves. So many different ones are kept; the rest share one name.
const MOST_AGENTS: i64 = 100_000;
/// The name that they share.
const OTHER: &str = "(one of too many)";
/// So many are remembered here.
const REMEMBERED: usize = 20_000;
/// Names of one statement.
const ROWS: usize = 200;

/// The rules that judge, and the numbers of names, remembered from batch to batch: what is in the database stays there.
#[derive(Debug)]
pub struct HitNames<'r> {
    pub(super) rules: &'r HitRules,
    rule_ids: HashMap<String, i64>,
    agents: HashMap<String, KnownAgent>,
    /// Some of the programs' numbers are of a transaction that is not known to be committed.
    is_unsure: bool,
}

#[derive(Clone, Debug)]
struct KnownAgent {
    /// Nothing: it has not been needed.
    id: Option<i64>,
    agent: Arc<Agent>,
}

impl<'r> HitNames<'r> {
    /// Nothing is known yet.
    pub fn new(rules: &'r HitRules) -> HitNames<'r> {
        HitNames {
            rules,
            rule_ids: HashMap::new(),
            agents: HashMap::new(),
            is_unsure: false,
        }
    }

    /// Finds or makes the numbers of all names that these hits need.
    pub(super) async fn learn(&mut self, store: &Store, hits: &[NewHit]) -> Result<(), StoreError> {
        self.learn_rules(store).await?;
        // Nothing is kept of anonymous ones.
        let of_recipients = hits.iter().filter(|hit| hit.recipient.is_some());
        let unknown = self.unknown(of_recipients.map(|hit| hit.agent.as_str()));
        if !unknown.is_empty() {
            let mut tx = store.begin_write().await?;
            let learnt = learn_agents(&mut tx, unknown).await?;
            tx.commit().await?;
            self.remember(learnt);
        }
        Ok(())
    }

    /// The same of programs, in a transaction. Unless [`committed`](HitNames::committed) follows, it is forgotten again: whoever waits may
    /// give up in the middle.
    pub(super) async fn learn_in(&mut self, tx: &mut Tx, agents: &[String]) -> Result<(), StoreError> {
        let unknown = self.unknown(agents.iter().map(String::as_str));
        if !unknown.is_empty() {
            let learnt = learn_agents(tx, unknown).await?;
            self.is_unsure = true;
            self.remember(learnt);
        }
        Ok(())
    }

    /// The transaction was committed.
    pub(super) fn committed(&mut self) {
        self.is_unsure = false;
    }

    /// Finds or makes the numbers of the rules.
    pub(super) async fn learn_rules(&mut self, store: &Store) -> Result<(), StoreError> {
        let unknown_rules: BTreeSet<&str> = self
            .rules
            .names()
            .filter(|name| !self.rule_ids.contains_key(*name))
            .collect();
        if !unknown_rules.is_empty() {
            let mut tx = store.begin_write().await?;
            let learnt = find_or_make(&mut tx, "hit_rules", unknown_rules).await?;
            tx.commit().await?;
            self.rule_ids.extend(learnt);
        }
        Ok(())
    }

    /// Those that have no number here.
    fn unknown<'n>(&mut self, agents: impl Iterator<Item = &'n str>) -> BTreeSet<&'n str> {
        if self.agents.len() > REMEMBERED || self.is_unsure {
            self.agents.clear();
            self.is_unsure = false;
        }
        agents
            .map(name_of)
            .filter(|name| !name.is_empty() && self.agents.get(*name).is_none_or(|known| known.id.is_none()))
            .collect()
    }

    fn remember(&mut self, learnt: HashMap<String, i64>) {
        for (name, id) in learnt {
            let agent = self.known(&name).agent;
            self.agents.insert(name, KnownAgent { id: Some(id), agent });
        }
    }

    /// What is remembered of a program, which is looked through if it is new here.
    fn known(&mut self, name: &str) -> KnownAgent {
        if let Some(known) = self.agents.get(name) {
            return known.clone();
        }
        let agent = Arc::new(self.rules.look_through(name));
        let known = KnownAgent { id: None, agent };
        self.agents.insert(name.to_owned(), known.clone());
        known
    }

    /// A program as the rules see it.
    pub(super) fn agent(&mut self, name: &str) -> Arc<Agent> {
        self.known(name).agent
    }

    /// A new hit with its numbers; its delay is not known yet.
    pub(super) fn kept(&mut self, hit: &NewHit) -> Kept {
        let known = self.known(name_of(&hit.agent));
        Kept {
            at: hit.at,
            target: hit.target,
            delay: None,
            agent_id: known.id,
            agent: known.agent,
            network: hit.network,
            signs: hit.signs(),
            judged: None,
        }
    }

    /// The number of a program, if it has a name, and what the rules see of it.
    pub(super) fn agent_with_id(&mut self, name: &str) -> (Option<i64>, Arc<Agent>) {
        let known = self.known(name_of(name));
        (known.id, known.agent)
    }

    /// The number of a rule.
    pub(super) fn rule(&self, name: &str) -> i64 {
        self.rule_ids.get(name).copied().unwrap_or_default()
    }
}

/// Finds or makes the numbers of programs.
async fn learn_agents(tx: &mut Tx, unknown: BTreeSet<&str>) -> Result<HashMap<String, i64>, StoreError> {
    const HIGHEST: &str = "SELECT COALESCE(MAX(id), 0) FROM hit_agents";
    let highest: i64 = on_tx!(&mut *tx, conn => sqlx::query_scalar(HIGHEST).fetch_one(conn).await)?;
    if highest < MOST_AGENTS {
        return find_or_make(tx, "hit_agents", unknown).await;
    }
    let found = find(tx, "hit_agents", &unknown).await?;
    let other = find_or_make(tx, "hit_agents", BTreeSet::from([OTHER])).await?[OTHER];
    let or_other = |name: &str| (name.to_owned(), found.get(name).copied().unwrap_or(other));
    Ok(unknown.into_iter().map(or_other).collect())
}

/// What is kept of a user agent.
pub(super) fn name_of(agent: &str) -> &str {
    cut(agent, LONGEST_AGENT).trim()
}

async fn find_or_make(
    tx: &mut Tx,
    table: &str,
    names: BTreeSet<&str>,
) -> Result<HashMap<String, i64>, StoreError> {
    let mut found = find(tx, table, &names).await?;
    let missing: BTreeSet<&str> = names
        .into_iter()
        .filter(|name| !found.contains_key(*name))
        .collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let values = missing.iter().map(|name| (*name).into()).collect();
    let rows = missing.len();
    let before = format!("INSERT INTO {table} (name) VALUES ");
    tx.run(Bulk::new(
        &before,
        " ON CONFLICT (name) DO NOTHING",
        values,
        rows,
        1,
        rows as u64,
    ))
    .await?;
    found.extend(find(tx, table, &missing).await?);
    Ok(found)
}

async fn find(tx: &mut Tx, table: &str, names: &BTreeSet<&str>) -> Result<HashMap<String, i64>, StoreError> {
    let names: Vec<&str> = names.iter().copied().collect();
    let mut found = HashMap::with_capacity(names.len());
    for names in names.chunks(ROWS) {
        let text = format!(
            "SELECT t.name, t.id FROM (VALUES {}) AS v JOIN {table} t ON t.name = v.column1",
            values_list(names.len(), 1, 1)
        );
        let text = tx.bulk_text(text);
        let rows: Vec<(String, i64)> = on_tx!(&mut *tx, conn => {
            let mut query = sqlx::query_as(text);
            for name in names {
                query = query.bind(*name);
            }
            query.fetch_all(conn).await
        })?;
        found.extend(rows);
    }
    Ok(found)
}
