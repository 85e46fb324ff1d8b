//! The files that go with a campaign's messages: kept here, so that every sender has them, on whatever machine it is.

use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::message::attachment::{Attachment, ContentId};
use tidings_campaign::preflight::Fingerprint;

/// What a list of a campaign's files shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// As the reader sees it.
    pub file_name: String,
    /// Its name behind `cid:`, if the HTML shows it.
    pub content_id: Option<String>,
    /// How many octets it has, before it is encoded.
    pub size: i64,
}

#[derive(sqlx::FromRow)]
struct FileRow {
    file_name: String,
    content_id: Option<String>,
    octets: Vec<u8>,
}

impl Store {
    /// A campaign's files, in the order in which they were given.
    pub async fn files_of(&self, campaign: CampaignId) -> Result<Vec<Attachment>, StoreError> {
        const FILES: &str = "SELECT file_name, content_id, octets FROM campaign_files WHERE campaign_id = $1 \
            ORDER BY position";
        let rows: Vec<FileRow> =
            on_pool!(self, pool => sqlx::query_as(FILES).bind(campaign.0).fetch_all(pool).await)?;
        let read = |row: FileRow| {
            let file = Attachment::new(&row.file_name, row.octets)?;
            match row.content_id {
                Some(id) => file.shown_as(ContentId::parse(&id)?),
                None => Ok(file),
            }
        };
        rows.into_iter()
            .map(|row| read(row).map_err(|error| bad_row("campaign_files", campaign, error)))
            .collect()
    }

    /// File name, name behind `cid:` and print of a campaign's files. Those that were kept before there were prints are read.
    pub(crate) async fn prints_of_files(
        &self,
        campaign: CampaignId,
    ) -> Result<Vec<(String, Option<String>, String)>, StoreError> {
        const PRINTS: &str = "SELECT file_name, content_id, print, CASE WHEN print IS NULL THEN octets END \
            FROM campaign_files WHERE campaign_id = $1 ORDER BY position";
        type Row = (String, Option<String>, Option<String>, Option<Vec<u8>>);
        let rows: Vec<Row> =
            on_pool!(self, pool => sqlx::query_as(PRINTS).bind(campaign.0).fetch_all(pool).await)?;
        let printed = |(file_name, content_id, print, octets): Row| {
            let print = print.unwrap_or_else(|| print_of(&octets.unwrap_or_default()));
            (file_name, content_id, print)
        };
        Ok(rows.into_iter().map(printed).collect())
    }

    /// The image that a campaign's HTML shows with `cid:` and this name: file name and octets.
    pub async fn shown_file(
        &self,
        campaign: CampaignId,
        content_id: &str,
    ) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        const SHOWN: &str =
            "SELECT file_name, octets FROM campaign_files WHERE campaign_id = $1 AND content_id = $2";
        Ok(
            on_pool!(self, pool => sqlx::query_as(SHOWN).bind(campaign.0).bind(content_id)
            .fetch_optional(pool).await)?,
        )
    }

    /// The same without reading them.
    pub async fn list_files(&self, campaign: CampaignId) -> Result<Vec<FileSummary>, StoreError> {
        const LIST: &str = "SELECT file_name, content_id, CAST(LENGTH(octets) AS BIGINT) FROM campaign_files \
            WHERE campaign_id = $1 ORDER BY position";
        let rows: Vec<(String, Option<String>, i64)> =
            on_pool!(self, pool => sqlx::query_as(LIST).bind(campaign.0).fetch_all(pool).await)?;
        let summary = |(file_name, content_id, size)| FileSummary {
            file_name,
            content_id,
            size,
        };
        Ok(rows.into_iter().map(summary).collect())
    }
}

/// Keeps the files of a campaign that is being made.
pub(crate) async fn keep_in(
    tx: &mut Tx,
    campaign: CampaignId,
    files: &[Attachment],
) -> Result<(), StoreError> {
    const KEEP: &str = "INSERT INTO campaign_files (campaign_id, position, file_name, content_id, octets, print) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    for (position, file) in (1_i64..).zip(files) {
        on_tx!(&mut *tx, conn => sqlx::query(KEEP).bind(campaign.0).bind(position).bind(file.file_name())
            .bind(file.content_id().map(ContentId::as_str)).bind(file.octets()).bind(print_of(file.octets()))
            .execute(conn).await.map(drop))?;
    }
    Ok(())
}

/// What changes with the octets of a file, so that megabytes need not be read to see that they are the same.
fn print_of(octets: &[u8]) -> String {
    Fingerprint::default().with(octets).finish()
}

/// Gives a campaign the files of another.
pub(crate) async fn copy_in(tx: &mut Tx, from: CampaignId, to: CampaignId) -> Result<(), StoreError> {
    const COPY: &str = "INSERT INTO campaign_files (campaign_id, position, file_name, content_id, octets, print) \
        SELECT $1, position, file_name, content_id, octets, print FROM campaign_files WHERE campaign_id = $2";
    on_tx!(tx, conn => sqlx::query(COPY).bind(to.0).bind(from.0).execute(conn).await.map(drop))?;
    Ok(())
}
