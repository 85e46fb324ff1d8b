//! Recipients that were there already: the fields that nobody has touched since get their old values.

use super::{
    Heirs, Kept, KeptWhy, LEAVE, Mine, ROWS, Taken, change_given_standings, claims, hand_over_standing, hold,
};
use crate::bulk::{Bulk, Value};
use crate::engine::{Tx, on_tx, values_list};
use crate::error::{StoreError, bad_row};
use std::collections::{BTreeMap, HashMap, HashSet};
use tidings_campaign::csv_import::{Change, Joined, Known};
use tidings_campaign::ids::ListId;
use tidings_campaign::time::Timestamp;

/// A change as it was kept.
struct Step {
    change: Change,
    updated_before: i64,
    updated_after: i64,
}

impl Step {
    /// Of no field: it only remembers how the recipient came onto the list.
    fn changes_nothing(&self) -> bool {
        self.updated_before == self.updated_after
    }
}

#[derive(sqlx::FromRow)]
struct NowRow {
    id: i64,
    address: String,
    name: String,
    attributes: String,
    import_id: Option<i64>,
    updated_at: i64,
    state: Option<String>,
    joined_by: Option<i64>,
}

/// Takes the next changes back; none if there is none left.
pub(super) async fn take_back(
    tx: &mut Tx,
    mine: Mine,
    others: &BTreeMap<i64, ListId>,
    taken: &mut Taken<'_>,
    now: Timestamp,
) -> Result<Option<Vec<Kept>>, StoreError> {
    let steps = next_steps(tx, mine).await?;
    if steps.is_empty() {
        return Ok(None);
    }
    let mut ids: Vec<i64> = steps.keys().copied().collect();
    ids.sort_unstable();
    let mut kept = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let (mut leave, mut undecided) = (Vec::new(), Vec::new());
    let (mut heirs, mut inherited) = (Heirs::new(), Vec::new());
    hold(tx, &ids).await?;
    let rows = as_they_are(tx, mine, &ids).await?;
    let marks: Vec<_> = rows.iter().map(|row| (row.id, row.import_id)).collect();
    let claims = claims(tx, mine, &marks, others).await?;
    let others_steps = steps_of_others(tx, mine, &ids).await?;
    let changed_by_import: HashSet<(i64, i64)> = others_steps
        .iter()
        .map(|other| (other.recipient, other.step.updated_after))
        .collect();
    for row in rows {
        let step = &steps[&row.id];
        let by = claims.get(&row.id);
        let heir = by.and_then(|by| by.iter().find(|(_, list)| **list == mine.list));
        let joined_by_us = row.state.as_deref() == Some("confirmed") && row.joined_by == Some(mine.id.0);
        let ours = joined_by_us && heir.is_none();
        let known = Known {
            name: row.name,
            attributes: row.attributes,
            subscription: None,
        };
        let back = step.change.take_back(&known, ours);
        match back.standing {
            Some(Joined::FromNothing) => leave.push(row.id),
            Some(Joined::FromPending) => undecided.push(row.id),
            None => {}
        }
        let untouched = row.updated_at == step.updated_after && back.kept.is_empty();
        // Of what another import has changed last, that import's record says whether somebody has touched it since.
        let by_import = changed_by_import.contains(&(row.id, row.updated_at));
        let updated_at = if untouched {
            step.updated_before
        } else if by_import || step.changes_nothing() {
            row.updated_at
        } else {
            now.0
        };
        if let (true, Some((heir, _)), Some(joined)) = (joined_by_us, heir, step.change.joined()) {
            heirs.entry(*heir).or_default().push(row.id);
            inherited.push((*heir, row.id, joined, updated_at));
        }
        values.extend([
            row.id.into(),
            back.name.as_str().into(),
            back.attributes.as_str().into(),
            updated_at.into(),
        ]);
        if back.kept.is_empty() {
            taken.counts.restored += 1;
        } else {
            taken.counts.kept += 1;
            kept.push(Kept {
                address: row.address,
                why: KeptWhy::Changed(back.kept),
            });
        }
    }
    write(tx, values).await?;
    change_given_standings(tx, taken.deltas, mine, LEAVE, &leave).await?;
    change_given_standings(
        tx,
        taken.deltas,
        mine,
        "UPDATE subscriptions SET state = 'pending', import_id = NULL",
        &undecided,
    )
    .await?;
    rebase_later(tx, others_steps, &steps).await?;
    hand_over_standing(tx, mine, &heirs).await?;
    remember_inherited(tx, &inherited).await?;
    forget(tx, mine, &ids).await?;
    Ok(Some(kept))
}

async fn next_steps(tx: &mut Tx, mine: Mine) -> Result<HashMap<i64, Step>, StoreError> {
    const NEXT: &str = "SELECT recipient_id, change, updated_before, updated_after FROM import_changes \
        WHERE import_id = $1 ORDER BY recipient_id LIMIT $2";
    let rows: Vec<(i64, String, i64, i64)> = on_tx!(tx, conn => sqlx::query_as(NEXT)
        .bind(mine.id.0).bind(ROWS as i64).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(id, change, updated_before, updated_after)| {
            let step = Step {
                change: read(id, &change)?,
                updated_before,
                updated_after,
            };
            Ok((id, step))
        })
        .collect()
}

fn read(recipient: i64, change: &str) -> Result<Change, StoreError> {
    serde_json::from_str(change).map_err(|error| bad_row("import_changes", recipient, error))
}

