//! The parts of the ledger. On PostgreSQL `deliveries` and `attempts` are partitioned by ranges of campaigns, so that old ones are
//! dropped rather than deleted; on SQLite each is one table.
//!
//! Statements that senders run all the time name the part itself. By way of the parent PostgreSQL plans for all parts: it cannot
//! know that a list of rows is about one of them. With 20 parts, 256 rows by a list took 36 ms rather than 2, because it thought
//! a scan of everything cheaper than 256 look-ups in 20 indices.

use crate::engine::{Engine, Store};
use crate::error::StoreError;
use sqlx::{AssertSqlSafe, PgPool};
use std::time::Duration;
use tidings_campaign::ids::CampaignId;

/// Campaigns of one part. Fewer would make too many parts where small campaigns are sent every hour: ten of them a day are 37
/// parts a year. More would keep a campaign of ten millions for too long after its time, because ninety-nine others are not old
/// enough.
const CAMPAIGNS: i64 = 100;

/// Makes one process at a time change what parts there are: the key of an advisory lock.
pub(crate) const LOCK: i64 = 0x7469_6471 << 32;

/// How often and how soon it is asked for again: for a minute in all.
const TRIES: u32 = 1_200;
const GLANCE: Duration = Duration::from_millis(50);

/// The tables that are in parts.
pub(crate) const TABLES: [&str; 2] = ["deliveries", "attempts"];

/// Pages of deliveries are filled to this percentage when they are planned. The rest is for what they become: a row with an outcome
/// is more than twice as large, and one that finds room in its page costs its indices nothing (migration 0038).
const FILLED: u32 = 35;

/// How the ledger is divided.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parts {
    /// Not at all.
    Whole,
    /// What had been there before it was divided is the first part; campaigns from this one on are in the others.
    ByCampaign { second: i64 },
}

/// One part, by the first campaign that may be in it; nothing: the whole ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part(Option<i64>);

impl Parts {
    /// Where the deliveries of a campaign are.
    pub(crate) fn of(self, campaign: CampaignId) -> Part {
        match self {
            Parts::Whole => Part(None),
            Parts::ByCampaign { second } if campaign.0 < second => Part(Some(0)),
            Parts::ByCampaign { .. } => Part(Some(campaign.0 - campaign.0.rem_euclid(CAMPAIGNS))),
        }
    }

    /// Pieces of at most `size` rows that are in one part each.
    pub(crate) fn pieces<'r, T>(
        self,
        rows: &'r mut [T],
        size: usize,
        campaign: impl Fn(&T) -> CampaignId + Copy,
    ) -> impl Iterator<Item = (Part, &'r [T])> {
        let part = move |row: &T| self.of(campaign(row));
        // Nearly always all are in one, and in order.
        rows.sort_by_key(part);
        let rows: &'r [T] = rows;
        rows.chunk_by(move |a, b| part(a) == part(b))
            .flat_map(move |rows| rows.chunks(size).map(move |rows| (part(&rows[0]), rows)))
    }
}

impl Part {
    /// The text with the names of this part for `{deliveries}` and `{attempts}`.
    pub(crate) fn named(self, text: &str) -> String {
        let mut named = text.to_owned();
        for table in TABLES {
            named = named.replace(&format!("{{{table}}}"), &self.of_table(table));
        }
        named
    }

    /// The same, as a statement.
    pub(crate) fn statement(self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.named(text))
    }

    /// The first campaign that may be in it, and the one after the last; nothing where the ledger is not divided.
    pub(crate) fn range(self, parts: Parts) -> Option<(i64, i64)> {
        match (self.0?, parts) {
            (0, Parts::ByCampaign { second }) if second > 0 => Some((0, second)),
            (first, _) => Some((first, first + CAMPAIGNS)),
        }
    }

    /// What this part of a table is called.
    pub(crate) fn of_table(self, table: &str) -> String {
        match self.0 {
            None => table.to_owned(),
            Some(first) => format!("{table}_from_{first}"),
        }
    }
}

impl Store {
    /// Makes sure that there is a part for the deliveries of this campaign: before it is planned, or before its rows are put in
    /// from elsewhere. Nobody waits for it, and several may ask for the same one at once.
    pub async fn make_part_for(&self, campaign: CampaignId) -> Result<(), StoreError> {
        let (Engine::Postgres(servers), Part(Some(first))) = (&self.engine, self.parts.of(campaign)) else {
            return Ok(());
        };
        let pool = &servers.pool();
        if first == 0 || is_there(pool, first).await? {
            return Ok(());
        }
        // Asked for again and again rather than waited for: what is being taken off the ledger may wait for whoever waits.
        for _ in 0..TRIES {
            if make(pool, first).await? {
                return Ok(());
            }
            tokio::time::sleep(GLANCE).await;
        }
        Err(StoreError::Contended)
    }
}

