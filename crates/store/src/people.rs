//! Who may use the dashboard: people, the links by which they choose a password, their sessions, and tokens of programs. Secrets
//! come here as digests (SHA-256) only.

mod second_factor;
mod sessions;
mod tokens;

use crate::audit::{By, audit_in};
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
pub use second_factor::{CODE_AWAITED_FOR, SECOND_FACTOR_AWAITED_FOR, SecondFactor};
use second_factor::{end_half_sign_ins_in, remove_second_factor_in};
pub use sessions::{ListedSession, NewSession, SESSION_ENDS_AFTER, SESSION_IDLES, Session};
use std::time::Duration;
use tidings_campaign::time::Timestamp;
pub use tokens::AccessToken;

/// The SHA-256 of a secret.
pub type Digest = [u8; 32];

/// What a person may do. Each may all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks at everything but the settings.
    Viewer,
    /// Writes, sends and steers.
    Editor,
    /// Says who may do what, and how the instance works.
    Administrator,
}

impl Role {
    /// All, the least first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Editor, Role::Administrator];

    /// As it stands in the database and on pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Editor => "editor",
            Role::Administrator => "administrator",
        }
    }

    /// From that word.
    pub fn parse(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A person as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its identity.
    pub id: i64,
    /// Under which they sign in, in lower case.
    pub email: String,
    /// As pages call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// In the PHC format; none until they have chosen a password.
    pub password_hash: Option<String>,
    /// Since when they may not sign in.
    pub disabled_at: Option<Timestamp>,
}

/// Whom an entry link lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFor {
    /// Whoever sets up the instance, and becomes its first administrator.
    First,
    /// This person.
    Person(Person),
}

/// What whoever follows a link chooses.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The address of the first administrator; of others it stays.
    pub email: &'a str,
    /// The name.
    pub name: &'a str,
    /// In the PHC format.
    pub password_hash: &'a str,
}

/// How long an entry link works.
pub const LINK_WORKS_FOR: Duration = Duration::from_secs(72 * 3_600);

type Row = (i64, String, String, String, Option<String>, Option<i64>);

macro_rules! person_columns {
    () => {
        "p.id, p.email, p.name, p.role, p.password_hash, p.disabled_at"
    };
}
pub(crate) use person_columns;

impl Person {
    pub(crate) fn read(
        (id, email, name, role, password_hash, disabled_at): Row,
    ) -> Result<Person, StoreError> {
        let role =
            Role::parse(&role).ok_or_else(|| bad_row("people", id, "the role is none of the three"))?;
        Ok(Person {
            id,
            email,
            name,
            role,
            password_hash,
            disabled_at: disabled_at.map(Timestamp),
        })
    }
}

