//! The dashboard's figures: one task reads the counters every second, whoever looks.

use crate::view::{CampaignView, Happened, Pulse, count, per_second, sparkline};
use actix_web::web::Bytes;
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState};
use tidings_campaign::time::Clock;
use tidings_store::bounces::ReportCount;
use tidings_store::send_status::SendStatus;
use tidings_store::stats::{CampaignSummary, MinuteCount};
use tidings_store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(1);
/// Samples of the sparkline: two minutes.
const SAMPLES: usize = 120;
/// The rate is the mean over this many samples.
const RATE_SAMPLES: usize = 5;
/// Campaigns on the first page.
const SHOWN: i64 = 50;
/// What a sender said longer ago does not hold any more.
const FRESH: Duration = Duration::from_secs(5);
/// Browsers that may listen at once.
const LISTENERS: usize = 64;
/// Minutes after which a counter is taken for final: nodes' clocks differ, and a transaction may take its time.
const SETTLED_AFTER: i64 = 5;

/// What the first page shows, and the events that keep it fresh.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    rate: String,
    top: String,
    line: String,
    area: String,
    structure: String,
    problem: String,
    campaigns: Vec<CampaignView>,
}

pub(crate) struct Snapshot {
    pub(crate) figures: Figures,
    /// By campaign.
    pub(crate) pulses: HashMap<CampaignId, Pulse>,
    /// The same as a server-sent event.
    pub(crate) event: Bytes,
}

/// The newest snapshot, for any number of readers.
pub(crate) struct Live {
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) listeners: Arc<Semaphore>,
}

/// The task's memory between two looks.
pub(crate) struct Poller {
    store: Store,
    clock: Clock,
    outcomes: Outcomes,
    reports: Reports,
    rates: Rates,
    summaries: Vec<CampaignSummary>,
    /// What the senders say of the campaigns under way.
    statuses: HashMap<CampaignId, SendStatus>,
    sender: watch::Sender<Arc<Snapshot>>,
}

impl Poller {
    /// Looks once, so that there is something to show; an error means that the database does not answer.
    pub(crate) async fn start(store: Store, clock: Clock) -> Result<(Poller, Live), StoreError> {
        let (sender, snapshots) = watch::channel(Arc::new(Snapshot::new(Figures::default(), HashMap::new())));
        let live = Live {
            snapshots,
            listeners: Arc::new(Semaphore::new(LISTENERS)),
        };
        let mut poller = Poller {
            store,
            clock,
            outcomes: Outcomes::default(),
            reports: Reports::default(),
            rates: Rates::default(),
            summaries: Vec::new(),
            statuses: HashMap::new(),
            sender,
        };
        poller.look().await?;
        poller.publish(String::new());
        Ok((poller, live))
    }

    /// Looks every second, for ever; dropped, it ends the event streams.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            let looked = self.look().await;
            if let Err(error) = &looked {
                if !failing {
                    tracing::error!("the dashboard cannot read the counters: {error}");
                }
                self.publish("the database does not answer; these figures are old".to_owned());
            } else {
                self.publish(String::new());
            }
            failing = looked.is_err();
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let minute = now.minute();
        let summaries = self.store.campaign_summaries(SHOWN).await?;
        let mut statuses = HashMap::new();
        for summary in summaries.iter().filter(|s| s.state == CampaignState::Sending) {
            if let Some(status) = self.store.send_status(summary.id, now.minus(FRESH)).await? {
                statuses.insert(summary.id, status);
            }
        }
        let counts = self.store.counts_since(self.outcomes.settled_until).await?;
        if self.reports.are_old() {
            let shown: Vec<_> = summaries.iter().map(|summary| summary.id).collect();
            self.reports.take(self.store.reports_of(&shown).await?);
        }
        self.rates.add(&summaries, Instant::now());
        self.outcomes.take(counts, minute);
        self.summaries = summaries;
        self.statuses = statuses;
        Ok(())
    }

    fn publish(&self, problem: String) {
        let campaigns: Vec<_> = self
            .summaries
            .iter()
            .map(|s| {
                let happened = self.outcomes.of(s.id).plus(self.reports.of(s.id));
                CampaignView::new(s, happened, &self.pulse(s.id))
            })
            .collect();
        let mut shape = DefaultHasher::new();
        campaigns
            .iter()
            .for_each(|campaign| campaign.shape().hash(&mut shape));
        problem.hash(&mut shape);
        let drawn = sparkline(self.rates.total.iter(), SAMPLES);
        let top = self.rates.total.iter().fold(0.0_f64, |top, rate| top.max(*rate));
        let figures = Figures {
            rate: per_second(self.rates.now()),
            top: count(top.round() as i64),
            line: drawn.line,
            area: drawn.area,
            structure: format!("{:016x}", shape.finish()),
            problem,
            campaigns,
        };
        let pulses = self.summaries.iter().map(|s| (s.id, self.pulse(s.id))).collect();
        self.sender.send_replace(Arc::new(Snapshot::new(figures, pulses)));
    }

    fn pulse(&self, campaign: CampaignId) -> Pulse {
        let status = self.statuses.get(&campaign);
        Pulse {
            rate: self.rates.of(campaign),
            limit: status.and_then(|status| status.binding_limit.clone()),
            eta_seconds: status.and_then(|status| status.eta_seconds),
        }
    }
}

