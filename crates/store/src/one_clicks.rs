//! One-click unsubscribes (RFC 8058) as they come in thousands after a large campaign: many in one transaction, which does of
//! each what [`Store::unsubscribe`] does.

use crate::bulk::{Bulk, Value, pieces};
use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_tx, values_list};
use crate::error::StoreError;
use crate::unsubscribes::{Unsubscribe, unsubscribe_in};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;

/// Somebody wants to leave the lists of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneClick {
    /// By whose message.
    pub campaign: CampaignId,
    /// Who.
    pub recipient: RecipientId,
    /// When.
    pub at: Timestamp,
}

/// How often a batch is begun again because another process wrote the same rows at the same time.
const TRIES: usize = 10;
/// The way, as the record calls it: it came by the link.
const HOW: &str = "link";

/// What can be done for many in one statement, in the order of their recipients; and the others, one by one.
struct Sorted {
    many: Vec<OneClick>,
    /// The same for each list of the campaign.
    leaving: Vec<Leaving>,
    others: Vec<OneClick>,
}

/// Somebody leaves a list.
#[derive(Clone, Copy)]
struct Leaving {
    click: OneClick,
    list: i64,
}

impl Store {
    /// Unsubscribes each from the lists of its campaign; durable when it returns. A thousand or so at most.
    ///
    /// # Errors
    /// If the database fails. Nothing has been done then.
    pub async fn one_clicks(&self, clicks: &[OneClick]) -> Result<(), StoreError> {
        for _ in 1..TRIES {
            match self.try_one_clicks(clicks).await {
                Err(error) if error.is_deadlock() => {}
                done => return done,
            }
        }
        self.try_one_clicks(clicks).await
    }

    async fn try_one_clicks(&self, clicks: &[OneClick]) -> Result<(), StoreError> {
        let Some(latest) = clicks.iter().map(|click| click.at).max() else {
            return Ok(());
        };
        let mut tx = self.begin_write().await?;
        let mut deltas = Deltas::default();
        let Sorted {
            many,
            leaving,
            others,
        } = sorted(&mut tx, clicks).await?;
        for leaving in pieces(&leaving) {
            deltas.lost(leave(&mut tx, leaving).await?);
        }
        for clicks in pieces(&many) {
            for (campaign, n) in remember(&mut tx, clicks).await? {
                deltas.happened(campaign, "", "", "unsubscribed", "", n);
            }
        }
        for OneClick {
            campaign,
            recipient,
            at,
        } in others
        {
            let wish = Unsubscribe::by(HOW);
            unsubscribe_in(&mut tx, &mut deltas, (campaign, recipient), &wish, at).await?;
        }
        deltas.write(&mut tx, self.node(), latest).await?;
        tx.commit().await
    }
}

/// Who says the same again in one batch says it once. Who leaves by several campaigns does so by one after the other, because
/// what the first has left is kept with the first; and if a campaign is gone, nobody knows which lists were meant.
async fn sorted(tx: &mut Tx, clicks: &[OneClick]) -> Result<Sorted, StoreError> {
    const LISTS: &str = "SELECT list_id FROM campaign_lists WHERE campaign_id = $1 ORDER BY list_id";
    let mut lists_of: HashMap<CampaignId, Vec<i64>> = HashMap::new();
    let mut first: BTreeMap<RecipientId, OneClick> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut others = Vec::new();
    for click in clicks {
        if !seen.insert((click.campaign, click.recipient)) {
            continue;
        }
        if let Entry::Vacant(unknown) = lists_of.entry(click.campaign) {
            let lists = on_tx!(&mut *tx, conn => sqlx::query_scalar(LISTS)
                .bind(click.campaign.0).fetch_all(conn).await)?;
            unknown.insert(lists);
        }
        if !lists_of[&click.campaign].is_empty() && !first.contains_key(&click.recipient) {
            first.insert(click.recipient, *click);
        } else {
            others.push(*click);
        }
    }
    let leaving = |click: &OneClick| {
        let click = *click;
        lists_of[&click.campaign]
            .iter()
            .map(move |list| Leaving { click, list: *list })
    };
    Ok(Sorted {
        leaving: first.values().flat_map(leaving).collect(),
        many: first.into_values().collect(),
        others,
    })
}

