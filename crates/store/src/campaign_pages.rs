//! Campaigns page by page, as a person looks for them.

use crate::engine::{Store, on_pool, values_list};
use crate::error::{StoreError, bad_row};
use crate::stats::{CampaignSummary, SummaryRow, by_campaign};
use sqlx::AssertSqlSafe;
use tidings_campaign::lifecycle::CampaignState;

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CampaignSearch {
    /// A part of the name, in letters of either case; everything if empty.
    pub text: String,
    /// In this state only.
    pub state: Option<CampaignState>,
    /// So many are passed over.
    pub skip: i64,
    /// At most so many.
    pub limit: i64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct CampaignsFound {
    /// One page of them, the newest first.
    pub campaigns: Vec<CampaignSummary>,
    /// How many there are with this text in each state, whatever the page and the state that was asked for.
    pub by_state: Vec<(CampaignState, i64)>,
}

/// SQLite folds ASCII letters only, so the text is looked for as it was written too.
const HAS_TEXT: &str = "(name LIKE $1 ESCAPE '\\' OR LOWER(name) LIKE $2 ESCAPE '\\')";

impl Store {
    /// Looks for campaigns.
    pub async fn find_campaigns(&self, search: &CampaignSearch) -> Result<CampaignsFound, StoreError> {
        let page = format!(
            "SELECT id, name, state, state_reason, unknown_policy, planned, scheduled_at, scheduled_local, \
             scheduled_zone, started_at, finished_at, deliveries_removed_at FROM campaigns \
             WHERE {HAS_TEXT} AND ($3 = '' OR state = $3) ORDER BY id DESC LIMIT $4 OFFSET $5"
        );
        let totals =
            format!("SELECT state, COUNT(*) FROM campaigns WHERE {HAS_TEXT} GROUP BY state ORDER BY 1");
        let written = pattern(&search.text);
        let folded = pattern(&search.text.to_lowercase());
        let state = search.state.map_or("", CampaignState::as_str);
        let rows: Vec<SummaryRow> = on_pool!(self, pool => sqlx::query_as(AssertSqlSafe(page)).bind(&written)
            .bind(&folded).bind(state).bind(search.limit).bind(search.skip).fetch_all(pool).await)?;
        let totals: Vec<(String, i64)> = on_pool!(self, pool => sqlx::query_as(AssertSqlSafe(totals))
            .bind(&written).bind(&folded).fetch_all(pool).await)?;
        let by_state = totals.into_iter().map(|(word, n)| {
            let state = CampaignState::parse(&word);
            let state = state.ok_or_else(|| bad_row("campaigns", &word, "unknown state".to_owned()))?;
            Ok((state, n))
        });
        Ok(CampaignsFound {
            by_state: by_state.collect::<Result<_, StoreError>>()?,
            campaigns: self.with_counts(rows).await?,
        })
    }

    async fn with_counts(&self, rows: Vec<SummaryRow>) -> Result<Vec<CampaignSummary>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT campaign_id, state, CAST(SUM(n) AS BIGINT) FROM campaign_counters WHERE campaign_id IN {} \
             GROUP BY campaign_id, state",
            values_list(1, rows.len(), 1)
        );
        let counts: Vec<(i64, String, i64)> = on_pool!(self, pool => {
            let mut query = sqlx::query_as(AssertSqlSafe(text));
            for row in &rows {
                query = query.bind(row.id);
            }
            query.fetch_all(pool).await
        })?;
        let mut states = by_campaign(counts)?;
        let summaries = rows.into_iter().map(|row| {
            let states = states.remove(&row.id).unwrap_or_default();
            row.into_summary(states)
        });
        summaries.collect()
    }
}

/// What LIKE takes for "has this text in it".
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_like_are_looked_for_as_they_are() {
        assert_eq!(pattern("50 %_\\"), "%50 \\%\\_\\\\%");
    }
}
