//! What the first page shows of one look at the counters. Pure.

use super::attention::{Attention, attention};
use super::meter::Meter;
use crate::figures::campaign::CampaignView;
use crate::figures::chart::{Chart, Series, Sparkline, rounded, sparkline};
use crate::figures::numbers::{count, none, per_second, share, short_moment};
use crate::live::{Day, Flow, Flows, HOURS, MINUTES, SAMPLES};
use serde::Serialize;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use tidings_campaign::lifecycle::{CampaignState, DeliveryState};
use tidings_campaign::time::Timestamp;
use tidings_feedback::thresholds::Thresholds;
use tidings_store::imports::ImportRecord;
use tidings_store::relay_status::{RelayHealth, RelayStatus};
use tidings_store::stats::CampaignSummary;

/// Campaigns that are over, on the first page.
const OVER: usize = 5;

/// One look.
pub(crate) struct Seen<'a> {
    pub(crate) now: Timestamp,
    /// Why the figures are old, if they are.
    pub(crate) problem: Option<&'a str>,
    /// Accepted messages per second, now and over the last two minutes.
    pub(crate) rate: f64,
    pub(crate) rates: &'a [f64],
    pub(crate) summaries: &'a [CampaignSummary],
    /// Of the same campaigns.
    pub(crate) cards: Vec<CampaignView>,
    /// No sender has said anything for a while.
    pub(crate) is_sender_away: bool,
    pub(crate) relays: &'a [RelayStatus],
    pub(crate) flows: &'a Flows,
    pub(crate) day: &'a Day,
    pub(crate) stopped_imports: &'a [ImportRecord],
    pub(crate) thresholds: Thresholds,
}

/// The first page.
#[derive(Debug, Default, Serialize)]
pub(crate) struct NowView {
    /// Changes when the page must be fetched again.
    structure: String,
    problem: String,
    at: i64,
    as_of: String,
    rate: String,
    rate_number: f64,
    chart: Chart,
    attention: Vec<Attention>,
    queue: Queue,
    limits: Vec<Binding>,
    hard: Meter,
    complaints: Meter,
    unsubscribed: Trend,
    relays: Vec<RelayRow>,
    providers: Vec<ProviderRow>,
    campaigns: Vec<CampaignView>,
    is_empty: bool,
}

/// What is still to go out, of all campaigns that send.
#[derive(Debug, Default, Serialize)]
struct Queue {
    planned: String,
    underway: String,
    deferred: String,
    /// What waits of campaigns that stand still.
    standing: String,
    has_standing: bool,
}

/// A limit that binds a campaign.
#[derive(Debug, Serialize)]
struct Binding {
    id: i64,
    name: String,
    words: String,
}

/// A figure, and how it went.
#[derive(Debug, Default, Serialize)]
struct Trend {
    n: String,
    share: String,
    drawn: Sparkline,
    slots: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RelayRow {
    /// The beginning of its names in the live events.
    key: String,
    name: String,
    /// The badge's word and its colour's name.
    health: &'static str,
    level: &'static str,
    sessions: String,
    rate: String,
    hour: String,
    drawn: Sparkline,
    slots: usize,
    fault: Option<String>,
    fault_at: String,
}

#[derive(Debug, Serialize)]
struct ProviderRow {
    key: String,
    name: String,
    rate: String,
    accepted: String,
    deferred: String,
    refused: String,
    refused_share: String,
    drawn: Sparkline,
    slots: usize,
}

impl NowView {
    /// How a relay fares, if a sender speaks of it or it was used in the last hour.
    pub(crate) fn relay(&self, name: &str) -> Option<RelayRow> {
        self.relays.iter().find(|relay| relay.name == name).cloned()
    }