impl Snapshot {
    fn new(figures: Figures, pulses: HashMap<CampaignId, Pulse>) -> Self {
        let json = serde_json::to_string(&figures).expect("figures are plain data");
        Snapshot {
            event: format!("data: {json}\n\n").into(),
            figures,
            pulses,
        }
    }
}

/// Bounces and unsubscribes by campaign. Minutes that are over are added up once and not read again.
#[derive(Default)]
struct Outcomes {
    settled: HashMap<i64, Happened>,
    settled_until: i64,
    recent: HashMap<i64, Happened>,
}

impl Outcomes {
    /// `counts`: everything since `settled_until`; `minute`: the current one.
    fn take(&mut self, counts: Vec<MinuteCount>, minute: i64) {
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

    fn of(&self, campaign: CampaignId) -> Happened {
        let of = |sums: &HashMap<i64, Happened>| sums.get(&campaign.0).copied().unwrap_or_default();
        of(&self.settled).plus(of(&self.recent))
    }
}

/// What reports said, by campaign. They come hours and days after sending, and are looked for less often.
#[derive(Default)]
struct Reports {
    read: Option<Instant>,
    campaigns: HashMap<i64, Happened>,
}

impl Reports {
    const EVERY: Duration = Duration::from_secs(5);

    fn are_old(&self) -> bool {
        self.read.is_none_or(|read| read.elapsed() >= Self::EVERY)
    }

    fn take(&mut self, counts: Vec<ReportCount>) {
        self.campaigns.clear();
        for row in counts {
            let happened = self.campaigns.entry(row.campaign_id).or_default();
            happened.add(&row.kind, &row.class, row.n);
        }
        self.read = Some(Instant::now());
    }

    fn of(&self, campaign: CampaignId) -> Happened {
        self.campaigns.get(&campaign.0).copied().unwrap_or_default()
    }
}

/// Accepted messages per second, from the differences between two looks.
#[derive(Default)]
struct Rates {
    last: Option<Instant>,
    campaigns: HashMap<i64, CampaignRate>,
    total: VecDeque<f64>,
}

#[derive(Default)]
struct CampaignRate {
    accepted: i64,
    samples: VecDeque<f64>,
}

impl Rates {
    fn add(&mut self, summaries: &[CampaignSummary], now: Instant) {
        let seconds = self
            .last
            .map(|last| now.duration_since(last).as_secs_f64())
            .filter(|s| *s > 0.1);
        if self.last.is_some() && seconds.is_none() {
            return;
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
    }

    fn of(&self, campaign: CampaignId) -> f64 {
        self.campaigns
            .get(&campaign.0)
            .map_or(0.0, |rate| mean(rate.samples.iter()))
    }

    fn now(&self) -> f64 {
        mean(self.total.iter().rev().take(RATE_SAMPLES))
    }
}

fn keep(samples: &mut VecDeque<f64>, sample: f64, most: usize) {
    samples.push_back(sample);
    if samples.len() > most {
        samples.pop_front();
    }
}

fn mean<'a>(samples: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
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
    use crate::view::tests::summary;

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
