//! Lists of recipients.

use crate::campaigns::{parse_tracking, utm_json};
use crate::engine::{Store, Tx, on_pool, on_tx, on_write_pool};
use crate::error::{StoreError, bad_row};
use tidings_campaign::ids::{CampaignId, ListId};
use tidings_campaign::time::Timestamp;
use tidings_campaign::tracking::{Tracking, Utm};

/// A list as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its identity.
    pub id: ListId,
    /// Its name, which no other list has.
    pub name: String,
    /// How many recipients want its mail.
    pub confirmed: i64,
    /// What becomes of the links of campaigns that go to it, if it says so.
    pub tracking: Option<Tracking>,
    /// What is added to the addresses of links of campaigns that go to it.
    pub utm: Utm,
    /// Whether anybody may read its finished campaigns.
    pub archived: bool,
    /// Whether anybody may sign up for it.
    pub open_for_sign_up: bool,
}

/// Its id, name, confirmed recipients, mode, UTM parameters, 1 if it has an archive, and 1 if it is open for sign-up.
type ListRow = (i64, String, i64, Option<String>, Option<String>, i64, i64);

impl Store {
    /// The list of this name; none if there is none.
    pub async fn find_list(&self, name: &str) -> Result<Option<ListId>, StoreError> {
        const FIND: &str = "SELECT id FROM lists WHERE name = $1";
        let id: Option<i64> =
            on_pool!(self, pool => sqlx::query_scalar(FIND).bind(name).fetch_optional(pool).await)?;
        Ok(id.map(ListId))
    }

    /// The list of this name, which is made if there is none.
    pub async fn find_or_create_list(&self, name: &str, now: Timestamp) -> Result<ListId, StoreError> {
        let mut tx = self.begin_write().await?;
        let id = find_or_create_in(&mut tx, name, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// All lists by name, with the number of their confirmed recipients.
    pub async fn lists(&self) -> Result<Vec<List>, StoreError> {
        const LISTS: &str = "SELECT l.id, l.name, (SELECT CAST(COALESCE(SUM(c.n), 0) AS BIGINT) \
            FROM list_counters c WHERE c.list_id = l.id), l.tracking, l.utm, l.archived, \
            CAST(CASE WHEN l.sign_up IS NULL THEN 0 ELSE 1 END AS BIGINT) \
            FROM lists l ORDER BY l.name";
        let rows: Vec<ListRow> = on_pool!(self, pool => sqlx::query_as(LISTS).fetch_all(pool).await)?;
        let list = |(id, name, confirmed, tracking, utm, archived, sign_up): ListRow| {
            Ok(List {
                id: ListId(id),
                name,
                confirmed,
                tracking: wish(id, tracking.as_deref())?,
                utm: read_utm(id, utm.as_deref())?,
                archived: archived == 1,
                open_for_sign_up: sign_up == 1,
            })
        };
        rows.into_iter().map(list).collect()
    }

    /// Says what becomes of the links of campaigns that go to this list; `None`: it does not say. False if there is no
    /// such list.
    pub async fn set_list_tracking(
        &self,
        name: &str,
        tracking: Option<Tracking>,
    ) -> Result<bool, StoreError> {
        const SET: &str = "UPDATE lists SET tracking = $1 WHERE name = $2";
        let word = tracking.map(Tracking::as_str);
        let rows = on_write_pool!(self, pool => sqlx::query(SET).bind(word).bind(name).execute(pool).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Says what is added to the addresses of links of campaigns that go to this list. False if there is no such list.
    pub async fn set_list_utm(&self, name: &str, utm: &Utm) -> Result<bool, StoreError> {
        const SET: &str = "UPDATE lists SET utm = $1 WHERE name = $2";
        let json = utm_json(utm);
        let rows = on_write_pool!(self, pool => sqlx::query(SET).bind(json).bind(name).execute(pool).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// What a campaign's lists say is to be added to the addresses of its links; of each parameter the first that says it,
    /// by name.
    pub async fn list_utm(&self, campaign: CampaignId) -> Result<Utm, StoreError> {
        const SAID: &str = "SELECT l.id, l.utm FROM lists l JOIN campaign_lists cl ON cl.list_id = l.id \
            WHERE cl.campaign_id = $1 AND l.utm IS NOT NULL ORDER BY l.name";
        let rows: Vec<(i64, String)> =
            on_pool!(self, pool => sqlx::query_as(SAID).bind(campaign.0).fetch_all(pool).await)?;
        rows.into_iter().try_fold(Utm::default(), |utm, (id, json)| {
            Ok(utm.or(read_utm(id, Some(&json))?))
        })
    }

    /// What each of a campaign's lists says of its links.
    pub async fn list_tracking(&self, campaign: CampaignId) -> Result<Vec<Option<Tracking>>, StoreError> {
        const WISHES: &str = "SELECT l.id, l.tracking FROM lists l JOIN campaign_lists cl ON cl.list_id = l.id \
            WHERE cl.campaign_id = $1";
        let rows: Vec<(i64, Option<String>)> =
            on_pool!(self, pool => sqlx::query_as(WISHES).bind(campaign.0).fetch_all(pool).await)?;
        rows.into_iter()
            .map(|(id, word)| wish(id, word.as_deref()))
            .collect()
    }
}

fn read_utm(list: i64, json: Option<&str>) -> Result<Utm, StoreError> {
    let utm = json.map(serde_json::from_str).transpose();
    Ok(utm
        .map_err(|error| bad_row("lists", list, error))?
        .unwrap_or_default())
}

fn wish(list: i64, word: Option<&str>) -> Result<Option<Tracking>, StoreError> {
    parse_tracking(word).ok_or_else(|| bad_row("lists", list, "unknown tracking"))
}

pub(crate) async fn find_or_create_in(tx: &mut Tx, name: &str, now: Timestamp) -> Result<ListId, StoreError> {
    // The update that changes nothing makes RETURNING speak of a list that is there already.
    const TAKE: &str = "INSERT INTO lists (name, created_at) VALUES ($1, $2) \
        ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id";
    let id: i64 = on_tx!(tx, conn => sqlx::query_scalar(TAKE).bind(name).bind(now.0).fetch_one(conn).await)?;
    Ok(ListId(id))
}
