//! Recipients that the import created: they go, unless something has happened to them since.

use super::changed::remember_inherited;
use super::{
    Heirs, Kept, KeptWhy, LEAVE, Mine, ROWS, Taken, change_given_standings, claims, hand_over_standing, hold,
};
use crate::bulk::{Bulk, Value};
use crate::counters::{Deltas, confirmed};
use crate::engine::{Tx, on_tx, values_list};
use crate::error::StoreError;
use std::collections::{BTreeMap, HashMap, HashSet};
use tidings_campaign::csv_import::Joined;
use tidings_campaign::ids::{ImportId, ListId};

#[derive(sqlx::FromRow)]
struct CreatedRow {
    id: i64,
    address: String,
    import_id: Option<i64>,
    created_at: i64,
    updated_at: i64,
    mailed: bool,
    signed_up: bool,
}

/// Takes the next created recipients back; none if there is none left.
pub(super) async fn take_back(
    tx: &mut Tx,
    mine: Mine,
    others: &BTreeMap<i64, ListId>,
    taken: &mut Taken<'_>,
) -> Result<Option<Vec<Kept>>, StoreError> {
    const NEXT: &str =
        "SELECT first_id, last_id FROM import_created WHERE import_id = $1 ORDER BY first_id LIMIT 1";
    let range: Option<(i64, i64)> = on_tx!(tx, conn => sqlx::query_as(NEXT)
        .bind(mine.id.0).fetch_optional(conn).await)?;
    let Some((first, last)) = range else {
        return Ok(None);
    };
    let until = last.min(first + ROWS as i64 - 1);
    let (mut gone, mut off_list, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    let (mut created, mut joined) = (Heirs::new(), Heirs::new());
    // Of those that stay, when they were changed last.
    let mut changed_at = HashMap::new();
    hold(tx, &(first..=until).collect::<Vec<i64>>()).await?;
    let rows = as_they_are(tx, first, until).await?;
    let standings = standings(tx, mine, first, until).await?;
    let marks: Vec<_> = rows.iter().map(|row| (row.id, row.import_id)).collect();
    let claims = claims(tx, mine, &marks, others).await?;
    for row in rows {
        let by = claims.get(&row.id);
        let heir = by.and_then(|by| by.first_key_value()).map(|(import, _)| *import);
        match reason_to_stay(
            &row,
            &standings,
            heir.map(|import| KeptWhy::InImport(ImportId(import))),
        ) {
            None => gone.push(row.id),
            Some(why) => {
                let on_list = by.and_then(|by| by.iter().find(|(_, list)| **list == mine.list));
                match on_list {
                    None => off_list.push(row.id),
                    Some((import, _)) => joined.entry(*import).or_default().push(row.id),
                }
                changed_at.insert(row.id, row.updated_at);
                if let Some(import) = heir {
                    created.entry(import).or_default().push(row.id);
                }
                kept.push(Kept {
                    address: row.address,
                    why,
                });
            }
        }
    }
    taken.counts.removed += gone.len() as u64;
    taken.counts.kept += kept.len() as u64;
    change_given_standings(tx, taken.deltas, mine, LEAVE, &off_list).await?;
    let handed_over = hand_over_standing(tx, mine, &joined).await?;
    remember_inherited(tx, &left_to_others(&handed_over, &created, &changed_at)).await?;
    hand_over_created(tx, &created).await?;
    remove(tx, taken.deltas, &gone).await?;
    shorten(tx, mine, (first, until, last)).await?;
    Ok(Some(kept))
}

/// Those whose standing goes to another import than the one that counts as their maker from now on: it takes them off the list
/// when it is taken back itself, as whoever brought them there would.
fn left_to_others(
    handed_over: &Heirs,
    created: &Heirs,
    changed_at: &HashMap<i64, i64>,
) -> Vec<(i64, i64, Joined, i64)> {
    let makes = |heir: &i64, id: &i64| created.get(heir).is_some_and(|ids| ids.binary_search(id).is_ok());
    handed_over
        .iter()
        .flat_map(|(heir, ids)| ids.iter().map(move |id| (heir, id)))
        .filter(|&(heir, id)| !makes(heir, id))
        .map(|(&heir, &id)| (heir, id, Joined::FromNothing, changed_at[&id]))
        .collect()
}

/// What has happened to a recipient since it was created, the weightiest first.
fn reason_to_stay(row: &CreatedRow, standings: &Standings, claimed: Option<KeptWhy>) -> Option<KeptWhy> {
    if standings.unsubscribed.contains(&row.id) {
        Some(KeptWhy::Unsubscribed)
    } else if row.mailed {
        Some(KeptWhy::Mailed)
    } else if row.signed_up {
        Some(KeptWhy::SignedUp)
    } else if claimed.is_some() {
        claimed
    } else if standings.on_other_list.contains(&row.id) {
        Some(KeptWhy::OnOtherList)
    } else if row.updated_at != row.created_at {
        Some(KeptWhy::ChangedSince)
    } else {
        None
    }
}

async fn as_they_are(tx: &mut Tx, first: i64, until: i64) -> Result<Vec<CreatedRow>, StoreError> {
    const CREATED: &str = "SELECT r.id, r.address, r.import_id, r.created_at, r.updated_at, \
        EXISTS (SELECT 1 FROM deliveries d WHERE d.recipient_id = r.id) AS mailed, \
        EXISTS (SELECT 1 FROM sign_ups u WHERE u.recipient_id = r.id) AS signed_up \
        FROM recipients r WHERE r.id BETWEEN $1 AND $2 ORDER BY r.id";
    Ok(on_tx!(tx, conn => sqlx::query_as(CREATED).bind(first).bind(until).fetch_all(conn).await)?)
}

/// Recipients that have unsubscribed from some list, and those that are on another list.
#[derive(Default)]
struct Standings {
    unsubscribed: HashSet<i64>,
    on_other_list: HashSet<i64>,
}

/// One question for all, from list to list: both engines, where they have no figures about the tables, would look through all
/// subscriptions for each recipient. `CROSS JOIN`, because SQLite keeps its order.
async fn standings(tx: &mut Tx, mine: Mine, first: i64, until: i64) -> Result<Standings, StoreError> {
    const OTHERS: &str = "SELECT s.recipient_id, s.list_id, s.state FROM lists l CROSS JOIN subscriptions s \
        WHERE s.list_id = l.id AND s.recipient_id BETWEEN $1 AND $2 \
        AND (s.list_id <> $3 OR s.state = 'unsubscribed')";
    let rows: Vec<(i64, i64, String)> = on_tx!(tx, conn => sqlx::query_as(OTHERS)
        .bind(first).bind(until).bind(mine.list.0).fetch_all(conn).await)?;
    let mut standings = Standings::default();
    for (recipient, list, state) in rows {
        if state == "unsubscribed" {
            standings.unsubscribed.insert(recipient);
        }
        if list != mine.list.0 {
            standings.on_other_list.insert(recipient);
        }
    }
    Ok(standings)
}

/// The other import counts as the one that created them, so that they go when it is taken back too.
async fn hand_over_created(tx: &mut Tx, heirs: &Heirs) -> Result<(), StoreError> {
    for (heir, ids) in heirs {
        let ranges: Vec<&[i64]> = ids.chunk_by(|one, next| one + 1 == *next).collect();
        let values = ranges
            .iter()
            .flat_map(|range| [*heir, range[0], range[range.len() - 1]])
            .map(Value::from)
            .collect();
        let insert = Bulk::new(
            "INSERT INTO import_created (import_id, first_id, last_id) VALUES ",
            "",
            values,
            ranges.len(),
            3,
            ranges.len() as u64,
        );
        tx.run(insert).await?;
    }
    Ok(())
}

/// By list too, because the primary key of subscriptions begins with it.
async fn remove(tx: &mut Tx, deltas: &mut Deltas, ids: &[i64]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids_list = values_list(1, ids.len(), 1);
    let leave = tx.bulk_text(format!(
        "DELETE FROM subscriptions WHERE list_id IN (SELECT id FROM lists) AND recipient_id IN {ids_list} \
         RETURNING list_id, state"
    ));
    let left: Vec<(i64, String)> = on_tx!(tx, conn => {
        let mut query = sqlx::query_as(leave);
        for id in ids {
            query = query.bind(*id);
        }
        query.fetch_all(conn).await
    })?;
    deltas.lost(confirmed(left));
    let go = tx.bulk_text(format!("DELETE FROM recipients WHERE id IN {ids_list}"));
    on_tx!(tx, conn => {
        let mut query = sqlx::query(go);
        for id in ids {
            query = query.bind(*id);
        }
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Forgets the part of a range that has been looked at.
async fn shorten(tx: &mut Tx, mine: Mine, (first, until, last): (i64, i64, i64)) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM import_created WHERE import_id = $1 AND first_id = $2";
    const REST: &str = "INSERT INTO import_created (import_id, first_id, last_id) VALUES ($1, $2, $3)";
    on_tx!(&mut *tx, conn => sqlx::query(FORGET).bind(mine.id.0).bind(first).execute(conn).await.map(drop))?;
    if until < last {
        on_tx!(tx, conn => sqlx::query(REST).bind(mine.id.0).bind(until + 1).bind(last)
            .execute(conn).await.map(drop))?;
    }
    Ok(())
}
