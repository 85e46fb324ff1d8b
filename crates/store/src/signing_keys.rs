//! The keys that sign tokens: made once, at random, and kept for as long as old mail may come back.

use crate::engine::{Store, on_pool, on_write_pool};
use crate::error::{StoreError, bad_row};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::{KeyRing, SigningKey};

impl Store {
    /// All keys, the newest last; the first is made if there is none yet.
    pub async fn key_ring(&self, now: Timestamp) -> Result<KeyRing, StoreError> {
        const KEYS: &str = "SELECT id, secret FROM signing_keys ORDER BY id";
        const FIRST: &str =
            "INSERT INTO signing_keys (id, secret, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
        let mut rows: Vec<(i64, Vec<u8>)> =
            on_pool!(self, pool => sqlx::query_as(KEYS).fetch_all(pool).await)?;
        if rows.is_empty() {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(StoreError::Random)?;
            on_write_pool!(self, pool => sqlx::query(FIRST).bind(secret.to_vec()).bind(now.0).execute(pool).await
                .map(drop))?;
            // Read again: another process may have been first.
            rows = on_pool!(self, pool => sqlx::query_as(KEYS).fetch_all(pool).await)?;
        }
        let keys = rows
            .into_iter()
            .map(|(id, secret)| {
                let secret = secret
                    .try_into()
                    .map_err(|_| bad_row("signing_keys", id, "the secret is not 32 octets long"))?;
                let id = u8::try_from(id).map_err(|_| bad_row("signing_keys", id, "the id is not 1–255"))?;
                Ok(SigningKey { id, secret })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(KeyRing::new(keys).expect("a key has just been read or made"))
    }
}
