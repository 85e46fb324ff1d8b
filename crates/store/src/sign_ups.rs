//! Sign-ups: who asked for a list's mail, the letter that asks whether it was meant, and the confirmation that makes it so.

mod forms;
mod proofs;

use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::imports::lock_recipients;
use crate::letters::{NewLetter, Queued, queue_letter_in};
use crate::preferences::hold;
use crate::suppressions::keys_with_known_hash_in;
pub use proofs::ExportedSignUp;
use serde_json::{Map, Value};
use std::time::Duration;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{ListId, RecipientId, SignUpId};
use tidings_campaign::letter::{Cap, LetterCaps};
use tidings_campaign::recipient::Subscription;
use tidings_campaign::time::Timestamp;

/// So long after its link has expired, a sign-up that was not confirmed is forgotten.
pub const UNCONFIRMED_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Expired sign-ups that are forgotten in one transaction.
pub const FORGOTTEN_AT_ONCE: u64 = 500;

/// By what the text that a person agreed to is known to have been shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownBy {
    /// By our own page, or a form that named this text.
    Page,
    /// By a form elsewhere that named this text.
    Form,
    /// A form or program did not say what it shows: it is the text that it should have shown.
    Unproven,
}

impl ShownBy {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            ShownBy::Page => "page",
            ShownBy::Form => "form",
            ShownBy::Unproven => "unproven",
        }
    }
}

/// Who asks, or confirms, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The network address, or its keyed hash; nothing where the operator does not keep it.
    pub network: Option<String>,
    /// What the program calls itself.
    pub user_agent: String,
}

/// A sign-up, asked for and not confirmed.
#[derive(Clone, Debug)]
pub struct NewSignUp {
    /// Its number, from the sequence `sign_ups`: the letter names it.
    pub id: SignUpId,
    /// For which list.
    pub list: ListId,
    /// The address.
    pub address: EmailAddress,
    /// The name that was written; may be empty. It is taken over at the confirmation, as the attributes are.
    pub name: String,
    /// The attributes that were written.
    pub attributes: Map<String, Value>,
    /// Where the form stood, in a word of the operator's.
    pub form: String,
    /// The language of the form.
    pub language: String,
    /// What the person agrees to.
    pub text: String,
    /// By what it was shown.
    pub text_shown_by: ShownBy,
    /// Who asked.
    pub visitor: Visitor,
    /// Until when it can be confirmed.
    pub expires_at: Timestamp,
}

/// What became of a sign-up. Whoever asked is told the same in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedUp {
    /// A letter goes out.
    Asked,
    /// The address must not be mailed: nothing was written.
    Suppressed,
    /// Too many letters have gone out: nothing was written.
    TooMany(Cap),
}

/// A sign-up, for the page behind its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignUp {
    /// The list.
    pub list: ListId,
    /// Its name.
    pub list_name: String,
    /// The language of the form.
    pub language: String,
    /// When it was confirmed, if it was.
    pub confirmed_at: Option<Timestamp>,
}

/// What a confirmation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The recipient is subscribed.
    Yes,
    /// The recipient is subscribed, but the address is suppressed by now: that is not lifted.
    Suppressed,
    /// It had been confirmed before: nothing changes, whatever has happened since.
    Before,
    /// There is no such sign-up any more, or it is too late.
    Gone,
}

#[derive(sqlx::FromRow)]
struct ConfirmedRow {
    list_id: i64,
    recipient_id: i64,
    name: String,
    attributes: String,
    language: String,
}

