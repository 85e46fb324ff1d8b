//! `tidings vacuum`: a database file without what was deleted.

use crate::context::Context;
use crate::output;
use anyhow::bail;
use serde_json::json;

/// Writes the file anew.
pub async fn run(context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    if !store.vacuum().await? {
        bail!(
            "on PostgreSQL the server does this: its autovacuum frees what was deleted, and `VACUUM FULL` writes the tables anew"
        );
    }
    store.close().await;
    match context.json {
        true => output::json(&json!({ "vacuumed": true })),
        false => output::line("the database file holds nothing of what was deleted"),
    }
}
