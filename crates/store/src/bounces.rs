//! Bounces, complaints and what else came back, counted by campaign, class, reason, provider, relay or day. Reads counters,
//! never the ledger.

use crate::counters::hour;
use crate::engine::{Store, on_pool, values_list};
use crate::error::StoreError;
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;
use tidings_feedback::thresholds::ComplaintLine;

/// What the rows of a breakdown stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The verdict's class.
    Class,
    /// The verdict's finer reason.
    Reason,
    /// The recipients' mailbox provider.
    Provider,
    /// The relay that was used.
    Relay,
    /// The day in UTC on which it was accepted, refused or reported.
    Day,
    /// The campaign, by its id.
    Campaign,
}

impl By {
    /// Whether what was accepted has no such thing, so that it is in no row.
    pub const fn is_of_verdicts(self) -> bool {
        matches!(self, By::Class | By::Reason)
    }

    fn of_bounces(self) -> &'static str {
        match self {
            By::Class => "class",
            By::Reason => "reason",
            By::Provider => "provider",
            By::Relay => "relay",
            By::Day => "hour / 24",
            By::Campaign => "campaign_id",
        }
    }

    /// Of counters that know neither class nor reason of what was accepted.
    fn of_sent(self) -> &'static str {
        match self {
            By::Class | By::Reason => "''",
            By::Provider => "provider",
            By::Relay => "relay",
            By::Day => "minute / 1440",
            By::Campaign => "campaign_id",
        }
    }

    /// The same of summed days.
    fn of_days(self) -> &'static str {
        match self {
            By::Day => "day",
            By::Campaign => "campaign_id",
            _ => "''",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// One campaign; all together if not given.
    pub campaign: Option<CampaignId>,
    /// What the rows stand for.
    pub by: By,
    /// Not what was before the hour of this moment.
    pub since: Option<Timestamp>,
}

/// The figures of one row, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What they are about: a class, a day such as `2026-11-26`, a campaign's id …; empty where that is not known.
    pub key: String,
    /// Deliveries that relays accepted.
    pub accepted: i64,
    /// Deliveries that were refused for good.
    pub rejected: i64,
    /// Deliveries that were refused for too long.
    pub expired: i64,
    /// Accepted deliveries that a report said to have bounced.
    pub reported: i64,
    /// Of what bounced: the address is bad.
    pub hard: i64,
    /// Of what bounced: it may work later.
    pub soft: i64,
    /// Of what bounced: it says nothing about the address.
    pub block: i64,
    /// Of what bounced: none of these.
    pub other: i64,
    /// Refusals for now; every one counts.
    pub deferred: i64,
    /// Complaints.
    pub complaints: i64,
    /// Answers by machines.
    pub autoreplies: i64,
    /// Unsubscribes, by whichever way.
    pub unsubscribes: i64,
}

impl Figures {
    /// Deliveries that bounced, at once or later.
    pub fn bounced(&self) -> i64 {
        self.rejected + self.expired + self.reported
    }

    /// What bounced of what had an outcome in `all`; 0 to 1.
    pub fn bounce_rate(&self, all: &Figures) -> f64 {
        rate(self.bounced(), all.accepted + all.rejected + all.expired)
    }

    /// Complaints for what was accepted in `all`.
    pub fn complaint_rate(&self, all: &Figures) -> f64 {
        rate(self.complaints, all.accepted)
    }

    /// Where that stands.
    pub fn complaint_line(&self, all: &Figures) -> ComplaintLine {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        ComplaintLine::of(count(self.complaints), count(all.accepted))
    }

    fn is_empty(&self) -> bool {
        let counts = [
            self.accepted,
            self.bounced(),
            self.deferred,
            self.complaints,
            self.autoreplies,
            self.unsubscribes,
        ];
        counts.iter().all(|n| *n == 0)
    }

