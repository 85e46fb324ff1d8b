//! What keeps a campaign from going faster, for people.

use super::lane::LaneId;
use super::{BINDS, RelayId, Schedule, Stop, Waiting};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

impl<T: Waiting> Schedule<T> {
    /// What binds a campaign now, if anything does.
    pub(crate) fn binding_limit(&self, campaign: CampaignId, now: Timestamp) -> Option<String> {
        let entry = self.campaigns.get(&campaign)?;
        if let Some(words) = self.all_down(entry.pool, now) {
            return Some(words);
        }
        let (when, stop) = entry.stopped.as_ref()?;
        (now.since(*when) < BINDS).then(|| self.words(stop, now))
    }

    fn all_down(&self, pool: usize, now: Timestamp) -> Option<String> {
        let members = &self.pools[pool].members;
        if members
            .iter()
            .any(|member| self.relays[member.relay.0].is_usable())
        {
            return None;
        }
        let each = members.iter().map(|member| {
            let entry = &self.relays[member.relay.0];
            let fault = entry
                .last_fault
                .as_ref()
                .map_or("no connection yet", |(_, fault)| fault.as_str());
            let rest = entry.circuit.rests_for(now).as_secs_f64().ceil();
            format!("relay {} is down, next try in {rest:.0} s: {fault}", entry.name)
        });
        Some(each.collect::<Vec<_>>().join("; "))
    }

    fn words(&self, stop: &Stop, now: Timestamp) -> String {
        match stop {
            Stop::Limit(by, bound) => format!("{}: {bound}", self.tree.place(*by)),
            Stop::Pair(relay, provider) => self.pair_words(*relay, provider, now),
            Stop::Connections(relay) => {
                let entry = &self.relays[relay.0];
                format!("relay {}: {} sessions", entry.name, entry.max_sessions)
            }
        }
    }

    fn pair_words(&self, relay: RelayId, provider: &Arc<str>, now: Timestamp) -> String {
        let name = &self.relays[relay.0].name;
        let shape = self.shapes.get(&(relay, Arc::clone(provider)));
        match shape.and_then(|shape| shape.suspended_until(now)) {
            Some(until) => {
                format!("provider {provider} refuses mail from relay {name}: suspended until {until}")
            }
            None => {
                let rate = shape.and_then(|shape| shape.rate(now)).unwrap_or_default();
                format!("provider {provider} finds relay {name} too fast: {rate:.1}/s for now")
            }
        }
    }

    /// How long `open` messages of a campaign take at least by the limits that hold for all of them; none if there
    /// are no such limits.
    pub(crate) fn time_for(&mut self, campaign: CampaignId, open: u64, now: Timestamp) -> Option<Duration> {
        let entry = self.campaigns.get(&campaign)?;
        let (pool, sender, limit) = (entry.pool, Arc::clone(&entry.sender), entry.limit.clone());
        let nobody: Arc<str> = "".into();
        let mut relays_together = 0.0;
        let mut longest = Duration::ZERO;
        let members: Vec<RelayId> = self.pools[pool]
            .members
            .iter()
            .map(|member| member.relay)
            .collect();
        for relay in members {
            let name = Arc::clone(&self.relays[relay.0].name);
            let path = self.tree.path(&name, &sender, &nobody, (campaign, &limit));
            let mut through_relay = Duration::ZERO;
            for id in path.nodes() {
                let span = self.tree.time_for(*id, open, now);
                match self.tree.place(*id) {
                    crate::limits::Place::Relay(_) => through_relay = through_relay.max(span),
                    // Holds for some of the messages only.
                    crate::limits::Place::Provider(_) => {}
                    _ => longest = longest.max(span),
                }
            }
            // Relays share the work: the times of all of them together as of resistors side by side.
            relays_together += match through_relay {
                Duration::ZERO => f64::INFINITY,
                span => 1.0 / span.as_secs_f64(),
            };
        }
        let through_relays = if relays_together > 0.0 && relays_together.is_finite() {
            Duration::from_secs_f64(1.0 / relays_together)
        } else {
            Duration::ZERO
        };
        let longest = longest
            .max(through_relays)
            .max(self.time_for_providers(campaign, now));
        Some(longest).filter(|span| !span.is_zero())
    }

    /// How long the slowest provider takes for what waits and what was put aside for it.
    fn time_for_providers(&self, campaign: CampaignId, now: Timestamp) -> Duration {
        let lanes = self
            .lanes
            .iter()
            .enumerate()
            .filter_map(|(at, lane)| Some((LaneId(at), lane.as_ref()?)));
        let spans = lanes
            .filter(|(_, lane)| lane.campaign == campaign && lane.aside > 0)
            .map(|(id, lane)| (lane.aside as f64 + lane.len() as f64) / self.provider_rate(id, now));
        Duration::from_secs_f64(spans.fold(0.0, f64::max))
    }
}
