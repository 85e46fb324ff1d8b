//! Writing rows into a database that nobody else uses yet.

use super::TransferError;
use super::catalogue::{self, Table};
use super::connection::{Conn, on_conn};
use super::fitting::key_of;
use super::marks;
use super::row::{Row, Value};
use super::snapshot::bind;
use crate::engine::Store;
use crate::error::StoreError;
use crate::parts;
use data_encoding::HEXLOWER;
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use tidings_campaign::ids::CampaignId;

/// Tables that are not empty in a new database; what they hold there goes.
const SEEDED: [&str; 2] = ["sequences", "instance"];

/// So many values go with one statement into SQLite, which takes up to 32,766.
const VALUES_AT_ONCE: usize = 2_000;

/// What is in a database that is to be filled, if it is not new.
pub(super) async fn what_is_in(conn: &mut Conn) -> Result<Option<String>, StoreError> {
    const OTHERS: &str = "SELECT COUNT(*) FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace \
        WHERE n.nspname = current_schema() AND t.relkind IN ('r', 'p', 'v') AND t.relname <> '_sqlx_migrations'";
    // The list of migrations is the first table to be made: it may stand alone where a restore was killed.
    if conn.schema().await?.is_none() {
        let others = !conn.is_sqlite() && conn.number(OTHERS.to_owned()).await? != Some(0);
        return Ok(others.then(|| "another program has tables in it".to_owned()));
    }
    if let Some(mark) = marks::of(conn).await? {
        return Ok(Some(
            match mark.arrives() {
                true => "a move into it has begun",
                false => "its installation has left it",
            }
            .to_owned(),
        ));
    }
    let tables = catalogue::read(conn).await?;
    first_filled(conn, &tables).await
}

/// The first table with something in it that a new database does not have.
pub(super) async fn first_filled(conn: &mut Conn, tables: &[Table]) -> Result<Option<String>, StoreError> {
    for table in tables {
        let any = format!(
            "SELECT COUNT(*) FROM (SELECT 1 AS x FROM \"{}\" LIMIT 1) a",
            table.name
        );
        if !SEEDED.contains(&table.name.as_str()) && conn.number(any).await? != Some(0) {
            return Ok(Some(format!("table {} has rows", table.name)));
        }
    }
    Ok(None)
}

/// Takes away what a new database begins with.
pub(super) async fn clear(conn: &mut Conn) -> Result<(), StoreError> {
    for table in SEEDED {
        conn.run(&format!("DELETE FROM \"{table}\"")).await?;
    }
    Ok(())
}

/// Writes rows, in the transaction that has been begun.
pub(super) async fn load(conn: &mut Conn, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
    let outcome = match conn {
        Conn::Sqlite(c) => into_sqlite(c, table, rows).await,
        Conn::Postgres(c) => into_postgres(c, table, rows).await,
    };
    let (Err(error), Some(first)) = (outcome.map_err(StoreError::from), rows.first()) else {
        return Ok(());
    };
    if matches!(error, StoreError::DiskFull) || error.is_transient() {
        return Err(error);
    }
    Err(StoreError::from(TransferError::Refused {
        table: table.name.clone(),
        key: key_of(table, first),
        source: Box::new(error),
    }))
}

async fn into_sqlite(c: &mut SqliteConnection, table: &Table, rows: &[Row]) -> Result<(), sqlx::Error> {
    let columns = table.columns.len();
    let at_once = (VALUES_AT_ONCE / columns).max(1);
    for rows in rows.chunks(at_once) {
        let marks = format!("({})", vec!["?"; columns].join(","));
        let marks = vec![marks.as_str(); rows.len()].join(",");
        let text = format!(
            "INSERT INTO \"{}\" ({}) VALUES {marks}",
            table.name,
            table.all_names()
        );
        let query = sqlx::query(AssertSqlSafe(text)).persistent(rows.len() == at_once);
        rows.iter().flatten().fold(query, bind).execute(&mut *c).await?;
    }
    Ok(())
}

