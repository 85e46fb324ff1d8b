//! Tokens by which programs use the dashboard's addresses.

use super::{Digest, Role};
use crate::audit::{By, audit_in};
use crate::engine::{Store, on_pool, on_tx, on_write_pool};
use crate::error::{StoreError, bad_row};
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// That a token was used is written this often at most.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// A token as kept: never its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its identity.
    pub id: i64,
    /// What it is for, in somebody's words.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to a minute.
    pub used_at: Option<Timestamp>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

type Row = (i64, String, String, i64, Option<i64>, Option<i64>);

impl AccessToken {
    fn read((id, name, role, created_at, used_at, expires_at): Row) -> Result<AccessToken, StoreError> {
        let role = Role::parse(&role)
            .ok_or_else(|| bad_row("access_tokens", id, "the role is none of the three"))?;
        Ok(AccessToken {
            id,
            name,
            role,
            created_at: Timestamp(created_at),
            used_at: used_at.map(Timestamp),
            expires_at: expires_at.map(Timestamp),
        })
    }
}

impl Store {
    /// Makes a token; returns its id.
    pub async fn create_token(
        &self,
        (name, role, expires_at): (&str, Role, Option<Timestamp>),
        digest: Digest,
        by: &By,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        const ADD: &str = "INSERT INTO access_tokens (digest, name, role, created_at, expires_at) \
            VALUES ($1, $2, $3, $4, $5) RETURNING id";
        let mut tx = self.begin_write().await?;
        let id: i64 = on_tx!(&mut tx, conn => sqlx::query_scalar(ADD).bind(digest.as_slice()).bind(name)
            .bind(role.as_str()).bind(now.0).bind(expires_at.map(|at| at.0)).fetch_one(conn).await)?;
        audit_in(&mut tx, by, "made a token", (name, role.as_str()), now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// All tokens, the newest first.
    pub async fn tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        const LIST: &str =
            "SELECT id, name, role, created_at, used_at, expires_at FROM access_tokens ORDER BY id DESC";
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(LIST).fetch_all(pool).await)?;
        rows.into_iter().map(AccessToken::read).collect()
    }

    /// The token with this secret, if it works.
    pub async fn token(&self, digest: Digest, now: Timestamp) -> Result<Option<AccessToken>, StoreError> {
        const FIND: &str = "SELECT id, name, role, created_at, used_at, expires_at FROM access_tokens \
            WHERE digest = $1 AND (expires_at IS NULL OR expires_at > $2)";
        const NOTE: &str = "UPDATE access_tokens SET used_at = $1 WHERE id = $2";
        let row: Option<Row> = on_pool!(self, pool => sqlx::query_as(FIND).bind(digest.as_slice()).bind(now.0)
            .fetch_optional(pool).await)?;
        let Some(token) = row.map(AccessToken::read).transpose()? else {
            return Ok(None);
        };
        if token.used_at.is_none_or(|at| now.since(at) > NOTED_EVERY) {
            on_write_pool!(self, pool => sqlx::query(NOTE).bind(now.0).bind(token.id).execute(pool).await
                .map(drop))?;
        }
        Ok(Some(token))
    }

    /// Makes a token stop working. False if there is none with this id.
    pub async fn revoke_token(&self, id: i64, by: &By, now: Timestamp) -> Result<bool, StoreError> {
        const REVOKE: &str = "DELETE FROM access_tokens WHERE id = $1 RETURNING name";
        let mut tx = self.begin_write().await?;
        let name: Option<String> =
            on_tx!(&mut tx, conn => sqlx::query_scalar(REVOKE).bind(id).fetch_optional(conn).await)?;
        let Some(name) = name else {
            return Ok(false);
        };
        audit_in(&mut tx, by, "revoked a token", (&name, ""), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}