async fn as_they_are(tx: &mut Tx, mine: Mine, ids: &[i64]) -> Result<Vec<NowRow>, StoreError> {
    let text = tx.bulk_text(format!(
        "SELECT r.id, r.address, r.name, r.attributes, r.import_id, r.updated_at, s.state, s.import_id AS joined_by \
         FROM recipients r LEFT JOIN subscriptions s ON s.list_id = $1 AND s.recipient_id = r.id \
         WHERE r.id IN {}",
        values_list(1, ids.len(), 2)
    ));
    Ok(on_tx!(tx, conn => {
        let mut query = sqlx::query_as(text).bind(mine.list.0);
        for id in ids {
            query = query.bind(*id);
        }
        query.fetch_all(conn).await
    })?)
}

/// `values`: id, name, attributes, updated_at of each recipient.
async fn write(tx: &mut Tx, values: Vec<Value>) -> Result<(), StoreError> {
    let rows = values.len() / 4;
    if rows == 0 {
        return Ok(());
    }
    let update = Bulk::new(
        "UPDATE recipients SET name = v.column2, attributes = v.column3, updated_at = v.column4 FROM (VALUES ",
        ") AS v WHERE recipients.id = v.column1",
        values,
        rows,
        4,
        rows as u64,
    );
    tx.run(update).await.map(drop)
}

/// What another import has changed of a recipient.
struct OthersStep {
    import: i64,
    recipient: i64,
    step: Step,
}

async fn steps_of_others(tx: &mut Tx, mine: Mine, ids: &[i64]) -> Result<Vec<OthersStep>, StoreError> {
    let text = tx.bulk_text(format!(
        "SELECT import_id, recipient_id, change, updated_before, updated_after FROM import_changes \
         WHERE import_id <> $1 AND recipient_id IN {}",
        values_list(1, ids.len(), 2)
    ));
    let rows: Vec<(i64, i64, String, i64, i64)> = on_tx!(tx, conn => {
        let mut query = sqlx::query_as(text).bind(mine.id.0);
        for id in ids {
            query = query.bind(*id);
        }
        query.fetch_all(conn).await
    })?;
    rows.into_iter()
        .map(|(import, recipient, change, updated_before, updated_after)| {
            let step = Step {
                change: read(recipient, &change)?,
                updated_before,
                updated_after,
            };
            Ok(OthersStep {
                import,
                recipient,
                step,
            })
        })
        .collect()
}

/// Later imports found values, and times of the last change, that have been taken back now; when they are taken back themselves,
/// those must not return.
async fn rebase_later(
    tx: &mut Tx,
    others: Vec<OthersStep>,
    steps: &HashMap<i64, Step>,
) -> Result<(), StoreError> {
    const REWRITE: &str = "UPDATE import_changes SET change = $1, updated_before = $2 \
        WHERE import_id = $3 AND recipient_id = $4";
    for OthersStep {
        import,
        recipient,
        step: later,
    } in others
    {
        let step = &steps[&recipient];
        if later.updated_after < step.updated_after {
            continue;
        }
        let is_next = later.updated_before == step.updated_after && !later.changes_nothing();
        let change = later.change.without(&step.change);
        if change.is_none() && !is_next {
            continue;
        }
        let change = as_json(&change.unwrap_or(later.change));
        let before = if is_next {
            step.updated_before
        } else {
            later.updated_before
        };
        on_tx!(&mut *tx, conn => sqlx::query(REWRITE).bind(&change).bind(before).bind(import).bind(recipient)
            .execute(conn).await.map(drop))?;
    }
    Ok(())
}

/// The other imports count as those that brought the recipients onto the list, so that these leave it when they are taken
/// back too. `inherited`: import, recipient, the standing before, when the recipient was changed last.
pub(super) async fn remember_inherited(
    tx: &mut Tx,
    inherited: &[(i64, i64, Joined, i64)],
) -> Result<(), StoreError> {
    const FIND: &str = "SELECT change FROM import_changes WHERE import_id = $1 AND recipient_id = $2";
    const KEEP: &str = "INSERT INTO import_changes (import_id, recipient_id, change, updated_before, updated_after) \
        VALUES ($1, $2, $3, $4, $4) \
        ON CONFLICT (import_id, recipient_id) DO UPDATE SET change = excluded.change";
    for &(import, recipient, joined, updated_at) in inherited {
        let own: Option<String> = on_tx!(&mut *tx, conn => sqlx::query_scalar(FIND)
            .bind(import).bind(recipient).fetch_optional(conn).await)?;
        let own = own.map_or(Ok(Change::default()), |change| read(recipient, &change))?;
        let change = as_json(&own.inheriting(joined));
        on_tx!(&mut *tx, conn => sqlx::query(KEEP).bind(import).bind(recipient).bind(&change).bind(updated_at)
            .execute(conn).await.map(drop))?;
    }
    Ok(())
}

fn as_json(change: &Change) -> String {
    serde_json::to_string(change).expect("a change can always be written as JSON")
}

async fn forget(tx: &mut Tx, mine: Mine, ids: &[i64]) -> Result<(), StoreError> {
    let text = tx.bulk_text(format!(
        "DELETE FROM import_changes WHERE import_id = $1 AND recipient_id IN {}",
        values_list(1, ids.len(), 2)
    ));
    on_tx!(tx, conn => {
        let mut query = sqlx::query(text).bind(mine.id.0);
        for id in ids {
            query = query.bind(*id);
        }
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}