async fn into_postgres(c: &mut PgConnection, table: &Table, rows: &[Row]) -> Result<(), sqlx::Error> {
    let mut text = Vec::new();
    for row in rows {
        for (at, value) in row.iter().enumerate() {
            if at > 0 {
                text.push(b'\t');
            }
            write_for_copy(value, &mut text);
        }
        text.push(b'\n');
    }
    let statement = format!("COPY \"{}\" ({}) FROM STDIN", table.name, table.all_names());
    let mut copy = c.copy_in_raw(&statement).await?;
    copy.send(text).await?;
    copy.finish().await.map(drop)
}

/// A value in the text format of PostgreSQL's COPY.
fn write_for_copy(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Null => text.extend_from_slice(b"\\N"),
        Value::Integer(n) => text.extend_from_slice(n.to_string().as_bytes()),
        Value::Float(x) => text.extend_from_slice(x.to_string().as_bytes()),
        Value::Octets(octets) => {
            text.extend_from_slice(b"\\\\x");
            text.extend_from_slice(HEXLOWER.encode(octets).as_bytes());
        }
        Value::Text(words) => escape(words.as_bytes(), text),
        // Nothing that is not UTF-8 comes so far: it is refused or replaced before.
        Value::NotUtf8(octets) => escape(octets, text),
    }
}

fn escape(octets: &[u8], text: &mut Vec<u8>) {
    for octet in octets {
        match octet {
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'\t' => text.extend_from_slice(b"\\t"),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            other => text.push(*other),
        }
    }
}

/// Lets the database number on where it was: identities are never given out twice, not even those of rows that are gone.
pub(super) async fn set_next_ids(conn: &mut Conn, next: &BTreeMap<String, i64>) -> Result<(), StoreError> {
    const NUMBERED_BY_SQLITE: &str =
        "SELECT name, 'id' FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'";
    const NUMBERED_BY_POSTGRES: &str = "SELECT t.relname::TEXT, a.attname::TEXT FROM pg_attribute a \
        JOIN pg_class t ON t.oid = a.attrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
        WHERE a.attidentity <> '' AND n.nspname = current_schema() AND t.relkind IN ('r', 'p') AND NOT t.relispartition";
    let numbered = match conn {
        Conn::Sqlite(_) => NUMBERED_BY_SQLITE,
        Conn::Postgres(_) => NUMBERED_BY_POSTGRES,
    };
    let numbered: Vec<(String, String)> =
        on_conn!(&mut *conn, c => sqlx::query_as(numbered).fetch_all(c).await)?;
    for (table, column) in numbered {
        let greatest = format!("SELECT MAX(\"{column}\") FROM \"{table}\"");
        let after_greatest = conn.number(greatest).await?.map_or(1, |greatest| greatest + 1);
        let next = next.get(&table).copied().unwrap_or(1).max(after_greatest);
        let statements = match conn {
            Conn::Sqlite(_) => format!(
                "DELETE FROM sqlite_sequence WHERE name = '{table}'; \
                 INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {})",
                next - 1
            ),
            Conn::Postgres(_) => {
                format!("SELECT setval(pg_get_serial_sequence('\"{table}\"', '{column}'), {next}, false)")
            }
        };
        conn.run(&statements).await?;
    }
    Ok(())
}

/// Makes sure that rows have a place, where their table is in parts: of PostgreSQL's ledger. It is done beside the transaction that
/// has been begun, and does not wait for that.
pub(super) async fn make_room(store: &Store, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
    let campaign = table
        .columns
        .iter()
        .position(|column| column.name == "campaign_id");
    let (Some(at), true) = (campaign, parts::TABLES.contains(&table.name.as_str())) else {
        return Ok(());
    };
    let campaigns: BTreeSet<i64> = rows
        .iter()
        .filter_map(|row| match row[at] {
            Value::Integer(id) => Some(id),
            _ => None,
        })
        .collect();
    for campaign in campaigns {
        store.make_part_for(CampaignId(campaign)).await?;
    }
    Ok(())
}
