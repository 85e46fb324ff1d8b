//! Accepted messages per second, from the differences between two looks.

use std::collections::{HashMap, VecDeque};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_store::stats::CampaignSummary;
use tokio::time::Instant;

/// Samples that are kept: two minutes.
pub(crate) const SAMPLES: usize = 120;
/// The rate is the mean over this many samples.
pub(super) const RATE_SAMPLES: usize = 5;

/// Accepted messages per second, from the differences between two looks.
#[derive(Default)]
pub(super) struct Rates {
    last: Option<Instant>,
    campaigns: HashMap<i64, CampaignRate>,
    pub(super) total: VecDeque<f64>,
}

#[derive(Default)]
struct CampaignRate {
    accepted: i64,
    samples: VecDeque<f64>,
}

impl Rates {
    /// Returns how many seconds are between this look and the last one, if that can be told.
    pub(super) fn add(&mut self, summaries: &[CampaignSummary], now: Instant) -> Option<f64> {
        let seconds = self
            .last
            .map(|last| now.duration_since(last).as_secs_f64())
            .filter(|s| *s > 0.1);
        if self.last.is_some() && seconds.is_none() {
            return None;
        }
        self.last = Some(now);
        let mut total = 0.0;
        let mut seen = HashMap::with_capacity(summaries.len());
        for summary in summaries {
            let accepted = summary.count(DeliveryState::Accepted);
            // A campaign that was not on the page a second ago has no difference yet.
            let mut campaign = self.campaigns.remove(&summary.id.0).unwrap_or(CampaignRate {
                accepted,
                samples: VecDeque::new(),
            });
            if let Some(seconds) = seconds {
                let rate = (accepted - campaign.accepted).max(0) as f64 / seconds;
                total += rate;
                keep(&mut campaign.samples, rate, RATE_SAMPLES);
            }
            campaign.accepted = accepted;
            seen.insert(summary.id.0, campaign);
        }
        self.campaigns = seen;
        if seconds.is_some() {
            keep(&mut self.total, total, SAMPLES);
        }
        seconds
    }

    pub(super) fn of(&self, campaign: CampaignId) -> f64 {
        self.campaigns
            .get(&campaign.0)
            .map_or(0.0, |rate| mean(rate.samples.iter()))
    }

    pub(super) fn now(&self) -> f64 {
        mean(self.total.iter().rev().take(RATE_SAMPLES))
    }
}

pub(super) fn keep(samples: &mut VecDeque<f64>, sample: f64, most: usize) {
    samples.push_back(sample);
    if samples.len() > most {
        samples.pop_front();
    }
}

pub(super) fn mean<'a>(samples: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
    let n = samples.len();
    if n == 0 {
        0.0
    } else {
        samples.sum::<f64>() / n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::campaign::tests::summary;
    use std::time::Duration;

    #[test]
    fn the_rate_is_a_mean_over_the_last_seconds() {
        let mut rates = Rates::default();
        let start = Instant::now();
        for second in 0..=10 {
            let summary = summary(10_000, &[(DeliveryState::Accepted, 500 + second * 100)]);
            rates.add(
                &[summary],
                start + Duration::from_secs(u64::try_from(second).unwrap()),
            );
        }
        assert_eq!(
            (rates.of(CampaignId(7)), rates.now(), rates.total.len()),
            (100.0, 100.0, 10)
        );
        rates.add(&[], start + Duration::from_secs(11));
        assert_eq!((rates.of(CampaignId(7)), rates.now()), (0.0, 80.0));
    }
}
