//! Addresses that come with an import and must not be mailed.

use super::batch::ROWS;
use crate::engine::{Tx, on_tx, values_list};
use crate::error::StoreError;
use std::collections::BTreeMap;
use tidings_campaign::csv_import::Suppression;
use tidings_campaign::ids::ImportId;
use tidings_campaign::time::Timestamp;

/// Suppresses the addresses. Those that are suppressed already stay as they are, and are not this import's to lift; what two imports
/// say is neither's to lift.
pub(super) async fn suppress(
    tx: &mut Tx,
    import: ImportId,
    suppressions: &[Suppression],
    now: Timestamp,
) -> Result<(), StoreError> {
    for chunk in suppressions.chunks(ROWS) {
        // No address may be twice in one statement.
        let chunk: BTreeMap<String, &Suppression> = chunk
            .iter()
            .rev()
            .map(|known| (known.address.key(), known))
            .collect();
        // WHERE TRUE tells SQLite that ON belongs to the insert and not to the join.
        let text = tx.bulk_text(format!(
            "INSERT INTO suppressions (address_key, reason, evidence, created_at, import_id) \
             SELECT v.column1, v.column2, v.column3, c.column1, c.column2 \
             FROM (VALUES ($1,$2)) AS c, (VALUES {}) AS v WHERE TRUE ON CONFLICT (address_key) DO UPDATE SET import_id = NULL \
             WHERE suppressions.import_id <> excluded.import_id",
            values_list(chunk.len(), 3, 3)
        ));
        on_tx!(tx, conn => {
            let mut query = sqlx::query(text).bind(now.0).bind(import.0);
            for (key, known) in &chunk {
                query = query.bind(key.as_str()).bind(known.reason.word()).bind(known.evidence.as_str());
            }
            query.execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}
