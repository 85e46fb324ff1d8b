//! The keys that sign tokens. They live in the database, so that every node has the same, and a restored backup verifies
//! what is in old mails. Tokens of a key that is lost or retired stop working.

use crate::engine::{Store, Tx, on_pool, on_tx, on_write_pool};
use crate::error::{StoreError, bad_row};
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::{KeyRing, SigningKey};

/// How often a running process reads the keys again.
pub const KEYS_READ_EVERY: Duration = Duration::from_secs(5);

/// A new key signs only after this long: by then every process knows it, so that none meets a token that it cannot check.
pub const KEY_SETTLES_IN: Duration = Duration::from_secs(20);

/// How many keys an installation can have in its life: their ids are one octet, and none is used twice.
const MOST_KEYS: i64 = 255;

/// What may be shown of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// 1–255, the newest has the greatest.
    pub id: u8,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when its tokens are not accepted any more.
    pub retired_at: Option<Timestamp>,
    /// Whether it signs what is new.
    pub signs: bool,
    /// Whether it signs the Message-IDs: the oldest that is not retired.
    pub names_messages: bool,
}

/// Why a key is not retired, or no new one is made.
#[derive(Debug, thiserror::Error)]
pub enum KeyRefusal {
    /// The database.
    #[error("{0}")]
    Store(#[source] StoreError),
    /// There is none with this id, or it was retired before.
    #[error("there is no key {0} that could be retired: `tidings key list` names all there are")]
    Unknown(u8),
    /// It signs what goes out now.
    #[error(
        "key {0} signs what goes out now: make a new one with `tidings key rotate`, and retire this one {seconds} seconds \
         later",
        seconds = KEY_SETTLES_IN.as_secs()
    )]
    Signs(u8),
    /// It signs the Message-IDs of campaigns that are not done.
    #[error(
        "key {key} signs the Message-IDs of campaigns that have started and are not done ({}): wait until they are \
         finished, or cancel them",
        campaigns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    NamesMessages {
        /// The key.
        key: u8,
        /// The campaigns.
        campaigns: Vec<CampaignId>,
    },
    /// All ids have been used.
    #[error("all {MOST_KEYS} keys that an installation can have in its life have been made")]
    NoneLeft,
}

impl<E: Into<StoreError>> From<E> for KeyRefusal {
    fn from(error: E) -> Self {
        KeyRefusal::Store(error.into())
    }
}

type Row = (i64, Vec<u8>, i64, Option<i64>);

/// With those that are retired, the newest last.
const KEYS: &str = "SELECT id, secret, created_at, retired_at FROM signing_keys ORDER BY id";

