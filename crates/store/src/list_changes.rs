//! Making lists, renaming them, and saying what holds for each. Every change is kept in the audit log, in its own transaction.

use crate::audit::{By, audit_in};
use crate::campaigns::utm_json;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use tidings_campaign::ids::ListId;
use tidings_campaign::sign_up::SignUpForm;
use tidings_campaign::time::Timestamp;
use tidings_campaign::tracking::{Tracking, Utm};

/// What is said of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ListChange<'a> {
    /// What it is called from now on; no other list may be called so.
    Name(&'a str),
    /// What becomes of the links of campaigns that go to it; none: it does not say.
    Tracking(Option<Tracking>),
    /// What is added to the addresses of links of campaigns that go to it.
    Utm(&'a Utm),
    /// Whether anybody may read its finished campaigns.
    Archived(bool),
    /// Open for sign-up with this form, in the place of another one; none: closed.
    SignUp(Option<&'a SignUpForm>),
}

/// What became of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListChanged {
    /// As it was wished.
    Done,
    /// There is no such list.
    NoSuchList,
    /// Another list is called so.
    NameTaken,
}

impl Store {
    /// Makes a list; none if there is one of this name.
    pub async fn make_list(&self, name: &str, by: &By, now: Timestamp) -> Result<Option<ListId>, StoreError> {
        const MAKE: &str =
            "INSERT INTO lists (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING id";
        let mut tx = self.begin_write().await?;
        let id: Option<i64> = on_tx!(&mut tx, conn => sqlx::query_scalar(MAKE).bind(name).bind(now.0)
            .fetch_optional(conn).await)?;
        if id.is_some() {
            audit_in(&mut tx, by, "made a list", (name, ""), now).await?;
        }
        tx.commit().await?;
        Ok(id.map(ListId))
    }

    /// Changes what holds for the list of this name.
    pub async fn change_list(
        &self,
        name: &str,
        change: ListChange<'_>,
        by: &By,
        now: Timestamp,
    ) -> Result<ListChanged, StoreError> {
        const LOCK: &str = "UPDATE lists SET name = name WHERE name = $1 RETURNING id, name";
        let mut tx = self.begin_write().await?;
        let list: Option<(i64, String)> =
            on_tx!(&mut tx, conn => sqlx::query_as(LOCK).bind(name).fetch_optional(conn).await)?;
        finish(tx, list, &[change], by, now).await
    }

    /// The same for the list of this number, whatever it is called by now: all of it, or nothing.
    pub async fn change_list_by_id(
        &self,
        id: ListId,
        changes: &[ListChange<'_>],
        by: &By,
        now: Timestamp,
    ) -> Result<ListChanged, StoreError> {
        const LOCK: &str = "UPDATE lists SET name = name WHERE id = $1 RETURNING id, name";
        let mut tx = self.begin_write().await?;
        let list: Option<(i64, String)> =
            on_tx!(&mut tx, conn => sqlx::query_as(LOCK).bind(id.0).fetch_optional(conn).await)?;
        finish(tx, list, changes, by, now).await
    }

    /// The names of all lists, in their order.
    pub async fn list_names(&self) -> Result<Vec<(ListId, String)>, StoreError> {
        const NAMES: &str = "SELECT id, name FROM lists ORDER BY name";
        let rows: Vec<(i64, String)> = on_pool!(self, pool => sqlx::query_as(NAMES).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(|(id, name)| (ListId(id), name)).collect())
    }
}

/// `list`: the one that is locked.
async fn finish(
    mut tx: Tx,
    list: Option<(i64, String)>,
    changes: &[ListChange<'_>],
    by: &By,
    now: Timestamp,
) -> Result<ListChanged, StoreError> {
    let Some((id, name)) = list else {
        return Ok(ListChanged::NoSuchList);
    };
    for change in changes {
        if let ListChange::Name(wanted) = change
            && is_taken(&mut tx, wanted, id).await?
        {
            return Ok(ListChanged::NameTaken);
        }
        write(&mut tx, id, *change).await?;
        let (what, detail) = in_words(*change);
        audit_in(&mut tx, by, what, (&name, &detail), now).await?;
    }
    tx.commit().await?;
    Ok(ListChanged::Done)
}

async fn is_taken(tx: &mut Tx, name: &str, by_other_than: i64) -> Result<bool, StoreError> {
    const TAKEN: &str = "SELECT id FROM lists WHERE name = $1 AND id <> $2";
    let taken: Option<i64> = on_tx!(tx, conn => sqlx::query_scalar(TAKEN).bind(name).bind(by_other_than)
        .fetch_optional(conn).await)?;
    Ok(taken.is_some())
}

async fn write(tx: &mut Tx, id: i64, change: ListChange<'_>) -> Result<(), StoreError> {
    const NAME: &str = "UPDATE lists SET name = $1 WHERE id = $2";
    const TRACKING: &str = "UPDATE lists SET tracking = $1 WHERE id = $2";
    const UTM: &str = "UPDATE lists SET utm = $1 WHERE id = $2";
    const ARCHIVED: &str = "UPDATE lists SET archived = $1 WHERE id = $2";
    const SIGN_UP: &str = "UPDATE lists SET sign_up = $1 WHERE id = $2";
    if let ListChange::Archived(is_open) = change {
        let is_open = i64::from(is_open);
        on_tx!(tx, conn => sqlx::query(ARCHIVED).bind(is_open).bind(id).execute(conn).await.map(drop))?;
        return Ok(());
    }
    let (statement, text) = match change {
        ListChange::Name(name) => (NAME, Some(name.to_owned())),
        ListChange::Tracking(tracking) => (TRACKING, tracking.map(|mode| mode.as_str().to_owned())),
        ListChange::Utm(utm) => (UTM, utm_json(utm)),
        ListChange::SignUp(form) => (SIGN_UP, form.map(as_json)),
        ListChange::Archived(_) => return Ok(()),
    };
    on_tx!(tx, conn => sqlx::query(statement).bind(text).bind(id).execute(conn).await.map(drop))?;
    Ok(())
}

fn as_json(form: &SignUpForm) -> String {
    serde_json::to_string(form).expect("texts and lists of them can be written as JSON")
}

/// For the audit log: what was done, and to what.
fn in_words(change: ListChange<'_>) -> (&'static str, String) {
    match change {
        ListChange::Name(name) => ("renamed a list", format!("→ {name}")),
        ListChange::Tracking(tracking) => {
            let mode = tracking.map_or("as configured", Tracking::as_str);
            ("set the tracking of a list", mode.to_owned())
        }
        ListChange::Utm(utm) => ("set the UTM parameters of a list", utm.to_string()),
        ListChange::Archived(true) => ("opened the archive of a list", String::new()),
        ListChange::Archived(false) => ("closed the archive of a list", String::new()),
        ListChange::SignUp(Some(form)) => ("opened a list for sign-up", form.sender.clone()),
        ListChange::SignUp(None) => ("closed a list for sign-up", String::new()),
    }
}