    fn add(&mut self, kind: &str, class: &str, n: i64) {
        let bounced = match kind {
            "accepted" => return self.accepted += n,
            "unsubscribed" => return self.unsubscribes += n,
            "deferred" => return self.deferred += n,
            "complaint" => return self.complaints += n,
            "autoreply" => return self.autoreplies += n,
            "rejected" => &mut self.rejected,
            "expired" => &mut self.expired,
            "bounce" => &mut self.reported,
            _ => return,
        };
        *bounced += n;
        *match class {
            "hard" => &mut self.hard,
            "soft" => &mut self.soft,
            "block" => &mut self.block,
            _ => &mut self.other,
        } += n;
    }
}

fn rate(n: i64, of: i64) -> f64 {
    match of {
        0 => 0.0,
        of => n as f64 / of as f64,
    }
}

/// A breakdown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BounceBreakdown {
    /// In the order of their keys; days and campaigns the oldest first.
    pub rows: Vec<Figures>,
    /// All rows together, and what was accepted where the rows do not tell.
    pub total: Figures,
}

/// Key, kind, class, how often.
type Counted = (String, String, String, i64);

/// What reports said of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ReportCount {
    /// The campaign's id.
    pub campaign_id: i64,
    /// `bounce` or `complaint`.
    pub kind: String,
    /// The verdict's class.
    pub class: String,
    /// How often.
    pub n: i64,
}

/// How often one thing was said of a campaign's deliveries.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SaidCount {
    /// The relay's name; empty if it is not known.
    pub relay: String,
    /// The mailbox provider; empty likewise.
    pub provider: String,
    /// `rejected`, `expired`, `bounce` or `complaint`.
    pub kind: String,
    /// The verdict's class.
    pub class: String,
    /// The verdict's finer reason.
    pub reason: String,
    /// How often.
    pub n: i64,
}

impl Store {
    /// What bounced of a campaign and what was complained about, by everything that tells it apart but the time.
    pub async fn said_of(&self, campaign: CampaignId) -> Result<Vec<SaidCount>, StoreError> {
        const OF_ONE: &str = "SELECT relay, provider, kind, class, reason, CAST(SUM(n) AS BIGINT) AS n \
            FROM bounce_counters WHERE campaign_id = $1 AND kind IN ('rejected', 'expired', 'bounce', 'complaint') \
            GROUP BY relay, provider, kind, class, reason ORDER BY 1, 2, 3, 4, 5";
        Ok(on_pool!(self, pool => sqlx::query_as(OF_ONE).bind(campaign.0).fetch_all(pool).await)?)
    }

