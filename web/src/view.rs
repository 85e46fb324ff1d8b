//! Figures as people read them. Pure: the same values go into the pages and into the live events.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState, UnknownPolicy};
use tidings_campaign::schedule::Schedule;
use tidings_campaign::time::Timestamp;
use tidings_store::stats::{Breakdown, CampaignSummary};

/// Bounces by class, at once or reported later, complaints and unsubscribes of one campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) hard: i64,
    pub(crate) soft: i64,
    pub(crate) block: i64,
    pub(crate) other: i64,
    pub(crate) complaints: i64,
    pub(crate) unsubscribed: i64,
}

impl Happened {
    /// Adds a counter. A deferral is no bounce: it may still arrive.
    pub(crate) fn add(&mut self, outcome: &str, class: &str, n: i64) {
        let field = match (outcome, class) {
            ("unsubscribed", _) => &mut self.unsubscribed,
            ("complaint", _) => &mut self.complaints,
            ("rejected" | "expired" | "bounce", "hard") => &mut self.hard,
            ("rejected" | "expired" | "bounce", "soft") => &mut self.soft,
            ("rejected" | "expired" | "bounce", "block") => &mut self.block,
            ("rejected" | "expired" | "bounce", _) => &mut self.other,
            _ => return,
        };
        *field += n;
    }

    pub(crate) fn plus(mut self, more: Happened) -> Happened {
        self.hard += more.hard;
        self.soft += more.soft;
        self.block += more.block;
        self.other += more.other;
        self.complaints += more.complaints;
        self.unsubscribed += more.unsubscribed;
        self
    }
}

/// How a campaign fares just now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pulse {
    /// Messages accepted per second.
    pub(crate) rate: f64,
    /// What keeps it from going faster.
    pub(crate) limit: Option<String>,
    /// Until all that is open has gone out.
    pub(crate) eta_seconds: Option<f64>,
}

/// One part of a campaign's bar, in thousandths of its width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Segment {
    key: &'static str,
    label: &'static str,
    meaning: &'static str,
    n: i64,
    count: String,
    x: i64,
    width: i64,
}

/// A campaign's card.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CampaignView {
    id: i64,
    name: String,
    state: &'static str,
    reason: Option<String>,
    decision: Option<String>,
    started_sending: bool,
    texts: BTreeMap<&'static str, String>,
    segments: Vec<Segment>,
    scheduled: String,
    started: String,
    finished: String,
}

type Part = (&'static str, &'static str, &'static str, &'static [DeliveryState]);

/// Key, label, meaning, states: the bar from left to right.
const PARTS: [Part; 8] = [
    (
        "accepted",
        "accepted",
        "a relay took it",
        &[DeliveryState::Accepted],
    ),
    (
        "rejected",
        "rejected",
        "refused for good",
        &[DeliveryState::Rejected],
    ),
    (
        "expired",
        "expired",
        "put off until its time was over",
        &[DeliveryState::Expired],
    ),
    (
        "withheld",
        "withheld",
        "not sent by us: not eligible any more, or not renderable",
        &[DeliveryState::Withheld],
    ),
    (
        "unknown",
        "unknown",
        "handed over, but the answer was lost: never sent again without being told to",
        &[DeliveryState::Unknown],
    ),
    (
        "deferred",
        "deferred",
        "refused for now, or waiting for a limit: goes out when it is due",
        &[DeliveryState::Deferred],
    ),
    (
        "underway",
        "on the way",
        "held by a sender or on the wire",
        &[DeliveryState::Leased, DeliveryState::OnWire],
    ),
    (
        "planned",
        "to go",
        "waits for its turn",
        &[DeliveryState::Planned],
    ),
];

impl CampaignView {
    pub(crate) fn new(summary: &CampaignSummary, happened: Happened, pulse: &Pulse) -> Self {
        let left: i64 = DeliveryState::ALL
            .iter()
            .filter(|s| s.is_open())
            .map(|state| summary.count(*state))
            .sum();
        let started = summary.planned > 0 || summary.started_at.is_some();
        let bounced = happened.hard + happened.soft + happened.block + happened.other;
        let texts = BTreeMap::from([
            (
                "progress",
                if started {
                    progress(summary.planned, left)
                } else {
                    waiting(summary)
                },
            ),
            ("pace", pace(summary.state, pulse, left)),
            ("limit", limit(summary.state, pulse)),
            ("bounced", count(bounced)),
            ("hard", count(happened.hard)),
            ("soft", count(happened.soft)),
            ("block", count(happened.block)),
            ("other", count(happened.other)),
            ("complaints", count(happened.complaints)),
            ("unsubscribed", count(happened.unsubscribed)),
        ]);
        CampaignView {
            id: summary.id.0,
            name: summary.name.clone(),
            state: summary.state.as_str(),
            reason: summary.state_reason.clone(),
            decision: decision(summary),
            started_sending: started,
            texts,
            segments: segments(summary),
            scheduled: summary.schedule.as_ref().map_or_else(none, start),
            started: summary.started_at.map_or_else(none, moment),
            finished: summary.finished_at.map_or_else(none, moment),
        }
    }

