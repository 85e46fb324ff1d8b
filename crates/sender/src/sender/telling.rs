//! What the sender says of itself: how fast each campaign goes, what binds it, and how the relays fare.

use super::*;

/// How the relays fare is said so often at least; the pages take it for true three times as long.
const RELAYS_TOLD: Duration = Duration::from_secs(10);

impl Sender {
    /// Says for every campaign how fast it goes and what binds it.
    pub(super) async fn tell(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let sessions = self.sessions_in_words();
        let mut doing = Doing::default();
        for (id, running) in &mut self.running {
            let ended = running.run.ended();
            let rate_per_second = (ended - running.ended) as f64 / running.looked.elapsed().as_secs_f64();
            running.ended = ended;
            running.looked = Instant::now();
            doing.campaigns.push(*id);
            doing.rate_per_second += rate_per_second;
            let mut limit = self.dispatcher.binding_limit(*id);
            if limit.is_none() && rate_per_second == 0.0 {
                let due = self.store.next_due(*id).await?;
                limit = due.map(|due| format!("waiting for retries, the next is due at {due}"));
            } else if limit.is_none() {
                limit = Some(sessions.clone());
            }
            let open = self.store.count_open(*id).await?;
            let status = SendStatus {
                rate_per_second,
                binding_limit: limit,
                eta_seconds: estimate(open, rate_per_second, self.dispatcher.time_for(*id, open)),
            };
            self.store.set_send_status(*id, &status, now).await?;
        }
        let statuses = self.dispatcher.relay_statuses();
        doing.sessions = statuses.iter().map(|relay| relay.sessions).sum();
        doing.campaigns.sort_unstable();
        self.settings.node.set_doing(doing);
        Ok(())
    }

    /// Says how the relays fare, when that has changed or has not been said for a while.
    pub(super) async fn tell_of_relays(&mut self) -> Result<(), StoreError> {
        let statuses = self.dispatcher.relay_statuses();
        if let Some((at, told)) = &self.told_of_relays
            && (*told == statuses && at.elapsed() < RELAYS_TOLD)
        {
            return Ok(());
        }
        let now = self.clock.now();
        self.store.set_relay_statuses(&statuses, now).await?;
        self.told_of_relays = Some((Instant::now(), statuses));
        Ok(())
    }

    /// What binds when nothing else does: as many sessions as there are, each as fast as its relay answers.
    fn sessions_in_words(&self) -> String {
        let each = self.relays.iter().map(|relay| {
            let settings = &relay.settings;
            format!("relay {}: {} sessions", settings.name, settings.max_sessions)
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

/// How long `open` messages take at this rate (per second), and by the limits at least.
fn estimate(open: u64, rate: f64, by_limits: Option<Duration>) -> Option<f64> {
    let by_rate = (rate > 0.0).then(|| open as f64 / rate);
    match by_limits.map(|span| span.as_secs_f64()) {
        // Limits that allow a burst now bind later; those that bind now show in the rate.
        Some(by_limits) => Some(by_rate.map_or(by_limits, |by_rate| by_rate.max(by_limits))),
        None => by_rate,
    }
}
