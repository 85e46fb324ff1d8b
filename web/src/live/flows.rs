//! How mail flows through each relay and to each provider: the last hour by the minute, and the rate now.

use super::rates::{RATE_SAMPLES, keep, mean};
use std::collections::{BTreeMap, HashMap, VecDeque};
use tidings_store::flow::FlowCount;

/// Minutes that are kept.
pub(crate) const MINUTES: usize = 60;

/// What happened in some minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) accepted: i64,
    pub(crate) deferred: i64,
    /// For good, at once or because it took too long.
    pub(crate) refused: i64,
}

impl Sums {
    fn add(&mut self, outcome: &str, n: i64) {
        *match outcome {
            "accepted" => &mut self.accepted,
            "deferred" => &mut self.deferred,
            "rejected" | "expired" => &mut self.refused,
            _ => return,
        } += n;
    }
}

/// What goes one way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    minutes: BTreeMap<i64, Sums>,
    rates: VecDeque<f64>,
}

impl Flow {
    /// The last hour together.
    pub(crate) fn sums(&self) -> Sums {
        self.minutes.values().fold(Sums::default(), |sums, more| Sums {
            accepted: sums.accepted + more.accepted,
            deferred: sums.deferred + more.deferred,
            refused: sums.refused + more.refused,
        })
    }

    /// Accepted messages by the minute, `minute` the last one.
    pub(crate) fn by_minute(&self, minute: i64) -> Vec<f64> {
        let first = minute + 1 - i64::try_from(MINUTES).unwrap_or(i64::MAX);
        (first..=minute)
            .map(|minute| self.minutes.get(&minute).map_or(0.0, |sums| sums.accepted as f64))
            .collect()
    }

    /// Accepted messages per second, now.
    pub(crate) fn rate(&self) -> f64 {
        mean(self.rates.iter())
    }

    fn accepted_since(&self, minute: i64) -> i64 {
        self.minutes.range(minute..).map(|(_, sums)| sums.accepted).sum()
    }
}

/// By relay, and by provider.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    pub(crate) relays: BTreeMap<String, Flow>,
    pub(crate) providers: BTreeMap<String, Flow>,
}

impl Flows {
    /// `counts`: everything since the minute `since`; `minute`: the current one; `seconds`: since the last look, if that
    /// can be told.
    pub(super) fn take(&mut self, counts: &[FlowCount], (since, minute): (i64, i64), seconds: Option<f64>) {
        take(&mut self.relays, counts, |count| &count.relay, since, seconds);
        take(
            &mut self.providers,
            counts,
            |count| &count.provider,
            since,
            seconds,
        );
        let first = minute + 1 - i64::try_from(MINUTES).unwrap_or(i64::MAX);
        for flows in [&mut self.relays, &mut self.providers] {
            for flow in flows.values_mut() {
                flow.minutes = flow.minutes.split_off(&first);
            }
            flows.retain(|_, flow| !flow.minutes.is_empty());
        }
    }
}

fn take(
    flows: &mut BTreeMap<String, Flow>,
    counts: &[FlowCount],
    name: impl Fn(&FlowCount) -> &str,
    since: i64,
    seconds: Option<f64>,
) {
    let before: HashMap<String, i64> = flows
        .iter_mut()
        .map(|(name, flow)| {
            let accepted = flow.accepted_since(since);
            // What is counted anew.
            flow.minutes.split_off(&since);
            (name.clone(), accepted)
        })
        .collect();
    for count in counts {
        let name = name(count);
        if name.is_empty() {
            continue;
        }
        if !flows.contains_key(name) {
            flows.insert(name.to_owned(), Flow::default());
        }
        if let Some(flow) = flows.get_mut(name) {
            flow.minutes
                .entry(count.minute)
                .or_default()
                .add(&count.outcome, count.n);
        }
    }
    let Some(seconds) = seconds else { return };
    for (name, flow) in flows {
        let before = before.get(name).copied().unwrap_or_default();
        let rate = (flow.accepted_since(since) - before).max(0) as f64 / seconds;
        keep(&mut flow.rates, rate, RATE_SAMPLES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(minute: i64, relay: &str, outcome: &str, n: i64) -> FlowCount {
        FlowCount {
            minute,
            relay: relay.into(),
            provider: "gmail".into(),
            outcome: outcome.into(),
            n,
        }
    }

    #[test]
    fn a_flow_has_a_rate_from_the_second_look_on() {
        let mut flows = Flows::default();
        flows.take(&[count(100, "a", "accepted", 500)], (41, 100), None);
        assert_eq!(flows.relays["a"].rate(), 0.0, "what was before is no rate");
        flows.take(&[count(100, "a", "accepted", 540)], (95, 100), Some(2.0));
        assert_eq!(flows.relays["a"].rate(), 20.0);
        flows.take(
            &[count(100, "a", "accepted", 560), count(101, "a", "accepted", 20)],
            (96, 101),
            Some(1.0),
        );
        assert_eq!(flows.relays["a"].rate(), 30.0, "a mean");
        assert_eq!(flows.relays["a"].sums().accepted, 580);
        assert_eq!(flows.providers["gmail"].sums().accepted, 580);
    }

    #[test]
    fn what_is_longer_than_an_hour_ago_is_forgotten() {
        let mut flows = Flows::default();
        let counts = [
            count(100, "a", "accepted", 5),
            count(130, "b", "rejected", 1),
            count(130, "", "withheld", 9),
        ];
        flows.take(&counts, (71, 130), None);
        let names: Vec<_> = flows.relays.keys().collect();
        assert_eq!(names, ["a", "b"], "what no relay had a part in has no row");
        flows.take(&[], (156, 161), Some(1.0));
        let names: Vec<_> = flows.relays.keys().collect();
        assert_eq!(names, ["b"]);
        assert_eq!(flows.relays["b"].sums().refused, 1);
        assert_eq!(flows.relays["b"].by_minute(161).len(), MINUTES);
    }
}
