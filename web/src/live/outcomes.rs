//! What happened to each campaign, kept between two looks at the counters.

use crate::figures::happened::Happened;
use std::collections::HashMap;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_store::bounces::ReportCount;
use tidings_store::stats::MinuteCount;
use tokio::time::Instant;

/// Minutes after which a counter is taken for final: nodes' clocks differ, and a transaction may take its time.
pub(super) const SETTLED_AFTER: i64 = 5;

/// Bounces and unsubscribes by campaign. Minutes that are over are added up once and not read again.
#[derive(Default)]
pub(super) struct Outcomes {
    settled: HashMap<i64, Happened>,
    pub(super) settled_until: i64,
    recent: HashMap<i64, Happened>,
}

impl Outcomes {
    /// `counts`: everything since `settled_until`; `minute`: the current one.
    pub(super) fn take(&mut self, counts: Vec<MinuteCount>, minute: i64) {
        let settled_until = self.settled_until.max(minute - SETTLED_AFTER);
        self.recent.clear();
        for row in counts {
            let sums = if row.minute < settled_until {
                &mut self.settled
            } else {
                &mut self.recent
            };
            sums.entry(row.campaign_id)
                .or_default()
                .add(&row.outcome, &row.class, row.n);
        }
        self.settled_until = settled_until;
    }

    pub(super) fn of(&self, campaign: CampaignId) -> Happened {
        let of = |sums: &HashMap<i64, Happened>| sums.get(&campaign.0).copied().unwrap_or_default();
        of(&self.settled).plus(of(&self.recent))
    }
}

/// What reports said, by campaign. They come hours and days after sending, and are looked for less often.
#[derive(Default)]
pub(super) struct Reports {
    read: Option<Instant>,
    campaigns: HashMap<i64, Happened>,
}

impl Reports {
    const EVERY: Duration = Duration::from_secs(5);

    pub(super) fn are_old(&self) -> bool {
        self.read.is_none_or(|read| read.elapsed() >= Self::EVERY)
    }

    pub(super) fn take(&mut self, counts: Vec<ReportCount>) {
        self.campaigns.clear();
        for row in counts {
            let happened = self.campaigns.entry(row.campaign_id).or_default();
            happened.add(&row.kind, &row.class, row.n);
        }
        self.read = Some(Instant::now());
    }

    pub(super) fn of(&self, campaign: CampaignId) -> Happened {
        self.campaigns.get(&campaign.0).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_that_are_over_are_counted_once() {
        let row = |minute, n| MinuteCount {
            campaign_id: 1,
            minute,
            outcome: "rejected".into(),
            class: "hard".into(),
            n,
        };
        let mut outcomes = Outcomes::default();
        outcomes.take(vec![row(10, 3), row(99, 2), row(100, 1)], 100);
        assert_eq!((outcomes.of(CampaignId(1)).hard, outcomes.settled_until), (6, 95));
        outcomes.take(vec![row(99, 2), row(100, 4)], 100);
        assert_eq!(outcomes.of(CampaignId(1)).hard, 9);
        outcomes.take(vec![row(99, 2), row(100, 4), row(110, 1)], 110);
        assert_eq!(
            (outcomes.of(CampaignId(1)).hard, outcomes.settled_until),
            (10, 105)
        );
        assert_eq!(outcomes.of(CampaignId(2)), Happened::default());
    }
}