impl Store {
    /// Everybody, by address.
    pub async fn people(&self) -> Result<Vec<Person>, StoreError> {
        const ALL: &str = concat!("SELECT ", person_columns!(), " FROM people p ORDER BY p.email");
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(ALL).fetch_all(pool).await)?;
        rows.into_iter().map(Person::read).collect()
    }

    /// Whoever has this address, in any case.
    pub async fn find_person(&self, email: &str) -> Result<Option<Person>, StoreError> {
        const FIND: &str = concat!("SELECT ", person_columns!(), " FROM people p WHERE p.email = $1");
        let email = email.trim().to_lowercase();
        let row: Option<Row> =
            on_pool!(self, pool => sqlx::query_as(FIND).bind(email).fetch_optional(pool).await)?;
        row.map(Person::read).transpose()
    }

    /// Whether somebody can sign in as an administrator.
    pub async fn has_administrator(&self) -> Result<bool, StoreError> {
        const COUNT: &str = "SELECT COUNT(*) FROM people \
            WHERE role = 'administrator' AND password_hash IS NOT NULL AND disabled_at IS NULL";
        let n: i64 = on_pool!(self, pool => sqlx::query_scalar(COUNT).fetch_one(pool).await)?;
        Ok(n > 0)
    }

    /// Makes the link of the first start; earlier ones stop working.
    pub async fn first_link(&self, digest: Digest, now: Timestamp) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM entry_links WHERE person_id IS NULL OR expires_at <= $1";
        let mut tx = self.begin_write().await?;
        on_tx!(&mut tx, conn => sqlx::query(FORGET).bind(now.0).execute(conn).await.map(drop))?;
        link_in(&mut tx, digest, None, now).await?;
        tx.commit().await
    }

    /// Adds a person, who has yet to choose a password by the link; with an address that is there, nothing is done and
    /// the answer is false.
    pub async fn invite(
        &self,
        (email, name, role): (&str, &str, Role),
        digest: Digest,
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const ADD: &str = "INSERT INTO people (email, name, role, created_at) VALUES ($1, $2, $3, $4) \
            ON CONFLICT (email) DO NOTHING RETURNING id";
        let email = email.trim().to_lowercase();
        let mut tx = self.begin_write().await?;
        let id: Option<i64> = on_tx!(&mut tx, conn => sqlx::query_scalar(ADD).bind(&email).bind(name)
            .bind(role.as_str()).bind(now.0).fetch_optional(conn).await)?;
        let Some(id) = id else {
            return Ok(false);
        };
        link_in(&mut tx, digest, Some(id), now).await?;
        audit_in(&mut tx, by, "invited a person", (&email, role.as_str()), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Lets a person choose another password by the link. The old one, their second factor and all sessions stop working at once.
    pub async fn reset_password(
        &self,
        person: i64,
        digest: Digest,
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const FORGET: &str = "UPDATE people SET password_hash = NULL WHERE id = $1 RETURNING email";
        let mut tx = self.begin_write().await?;
        let email: Option<String> = on_tx!(&mut tx, conn => sqlx::query_scalar(FORGET).bind(person)
            .fetch_optional(conn).await)?;
        let Some(email) = email else {
            return Ok(false);
        };
        remove_second_factor_in(&mut tx, person).await?;
        sign_out_in(&mut tx, person).await?;
        link_in(&mut tx, digest, Some(person), now).await?;
        audit_in(&mut tx, by, "reset a password", (&email, ""), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whom a link lets in, if it still works.
    pub async fn link(&self, digest: Digest, now: Timestamp) -> Result<Option<LinkFor>, StoreError> {
        const FIND: &str = "SELECT person_id FROM entry_links WHERE digest = $1 AND expires_at > $2";
        const PERSON: &str = concat!("SELECT ", person_columns!(), " FROM people p WHERE p.id = $1");
        let found: Option<Option<i64>> = on_pool!(self, pool => sqlx::query_scalar(FIND)
            .bind(digest.as_slice()).bind(now.0).fetch_optional(pool).await)?;
        let Some(id) = found else {
            return Ok(None);
        };
        let Some(id) = id else {
            return Ok((!self.has_administrator().await?).then_some(LinkFor::First));
        };
        let row: Option<Row> =
            on_pool!(self, pool => sqlx::query_as(PERSON).bind(id).fetch_optional(pool).await)?;
        let person = row.map(Person::read).transpose()?;
        Ok(person
            .filter(|person| person.disabled_at.is_none())
            .map(LinkFor::Person))
    }

    /// Uses a link up. Returns who has come in; none if it does not work any more, or the address is another person's.
    pub async fn enter(
        &self,
        digest: Digest,
        chosen: &Chosen<'_>,
        network: &str,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        const TAKE: &str =
            "DELETE FROM entry_links WHERE digest = $1 AND expires_at > $2 RETURNING person_id";
        const FIRST: &str = "INSERT INTO people (email, name, role, password_hash, created_at) \
            VALUES ($1, $2, 'administrator', $3, $4) ON CONFLICT (email) DO NOTHING RETURNING id";
        const CHOOSE: &str = "UPDATE people SET name = $1, password_hash = $2 \
            WHERE id = $3 AND disabled_at IS NULL RETURNING email";
        let mut tx = self.begin_write().await?;
        let taken: Option<Option<i64>> = on_tx!(&mut tx, conn => sqlx::query_scalar(TAKE)
            .bind(digest.as_slice()).bind(now.0).fetch_optional(conn).await)?;
        let entered: Option<(i64, String)> = match taken {
            None => None,
            Some(None) => {
                let others = administrators_in(&mut tx).await?;
                let email = chosen.email.trim().to_lowercase();
                let id: Option<i64> = match others {
                    0 => on_tx!(&mut tx, conn => sqlx::query_scalar(FIRST).bind(&email).bind(chosen.name)
                        .bind(chosen.password_hash).bind(now.0).fetch_optional(conn).await)?,
                    _ => None,
                };
                id.map(|id| (id, email))
            }
            Some(Some(id)) => {
                let email: Option<String> = on_tx!(&mut tx, conn => sqlx::query_scalar(CHOOSE)
                    .bind(chosen.name).bind(chosen.password_hash).bind(id).fetch_optional(conn).await)?;
                email.map(|email| (id, email))
            }
        };
        let Some((id, who)) = entered else {
            return Ok(None);
        };
        // Whatever becomes of people later, the link of the first start is over when somebody has come in.
        const OVER: &str = "DELETE FROM entry_links WHERE person_id IS NULL";
        on_tx!(&mut tx, conn => sqlx::query(OVER).execute(conn).await.map(drop))?;
        sign_out_in(&mut tx, id).await?;
        let by = By {
            who: who.clone(),
            network: network.to_owned(),
        };
        audit_in(&mut tx, &by, "chose a password", (&who, ""), now).await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    /// Gives a person another password. All their sessions end.
    pub async fn change_password(
        &self,
        person: i64,
        password_hash: &str,
        by: &By,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const CHANGE: &str = "UPDATE people SET password_hash = $1 WHERE id = $2";
        let mut tx = self.begin_write().await?;
        on_tx!(&mut tx, conn => sqlx::query(CHANGE).bind(password_hash).bind(person).execute(conn).await.map(drop))?;
        sign_out_in(&mut tx, person).await?;
        audit_in(&mut tx, by, "changed their password", (&by.who, ""), now).await?;
        tx.commit().await
    }

    /// Changes what a person may do, or whether they may sign in at all. Their sessions end. False, and nothing is done: there is
    /// no such person, or nobody would be left who can sign in as an administrator.
    pub async fn change_person(
        &self,
        person: i64,
        (role, is_disabled): (Role, bool),
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const CHANGE: &str = "UPDATE people SET role = $1, \
            disabled_at = CASE WHEN $2 IS NULL THEN NULL ELSE COALESCE(disabled_at, $2) END \
            WHERE id = $3 RETURNING email";
        const WAS: &str = "SELECT disabled_at FROM people WHERE id = $1";
        let mut tx = self.begin_write().await?;
        let before = administrators_in(&mut tx).await?;
        let was: Option<Option<i64>> = on_tx!(&mut tx, conn => sqlx::query_scalar(WAS).bind(person)
            .fetch_optional(conn).await)?;
        let disabled_at = is_disabled.then_some(now.0);
        let email: Option<String> = on_tx!(&mut tx, conn => sqlx::query_scalar(CHANGE).bind(role.as_str())
            .bind(disabled_at).bind(person).fetch_optional(conn).await)?;
        let (Some(email), Some(was)) = (email, was) else {
            return Ok(false);
        };
        if before > 0 && administrators_in(&mut tx).await? == 0 {
            return Ok(false);
        }
        sign_out_in(&mut tx, person).await?;
        let what = match (was.is_some(), is_disabled) {
            (false, true) => "disabled a person",
            (true, false) => "enabled a person",
            _ => "changed a person's role",
        };
        audit_in(&mut tx, by, what, (&email, role.as_str()), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// How many could sign in as an administrator. Their rows are locked until the transaction ends, so that no two changes rely
/// on each other's administrator.
async fn administrators_in(tx: &mut Tx) -> Result<u64, StoreError> {
    const LOCK: &str = "UPDATE people SET role = role \
        WHERE role = 'administrator' AND password_hash IS NOT NULL AND disabled_at IS NULL";
    Ok(on_tx!(tx, conn => sqlx::query(LOCK).execute(conn).await.map(|done| done.rows_affected()))?)
}

/// Whether a person may sign in with this password; then the row is locked until the transaction ends.
async fn may_still_sign_in(tx: &mut Tx, person: i64, password_hash: &str) -> Result<bool, StoreError> {
    const LOCK: &str =
        "UPDATE people SET role = role WHERE id = $1 AND disabled_at IS NULL AND password_hash = $2";
    let rows = on_tx!(tx, conn => sqlx::query(LOCK).bind(person).bind(password_hash).execute(conn).await
        .map(|done| done.rows_affected()))?;
    Ok(rows == 1)
}

async fn link_in(tx: &mut Tx, digest: Digest, person: Option<i64>, now: Timestamp) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM entry_links WHERE person_id = $1";
    const ADD: &str = "INSERT INTO entry_links (digest, person_id, expires_at) VALUES ($1, $2, $3)";
    on_tx!(&mut *tx, conn => sqlx::query(FORGET).bind(person).execute(conn).await.map(drop))?;
    on_tx!(tx, conn => sqlx::query(ADD).bind(digest.as_slice()).bind(person).bind(now.plus(LINK_WORKS_FOR).0)
        .execute(conn).await.map(drop))?;
    Ok(())
}

async fn sign_out_in(tx: &mut Tx, person: i64) -> Result<(), StoreError> {
    const END: &str = "DELETE FROM person_sessions WHERE person_id = $1";
    on_tx!(&mut *tx, conn => sqlx::query(END).bind(person).execute(conn).await.map(drop))?;
    end_half_sign_ins_in(tx, person).await
}
