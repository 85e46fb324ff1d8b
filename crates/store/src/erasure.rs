//! Forgetting a person: what names them goes, what was counted stays, and of the address a keyed hash, so that no import
//! brings them back to be mailed.

mod traces;

use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::imports::lock_recipients;
use crate::preferences::hold_to_erase;
use crate::suppressions::{Suppression, keys_by_hash};
use std::collections::HashSet;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::RecipientId;
use tidings_campaign::suppression::ErasureKey;
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::AddressMark;

/// What a row says that stands for an erased person.
const EVIDENCE: &str = "its owner has had everything erased";

const SECRET: &str = "SELECT secret FROM erasure_key";

impl Store {
    /// Erases everything that names a recipient, if the address that they have leaves this mark; durable when it returns. The
    /// ledger's rows stay, with the number of a recipient that there is no more. Returns false if the recipient is gone
    /// or has another address.
    pub async fn erase_recipient(
        &self,
        recipient: RecipientId,
        mark: AddressMark,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        // An import that looks for suppressions waits until this is committed.
        lock_recipients(&mut tx).await?;
        let Some(held) = hold_to_erase(&mut tx, recipient).await? else {
            return Ok(false);
        };
        if !EmailAddress::parse(&held.address).is_ok_and(|address| AddressMark::of(&address) == mark) {
            return Ok(false);
        }
        let mut deltas = Deltas::default();
        erase(&mut tx, &mut deltas, (Some(recipient), held.address_key), now).await?;
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The same for whoever has this address, or had it last, and of the address itself if nobody did. Returns whether somebody
    /// did.
    pub async fn erase_address(&self, address: &EmailAddress, now: Timestamp) -> Result<bool, StoreError> {
        const WHO: &str = "SELECT COALESCE((SELECT id FROM recipients WHERE address_key = $1), \
            (SELECT MAX(recipient_id) FROM address_changes WHERE from_key = $1 AND changed_at = \
                (SELECT MAX(changed_at) FROM address_changes WHERE from_key = $1)))";
        let mut tx = self.begin_write().await?;
        lock_recipients(&mut tx).await?;
        let who: Option<i64> = on_tx!(&mut tx, conn => sqlx::query_scalar(WHO).bind(address.key())
            .fetch_one(conn).await)?;
        let held = match who {
            Some(id) => hold_to_erase(&mut tx, RecipientId(id)).await?,
            None => None,
        };
        let is_somebodys = held.is_some();
        let who = who.filter(|_| is_somebodys).map(RecipientId);
        let key = held.map_or_else(|| address.key(), |held| held.address_key);
        let mut deltas = Deltas::default();
        erase(&mut tx, &mut deltas, (who, key), now).await?;
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok(is_somebodys)
    }

    /// The suppression of an erased address, known by its keyed hash.
    pub(crate) async fn find_erasure(
        &self,
        address: &EmailAddress,
    ) -> Result<Option<Suppression>, StoreError> {
        const FIND: &str = "SELECT erased_at FROM erased_addresses WHERE hash = $1";
        let secret: Option<Vec<u8>> =
            on_pool!(self, pool => sqlx::query_scalar(SECRET).fetch_optional(pool).await)?;
        let Some(secret) = secret else {
            return Ok(None);
        };
        let hash = erasure_key(secret)?.hash(&address.key());
        let at: Option<i64> =
            on_pool!(self, pool => sqlx::query_scalar(FIND).bind(&hash).fetch_optional(pool).await)?;
        Ok(at.map(|at| Suppression {
            who: hash,
            reason: Suppression::BY_ERASURE.to_owned(),
            evidence: EVIDENCE.to_owned(),
            created_at: Timestamp(at),
        }))
    }
}

/// Erases a recipient and all addresses that they have had; or one address that is nobody's.
async fn erase(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (recipient, key): (Option<RecipientId>, String),
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.overwrite_deleted(true).await?;
    let done = erase_overwriting(tx, deltas, (recipient, key), now).await;
    // It holds for the connection, whatever becomes of the transaction.
    tx.overwrite_deleted(false).await?;
    done
}

async fn erase_overwriting(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (recipient, key): (Option<RecipientId>, String),
    now: Timestamp,
) -> Result<(), StoreError> {
    const FORMER: &str = "SELECT DISTINCT a.from_key FROM address_changes a WHERE a.recipient_id = $1 \
        AND NOT EXISTS (SELECT 1 FROM recipients r WHERE r.address_key = a.from_key)";
    let mut keys = vec![key];
    if let Some(recipient) = recipient {
        // One that somebody else has by now is not erased with this person.
        let former: Vec<String> = on_tx!(&mut *tx, conn => sqlx::query_scalar(FORMER).bind(recipient.0)
            .fetch_all(conn).await)?;
        keys.extend(former);
        traces::erase_recipient(tx, deltas, recipient).await?;
    }
    let secret = key_in(tx).await?;
    for key in &keys {
        const KEEP_HASH: &str =
            "INSERT INTO erased_addresses (hash, erased_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
        traces::erase_address(tx, key).await?;
        on_tx!(&mut *tx, conn => sqlx::query(KEEP_HASH).bind(secret.hash(key)).bind(now.0)
            .execute(conn).await.map(drop))?;
    }
    Ok(())
}

/// The key of the hashes; made if there is none yet.
async fn key_in(tx: &mut Tx) -> Result<ErasureKey, StoreError> {
    const MAKE: &str = "INSERT INTO erasure_key (one, secret) VALUES (1, $1) ON CONFLICT DO NOTHING";
    let mut fresh = vec![0; 32];
    getrandom::fill(&mut fresh).map_err(StoreError::Random)?;
    on_tx!(&mut *tx, conn => sqlx::query(MAKE).bind(fresh).execute(conn).await.map(drop))?;
    let secret: Vec<u8> = on_tx!(tx, conn => sqlx::query_scalar(SECRET).fetch_one(conn).await)?;
    erasure_key(secret)
}

fn erasure_key(secret: Vec<u8>) -> Result<ErasureKey, StoreError> {
    let secret = secret
        .try_into()
        .map_err(|_| bad_row("erasure_key", 1, "the secret is not 32 octets long"))?;
    Ok(ErasureKey::new(&secret))
}

/// Lets an erased address be mailed again.
pub(crate) async fn forget_erasure(tx: &mut Tx, key: &str) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM erased_addresses WHERE hash = $1";
    let secret: Option<Vec<u8>> =
        on_tx!(&mut *tx, conn => sqlx::query_scalar(SECRET).fetch_optional(conn).await)?;
    if let Some(secret) = secret {
        let hash = erasure_key(secret)?.hash(key);
        on_tx!(tx, conn => sqlx::query(FORGET).bind(hash).execute(conn).await.map(drop))?;
    }
    Ok(())
}

/// Those of the comparison keys that belonged to people who have had everything erased.
pub(crate) async fn erased_keys_in(
    tx: &mut Tx,
    keys: &[impl AsRef<str>],
) -> Result<HashSet<String>, StoreError> {
    let secret: Option<Vec<u8>> =
        on_tx!(&mut *tx, conn => sqlx::query_scalar(SECRET).fetch_optional(conn).await)?;
    let Some(secret) = secret.map(erasure_key).transpose()? else {
        return Ok(HashSet::new());
    };
    Ok(keys_by_hash!(on_tx, tx, "erased_addresses", keys, |key| secret
        .hash(key.as_ref())))
}

/// The same outside a transaction.
pub(crate) async fn erased_keys(
    store: &Store,
    keys: &[impl AsRef<str>],
) -> Result<HashSet<String>, StoreError> {
    let secret: Option<Vec<u8>> =
        on_pool!(store, pool => sqlx::query_scalar(SECRET).fetch_optional(pool).await)?;
    let Some(secret) = secret.map(erasure_key).transpose()? else {
        return Ok(HashSet::new());
    };
    Ok(keys_by_hash!(on_pool, store, "erased_addresses", keys, |key| {
        secret.hash(key.as_ref())
    }))
}
