//! Whole databases are read, written and compared: no table and no column is forgotten.

use super::*;
use futures_util::StreamExt;
use sqlx::{Connection, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use tidings_store::transfer::{
    self, Column, GivingUp, LEFT_OUT, Move, Restoring, Row, Stage, Sum, Table, Value,
};
use tidings_tests::{Engine, FreshStore, store_on_both_engines};

fn tables_of(engine: Engine) -> Vec<Table> {
    let mut tables = Vec::new();
    FreshStore::test(engine, async |store| {
        tables = store.snapshot().await.unwrap().tables().to_vec();
    });
    tables
}

#[test]
fn both_engines_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (tables_of(Engine::Sqlite), tables_of(Engine::Postgres));
    assert!(sqlite.len() > 50, "they are not found any more");
    for (one, other) in sqlite.iter().zip(&postgres) {
        assert_eq!(one, other);
    }
    assert_eq!(sqlite.len(), postgres.len());
    for (at, table) in sqlite.iter().enumerate() {
        assert!(!table.key.is_empty(), "{} has no primary key", table.name);
        let before = &sqlite[..at];
        for parent in &table.refers_to {
            assert!(
                before.iter().any(|other| other.name == *parent),
                "{} comes before {parent}",
                table.name
            );
        }
    }
}

store_on_both_engines!(no_table_and_no_column_is_forgotten, |store| {
    let everything = match store.engine {
        Engine::Sqlite => {
            "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"
        }
        Engine::Postgres => {
            "SELECT table_name || '.' || column_name FROM information_schema.columns \
             WHERE table_schema = current_schema() \
             AND table_name NOT IN (SELECT relname FROM pg_class WHERE relispartition)"
        }
    };
    let there: BTreeSet<String> = store.texts(everything).await.into_iter().collect();
    let snapshot = store.snapshot().await.unwrap();
    let taken: BTreeSet<String> = snapshot
        .tables()
        .iter()
        .flat_map(|table| {
            let column = |column: &Column| format!("{}.{}", table.name, column.name);
            table.columns.iter().map(column).collect::<Vec<_>>()
        })
        .collect();
    let left_out = |name: &&String| {
        LEFT_OUT
            .iter()
            .any(|(table, _)| name.starts_with(&format!("{table}.")))
    };
    let forgotten: Vec<_> = there.difference(&taken).filter(|name| !left_out(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    assert!(taken.is_subset(&there));
});

async fn everything_in(store: &Store) -> BTreeMap<String, Vec<Row>> {
    let mut snapshot = store.snapshot().await.unwrap();
    let mut everything = BTreeMap::new();
    for table in snapshot.tables().to_vec() {
        let rows = snapshot.rows(&table).map(Result::unwrap).collect().await;
        everything.insert(table.name, rows);
    }
    everything
}

/// In an order of its own: PostgreSQL gives rows as it finds them.
fn sorted(mut everything: BTreeMap<String, Vec<Row>>) -> BTreeMap<String, Vec<Row>> {
    for rows in everything.values_mut() {
        rows.sort_by_key(|row| format!("{row:?}"));
    }
    everything
}

store_on_both_engines!(a_snapshot_stays_as_it_was, |store| {
    import(store, "readers", &readers(5)).await;
    let mut snapshot = store.snapshot().await.unwrap();
    import(store, "others", &readers(9)).await;
    let tables = snapshot.tables().to_vec();
    let recipients = tables.iter().find(|table| table.name == "recipients").unwrap();
    assert_eq!(snapshot.rows(recipients).count().await, 5);
    assert!(snapshot.schema() >= 34);
    assert!(snapshot.next_ids().await.unwrap()["lists"] >= 2);
    let sessions = |tables: &[Table]| tables.iter().any(|table| table.name == "person_sessions");
    assert!(sessions(&tables));
    assert!(!sessions(snapshot.without_sessions().tables()));
});

#[test]
fn a_row_is_a_line_and_a_sum_can_be_written_down() {
    let row = vec![Value::Integer(7), Value::Null, Value::Text("ä\n".to_owned())];
    let mut line = Vec::new();
    transfer::write_line(&row, &mut line);
    assert_eq!(line, "[7,null,\"ä\\n\"]\n".as_bytes());
    assert_eq!(transfer::read_line(&line).unwrap(), row);
    let mut sum = Sum::default();
    sum.add(&line);
    assert_eq!(Sum::of(sum.rows, &sum.hashes()), Some(sum));
}

fn columns(table: &Table) -> Vec<String> {
    table.columns.iter().map(|column| column.name.clone()).collect()
}

store_on_both_engines!(what_was_read_is_written_whole_or_not_at_all, |store| {
    let campaign = sending(store, 20).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("restored.db");
    let url = format!("sqlite://{}", file.display());
    let mut snapshot = store.snapshot().await.unwrap();
    let (tables, schema) = (snapshot.tables().to_vec(), snapshot.schema());
    let next_ids = snapshot.next_ids().await.unwrap();
    let before = everything_in(store).await;

    let mut given_up = Restoring::begin(&url, "here", schema, false).await.unwrap();
    let lists = tables.iter().find(|table| table.name == "lists").unwrap();
    let unknown = given_up.load("no such table", &columns(lists), Vec::new()).await;
    assert!(unknown.unwrap_err().to_string().contains("no such table"));
    let other_columns = given_up.load("lists", &["id".to_owned()], Vec::new()).await;
    assert!(other_columns.unwrap_err().to_string().contains("other columns"));
    let short = given_up
        .load("lists", &columns(lists), vec![vec![Value::Integer(1)]])
        .await;
    assert!(short.unwrap_err().to_string().contains("more or fewer values"));
    given_up
        .load("lists", &columns(lists), before["lists"].clone())
        .await
        .unwrap();
    given_up.abandon().await;
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is left"
    );
    assert!(
        Restoring::begin(&url, "here", 9999, false).await.is_err(),
        "of the future"
    );

    let mut restoring = Restoring::begin(&url, "here", schema, false).await.unwrap();
    for table in &tables {
        for rows in before[&table.name].chunks(7) {
            restoring
                .load(&table.name, &columns(table), rows.to_vec())
                .await
                .unwrap();
        }
    }
    let second = Restoring::begin(&url, "here", schema, false).await.unwrap_err();
    assert!(second.to_string().contains("another restore"), "{second}");
    let restored = restoring.complete(&next_ids).await.unwrap();
    restoring.finish().await.unwrap();
    assert_eq!(
        restored.rows as usize,
        before.values().map(Vec::len).sum::<usize>()
    );
    let again = Store::open(&url, "here").await.unwrap();
    let instance = again.instance().await.unwrap();
    assert_ne!(
        instance.home,
        Some(again.place().await.unwrap().name),
        "the guard holds it"
    );
    let mut after = everything_in(&again).await;
    after.insert("instance".to_owned(), before["instance"].clone());
    assert_eq!(sorted(after), sorted(before));
    assert_eq!(again.ledger_of(campaign).await, 20);
    again.close().await;
});

trait Ledger {
    async fn ledger_of(&self, campaign: CampaignId) -> i64;
}

impl Ledger for Store {
    async fn ledger_of(&self, campaign: CampaignId) -> i64 {
        let counts = self.count_ledger(campaign).await.unwrap();
        counts.iter().map(|(_, n)| n).sum()
    }
}

#[test]
fn a_move_leaves_one_database_and_arrives_in_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let from = format!("sqlite://{}", folder.path().join("tidings.db").display());
    FreshStore::test(Engine::Postgres, async |target| {
        let source = Store::open(&from, "here").await.unwrap();
        sending(&source, 20).await;
        let before = everything_in(&source).await;
        source.close().await;
        drop(source);

        let moving = Move::open(&from, &target.url, "here").await.unwrap();
        assert!(moving.source().sqlite_file().is_some());
        let mut stages = 0;
        let moved = moving.run(START, false, &mut |_| stages += 1).await;
        let (rows, misfits) = moved.unwrap();
        assert_eq!(rows as usize, before.values().map(Vec::len).sum::<usize>());
        assert_eq!(misfits.replaced, 0);
        assert!(stages > before.len());
        let instance = target.instance().await.unwrap();
        assert_eq!(
            instance.home,
            Some(target.place().await.unwrap().name),
            "it may send"
        );
        let mut after = everything_in(target).await;
        after.insert("instance".to_owned(), before["instance"].clone());
        assert_eq!(sorted(after), sorted(before));

        let refused = Store::open(&from, "here").await.unwrap_err();
        assert!(refused.to_string().contains("has moved"), "{refused}");
        let giving_up = GivingUp::open(&from, "here").await.unwrap();
        assert!(giving_up.source().sqlite_file().is_some());
        let released = giving_up.run().await.unwrap();
        assert_eq!((released.arrived, released.held), (true, 1));
        Store::open(&from, "here").await.unwrap().close().await;
    });
}