    /// What the page must be fetched again for when it changes.
    pub(crate) fn shape(&self) -> impl std::hash::Hash + '_ {
        (
            self.id,
            &self.name,
            self.state,
            &self.reason,
            &self.decision,
            self.started_sending,
        )
    }
}

/// What a person has to decide.
fn decision(summary: &CampaignSummary) -> Option<String> {
    let unknown = summary.count(DeliveryState::Unknown);
    (unknown > 0 && summary.unknown_policy == UnknownPolicy::Hold).then(|| {
        format!(
            "{} unknown wait for your decision: `tidings campaign settle {} --resend-unknown` sends them again, \
             --skip-unknown leaves them",
            count(unknown),
            summary.id
        )
    })
}

fn segments(summary: &CampaignSummary) -> Vec<Segment> {
    let whole = summary.planned.max(1);
    // A single node's counters may be negative for a moment; the sum over all of them is not, but it may lag.
    let counts = PARTS.map(|(.., states)| states.iter().map(|s| summary.count(*s)).sum::<i64>().max(0));
    let mut before = 0;
    PARTS
        .iter()
        .zip(counts)
        .map(|((key, label, meaning, _), n)| {
            let x = (before * 1000 / whole).min(1000);
            before += n;
            let end = (before * 1000 / whole).min(1000);
            Segment {
                key,
                label,
                meaning,
                n,
                count: count(n),
                x,
                width: end - x,
            }
        })
        .collect()
}

fn progress(planned: i64, left: i64) -> String {
    let done = (planned - left).clamp(0, planned);
    let percent = if planned == 0 { 100 } else { done * 100 / planned };
    format!("{} of {} done ({percent} %)", count(done), count(planned))
}

fn waiting(summary: &CampaignSummary) -> String {
    match (&summary.schedule, summary.state) {
        (Some(schedule), CampaignState::Scheduled) => format!("starts {}", start(schedule)),
        (_, CampaignState::Draft) => "not scheduled yet".to_owned(),
        _ => "nothing planned".to_owned(),
    }
}

fn pace(state: CampaignState, pulse: &Pulse, left: i64) -> String {
    if state != CampaignState::Sending || left <= 0 {
        return String::new();
    }
    let by_rate = (pulse.rate > 0.0).then(|| left as f64 / pulse.rate);
    let Some(seconds) = pulse.eta_seconds.or(by_rate) else {
        return String::new();
    };
    format!(
        "{}/s, about {} left",
        per_second(pulse.rate),
        span(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
    )
}

fn limit(state: CampaignState, pulse: &Pulse) -> String {
    match &pulse.limit {
        Some(limit) if state == CampaignState::Sending => format!("limited by {limit}"),
        _ => String::new(),
    }
}

/// `1,234,567`.
pub(crate) fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate with one decimal below ten and none above.
pub(crate) fn per_second(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 {
        format!("{rate:.1}")
    } else {
        count(rate.round() as i64)
    }
}

fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{} s", seconds.max(1)),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn none() -> String {
    "–".to_owned()
}

/// As the person wrote it; a start "now" has no such words.
fn start(schedule: &Schedule) -> String {
    if schedule.local.is_empty() {
        moment(schedule.at)
    } else {
        format!("{} {}", schedule.local, schedule.zone)
    }
}

fn moment(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The points of a sparkline and of the area below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sparkline {
    pub(crate) line: String,
    pub(crate) area: String,
}

/// Draws `samples`, the newest last, right-aligned in a box of `slots` × 10 by 100.
pub(crate) fn sparkline<'a>(
    samples: impl ExactSizeIterator<Item = &'a f64> + Clone,
    slots: usize,
) -> Sparkline {
    let top = samples.clone().fold(0.0_f64, |top, sample| top.max(*sample));
    let first = slots.saturating_sub(samples.len());
    let mut line = String::new();
    let (mut from, mut to) = (0, 0);
    for (index, sample) in samples.enumerate() {
        let x = (first + index + 1) * 10;
        let y = if top > 0.0 {
            98.0 - sample / top * 94.0
        } else {
            98.0
        };
        if index == 0 {
            from = x;
        }
        to = x;
        write!(line, "{x},{y:.0} ").expect("writing to a String cannot fail");
    }
    let area = if line.is_empty() {
        String::new()
    } else {
        format!("{from},100 {line}{to},100")
    };
    Sparkline {
        line: line.trim_end().to_owned(),
        area,
    }
}

