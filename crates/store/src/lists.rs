//! Lists of recipients.

use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use tidings_campaign::ids::ListId;
use tidings_campaign::time::Timestamp;

/// A list as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its identity.
    pub id: ListId,
    /// Its name, which no other list has.
    pub name: String,
    /// How many recipients want its mail.
    pub confirmed: i64,
}

impl Store {
    /// The list of this name; none if there is none.
    pub async fn find_list(&self, name: &str) -> Result<Option<ListId>, StoreError> {
        const FIND: &str = "SELECT id FROM lists WHERE name = $1";
        let id: Option<i64> =
            on_pool!(self, pool => sqlx::query_scalar(FIND).bind(name).fetch_optional(pool).await)?;
        Ok(id.map(ListId))
    }

    /// The list of this name, which is made if there is none.
    pub async fn find_or_create_list(&self, name: &str, now: Timestamp) -> Result<ListId, StoreError> {
        let mut tx = self.begin_write().await?;
        let id = find_or_create_in(&mut tx, name, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// All lists by name, with the number of their confirmed recipients.
    pub async fn lists(&self) -> Result<Vec<List>, StoreError> {
        const LISTS: &str = "SELECT l.id, l.name, (SELECT COUNT(*) FROM subscriptions s \
            WHERE s.list_id = l.id AND s.state = 'confirmed') FROM lists l ORDER BY l.name";
        let rows: Vec<(i64, String, i64)> =
            on_pool!(self, pool => sqlx::query_as(LISTS).fetch_all(pool).await)?;
        Ok(rows
            .into_iter()
            .map(|(id, name, confirmed)| List {
                id: ListId(id),
                name,
                confirmed,
            })
            .collect())
    }
}

pub(crate) async fn find_or_create_in(tx: &mut Tx, name: &str, now: Timestamp) -> Result<ListId, StoreError> {
    // The update that changes nothing makes RETURNING speak of a list that is there already.
    const TAKE: &str = "INSERT INTO lists (name, created_at) VALUES ($1, $2) \
        ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id";
    let id: i64 = on_tx!(tx, conn => sqlx::query_scalar(TAKE).bind(name).bind(now.0).fetch_one(conn).await)?;
    Ok(ListId(id))
}
