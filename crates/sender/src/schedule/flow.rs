//! How fast mail went of late.

use std::collections::HashMap;
use tidings_campaign::time::Timestamp;

/// A rate of late: messages, forgotten exponentially.
#[derive(Debug)]
pub(super) struct Flow {
    messages: f64,
    at: Timestamp,
}

const MEMORY_SECONDS: f64 = 2.0;

impl Flow {
    pub(super) const fn none() -> Flow {
        Flow {
            messages: 0.0,
            at: Timestamp(0),
        }
    }

    pub(super) fn count(&mut self, now: Timestamp) {
        self.messages = self.messages_at(now) + 1.0;
        self.at = now;
    }

    fn messages_at(&self, now: Timestamp) -> f64 {
        self.messages * (-now.since(self.at).as_secs_f64() / MEMORY_SECONDS).exp()
    }

    /// Messages per second.
    pub(super) fn rate(&self, now: Timestamp) -> f64 {
        self.messages_at(now) / MEMORY_SECONDS
    }
}

/// The flow to each of the domains that share a lane, so that it is known should one of them find us too fast.
#[derive(Debug)]
pub(super) struct Flows {
    by_domain: HashMap<Box<str>, Flow>,
    swept_at: Timestamp,
}

/// Where mail goes to more domains at once, each of them gets little.
const MOST_DOMAINS: usize = 4096;

impl Flows {
    pub(super) fn none() -> Flows {
        Flows {
            by_domain: HashMap::new(),
            swept_at: Timestamp(0),
        }
    }

    pub(super) fn count(&mut self, domain: &str, now: Timestamp) {
        if let Some(flow) = self.by_domain.get_mut(domain) {
            flow.count(now);
            return;
        }
        if self.by_domain.len() >= MOST_DOMAINS {
            if now.since(self.swept_at).as_secs_f64() < MEMORY_SECONDS {
                return;
            }
            self.swept_at = now;
            self.by_domain.retain(|_, flow| flow.messages_at(now) > 1.0);
        }
        let flow = self.by_domain.entry(domain.into()).or_insert(Flow::none());
        flow.count(now);
    }

    /// Messages per second.
    pub(super) fn rate(&self, domain: &str, now: Timestamp) -> f64 {
        self.by_domain.get(domain).map_or(0.0, |flow| flow.rate(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flow_is_known_within_seconds_and_forgotten_as_soon() {
        let mut flow = Flow::none();
        let start = Timestamp::from_seconds(1_000_000);
        for i in 0..1000 {
            flow.count(start.plus(Duration::from_millis(10 * i)));
        }
        let end = start.plus(Duration::from_secs(10));
        assert!((95.0..105.0).contains(&flow.rate(end)), "{}", flow.rate(end));
        assert!(flow.rate(end.plus(Duration::from_secs(10))) < 1.0);
    }

    #[test]
    fn however_many_domains_there_are_memory_is_bounded_and_the_busy_ones_are_known() {
        let mut flows = Flows::none();
        let start = Timestamp::from_seconds(1_000_000);
        for i in 0..100_000 {
            let now = start.plus(Duration::from_micros(100 * i));
            flows.count(&format!("{i}.test"), now);
            flows.count("busy.test", now);
        }
        assert!(flows.by_domain.len() <= MOST_DOMAINS);
        let busy = flows.rate("busy.test", start.plus(Duration::from_secs(10)));
        assert!((9_500.0..10_500.0).contains(&busy), "{busy}");
    }
}
