//! The dashboard's figures: one task reads the counters every second, whoever looks.

mod day;
mod flows;
mod outcomes;
mod rates;

pub(crate) use day::{Day, HOURS};
pub(crate) use flows::{Flow, Flows, MINUTES};
pub(crate) use rates::SAMPLES;

use crate::figures::campaign::{CampaignView, Pulse};
use crate::routes::now::view::{LiveEvent, NowView, Seen};
use actix_web::web::Bytes;
use outcomes::{Outcomes, Reports, SETTLED_AFTER};
use rates::Rates;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::CampaignState;
use tidings_campaign::time::Clock;
use tidings_feedback::thresholds::Thresholds;
use tidings_store::imports::ImportRecord;
use tidings_store::relay_status::RelayStatus;
use tidings_store::send_status::SendStatus;
use tidings_store::stats::CampaignSummary;
use tidings_store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(1);
/// The last day and the imports are looked at less often.
const SLOWLY: Duration = Duration::from_secs(10);
/// Campaigns that are looked at: first those that are under way or wait.
const SHOWN: i64 = 50;
/// What a sender said of a campaign longer ago does not hold any more.
const FRESH: Duration = Duration::from_secs(5);
/// The same of its relays, of which it speaks every ten seconds at least.
const RELAYS_FRESH: Duration = Duration::from_secs(30);
/// A sender gets so long after the start to say something.
const SENDER_GRACE: Duration = Duration::from_secs(15);
/// Browsers that may listen at once.
const LISTENERS: usize = 64;

/// When campaigns pause by themselves, as it is configured now.
#[derive(Clone)]
pub struct ThresholdsNow(Arc<dyn Fn() -> Thresholds + Send + Sync>);

impl ThresholdsNow {
    /// `ask` says what holds when it is asked.
    pub fn new(ask: impl Fn() -> Thresholds + Send + Sync + 'static) -> ThresholdsNow {
        ThresholdsNow(Arc::new(ask))
    }

    fn get(&self) -> Thresholds {
        (self.0)()
    }
}

impl Default for ThresholdsNow {
    fn default() -> Self {
        ThresholdsNow::new(Thresholds::default)
    }
}

impl fmt::Debug for ThresholdsNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThresholdsNow({:?})", self.get())
    }
}

/// One look at the counters.
#[derive(Default)]
pub(crate) struct Snapshot {
    /// The first page.
    pub(crate) now: NowView,
    /// By campaign.
    pub(crate) pulses: HashMap<CampaignId, Pulse>,
    /// What keeps open pages fresh, as a server-sent event.
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
    thresholds: ThresholdsNow,
    began: Instant,
    outcomes: Outcomes,
    reports: Reports,
    rates: Rates,
    flows: Flows,
    /// From which minute on the flows are not final; none are known yet, if there is none.
    flows_since: Option<i64>,
    slow: Slow,
    summaries: Vec<CampaignSummary>,
    /// What the senders say of the campaigns under way, and of their relays.
    statuses: HashMap<CampaignId, SendStatus>,
    relays: Vec<RelayStatus>,
    sender: watch::Sender<Arc<Snapshot>>,
}

/// What is looked at less often.
#[derive(Default)]
struct Slow {
    read: Option<Instant>,
    day: Day,
    stopped_imports: Vec<ImportRecord>,
}

impl Poller {
    /// Looks once, so that there is something to show; an error means that the database does not answer.
    pub(crate) async fn start(
        store: Store,
        clock: Clock,
        thresholds: ThresholdsNow,
    ) -> Result<(Poller, Live), StoreError> {
        let (sender, snapshots) = watch::channel(Arc::default());
        let live = Live {
            snapshots,
            listeners: Arc::new(Semaphore::new(LISTENERS)),
        };
        let mut poller = Poller {
            store,
            clock,
            thresholds,
            began: Instant::now(),
            outcomes: Outcomes::default(),
            reports: Reports::default(),
            rates: Rates::default(),
            flows: Flows::default(),
            flows_since: None,
            slow: Slow::default(),
            summaries: Vec::new(),
            statuses: HashMap::new(),
            relays: Vec::new(),
            sender,
        };
        poller.look().await?;
        poller.publish(None);
        Ok((poller, live))
    }

    /// Looks every second, for ever; dropped, it ends the event streams.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            let store = self.store.clone();
            let looked = store.while_it_answers(self.look()).await;
            if let Err(error) = &looked {
                if !failing {
                    tracing::error!("the dashboard cannot read the counters: {error}");
                }
                self.publish(Some("The database does not answer; these figures are old."));
            } else {
                self.publish(None);
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
        let relays = self.store.relay_statuses(now.minus(RELAYS_FRESH)).await?;
        let counts = self.store.counts_since(self.outcomes.settled_until).await?;
        let hour_ago = minute + 1 - i64::try_from(MINUTES).unwrap_or(i64::MAX);
        let since = self.flows_since.unwrap_or(hour_ago);
        let flows = self.store.flow_since(since).await?;
        if self.reports.are_old() {
            let shown: Vec<_> = summaries.iter().map(|summary| summary.id).collect();
            self.reports.take(self.store.reports_of(&shown).await?);
        }
        self.look_slowly().await?;
        let seconds = self.rates.add(&summaries, Instant::now());
        self.flows.take(&flows, (since, minute), seconds);
        self.flows_since = Some((minute - SETTLED_AFTER).max(since));
        self.outcomes.take(counts, minute);
        self.summaries = summaries;
        self.statuses = statuses;
        self.relays = relays;
        Ok(())
    }

    async fn look_slowly(&mut self) -> Result<(), StoreError> {
        if self.slow.read.is_some_and(|read| read.elapsed() < SLOWLY) {
            return Ok(());
        }
        let hours = Duration::from_secs(3600 * (HOURS as u64 - 1));
        let since = self.clock.now().minus(hours);
        self.slow = Slow {
            day: Day::of(&self.store.hours_since(since).await?),
            stopped_imports: self.store.stopped_imports().await?,
            read: Some(Instant::now()),
        };
        Ok(())
    }

    fn publish(&self, problem: Option<&str>) {
        let campaigns = self.summaries.iter().map(|s| {
            let happened = self.outcomes.of(s.id).plus(self.reports.of(s.id));
            CampaignView::new(s, happened, &self.pulse(s.id))
        });
        let total: Vec<f64> = self.rates.total.iter().copied().collect();
        let seen = Seen {
            now: self.clock.now(),
            problem,
            rate: self.rates.now(),
            rates: &total,
            summaries: &self.summaries,
            cards: campaigns.collect(),
            is_sender_away: self.relays.is_empty() && self.began.elapsed() > SENDER_GRACE,
            relays: &self.relays,
            flows: &self.flows,
            day: &self.slow.day,
            stopped_imports: &self.slow.stopped_imports,
            thresholds: self.thresholds.get(),
        };
        let now = NowView::new(seen);
        let json = serde_json::to_string(&LiveEvent::of(&now)).expect("figures are plain data");
        let pulses = self.summaries.iter().map(|s| (s.id, self.pulse(s.id))).collect();
        self.sender.send_replace(Arc::new(Snapshot {
            event: format!("data: {json}\n\n").into(),
            now,
            pulses,
        }));
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