/// Where a move is cut off at a key that PostgreSQL does not take, it goes on behind that key, and not behind what replaces it.
#[test]
fn a_move_goes_on_behind_a_key_that_was_replaced() {
    for (unfit, greater) in [
        ("CAST(X'C3' AS TEXT)", "CAST(X'C384' AS TEXT)"),
        ("'b' || CHAR(0)", "'b' || CHAR(1)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let from = format!("sqlite://{}", folder.path().join("tidings.db").display());
        FreshStore::test(Engine::Postgres, async |target| {
            Store::open(&from, "here").await.unwrap().close().await;
            // The key that does not fit is the last of a batch.
            let fill = format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5009), \
                 keys(k) AS (SELECT CASE WHEN i < 5000 THEN 'a' || i ELSE {greater} || i END FROM n UNION ALL SELECT {unfit}) \
                 INSERT INTO suppressions (address_key, reason, evidence, created_at) SELECT k, 'manual', '', 1 FROM keys"
            );
            let mut source = SqliteConnection::connect(&from).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(fill))
                .execute(&mut source)
                .await
                .unwrap();
            source.close().await.unwrap();

            let moving = Move::open(&from, &target.url, "here").await.unwrap();
            let a_batch_is_there = tokio::sync::Notify::new();
            let mut tell = |stage| {
                if matches!(stage, Stage::Writing { table, rows: 5_000 } if table == "suppressions") {
                    a_batch_is_there.notify_one();
                }
            };
            tokio::select! {
                biased;
                () = a_batch_is_there.notified() => {}
                moved = moving.run(START, true, &mut tell) => panic!("it was not cut off: {moved:?}"),
            }
            drop(moving);
            let moving = Move::open(&from, &target.url, "here").await.unwrap();
            let (_, misfits) = moving.run(START, true, &mut |_| {}).await.unwrap();
            assert_eq!(misfits.replaced, 1);
            let there = target.texts("SELECT COUNT(*)::text FROM suppressions").await;
            assert_eq!(there, ["5010"], "{unfit}");
        });
    }
}
