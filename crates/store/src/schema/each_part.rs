//! Indices that a migration makes on the ledger: first on each of its parts, while others read and write, because
//! `CREATE INDEX CONCURRENTLY` does not do that by way of the parent. The migration takes them in afterwards.

use sqlx::{AssertSqlSafe, PgConnection};

/// The migration that takes them in.
pub(super) const VERSION: i64 = 38;

/// What each is called behind the name of its part, and what it is about. They must be what the migration says of the parent.
const INDICES: [(&str, &str); 2] = [
    ("waiting", "(campaign_id, due_at) WHERE due_at IS NOT NULL"),
    ("by_limit", "(campaign_id, reason, due_at) WHERE cause = 'limit'"),
];

const PARTS: &str = "SELECT c.relname::TEXT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
    WHERE i.inhparent = 'deliveries'::regclass ORDER BY 1";

/// Makes those that are not there yet. What was left of one that was cut off is made anew.
pub(super) async fn index(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    const IS_CUT_OFF: &str =
        "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)";
    let parts: Vec<String> = sqlx::query_scalar(PARTS).fetch_all(&mut *connection).await?;
    for part in parts {
        for (name, about) in INDICES {
            let index = format!("{part}_{name}");
            let is_cut_off: bool = sqlx::query_scalar(IS_CUT_OFF)
                .bind(&index)
                .fetch_one(&mut *connection)
                .await?;
            if is_cut_off {
                run(connection, format!("DROP INDEX CONCURRENTLY {index}")).await?;
            }
            let text = format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {part} {about}");
            run(connection, text).await?;
        }
    }
    Ok(())
}

async fn run(connection: &mut PgConnection, text: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(connection)
        .await
        .map(drop)
}