/// A row of a campaign's table.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BreakdownRow {
    relay: String,
    provider: String,
    outcome: String,
    class: String,
    n: String,
}

/// The table of a campaign, days added up, the most frequent first.
pub(crate) fn breakdown_rows(parts: Vec<Breakdown>) -> Vec<BreakdownRow> {
    let mut sums: BTreeMap<(String, String, String, String), i64> = BTreeMap::new();
    for part in parts {
        *sums
            .entry((part.relay, part.provider, part.outcome, part.class))
            .or_default() += part.n;
    }
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by_key(|(_, n)| -n);
    let shown = |word: String| if word.is_empty() { none() } else { word };
    rows.into_iter()
        .map(|((relay, provider, outcome, class), n)| BreakdownRow {
            relay: shown(relay),
            provider: shown(provider),
            outcome,
            class: shown(class),
            n: count(n),
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tidings_campaign::ids::CampaignId;

    pub(crate) fn summary(planned: i64, counts: &[(DeliveryState, i64)]) -> CampaignSummary {
        let mut states = [0; DeliveryState::ALL.len()];
        for (state, n) in counts {
            states[DeliveryState::ALL.iter().position(|s| s == state).unwrap()] = *n;
        }
        CampaignSummary {
            id: CampaignId(7),
            name: "Spring".into(),
            state: CampaignState::Sending,
            state_reason: None,
            unknown_policy: UnknownPolicy::Hold,
            planned,
            schedule: None,
            started_at: Some(Timestamp::from_seconds(0)),
            finished_at: None,
            states,
        }
    }

    #[test]
    fn numbers_have_thousands_separators() {
        assert_eq!(
            [0, 999, 1000, 1_234_567, -1000].map(count),
            ["0", "999", "1,000", "1,234,567", "−1,000"]
        );
    }

    #[test]
    fn rates_are_exact_where_they_are_small() {
        assert_eq!(
            [0.0, 0.25, 9.94, 9.96, 1234.4].map(per_second),
            ["0", "0.2", "9.9", "10", "1,234"]
        );
    }

    #[test]
    fn the_bar_has_no_gaps_and_is_never_longer_than_the_whole() {
        let summary = summary(
            3,
            &[
                (DeliveryState::Accepted, 1),
                (DeliveryState::Rejected, 1),
                (DeliveryState::Planned, 2),
            ],
        );
        let segments = segments(&summary);
        let mut x = 0;
        for segment in &segments {
            assert_eq!(segment.x, x);
            x += segment.width;
        }
        assert_eq!(x, 1000);
    }

    #[test]
    fn progress_tells_what_is_done_and_how_long_the_rest_takes() {
        let summary = summary(
            4000,
            &[
                (DeliveryState::Accepted, 900),
                (DeliveryState::Unknown, 100),
                (DeliveryState::Planned, 3000),
            ],
        );
        let mut pulse = Pulse {
            rate: 25.0,
            ..Pulse::default()
        };
        let view = CampaignView::new(&summary, Happened::default(), &pulse);
        assert_eq!(view.texts["progress"], "1,000 of 4,000 done (25 %)");
        assert_eq!(view.texts["pace"], "25/s, about 2 min left");
        assert_eq!(view.texts["limit"], "");

        pulse.limit = Some("provider gmail: 1/s".to_owned());
        pulse.eta_seconds = Some(900.0);
        let view = CampaignView::new(&summary, Happened::default(), &pulse);
        assert_eq!(view.texts["pace"], "25/s, about 15 min left");
        assert_eq!(view.texts["limit"], "limited by provider gmail: 1/s");
    }

    #[test]
    fn a_deferral_is_no_bounce() {
        let mut happened = Happened::default();
        happened.add("deferred", "soft", 5);
        happened.add("rejected", "hard", 2);
        happened.add("expired", "soft", 1);
        happened.add("rejected", "", 4);
        happened.add("unsubscribed", "", 3);
        assert_eq!(
            happened,
            Happened {
                hard: 2,
                soft: 1,
                block: 0,
                other: 4,
                complaints: 0,
                unsubscribed: 3
            }
        );
    }

    #[test]
    fn a_sparkline_stays_in_its_box() {
        let drawn = sparkline([0.0, 50.0, 100.0].iter(), 120);
        assert_eq!(drawn.line, "1180,98 1190,51 1200,4");
        assert_eq!(drawn.area, "1180,100 1180,98 1190,51 1200,4 1200,100");
        assert_eq!(sparkline([].iter(), 120), Sparkline::default());
    }
}
