//! A recipient has another address. What was sent, the lists and all wishes stay with the recipient; what is known of an address
//! stays with the address.

use crate::engine::{Store, Tx, on_tx};
use crate::error::StoreError;
use crate::imports::lock_addresses;
use crate::preferences::hold;
use crate::suppressions::{Suppression, keys_with_known_hash_in, suppress_in};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::RecipientId;
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::AddressMark;
use tidings_feedback::policy::Why;

/// Reasons of suppressions that speak of a mailbox and not of the person: the last is that of an imported one.
const OF_MAILBOXES: [&str; 3] = [Why::HardBounce.as_str(), Why::SoftBounces.as_str(), "address"];

/// What became of the wish to change an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressChange {
    /// It is changed.
    Changed,
    /// The recipient has it already.
    Same,
    /// The recipient is gone, or has another address than the one that was to be changed.
    Stale,
    /// Another recipient has it.
    Taken,
    /// It must not be mailed.
    Suppressed,
}

impl Store {
    /// Gives a recipient another address, if the one that they have leaves this mark. A suppression that speaks of the former
    /// mailbox stays behind, one that speaks of the person goes with them; and the former address is suppressed, so that
    /// no import makes a second recipient of the same person. Who goes back to an address that they had is let.
    pub async fn change_address(
        &self,
        recipient: RecipientId,
        mark: AddressMark,
        to: &EmailAddress,
        now: Timestamp,
    ) -> Result<AddressChange, StoreError> {
        const CHANGE: &str =
            "UPDATE recipients SET address = $1, address_key = $2, updated_at = $3 WHERE id = $4";
        const REMEMBER: &str =
            "INSERT INTO address_changes (recipient_id, changed_at, from_key) VALUES ($1, $2, $3)";
        const TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM recipients WHERE address_key = $1 AND id <> $2)";
        let mut tx = self.begin_write().await?;
        // Whoever makes recipients waits, so that none is made with this address meanwhile.
        lock_addresses(&mut tx).await?;
        let Some(held) = hold(&mut tx, recipient).await? else {
            return Ok(AddressChange::Stale);
        };
        if held.address_key == to.key() {
            return Ok(AddressChange::Same);
        }
        let is_meant = EmailAddress::parse(&held.address).is_ok_and(|from| AddressMark::of(&from) == mark);
        if !is_meant {
            return Ok(AddressChange::Stale);
        }
        let is_taken: bool = on_tx!(&mut tx, conn => sqlx::query_scalar(TAKEN).bind(to.key()).bind(recipient.0)
            .fetch_one(conn).await)?;
        if is_taken {
            return Ok(AddressChange::Taken);
        }
        if is_suppressed(&mut tx, recipient, to).await? {
            return Ok(AddressChange::Suppressed);
        }
        carry_suppressions(&mut tx, &held.address_key, to, now).await?;
        on_tx!(&mut tx, conn => sqlx::query(CHANGE).bind(to.as_str()).bind(to.key()).bind(now.0).bind(recipient.0)
            .execute(conn).await.map(drop))?;
        on_tx!(&mut tx, conn => sqlx::query(REMEMBER).bind(recipient.0).bind(now.0).bind(&held.address_key)
            .execute(conn).await.map(drop))?;
        tx.commit().await?;
        Ok(AddressChange::Changed)
    }
}

/// Whether an address must not be mailed for any other reason than that this recipient once gave it up; that one is taken back.
async fn is_suppressed(tx: &mut Tx, recipient: RecipientId, to: &EmailAddress) -> Result<bool, StoreError> {
    const TAKE_BACK: &str = "DELETE FROM suppressions WHERE address_key = $1 AND reason = $2 \
        AND EXISTS (SELECT 1 FROM address_changes a WHERE a.recipient_id = $3 AND a.from_key = $1)";
    const SUPPRESSED: &str = "SELECT EXISTS (SELECT 1 FROM suppressions WHERE address_key = $1)";
    let key = to.key().to_string();
    on_tx!(&mut *tx, conn => sqlx::query(TAKE_BACK).bind(&key).bind(Suppression::BY_MOVE).bind(recipient.0)
        .execute(conn).await.map(drop))?;
    let is_known: bool =
        on_tx!(&mut *tx, conn => sqlx::query_scalar(SUPPRESSED).bind(&key).fetch_one(conn).await)?;
    Ok(is_known || !keys_with_known_hash_in(tx, &[key]).await?.is_empty())
}

async fn carry_suppressions(
    tx: &mut Tx,
    from_key: &str,
    to: &EmailAddress,
    now: Timestamp,
) -> Result<(), StoreError> {
    const CARRY: &str = "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
        SELECT $1, s.reason, s.evidence, s.created_at FROM suppressions s \
        WHERE s.address_key = $2 AND s.reason NOT IN ($3, $4, $5) ON CONFLICT (address_key) DO NOTHING";
    const WHY: &str = "its owner has changed to another address";
    let [hard, soft, imported] = OF_MAILBOXES;
    on_tx!(&mut *tx, conn => sqlx::query(CARRY).bind(to.key()).bind(from_key).bind(hard).bind(soft).bind(imported)
        .execute(conn).await.map(drop))?;
    suppress_in(tx, from_key, (Suppression::BY_MOVE, WHY), now).await?;
    Ok(())
}