impl Store {
    /// Writes a sign-up and queues its letter, in one transaction. The recipient is made if the address is new, without name and
    /// attributes; who is not on the list yet is `pending` on it. Who is confirmed stays so, and who has unsubscribed stays so
    /// until the confirmation.
    pub async fn sign_up(
        &self,
        new: &NewSignUp,
        letter: &NewLetter<'_>,
        caps: LetterCaps,
        now: Timestamp,
    ) -> Result<SignedUp, StoreError> {
        const PENDING: &str = "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
            VALUES ($1, $2, 'pending', $3) ON CONFLICT (list_id, recipient_id) DO NOTHING";
        const INSERT: &str = "INSERT INTO sign_ups (id, list_id, recipient_id, address, form, language, text, text_shown_by, \
            name, attributes, network, user_agent, asked_at, expires_at, made_recipient, made_subscription) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
        let mut tx = self.begin_write().await?;
        // Whoever suppresses by hash waits until this recipient is there.
        let next = lock_recipients(&mut tx).await?;
        if is_suppressed(&mut tx, &new.address).await? {
            return Ok(SignedUp::Suppressed);
        }
        if let Queued::TooMany(cap) = queue_letter_in(&mut tx, letter, caps, now).await? {
            return Ok(SignedUp::TooMany(cap));
        }
        let (recipient, made) = find_or_make(&mut tx, &new.address, next, now).await?;
        let pending = on_tx!(&mut tx, conn => sqlx::query(PENDING).bind(new.list.0).bind(recipient.0).bind(now.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        let attributes = Value::from(new.attributes.clone()).to_string();
        on_tx!(&mut tx, conn => sqlx::query(INSERT).bind(new.id.0).bind(new.list.0).bind(recipient.0)
            .bind(new.address.as_str()).bind(&new.form).bind(&new.language).bind(&new.text)
            .bind(new.text_shown_by.as_str()).bind(&new.name).bind(attributes).bind(&new.visitor.network)
            .bind(&new.visitor.user_agent).bind(now.0).bind(new.expires_at.0).bind(i64::from(made))
            .bind(i64::from(pending == 1)).execute(conn).await.map(drop))?;
        tx.commit().await?;
        Ok(SignedUp::Asked)
    }

    /// The sign-up of this number; none if it was forgotten.
    pub async fn find_sign_up(&self, id: SignUpId) -> Result<Option<SignUp>, StoreError> {
        const FIND: &str = "SELECT s.list_id, l.name, s.language, s.confirmed_at \
            FROM sign_ups s JOIN lists l ON l.id = s.list_id WHERE s.id = $1";
        let row: Option<(i64, String, String, Option<i64>)> =
            on_pool!(self, pool => sqlx::query_as(FIND).bind(id.0).fetch_optional(pool).await)?;
        Ok(row.map(|(list, list_name, language, confirmed_at)| SignUp {
            list: ListId(list),
            list_name,
            language,
            confirmed_at: confirmed_at.map(Timestamp),
        }))
    }

    /// Confirms a sign-up: the recipient is subscribed from now on, whatever the standing was; the name and the attributes that
    /// were written are taken over; durable when it returns. A suppression is not lifted.
    pub async fn confirm_sign_up(
        &self,
        id: SignUpId,
        visitor: &Visitor,
        language_attribute: &str,
        now: Timestamp,
    ) -> Result<Confirmed, StoreError> {
        const CONFIRM: &str = "UPDATE sign_ups SET confirmed_at = $1, confirmed_network = $2, confirmed_user_agent = $3, \
            was = COALESCE((SELECT b.state FROM subscriptions b WHERE b.list_id = sign_ups.list_id \
                AND b.recipient_id = sign_ups.recipient_id), 'none') \
            WHERE id = $4 AND confirmed_at IS NULL AND expires_at > $1 \
            AND EXISTS (SELECT 1 FROM recipients r WHERE r.id = sign_ups.recipient_id) \
            RETURNING list_id, recipient_id, name, attributes, language";
        // It is not an import's any more, to be taken back with it.
        const SUBSCRIBE: &str = "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
            VALUES ($1, $2, 'confirmed', $3) ON CONFLICT (list_id, recipient_id) DO UPDATE SET \
            state = excluded.state, updated_at = excluded.updated_at, import_id = NULL \
            WHERE subscriptions.state <> 'confirmed'";
        const OWN: &str = "UPDATE subscriptions SET updated_at = $3, import_id = NULL \
            WHERE list_id = $1 AND recipient_id = $2";
        const WHOSE: &str = "SELECT recipient_id FROM sign_ups WHERE id = $1";
        let mut tx = self.begin_write().await?;
        // The recipient first, as whoever erases or changes one does.
        let whose: Option<i64> =
            on_tx!(&mut tx, conn => sqlx::query_scalar(WHOSE).bind(id.0).fetch_optional(conn).await)?;
        if let Some(recipient) = whose {
            hold(&mut tx, RecipientId(recipient)).await?;
        }
        let row: Option<ConfirmedRow> = on_tx!(&mut tx, conn => sqlx::query_as(CONFIRM).bind(now.0)
            .bind(&visitor.network).bind(&visitor.user_agent).bind(id.0).fetch_optional(conn).await)?;
        let Some(row) = row else {
            drop(tx);
            let found = self.find_sign_up(id).await?;
            let was_confirmed = found.is_some_and(|found| found.confirmed_at.is_some());
            return Ok(if was_confirmed {
                Confirmed::Before
            } else {
                Confirmed::Gone
            });
        };
        let recipient = RecipientId(row.recipient_id);
        let mut deltas = Deltas::default();
        for text in [SUBSCRIBE, OWN] {
            let rows = on_tx!(&mut tx, conn => sqlx::query(text).bind(row.list_id).bind(recipient.0).bind(now.0)
                .execute(conn).await.map(|done| done.rows_affected()))?;
            if rows == 1 {
                deltas.confirmed(ListId(row.list_id), i64::from(text == SUBSCRIBE));
                break;
            }
        }
        let address = take_over(&mut tx, recipient, &row, language_attribute, now).await?;
        let suppressed = is_suppressed(&mut tx, &address).await?;
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok(match suppressed {
            true => Confirmed::Suppressed,
            false => Confirmed::Yes,
        })
    }

    /// How a recipient stands on a list; none if not at all.
    pub async fn standing_on(
        &self,
        list: ListId,
        recipient: RecipientId,
    ) -> Result<Option<Subscription>, StoreError> {
        const STANDING: &str = "SELECT state FROM subscriptions WHERE list_id = $1 AND recipient_id = $2";
        let word: Option<String> = on_pool!(self, pool => sqlx::query_scalar(STANDING).bind(list.0).bind(recipient.0)
            .fetch_optional(pool).await)?;
        let standing = |word: String| {
            let unknown = || bad_row("subscriptions", recipient, format!("unknown state `{word}`"));
            Subscription::parse(&word).ok_or_else(unknown)
        };
        word.map(standing).transpose()
    }

    /// Forgets the sign-ups whose links have been expired for [`UNCONFIRMED_KEPT`], with the standing and the recipient that
    /// they made, if nothing else has come of these: at most [`FORGOTTEN_AT_ONCE`], so that nobody waits long. Returns how
    /// many sign-ups those were.
    pub async fn forget_sign_ups(&self, now: Timestamp) -> Result<u64, StoreError> {
        const OLD: &str =
            "SELECT EXISTS (SELECT 1 FROM sign_ups WHERE confirmed_at IS NULL AND expires_at <= $1)";
        const FORGET: &str = "DELETE FROM sign_ups WHERE id IN (SELECT id FROM sign_ups \
            WHERE confirmed_at IS NULL AND expires_at <= $1 LIMIT $2) \
            RETURNING list_id, recipient_id, made_recipient, made_subscription";
        const LEAVE: &str = "DELETE FROM subscriptions WHERE list_id = $1 AND recipient_id = $2 AND state = 'pending' \
            AND NOT EXISTS (SELECT 1 FROM sign_ups s WHERE s.list_id = $1 AND s.recipient_id = $2)";
        const UNMAKE: &str = "DELETE FROM recipients WHERE id = $1 \
            AND NOT EXISTS (SELECT 1 FROM lists l CROSS JOIN subscriptions s WHERE s.list_id = l.id AND s.recipient_id = $1) \
            AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.recipient_id = $1) \
            AND NOT EXISTS (SELECT 1 FROM sign_ups u WHERE u.recipient_id = $1)";
        let before = now.minus(UNCONFIRMED_KEPT);
        let any: bool = on_pool!(self, pool => sqlx::query_scalar(OLD).bind(before.0).fetch_one(pool).await)?;
        if !any {
            return Ok(0);
        }
        let mut tx = self.begin_write().await?;
        lock_recipients(&mut tx).await?;
        let rows: Vec<(i64, i64, i64, i64)> = on_tx!(&mut tx, conn => sqlx::query_as(FORGET).bind(before.0)
            .bind(i64::try_from(FORGOTTEN_AT_ONCE).expect("a small number")).fetch_all(conn).await)?;
        for (list, recipient, made_recipient, made_subscription) in &rows {
            if *made_subscription == 1 {
                on_tx!(&mut tx, conn => sqlx::query(LEAVE).bind(list).bind(recipient)
                    .execute(conn).await.map(drop))?;
            }
            if *made_recipient == 1 {
                on_tx!(&mut tx, conn => sqlx::query(UNMAKE).bind(recipient).execute(conn).await.map(drop))?;
            }
        }
        tx.commit().await?;
        Ok(u64::try_from(rows.len()).expect("rows fit into memory"))
    }
}

/// Whether an address must not be mailed, by itself or by its hash.
pub(crate) async fn is_suppressed(tx: &mut Tx, address: &EmailAddress) -> Result<bool, StoreError> {
    const IS: &str = "SELECT EXISTS (SELECT 1 FROM suppressions WHERE address_key = $1)";
    let key = address.key().to_string();
    let by_address: bool = on_tx!(&mut *tx, conn => sqlx::query_scalar(IS).bind(&key).fetch_one(conn).await)?;
    Ok(by_address || !keys_with_known_hash_in(tx, &[key]).await?.is_empty())
}

/// The recipient of this address, and whether it was made. `next`: the id that is free, while nobody else makes recipients.
async fn find_or_make(
    tx: &mut Tx,
    address: &EmailAddress,
    next: i64,
    now: Timestamp,
) -> Result<(RecipientId, bool), StoreError> {
    const FIND: &str = "SELECT id FROM recipients WHERE address_key = $1";
    const MAKE: &str = "INSERT INTO recipients (id, address, address_key, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $4)";
    const TAKEN: &str = "UPDATE sequences SET next = next + 1 WHERE name = 'recipients'";
    let found: Option<i64> = on_tx!(&mut *tx, conn => sqlx::query_scalar(FIND).bind(address.key())
        .fetch_optional(conn).await)?;
    if let Some(id) = found {
        return Ok((RecipientId(id), false));
    }
    on_tx!(&mut *tx, conn => sqlx::query(MAKE).bind(next).bind(address.as_str()).bind(address.key()).bind(now.0)
        .execute(conn).await.map(drop))?;
    on_tx!(&mut *tx, conn => sqlx::query(TAKEN).execute(conn).await.map(drop))?;
    Ok((RecipientId(next), true))
}

/// Takes over what was written into the form; the language only where none is known. Returns the recipient's address.
async fn take_over(
    tx: &mut Tx,
    recipient: RecipientId,
    row: &ConfirmedRow,
    language_attribute: &str,
    now: Timestamp,
) -> Result<EmailAddress, StoreError> {
    const READ: &str = "SELECT address, name, attributes FROM recipients WHERE id = $1";
    const WRITE: &str = "UPDATE recipients SET name = $1, attributes = $2, updated_at = $3 WHERE id = $4";
    let bad = |problem: String| bad_row("recipients", recipient, problem);
    let (address, mut name, text): (String, String, String) = on_tx!(&mut *tx, conn => sqlx::query_as(READ)
        .bind(recipient.0).fetch_one(conn).await)?;
    let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text);
    let before = object(&text).map_err(|error| bad(format!("the attributes: {error}")))?;
    let written = object(&row.attributes).map_err(|error| bad(format!("the sign-up's: {error}")))?;
    let mut attributes = before.clone();
    attributes.extend(written);
    if !attributes.contains_key(language_attribute) {
        attributes.insert(language_attribute.to_owned(), row.language.clone().into());
    }
    if attributes != before || (!row.name.is_empty() && row.name != name) {
        if !row.name.is_empty() {
            name.clone_from(&row.name);
        }
        let attributes = Value::from(attributes).to_string();
        on_tx!(&mut *tx, conn => sqlx::query(WRITE).bind(&name).bind(attributes).bind(now.0).bind(recipient.0)
            .execute(conn).await.map(drop))?;
    }
    EmailAddress::parse(&address).map_err(|error| bad(format!("the address {error}")))
}
