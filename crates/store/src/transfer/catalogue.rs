//! Which tables there are, as the database tells: so a new one cannot be forgotten.

use super::TransferError;
use super::connection::Conn;
use crate::error::StoreError;
use sqlx::{PgConnection, SqliteConnection};
use std::collections::BTreeMap;

/// Tables that belong to processes or to a move, with the reason why each stays where it is.
pub const LEFT_OUT: [(&str, &str); 8] = [
    (
        "_sqlx_migrations",
        "says what was done to the database that it is in",
    ),
    ("nodes", "processes that run"),
    ("limit_shares", "what processes that run have of the limits"),
    ("hit_writers", "what processes that run have done last"),
    ("relay_status", "how relays fare, as processes that run see it"),
    ("send_status", "how fast processes that run are"),
    ("transfer", "says of a database that it is left or filled"),
    ("transfer_tables", "how far a database has been filled"),
];

/// What a backup leaves out besides: a session that was ended since, or a link that was used, would be good again.
pub(super) const NOT_IN_BACKUPS: [&str; 3] = ["person_sessions", "half_sign_ins", "entry_links"];

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, by name.
    pub columns: Vec<Column>,
    /// Its primary key: places in `columns`.
    pub key: Vec<usize>,
    /// The tables that its rows refer to.
    pub refers_to: Vec<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What stands in it.
    pub kind: Kind,
}

/// What may stand in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits.
    Integer,
    /// Numbers with fractions.
    Float,
    /// Text.
    Text,
    /// Octets.
    Octets,
}

impl Kind {
    fn of(type_name: &str) -> Option<Kind> {
        match type_name.to_ascii_lowercase().as_str() {
            "bigint" | "integer" => Some(Kind::Integer),
            "double precision" => Some(Kind::Float),
            "text" => Some(Kind::Text),
            "blob" | "bytea" => Some(Kind::Octets),
            _ => None,
        }
    }
}

impl Table {
    /// The names of the columns at these places, quoted and with commas between them.
    pub(super) fn names(&self, places: impl IntoIterator<Item = usize>) -> String {
        let quoted = places
            .into_iter()
            .map(|at| format!("\"{}\"", self.columns[at].name));
        quoted.collect::<Vec<_>>().join(", ")
    }

    /// The names of all columns.
    pub(super) fn all_names(&self) -> String {
        self.names(0..self.columns.len())
    }
}

/// A column as a catalogue tells of it: table, name, type, and its place in the primary key, from 1; 0 if it is not in it.
type Told = (String, String, String, i64);

/// All tables but those left out, each after those that it refers to.
pub(super) async fn read(conn: &mut Conn) -> Result<Vec<Table>, StoreError> {
    let (columns, references) = match conn {
        Conn::Sqlite(c) => sqlite(c).await?,
        Conn::Postgres(c) => postgres(c).await?,
    };
    // The key: places in it, and of the columns.
    type Parts = (Vec<Column>, Vec<(i64, usize)>);
    let mut tables: BTreeMap<String, Parts> = BTreeMap::new();
    for (table, column, found, in_key) in columns {
        if LEFT_OUT.iter().any(|(name, _)| *name == table) {
            continue;
        }
        let (columns, key) = tables.entry(table.clone()).or_default();
        if in_key > 0 {
            key.push((in_key, columns.len()));
        }
        match Kind::of(&found) {
            Some(kind) => columns.push(Column { name: column, kind }),
            None => return Err(TransferError::UnknownType { table, column, found }.into()),
        }
    }
    let tables = tables.into_iter().map(|(name, (columns, mut key))| {
        key.sort_unstable();
        let mut refers_to: Vec<String> = references
            .iter()
            .filter(|(from, to)| *from == name && *to != name)
            .map(|(_, to)| to.clone())
            .collect();
        refers_to.dedup();
        Table {
            name,
            columns,
            key: key.into_iter().map(|(_, at)| at).collect(),
            refers_to,
        }
    });
    Ok(in_order(tables.collect()))
}

/// Each table after those that it refers to, else by name.
fn in_order(mut rest: Vec<Table>) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let waits = |table: &Table| rest.iter().any(|other| table.refers_to.contains(&other.name));
        // Tables that refer to each other in a circle are taken as they come; the schema has none.
        let next = rest.iter().position(|table| !waits(table)).unwrap_or_default();
        ordered.push(rest.remove(next));
    }
    ordered
}

async fn sqlite(c: &mut SqliteConnection) -> Result<(Vec<Told>, Vec<(String, String)>), sqlx::Error> {
    const COLUMNS: &str = "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m, pragma_table_info(m.name) c \
        WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.name, c.name";
    const REFERENCES: &str = "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
        WHERE m.type = 'table' ORDER BY m.name, f.\"table\"";
    let columns = sqlx::query_as(COLUMNS).fetch_all(&mut *c).await?;
    Ok((columns, sqlx::query_as(REFERENCES).fetch_all(c).await?))
}

async fn postgres(c: &mut PgConnection) -> Result<(Vec<Told>, Vec<(String, String)>), sqlx::Error> {
    // The parts of a partitioned table are read and written through the whole. One that retention has just taken off is gone.
    const COLUMNS: &str = "SELECT t.relname::TEXT, a.attname::TEXT, format_type(a.atttypid, a.atttypmod), \
        COALESCE(array_position(i.indkey::SMALLINT[], a.attnum), -1)::BIGINT + 1 \
        FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema() \
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
        LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary \
        WHERE t.relkind IN ('r', 'p') AND NOT t.relispartition \
        AND t.relname !~ '^(deliveries|attempts)_from_[0-9]+$' ORDER BY t.relname::TEXT COLLATE \"C\", a.attname::TEXT COLLATE \"C\"";
    const REFERENCES: &str = "SELECT f.relname::TEXT, t.relname::TEXT FROM pg_constraint k \
        JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid \
        JOIN pg_namespace n ON n.oid = f.relnamespace AND n.nspname = current_schema() \
        WHERE k.contype = 'f' ORDER BY f.relname::TEXT COLLATE \"C\", t.relname::TEXT COLLATE \"C\"";
    let columns = sqlx::query_as(COLUMNS).fetch_all(&mut *c).await?;
    Ok((columns, sqlx::query_as(REFERENCES).fetch_all(c).await?))
}