    /// What reports said of these campaigns: bounces of what had been accepted, and complaints.
    pub async fn reports_of(&self, campaigns: &[CampaignId]) -> Result<Vec<ReportCount>, StoreError> {
        if campaigns.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT campaign_id, kind, class, CAST(SUM(n) AS BIGINT) AS n FROM bounce_counters \
             WHERE campaign_id IN {} AND kind IN ('bounce', 'complaint') GROUP BY campaign_id, kind, class",
            values_list(1, campaigns.len(), 1)
        );
        Ok(on_pool!(self, pool => {
            let mut query = sqlx::query_as(AssertSqlSafe(text));
            for id in campaigns {
                query = query.bind(id.0);
            }
            query.fetch_all(pool).await
        })?)
    }

    /// What bounced, was complained about and so on, without what was accepted and who unsubscribed: those are many more
    /// counters to read.
    pub async fn said_breakdown(&self, asked: Asked) -> Result<BounceBreakdown, StoreError> {
        Ok(broken_down(asked.by, Vec::new(), self.said(asked).await?))
    }

    /// What bounced, was complained about and so on.
    pub async fn bounce_breakdown(&self, asked: Asked) -> Result<BounceBreakdown, StoreError> {
        let sent = match asked.by {
            By::Provider | By::Relay => self.sent_by_minutes(asked).await?,
            By::Class | By::Reason | By::Day | By::Campaign => self.sent_by_days(asked).await?,
        };
        Ok(broken_down(asked.by, sent, self.said(asked).await?))
    }

    async fn sent_by_minutes(&self, asked: Asked) -> Result<Vec<Counted>, StoreError> {
        let (campaign, of_whom, since) = asked.narrowed();
        let sent = format!(
            "SELECT CAST({} AS TEXT), outcome, class, CAST(SUM(n) AS BIGINT) FROM send_counters \
             WHERE {of_whom} AND minute >= $1 AND outcome IN ('accepted', 'unsubscribed') GROUP BY 1, 2, 3",
            asked.by.of_sent()
        );
        Ok(on_pool!(self, pool => sqlx::query_as(AssertSqlSafe(sent))
            .bind(since * 60).bind(campaign).fetch_all(pool).await)?)
    }

    /// Whole days that are over have been summed; the minutes before and after are read.
    async fn sent_by_days(&self, asked: Asked) -> Result<Vec<Counted>, StoreError> {
        let (campaign, of_whom, since) = asked.narrowed();
        let until = self.days_summed_until().await?;
        let first = (since.div_euclid(24) + i64::from(since.rem_euclid(24) > 0)).clamp(0, until);
        let minutes = |condition: &str| {
            format!(
                "SELECT campaign_id, minute / 1440 AS day, outcome, n FROM send_counters \
                 WHERE {of_whom} AND {condition} AND outcome IN ('accepted', 'unsubscribed')"
            )
        };
        let sent = format!(
            "SELECT CAST({} AS TEXT), outcome, '', CAST(SUM(n) AS BIGINT) FROM ( \
             SELECT campaign_id, day, outcome, n FROM sent_days WHERE {of_whom} AND day >= $3 AND day < $4 \
             UNION ALL {} UNION ALL {}) AS sent GROUP BY 1, 2",
            asked.by.of_days(),
            minutes("minute >= $1 AND minute < $3 * 1440"),
            minutes("minute >= $1 AND minute >= $4 * 1440"),
        );
        Ok(on_pool!(self, pool => sqlx::query_as(AssertSqlSafe(sent))
            .bind(since * 60).bind(campaign).bind(first).bind(until).fetch_all(pool).await)?)
    }

    async fn said(&self, asked: Asked) -> Result<Vec<Counted>, StoreError> {
        let (campaign, of_whom, since) = asked.narrowed();
        let said = format!(
            "SELECT CAST({} AS TEXT), kind, class, CAST(SUM(n) AS BIGINT) FROM bounce_counters \
             WHERE {of_whom} AND hour >= $1 GROUP BY 1, 2, 3",
            asked.by.of_bounces()
        );
        Ok(on_pool!(self, pool => sqlx::query_as(AssertSqlSafe(said))
            .bind(since).bind(campaign).fetch_all(pool).await)?)
    }
}

impl Asked {
    /// The campaign's id, the condition about it, and the first hour.
    fn narrowed(&self) -> (i64, &'static str, i64) {
        // No campaign has the id 0.
        let campaign = self.campaign.map_or(0, |id| id.0);
        let of_whom = match campaign {
            0 => "$2 = 0",
            _ => "campaign_id = $2",
        };
        (campaign, of_whom, self.since.map_or(i64::MIN / 60, hour))
    }
}

fn broken_down(by: By, sent: Vec<Counted>, said: Vec<Counted>) -> BounceBreakdown {
    let mut rows: BTreeMap<(i64, String), Figures> = BTreeMap::new();
    let mut total = Figures::default();
    let sent = sent.into_iter().map(|counted| (counted, !by.is_of_verdicts()));
    let said = said.into_iter().map(|counted| (counted, true));
    for ((key, kind, class, n), has_row) in sent.chain(said) {
        total.add(&kind, &class, n);
        if has_row {
            // Days and campaigns are numbers, and stand in their order.
            let number = match by {
                By::Day | By::Campaign => key.parse().unwrap_or_default(),
                _ => 0,
            };
            rows.entry((number, key)).or_default().add(&kind, &class, n);
        }
    }
    let rows = rows.into_iter().filter(|(_, figures)| !figures.is_empty());
    let rows = rows.map(|((number, key), figures)| Figures {
        key: match by {
            By::Day => day(number),
            _ => key,
        },
        ..figures
    });
    BounceBreakdown {
        rows: rows.collect(),
        total,
    }
}

/// A day since 1970 as people write it.
fn day(number: i64) -> String {
    Timestamp::from_seconds(number * 86_400).to_string()[..10].to_owned()
}
