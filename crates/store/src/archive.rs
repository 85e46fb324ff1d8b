//! The public archive: which lists have one, and their finished campaigns as strangers see them.

use crate::engine::{Store, on_pool, on_write_pool};
use crate::error::StoreError;
use tidings_campaign::ids::{CampaignId, ListId};
use tidings_campaign::time::Timestamp;

/// A finished campaign to a list that has an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedCampaign {
    /// Which.
    pub id: CampaignId,
    /// `Name <address>`.
    pub sender: String,
    /// When its last delivery had its outcome.
    pub finished_at: Timestamp,
    /// How strangers see it, once that has been made.
    pub issue: Option<Issue>,
}

/// A newsletter as strangers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// One line.
    pub subject: String,
    /// Its HTML, with images still behind `cid:`.
    pub html: String,
    /// Why it cannot be shown to strangers; then there is no HTML.
    pub problem: Option<String>,
    /// When this was made.
    pub made_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    sender: String,
    finished_at: i64,
    subject: Option<String>,
    html: Option<String>,
    problem: Option<String>,
    made_at: Option<i64>,
}

impl From<Row> for ArchivedCampaign {
    fn from(row: Row) -> Self {
        let issue = row.made_at.map(|made_at| Issue {
            subject: row.subject.unwrap_or_default(),
            html: row.html.unwrap_or_default(),
            problem: row.problem,
            made_at: Timestamp(made_at),
        });
        ArchivedCampaign {
            id: CampaignId(row.id),
            sender: row.sender,
            finished_at: Timestamp(row.finished_at),
            issue,
        }
    }
}

/// What is in the archive of list $1. Who got a campaign again has got the same newsletter: that is no issue of its own.
macro_rules! archived {
    ($html:literal, $more:literal) => {
        concat!(
            "SELECT c.id, c.sender, c.finished_at, i.subject, ",
            $html,
            " AS html, i.problem, i.made_at FROM campaigns c \
             JOIN campaign_lists cl ON cl.campaign_id = c.id JOIN lists l ON l.id = cl.list_id \
             LEFT JOIN archive_issues i ON i.campaign_id = c.id \
             WHERE l.id = $1 AND l.archived = 1 AND c.state = 'finished' AND c.archive_hidden = 0 \
             AND c.parent_id IS NULL AND c.finished_at IS NOT NULL AND c.content IS NOT NULL",
            $more
        )
    };
}

impl Store {
    /// The name of a list that has an archive.
    pub async fn archived_list(&self, id: ListId) -> Result<Option<String>, StoreError> {
        const NAME: &str = "SELECT name FROM lists WHERE id = $1 AND archived = 1";
        Ok(on_pool!(self, pool => sqlx::query_scalar(NAME).bind(id.0).fetch_optional(pool).await)?)
    }

    /// Keeps a campaign out of every archive, or lets it in again. It must exist.
    pub async fn hide_from_archive(&self, id: CampaignId, hidden: bool) -> Result<(), StoreError> {
        const HIDE: &str = "UPDATE campaigns SET archive_hidden = $1 WHERE id = $2";
        let rows = on_write_pool!(self, pool => sqlx::query(HIDE).bind(i64::from(hidden)).bind(id.0)
            .execute(pool).await.map(|done| done.rows_affected()))?;
        match rows {
            1 => Ok(()),
            _ => Err(StoreError::NotFound {
                what: "campaign",
                name: id.to_string(),
            }),
        }
    }

    /// A page of a list's archive, without HTML: up to `limit` finished campaigns before `before`, the newest first.
    pub async fn archive_page(
        &self,
        list: ListId,
        before: CampaignId,
        limit: i64,
    ) -> Result<Vec<ArchivedCampaign>, StoreError> {
        const PAGE: &str = archived!("''", " AND c.id < $2 ORDER BY c.id DESC LIMIT $3");
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(PAGE).bind(list.0).bind(before.0).bind(limit)
            .fetch_all(pool).await)?;
        Ok(rows.into_iter().map(ArchivedCampaign::from).collect())
    }

    /// One campaign of a list's archive; none if it is not in there.
    pub async fn archived_campaign(
        &self,
        list: ListId,
        campaign: CampaignId,
    ) -> Result<Option<ArchivedCampaign>, StoreError> {
        const ONE: &str = archived!("i.html", " AND c.id = $2");
        let row: Option<Row> = on_pool!(self, pool => sqlx::query_as(ONE).bind(list.0).bind(campaign.0)
            .fetch_optional(pool).await)?;
        Ok(row.map(ArchivedCampaign::from))
    }

    /// Keeps how strangers see a campaign. The first that is kept stays.
    pub async fn keep_issue(&self, campaign: CampaignId, issue: &Issue) -> Result<(), StoreError> {
        const KEEP: &str = "INSERT INTO archive_issues (campaign_id, subject, html, problem, made_at) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (campaign_id) DO NOTHING";
        on_write_pool!(self, pool => sqlx::query(KEEP).bind(campaign.0).bind(&issue.subject).bind(&issue.html)
            .bind(&issue.problem).bind(issue.made_at.0).execute(pool).await.map(drop))?;
        Ok(())
    }
}