    pub(crate) fn new(seen: Seen<'_>) -> NowView {
        let minute = seen.now.minute();
        let relays = relay_rows(seen.relays, seen.flows, minute);
        let providers = seen.flows.providers.iter();
        let providers = providers.map(|(name, flow)| provider_row(name, flow, minute));
        let mut view = NowView {
            structure: String::new(),
            problem: seen.problem.unwrap_or_default().to_owned(),
            at: seen.now.seconds(),
            as_of: seen.now.to_jiff().strftime("%H:%M:%S UTC").to_string(),
            rate: per_second(seen.rate),
            rate_number: rounded(seen.rates.last().copied().unwrap_or_default()),
            chart: rate_chart(seen.rates, seen.now.seconds()),
            attention: attention(&seen),
            queue: Queue::of(seen.summaries),
            limits: seen.cards.iter().filter_map(binding).collect(),
            hard: Meter::hard(&seen),
            complaints: Meter::complaints(seen.day),
            unsubscribed: unsubscribed(seen.day, minute.div_euclid(60)),
            relays,
            providers: providers.collect(),
            is_empty: seen.summaries.is_empty(),
            campaigns: shown(seen.summaries, seen.cards),
        };
        view.structure = format!("{:016x}", view.shape());
        view
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    fn shape(&self) -> u64 {
        let mut shape = DefaultHasher::new();
        self.problem.hash(&mut shape);
        for campaign in &self.campaigns {
            campaign.shape().hash(&mut shape);
        }
        self.attention.hash(&mut shape);
        for relay in &self.relays {
            (&relay.name, relay.health, &relay.fault).hash(&mut shape);
        }
        for limit in &self.limits {
            limit.id.hash(&mut shape);
        }
        for provider in &self.providers {
            provider.name.hash(&mut shape);
        }
        (
            self.hard.level(),
            self.complaints.level(),
            self.queue.has_standing,
        )
            .hash(&mut shape);
        shape.finish()
    }
}

/// Those that are under way or wait, and the newest of the others.
fn shown(summaries: &[CampaignSummary], cards: Vec<CampaignView>) -> Vec<CampaignView> {
    let mut over = 0;
    let shown = summaries.iter().zip(cards).filter(|(summary, _)| {
        let is_over = matches!(
            summary.state,
            CampaignState::Finished | CampaignState::Cancelled | CampaignState::Draft
        );
        over += usize::from(is_over);
        !is_over || over <= OVER
    });
    shown.map(|(_, card)| card).collect()
}

fn binding(card: &CampaignView) -> Option<Binding> {
    let (id, name, words) = card.binding()?;
    Some(Binding {
        id,
        name: name.to_owned(),
        words: words.to_owned(),
    })
}

fn rate_chart(rates: &[f64], now: i64) -> Chart {
    let n = i64::try_from(rates.len()).unwrap_or_default();
    let seconds: Vec<i64> = (0..n).map(|at| now - (n - 1 - at)).collect();
    let values = rates.iter().map(|rate| rounded(*rate)).collect();
    let label = "accepted messages per second over the last two minutes";
    let series = Series {
        key: "accepted",
        label: "accepted/s",
        values,
    };
    Chart::new(label, &seconds, SAMPLES, &[series]).between("two minutes ago", "now")
}

impl Queue {
    fn of(summaries: &[CampaignSummary]) -> Queue {
        let sum = |is_in: &dyn Fn(CampaignState) -> bool, states: &[DeliveryState]| -> i64 {
            let campaigns = summaries.iter().filter(|summary| is_in(summary.state));
            let counts = campaigns.flat_map(|summary| states.iter().map(|state| summary.count(*state)));
            counts.sum::<i64>().max(0)
        };
        let sends = |state| state == CampaignState::Sending;
        let stands = |state| matches!(state, CampaignState::Paused | CampaignState::Held);
        let standing = sum(
            &stands,
            &[
                DeliveryState::Planned,
                DeliveryState::Leased,
                DeliveryState::OnWire,
                DeliveryState::Deferred,
            ],
        );
        Queue {
            planned: count(sum(&sends, &[DeliveryState::Planned])),
            underway: count(sum(&sends, &[DeliveryState::Leased, DeliveryState::OnWire])),
            deferred: count(sum(&sends, &[DeliveryState::Deferred])),
            standing: count(standing),
            has_standing: standing > 0,
        }
    }
}

fn unsubscribed(day: &Day, hour: i64) -> Trend {
    let n = day.happened.unsubscribed;
    Trend {
        n: count(n),
        share: share(n, day.accepted),
        drawn: sparkline(&day.by_hour(hour, |happened| happened.unsubscribed), HOURS),
        slots: HOURS * 10,
    }
}

/// The relays that senders speak of, and those that were used in the last hour.
fn relay_rows(statuses: &[RelayStatus], flows: &Flows, minute: i64) -> Vec<RelayRow> {
    let mut known: BTreeMap<&str, Option<&RelayStatus>> = BTreeMap::new();
    for name in flows.relays.keys() {
        known.insert(name, None);
    }
    for status in statuses {
        known.insert(&status.relay, Some(status));
    }
    let nothing = Flow::default();
    let rows = known.into_iter().map(|(name, status)| {
        let flow = flows.relays.get(name).unwrap_or(&nothing);
        let (health, level) = match status.map(|status| status.health) {
            Some(RelayHealth::Works) => ("works", "good"),
            Some(RelayHealth::Trying) => ("trying again", "warn"),
            Some(RelayHealth::Resting) => ("put aside", "bad"),
            None => ("no sender", "quiet"),
        };
        let fault = status.and_then(|status| status.fault.as_ref());
        RelayRow {
            key: format!("relay.{name}"),
            name: name.to_owned(),
            health,
            level,
            sessions: status.map_or_else(none, |status| {
                format!("{} of {}", count(status.sessions), count(status.max_sessions))
            }),
            rate: per_second(flow.rate()),
            hour: count(flow.sums().accepted),
            drawn: sparkline(&flow.by_minute(minute), MINUTES),
            slots: MINUTES * 10,
            fault: fault.map(|(_, words)| words.clone()),
            fault_at: fault.map_or_else(String::new, |(at, _)| short_moment(*at)),
        }
    });
    rows.collect()
}

fn provider_row(name: &str, flow: &Flow, minute: i64) -> ProviderRow {
    let sums = flow.sums();
    ProviderRow {
        key: format!("provider.{name}"),
        name: name.to_owned(),
        rate: per_second(flow.rate()),
        accepted: count(sums.accepted),
        deferred: count(sums.deferred),
        refused: count(sums.refused),
        refused_share: share(sums.refused, sums.refused + sums.accepted),
        drawn: sparkline(&flow.by_minute(minute), MINUTES),
        slots: MINUTES * 10,
    }
}

/// What open pages get every second: texts and drawings by the names that they have in the page.
#[derive(Serialize)]
pub(crate) struct LiveEvent<'a> {
    structure: &'a str,
    problem: &'a str,
    at: i64,
    rate: &'a str,
    rate_number: f64,
    texts: BTreeMap<String, &'a str>,
    drawings: BTreeMap<String, &'a Sparkline>,
    widths: BTreeMap<&'static str, i64>,
    campaigns: &'a [CampaignView],
}

impl<'a> LiveEvent<'a> {
    pub(crate) fn of(now: &'a NowView) -> LiveEvent<'a> {
        let mut texts: BTreeMap<String, &str> = BTreeMap::new();
        let mut drawings = BTreeMap::new();
        let fixed: [(&str, &str); 12] = [
            ("as_of", &now.as_of),
            ("rate", &now.rate),
            ("queue.planned", &now.queue.planned),
            ("queue.underway", &now.queue.underway),
            ("queue.deferred", &now.queue.deferred),
            ("queue.standing", &now.queue.standing),
            ("hard.share", &now.hard.share),
            ("hard.of", &now.hard.of),
            ("complaints.share", &now.complaints.share),
            ("complaints.of", &now.complaints.of),
            ("unsubscribed.n", &now.unsubscribed.n),
            ("unsubscribed.share", &now.unsubscribed.share),
        ];
        texts.extend(fixed.map(|(name, text)| (name.to_owned(), text)));
        drawings.insert("unsubscribed".to_owned(), &now.unsubscribed.drawn);
        for limit in &now.limits {
            texts.insert(format!("limit.{}", limit.id), &limit.words);
        }
        for relay in &now.relays {
            texts.insert(format!("{}.rate", relay.key), &relay.rate);
            texts.insert(format!("{}.sessions", relay.key), &relay.sessions);
            texts.insert(format!("{}.hour", relay.key), &relay.hour);
            drawings.insert(relay.key.clone(), &relay.drawn);
        }
        for provider in &now.providers {
            texts.insert(format!("{}.rate", provider.key), &provider.rate);
            texts.insert(format!("{}.accepted", provider.key), &provider.accepted);
            texts.insert(format!("{}.deferred", provider.key), &provider.deferred);
            texts.insert(format!("{}.refused", provider.key), &provider.refused);
            texts.insert(format!("{}.share", provider.key), &provider.refused_share);
            drawings.insert(provider.key.clone(), &provider.drawn);
        }
        LiveEvent {
            structure: &now.structure,
            problem: &now.problem,
            at: now.at,
            rate: &now.rate,
            rate_number: now.rate_number,
            texts,
            drawings,
            widths: BTreeMap::from([("hard", now.hard.width), ("complaints", now.complaints.width)]),
            campaigns: &now.campaigns,
        }
    }
}