/// Keeps how each stands on a list, and then unsubscribes it from that. Returns the list of each standing that had been confirmed. Who
/// is confirmed leaves by a statement of their own, since they are counted. Each standing is named by its whole key: for a join with
/// the campaign's lists PostgreSQL would read through all subscriptions.
async fn leave(tx: &mut Tx, leaving: &[Leaving]) -> Result<Vec<i64>, StoreError> {
    const KEEP: (&str, &str) = (
        "INSERT INTO left_lists (campaign_id, recipient_id, list_id, was) \
         SELECT v.column1, v.column2, v.column3, COALESCE(s.state, 'none') FROM (VALUES ",
        ") AS v LEFT JOIN subscriptions s ON s.list_id = v.column3 AND s.recipient_id = v.column2 \
         WHERE COALESCE(s.state, 'none') <> 'unsubscribed' \
         ON CONFLICT (campaign_id, recipient_id, list_id) DO UPDATE SET was = excluded.was",
    );
    const LEAVE: (&str, &str) = (
        "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
         SELECT v.column3, v.column2, 'unsubscribed', v.column4 FROM (VALUES ",
        ") AS v WHERE TRUE \
         ON CONFLICT (list_id, recipient_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at \
         WHERE subscriptions.state = 'pending'",
    );
    let keys: Vec<[i64; 4]> = leaving
        .iter()
        .map(|Leaving { click, list }| [click.campaign.0, click.recipient.0, *list, click.at.0])
        .collect();
    for (before, after) in [KEEP, LEAVE] {
        let values = keys.iter().flatten().map(|n| Value::from(*n)).collect();
        let statement = Bulk::new(before, after, values, keys.len(), 4, 0);
        tx.run(statement.however_many()).await?;
    }
    let text = tx.bulk_text(format!(
        "UPDATE subscriptions SET state = 'unsubscribed', updated_at = v.column4 FROM (VALUES {}) AS v \
         WHERE subscriptions.list_id = v.column3 AND subscriptions.recipient_id = v.column2 \
         AND subscriptions.state = 'confirmed' RETURNING subscriptions.list_id",
        values_list(keys.len(), 4, 1)
    ));
    Ok(on_tx!(tx, conn => {
        let mut query = sqlx::query_scalar(text);
        for number in keys.iter().flatten() {
            query = query.bind(*number);
        }
        query.fetch_all(conn).await
    })?)
}

/// Remembers what was said. Returns how many of each campaign had not left by it before: only those count.
async fn remember(tx: &mut Tx, clicks: &[OneClick]) -> Result<BTreeMap<CampaignId, i64>, StoreError> {
    let text = format!(
        "INSERT INTO unsubscribes (campaign_id, recipient_id, at, how, scope) \
         SELECT v.column1, v.column2, v.column3, '{HOW}', 'lists' FROM (VALUES {}) AS v WHERE TRUE \
         ON CONFLICT (campaign_id, recipient_id) DO NOTHING RETURNING campaign_id, recipient_id",
        values_list(clicks.len(), 3, 1)
    );
    let text = tx.bulk_text(text);
    let added: Vec<(i64, i64)> = on_tx!(&mut *tx, conn => {
        let mut query = sqlx::query_as(text);
        for click in clicks {
            query = query.bind(click.campaign.0).bind(click.recipient.0).bind(click.at.0);
        }
        query.fetch_all(conn).await
    })?;
    let mut counts = BTreeMap::new();
    for (campaign, _) in &added {
        *counts.entry(CampaignId(*campaign)).or_default() += 1;
    }
    let added: BTreeSet<(i64, i64)> = added.into_iter().collect();
    let is_known = |click: &&OneClick| !added.contains(&(click.campaign.0, click.recipient.0));
    let again: Vec<OneClick> = clicks.iter().filter(is_known).copied().collect();
    remember_again(tx, &again).await?;
    Ok(counts)
}

/// Who leaves again after having come back has left now; what else was said before stays.
async fn remember_again(tx: &mut Tx, clicks: &[OneClick]) -> Result<(), StoreError> {
    let before = format!(
        "UPDATE unsubscribes SET at = v.column3, how = '{HOW}', scope = 'lists', undone_at = NULL FROM (VALUES "
    );
    let after = ") AS v WHERE unsubscribes.campaign_id = v.column1 AND unsubscribes.recipient_id = v.column2 \
        AND unsubscribes.undone_at IS NOT NULL";
    for clicks in pieces(clicks) {
        let statement = Bulk::new(&before, after, values(clicks.iter()), clicks.len(), 3, 0);
        tx.run(statement.however_many()).await?;
    }
    Ok(())
}

fn values<'c>(clicks: impl Iterator<Item = &'c OneClick>) -> Vec<Value> {
    clicks
        .flat_map(|click| {
            [
                click.campaign.0.into(),
                click.recipient.0.into(),
                click.at.0.into(),
            ]
        })
        .collect()
}