/// Makes the part with this first campaign, unless it is there. False while another process changes what parts there are.
async fn make(pool: &PgPool, first: i64) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut *tx)
        .await?;
    if !is_ours {
        return Ok(false);
    }
    for table in TABLES {
        let part = Part(Some(first)).of_table(table);
        let end = first + CAMPAIGNS;
        let filled = if table == "deliveries" { FILLED } else { 100 };
        // To attach a table that is empty takes no lock for which readers or writers of the others would wait.
        for text in [
            format!(
                "CREATE TABLE IF NOT EXISTS {part} (LIKE {table} INCLUDING ALL) WITH (fillfactor = {filled})"
            ),
            format!(
                "DO $$ BEGIN IF NOT (SELECT relispartition FROM pg_class WHERE oid = '{part}'::regclass) THEN \
                 ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({first}) TO ({end}); \
                 END IF; END $$"
            ),
        ] {
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *tx).await?;
        }
    }
    tx.commit().await?;
    Ok(true)
}

/// How the ledger of this database is divided.
pub(crate) async fn read(engine: &Engine) -> Result<Parts, StoreError> {
    // If the first part has been dropped, there is no delivery of the campaigns that it was for.
    const SECOND: &str = "SELECT COALESCE(MAX(substring(pg_get_constraintdef(oid) FROM '[0-9]+')::bigint), 0) \
        FROM pg_constraint WHERE conname = 'deliveries_first_part' AND connamespace = current_schema()::regnamespace";
    match engine {
        Engine::Sqlite { .. } => Ok(Parts::Whole),
        Engine::Postgres(servers) => {
            let second = sqlx::query_scalar(SECOND).fetch_one(&servers.pool()).await?;
            Ok(Parts::ByCampaign { second })
        }
    }
}

async fn is_there(pool: &PgPool, first: i64) -> Result<bool, StoreError> {
    // The last of the tables, because they are made in one transaction.
    const THERE: &str = "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass($1) AND relispartition)";
    let part = Part(Some(first)).of_table(TABLES[TABLES.len() - 1]);
    Ok(sqlx::query_scalar(THERE).bind(part).fetch_one(pool).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIVIDED: Parts = Parts::ByCampaign { second: 300 };

    #[test]
    fn a_campaign_is_in_the_part_that_is_named_by_its_hundred() {
        let name = |parts: Parts, campaign| parts.of(CampaignId(campaign)).of_table("deliveries");
        assert_eq!(name(Parts::Whole, 412), "deliveries");
        for (campaign, part) in [
            (1, "deliveries_from_0"),
            (299, "deliveries_from_0"),
            (300, "deliveries_from_300"),
            (399, "deliveries_from_300"),
            (412, "deliveries_from_400"),
        ] {
            assert_eq!(name(DIVIDED, campaign), part, "{campaign}");
        }
    }

    #[test]
    fn a_part_reaches_to_the_next_hundred() {
        let range = |parts: Parts, campaign| parts.of(CampaignId(campaign)).range(parts);
        assert_eq!(range(Parts::Whole, 412), None);
        assert_eq!(range(DIVIDED, 7), Some((0, 300)));
        assert_eq!(range(DIVIDED, 412), Some((400, 500)));
        assert_eq!(range(Parts::ByCampaign { second: 0 }, 7), Some((0, 100)));
    }

    #[test]
    fn rows_are_cut_into_pieces_of_one_part_each() {
        let mut rows = [700, 1, 310, 2, 399, 3].map(CampaignId);
        let pieces: Vec<_> = DIVIDED.pieces(&mut rows, 2, |row| *row).collect();
        let ids = |piece: &[CampaignId]| piece.iter().map(|id| id.0).collect::<Vec<_>>();
        let pieces: Vec<_> = pieces
            .into_iter()
            .map(|(part, rows)| (part.0, ids(rows)))
            .collect();
        let expected = [
            (Some(0), vec![1, 2]),
            (Some(0), vec![3]),
            (Some(300), vec![310, 399]),
            (Some(700), vec![700]),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn a_statement_names_the_parts_it_is_about() {
        let text = "SELECT 1 FROM {deliveries} d JOIN {attempts} a ON a.seq = d.seq";
        let part = DIVIDED.of(CampaignId(512));
        let named = "SELECT 1 FROM deliveries_from_500 d JOIN attempts_from_500 a ON a.seq = d.seq";
        assert_eq!(part.named(text), named);
        assert_eq!(
            Parts::Whole.of(CampaignId(512)).named("{deliveries}"),
            "deliveries"
        );
    }
}