impl Store {
    /// All keys that are not retired; the first is made if there is none yet. The newest that every process knows by `now`
    /// signs.
    pub async fn key_ring(&self, now: Timestamp) -> Result<KeyRing, StoreError> {
        const FIRST: &str =
            "INSERT INTO signing_keys (id, secret, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
        let mut rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(KEYS).fetch_all(pool).await)?;
        if rows.is_empty() {
            let secret = random_secret()?;
            on_write_pool!(self, pool => sqlx::query(FIRST).bind(secret).bind(now.0).execute(pool).await
                .map(drop))?;
            // Read again: another process may have been first.
            rows = on_pool!(self, pool => sqlx::query_as(KEYS).fetch_all(pool).await)?;
        }
        let signs = signing(&rows, now)?;
        let keys = rows
            .into_iter()
            .filter(|row| row.3.is_none())
            .map(|(id, secret, ..)| {
                let secret = secret
                    .try_into()
                    .map_err(|_| bad_row("signing_keys", id, "the secret is not 32 octets long"))?;
                Ok(SigningKey {
                    id: key_id(id)?,
                    secret,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(KeyRing::signing_with(signs, keys).expect("the key that signs is one of them"))
    }

    /// All keys there are and were, the newest last.
    pub async fn list_keys(&self, now: Timestamp) -> Result<Vec<KeySummary>, StoreError> {
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(KEYS).fetch_all(pool).await)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let (signs, oldest) = (signing(&rows, now)?, oldest(&rows)?);
        let summary = |row: &Row| {
            let id = key_id(row.0)?;
            Ok(KeySummary {
                id,
                created_at: Timestamp(row.2),
                retired_at: row.3.map(Timestamp),
                signs: id == signs,
                names_messages: id == oldest,
            })
        };
        rows.iter().map(summary).collect()
    }

    /// Makes a new key, which signs after [`KEY_SETTLES_IN`]. Returns its id.
    pub async fn rotate_keys(&self, now: Timestamp) -> Result<u8, KeyRefusal> {
        // There is a first one to follow.
        self.key_ring(now).await?;
        const NEXT: &str = "INSERT INTO signing_keys (id, secret, created_at) \
            SELECT MAX(id) + 1, $1, $2 FROM signing_keys HAVING MAX(id) < $3 RETURNING id";
        let secret = random_secret()?;
        let mut tx = self.begin_write().await?;
        let id: Option<i64> = on_tx!(&mut tx, conn => sqlx::query_scalar(NEXT).bind(secret).bind(now.0)
            .bind(MOST_KEYS).fetch_optional(conn).await)?;
        tx.commit().await?;
        Ok(key_id(id.ok_or(KeyRefusal::NoneLeft)?)?)
    }

    /// Retires a key: its secret is forgotten, and what it has signed is not accepted any more. That cannot be undone.
    pub async fn retire_key(&self, id: u8, now: Timestamp) -> Result<(), KeyRefusal> {
        let mut tx = self.begin_write().await?;
        let rows: Vec<Row> = on_tx!(&mut tx, conn => sqlx::query_as(KEYS).fetch_all(conn).await)?;
        if !rows.iter().any(|row| row.0 == i64::from(id) && row.3.is_none()) {
            return Err(KeyRefusal::Unknown(id));
        }
        if signing(&rows, now)? == id {
            return Err(KeyRefusal::Signs(id));
        }
        if oldest(&rows)? == id {
            let campaigns = unfinished(&mut tx).await?;
            if !campaigns.is_empty() {
                return Err(KeyRefusal::NamesMessages { key: id, campaigns });
            }
        }
        const RETIRE: &str = "UPDATE signing_keys SET secret = $1, retired_at = $2 WHERE id = $3";
        on_tx!(&mut tx, conn => sqlx::query(RETIRE).bind(Vec::<u8>::new()).bind(now.0).bind(i64::from(id))
            .execute(conn).await.map(drop))?;
        Ok(tx.commit().await?)
    }

    /// How many campaigns since `since` may have sent tokens of this key: those that were under way between the time when
    /// it began to sign and the time when the next one did.
    pub async fn campaigns_signed_by(&self, id: u8, since: Timestamp) -> Result<i64, StoreError> {
        const COUNT: &str = "SELECT COUNT(*) FROM campaigns WHERE started_at IS NOT NULL AND planned > 0 \
            AND started_at >= $2 \
            AND (finished_at IS NULL OR finished_at >= (SELECT created_at FROM signing_keys WHERE id = $1)) \
            AND started_at <= COALESCE((SELECT MIN(created_at) + $3 FROM signing_keys WHERE id > $1), started_at)";
        let settles = i64::try_from(KEY_SETTLES_IN.as_micros()).expect("some seconds");
        Ok(
            on_pool!(self, pool => sqlx::query_scalar(COUNT).bind(i64::from(id)).bind(since.0).bind(settles)
            .fetch_one(pool).await)?,
        )
    }
}

/// Campaigns whose messages are named by the oldest key until they are done.
async fn unfinished(tx: &mut Tx) -> Result<Vec<CampaignId>, StoreError> {
    const UNFINISHED: &str = "SELECT id FROM campaigns WHERE started_at IS NOT NULL \
        AND state NOT IN ('finished', 'cancelled') ORDER BY id";
    let ids: Vec<i64> = on_tx!(tx, conn => sqlx::query_scalar(UNFINISHED).fetch_all(conn).await)?;
    Ok(ids.into_iter().map(CampaignId).collect())
}

/// The newest key that every process knows by now; the oldest while there is none such.
fn signing(rows: &[Row], now: Timestamp) -> Result<u8, StoreError> {
    let settled = now.minus(KEY_SETTLES_IN).0;
    let newest = rows
        .iter()
        .rev()
        .find(|(_, _, created_at, retired)| retired.is_none() && *created_at <= settled);
    match newest {
        Some(row) => key_id(row.0),
        None => oldest(rows),
    }
}

fn oldest(rows: &[Row]) -> Result<u8, StoreError> {
    let row = rows.iter().find(|row| row.3.is_none());
    key_id(
        row.ok_or_else(|| bad_row("signing_keys", 0, "every key is retired"))?
            .0,
    )
}

fn key_id(id: i64) -> Result<u8, StoreError> {
    u8::try_from(id).map_err(|_| bad_row("signing_keys", id, "the id is not 1–255"))
}

fn random_secret() -> Result<Vec<u8>, StoreError> {
    let mut secret = vec![0; 32];
    getrandom::fill(&mut secret).map_err(StoreError::Random)?;
    Ok(secret)
}
