//! Where a person stands in the database. Whatever names recipients or addresses in a table of its own must be named here too.

use crate::counters::{Deltas, confirmed};
use crate::engine::{Tx, on_tx};
use crate::error::StoreError;
use crate::hits::forget_waiting;
use tidings_campaign::ids::RecipientId;
use tidings_campaign::suppression::AddressHash;

/// Rows that go. Where a primary key begins with a list or a campaign, all of these are gone through, which is still quick.
const GO: [&str; 8] = [
    "DELETE FROM left_lists WHERE campaign_id IN (SELECT id FROM campaigns) AND recipient_id = $1",
    "DELETE FROM hits WHERE campaign_id IN (SELECT id FROM campaigns) AND recipient_id = $1",
    "DELETE FROM import_changes WHERE recipient_id = $1",
    "DELETE FROM sign_ups WHERE recipient_id = $1",
    "DELETE FROM own_joins WHERE recipient_id = $1",
    "DELETE FROM address_changes WHERE recipient_id = $1",
    "DELETE FROM pauses WHERE recipient_id = $1",
    "DELETE FROM recipients WHERE id = $1",
];

/// Rows that stay, because they are counted, and lose what somebody wrote: relays repeat addresses in their replies, and a
/// message that could not be made is withheld with the words that were at fault.
const STAY: [&str; 5] = [
    "UPDATE arrivals SET raw = $2 WHERE id IN (SELECT e.arrival_id FROM deliveries d \
        JOIN feedback_events e ON e.campaign_id = d.campaign_id AND e.seq = d.seq WHERE d.recipient_id = $1)",
    "UPDATE feedback_events SET address_key = '', told_address = '', text = '', host = NULL \
        WHERE campaign_id IS NOT NULL AND (campaign_id, seq) IN \
        (SELECT d.campaign_id, d.seq FROM deliveries d WHERE d.recipient_id = $1)",
    "UPDATE attempts SET reply = NULL WHERE (campaign_id, seq) IN \
        (SELECT d.campaign_id, d.seq FROM deliveries d WHERE d.recipient_id = $1)",
    "UPDATE deliveries SET reply = NULL, reason = CASE WHEN state = 'withheld' THEN NULL ELSE reason END \
        WHERE recipient_id = $1",
    "UPDATE unsubscribes SET comment = NULL WHERE campaign_id IN (SELECT id FROM campaigns) AND recipient_id = $1",
];

/// The same by an address, wherever it was told.
const OF_ADDRESS: [&str; 6] = [
    "UPDATE arrivals SET raw = $2 WHERE id IN (SELECT e.arrival_id FROM feedback_events e WHERE e.address_key = $1)",
    "UPDATE feedback_events SET address_key = '', told_address = '', text = '', host = NULL WHERE address_key = $1",
    "DELETE FROM suppressions WHERE address_key = $1",
    "DELETE FROM lifted_suppressions WHERE address_key = $1",
    "DELETE FROM letters WHERE address_key = $1",
    "UPDATE audit_log SET about = '' WHERE about = $1 AND what IN ('suppressed an address', 'lifted a suppression')",
];

/// Their standings, those that are counted among them.
const STANDINGS: &str = "DELETE FROM subscriptions WHERE list_id IN (SELECT id FROM lists) AND recipient_id = $1 \
    RETURNING list_id, state";

pub(super) async fn erase_recipient(
    tx: &mut Tx,
    deltas: &mut Deltas,
    recipient: RecipientId,
) -> Result<(), StoreError> {
    forget_waiting(tx, recipient).await?;
    for text in STAY {
        on_tx!(&mut *tx, conn => {
            let query = sqlx::query(text).bind(recipient.0);
            let query = if text.contains("$2") { query.bind(Vec::<u8>::new()) } else { query };
            query.execute(conn).await.map(drop)
        })?;
    }
    let left: Vec<(i64, String)> = on_tx!(&mut *tx, conn => sqlx::query_as(STANDINGS).bind(recipient.0)
        .fetch_all(conn).await)?;
    deltas.lost(confirmed(left));
    for text in GO {
        on_tx!(&mut *tx, conn => sqlx::query(text).bind(recipient.0).execute(conn).await.map(drop))?;
    }
    Ok(())
}

pub(super) async fn erase_address(tx: &mut Tx, key: &str) -> Result<(), StoreError> {
    const HASH: &str = "DELETE FROM suppression_hashes WHERE hash = $1";
    // Texts that may name the address somewhere.
    const SAID: [&str; 3] = [
        "DELETE FROM transcripts WHERE LOWER(text) LIKE $1 ESCAPE '!' OR LOWER(fault) LIKE $1 ESCAPE '!'",
        "DELETE FROM preflights WHERE LOWER(findings) LIKE $1 ESCAPE '!' OR LOWER(failure) LIKE $1 ESCAPE '!'",
        "DELETE FROM preflight_overrides WHERE LOWER(finding) LIKE $1 ESCAPE '!' OR LOWER(reason) LIKE $1 ESCAPE '!'",
    ];
    for text in OF_ADDRESS {
        on_tx!(&mut *tx, conn => {
            let query = sqlx::query(text).bind(key);
            let query = if text.contains("$2") { query.bind(Vec::<u8>::new()) } else { query };
            query.execute(conn).await.map(drop)
        })?;
    }
    let hash = AddressHash::of_key(key);
    on_tx!(&mut *tx, conn => sqlx::query(HASH).bind(hash.as_str()).execute(conn).await.map(drop))?;
    let escaped = key.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let anywhere = format!("%{escaped}%");
    for text in SAID {
        on_tx!(&mut *tx, conn => sqlx::query(text).bind(&anywhere).execute(conn).await.map(drop))?;
    }
    Ok(())
}
