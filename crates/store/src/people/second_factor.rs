//! The second factor: codes of a device (RFC 6238), and recovery codes for people without it. What a code must be, the pages
//! know; here is what was agreed, and that no code is used twice.

use super::{Digest, Person, may_still_sign_in, person_columns};
use crate::audit::{By, audit_in};
use crate::engine::{Store, Tx, on_pool, on_tx, on_write_pool};
use crate::error::StoreError;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// How long a person whose password was right may take to bring a code.
pub const CODE_AWAITED_FOR: Duration = Duration::from_secs(10 * 60);

/// How long a second factor that was begun waits for its first code.
pub const SECOND_FACTOR_AWAITED_FOR: Duration = Duration::from_secs(3600);

/// The second factor of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// What the codes are made of.
    pub key: Vec<u8>,
    /// Whether it is asked for: a first code has shown that the person's device has the key.
    pub is_on: bool,
    /// The step of the last code that was used; earlier ones and this one are not taken again.
    pub last_step: i64,
    /// Recovery codes that are left.
    pub codes_left: i64,
}

impl std::fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("SecondFactor")
            .field("is_on", &self.is_on)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The second factor of a person, if they have one or have begun to set one up not long ago.
    pub async fn second_factor(
        &self,
        person: i64,
        now: Timestamp,
    ) -> Result<Option<SecondFactor>, StoreError> {
        const FIND: &str = "SELECT key, confirmed_at, last_step, \
            (SELECT COUNT(*) FROM recovery_codes r WHERE r.person_id = f.person_id) \
            FROM second_factors f WHERE person_id = $1 AND (confirmed_at IS NOT NULL OR begun_at > $2)";
        let since = now.minus(SECOND_FACTOR_AWAITED_FOR);
        let row: Option<(Vec<u8>, Option<i64>, i64, i64)> = on_pool!(self, pool => sqlx::query_as(FIND).bind(person).bind(since.0).fetch_optional(pool).await)?;
        Ok(
            row.map(|(key, confirmed_at, last_step, codes_left)| SecondFactor {
                key,
                is_on: confirmed_at.is_some(),
                last_step,
                codes_left,
            }),
        )
    }

    /// Begins to set a second factor up, with a new key. False, and nothing is done, if the person has one.
    pub async fn begin_second_factor(
        &self,
        person: i64,
        key: &[u8],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const BEGIN: &str = "INSERT INTO second_factors (person_id, key, last_step, begun_at) VALUES ($1, $2, 0, $3) \
            ON CONFLICT (person_id) DO UPDATE SET key = excluded.key, begun_at = excluded.begun_at WHERE second_factors.confirmed_at IS NULL";
        let done = on_write_pool!(self, pool => sqlx::query(BEGIN).bind(person).bind(key).bind(now.0).execute(pool).await
            .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// The second factor is asked for from now on. `key`, `step`: of the code that showed it. `codes`: the recovery codes. False,
    /// and nothing is done, if there is none with this key that waits for it.
    pub async fn confirm_second_factor(
        &self,
        person: i64,
        (key, step, codes): (&[u8], i64, &[Digest]),
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const CONFIRM: &str = "UPDATE second_factors SET confirmed_at = $1, last_step = $2 \
            WHERE person_id = $3 AND confirmed_at IS NULL AND key = $4 AND begun_at > $5";
        const ADD: &str = "INSERT INTO recovery_codes (person_id, digest) VALUES ($1, $2)";
        let mut tx = self.begin_write().await?;
        let done = on_tx!(&mut tx, conn => sqlx::query(CONFIRM).bind(now.0).bind(step).bind(person).bind(key)
            .bind(now.minus(SECOND_FACTOR_AWAITED_FOR).0).execute(conn).await.map(|done| done.rows_affected()))?;
        if done == 0 {
            return Ok(false);
        }
        for code in codes {
            on_tx!(&mut tx, conn => sqlx::query(ADD).bind(person).bind(code.as_slice()).execute(conn).await
                .map(drop))?;
        }
        audit_in(&mut tx, by, "turned their second factor on", ("", ""), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Uses the code of this step up. False if it, or a later one, has been used.
    pub async fn use_step(&self, person: i64, step: i64) -> Result<bool, StoreError> {
        const USE: &str = "UPDATE second_factors SET last_step = $1 WHERE person_id = $2 AND last_step < $1";
        let done = on_write_pool!(self, pool => sqlx::query(USE).bind(step).bind(person).execute(pool).await
            .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// Uses a recovery code up. False if there is none such.
    pub async fn use_recovery_code(
        &self,
        person: i64,
        code: Digest,
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const USE: &str = "DELETE FROM recovery_codes WHERE person_id = $1 AND digest = $2";
        let mut tx = self.begin_write().await?;
        let done = on_tx!(&mut tx, conn => sqlx::query(USE).bind(person).bind(code.as_slice())
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if done == 0 {
            return Ok(false);
        }
        audit_in(&mut tx, by, "used a recovery code", ("", ""), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The password is enough again.
    pub async fn remove_second_factor(&self, person: i64, by: &By, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        remove_second_factor_in(&mut tx, person).await?;
        audit_in(&mut tx, by, "turned their second factor off", ("", ""), now).await?;
        tx.commit().await
    }

    /// Remembers that a person's password was right, and that a code is waited for. Nothing is done if it was changed while it was
    /// checked.
    pub async fn begin_half_sign_in(
        &self,
        person: &Person,
        digest: Digest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM half_sign_ins WHERE expires_at <= $1";
        const BEGIN: &str = "INSERT INTO half_sign_ins (digest, person_id, expires_at) VALUES ($1, $2, $3)";
        let mut tx = self.begin_write().await?;
        let hash = person.password_hash.as_deref().unwrap_or_default();
        if !may_still_sign_in(&mut tx, person.id, hash).await? {
            return Ok(());
        }
        on_tx!(&mut tx, conn => sqlx::query(FORGET).bind(now.0).execute(conn).await.map(drop))?;
        on_tx!(&mut tx, conn => sqlx::query(BEGIN).bind(digest.as_slice()).bind(person.id)
            .bind(now.plus(CODE_AWAITED_FOR).0).execute(conn).await.map(drop))?;
        tx.commit().await
    }

    /// Whose code is waited for, if they may still sign in.
    pub async fn half_sign_in(&self, digest: Digest, now: Timestamp) -> Result<Option<Person>, StoreError> {
        const FIND: &str = concat!(
            "SELECT ",
            person_columns!(),
            " FROM half_sign_ins h JOIN people p ON p.id = h.person_id \
             WHERE h.digest = $1 AND h.expires_at > $2 AND p.disabled_at IS NULL"
        );
        let row = on_pool!(self, pool => sqlx::query_as(FIND).bind(digest.as_slice()).bind(now.0)
            .fetch_optional(pool).await)?;
        row.map(Person::read).transpose()
    }

    /// The code has come. False if another request has brought one for it.
    pub async fn end_half_sign_in(&self, digest: Digest) -> Result<bool, StoreError> {
        const END: &str = "DELETE FROM half_sign_ins WHERE digest = $1";
        let done = on_write_pool!(self, pool => sqlx::query(END).bind(digest.as_slice()).execute(pool).await
            .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }
}

/// Forgets a person's second factor, and whatever waits for a code of it.
pub(super) async fn remove_second_factor_in(tx: &mut Tx, person: i64) -> Result<(), StoreError> {
    for forget in [
        "DELETE FROM second_factors WHERE person_id = $1",
        "DELETE FROM recovery_codes WHERE person_id = $1",
    ] {
        on_tx!(&mut *tx, conn => sqlx::query(forget).bind(person).execute(conn).await.map(drop))?;
    }
    end_half_sign_ins_in(tx, person).await
}

/// A password that is not right any more has not been right for those who wait for a code.
pub(super) async fn end_half_sign_ins_in(tx: &mut Tx, person: i64) -> Result<(), StoreError> {
    const END: &str = "DELETE FROM half_sign_ins WHERE person_id = $1";
    on_tx!(tx, conn => sqlx::query(END).bind(person).execute(conn).await.map(drop))?;
    Ok(())
}
