//! What goes into one commit. A commit for twelve deliveries takes half as long again as one for a single delivery
//! (docs/benchmarks.md), so that it waits for more, if they come soon and enough sessions are left that keep the relay busy
//! meanwhile. Where a relay takes its time, little would come, and nobody waits. Where a limit holds sessions up, they are
//! at hand for what it lets through next, and each commit waits until [`LONGEST`] after the one before.

use super::{MOST, Request};
use std::time::Duration;
use tidings_store::ledger::Settlement;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// So many that ask are enough in any case.
const ENOUGH: usize = 12;
/// One that asks is enough for so many that have a delivery on the wire.
const LEFT: usize = 2;
/// The longest time that a session waits for others to share its commit.
const LONGEST: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(super) struct Gathering {
    /// Deliveries on the wire: their sessions will come back.
    on_wire: usize,
    /// Sessions that asked in the last commit.
    asked: usize,
    /// All of them had others that were there for the next delivery.
    was_relieved: bool,
    /// When that was gathered, or, where it waited for its time, went off.
    began: Instant,
}

/// What the requests of a commit are.
#[derive(Debug, Default)]
struct Seen {
    all: usize,
    asking: usize,
    /// Of those that ask: other sessions are there for the next delivery.
    relieved: usize,
    ended: usize,
}

impl Seen {
    fn look(&mut self, requests: &[Request]) {
        for request in &requests[self.all..] {
            match request {
                Request::OnWire { has_relief, .. } => {
                    self.asking += 1;
                    self.relieved += usize::from(*has_relief);
                }
                Request::Settle(settlement) if settlement.was_on_wire => self.ended += 1,
                Request::Settle(_) | Request::Release { .. } => {}
            }
        }
        self.all = requests.len();
    }

    /// Whether nobody is held up if these wait.
    fn is_relieved(&self) -> bool {
        self.relieved == self.asking
    }
}

impl Gathering {
    pub(super) fn new() -> Gathering {
        Gathering {
            on_wire: 0,
            asked: 0,
            was_relieved: false,
            began: Instant::now(),
        }
    }

    /// Adds to `requests` until there is enough for a commit.
    pub(super) async fn gather(
        &mut self,
        queue: &mut UnboundedReceiver<Request>,
        requests: &mut Vec<Request>,
    ) {
        let now = Instant::now();
        let mut seen = Seen::default();
        seen.look(requests);
        let mut began = now;
        if self.was_relieved && seen.is_relieved() {
            let until = self.began + LONGEST;
            while seen.is_relieved() && take_more(queue, requests, &mut seen, until).await {}
            began = Instant::now();
        } else if seen.asking + expected(self.asked, now - self.began) >= self.enough(&seen) {
            let until = now + LONGEST;
            while seen.asking < self.enough(&seen) && take_more(queue, requests, &mut seen, until).await {}
        }
        if seen.asking > 0 {
            self.was_relieved = seen.is_relieved();
        }
        self.asked = seen.asking;
        self.began = began;
    }

    fn enough(&self, seen: &Seen) -> usize {
        let still_on_wire = self.on_wire.saturating_sub(seen.ended);
        still_on_wire.div_ceil(LEFT).min(ENOUGH)
    }

    pub(super) fn committed(&mut self, granted: usize, settled: &[Settlement]) {
        let ended = settled.iter().filter(|settlement| settlement.was_on_wire).count();
        self.on_wire = (self.on_wire + granted).saturating_sub(ended);
    }
}

/// Waits for more requests; false if none came until then, or there is no room for any.
async fn take_more(
    queue: &mut UnboundedReceiver<Request>,
    requests: &mut Vec<Request>,
    seen: &mut Seen,
    until: Instant,
) -> bool {
    let room = MOST.saturating_sub(seen.all);
    if room == 0 {
        return false;
    }
    let came = matches!(timeout_at(until, queue.recv_many(requests, room)).await, Ok(n) if n > 0);
    if came {
        seen.look(requests);
    }
    came
}

/// How many sessions will ask within [`LONGEST`], if they go on as they did in this time.
fn expected(asked: usize, within: Duration) -> usize {
    (asked as f64 * LONGEST.as_secs_f64() / within.as_secs_f64().max(1e-6)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tidings_campaign::ids::{CampaignId, LeaseId, Seq};
    use tidings_campaign::lifecycle::DeliveryState;
    use tidings_store::ledger::Held;
    use tokio::sync::oneshot;

    fn gathering(on_wire: usize) -> Gathering {
        Gathering {
            on_wire,
            ..Gathering::new()
        }
    }

    #[test]
    fn a_dozen_is_enough_and_half_of_few_sessions_too() {
        let none = Seen::default();
        for (on_wire, enough) in [(0, 0), (1, 1), (7, 4), (24, 12), (100, 12)] {
            assert_eq!(gathering(on_wire).enough(&none), enough, "{on_wire} on the wire");
        }
        let seen = Seen {
            ended: 5,
            ..Seen::default()
        };
        assert_eq!(gathering(7).enough(&seen), 1, "those that ended do not come back");
    }

    #[test]
    fn what_comes_is_told_by_what_came() {
        let millis = Duration::from_millis;
        assert_eq!(expected(6, millis(1)), 12);
        assert_eq!(expected(2, millis(1)), 4, "too few to wait for");
        assert_eq!(expected(1, millis(1000)), 0);
        assert_eq!(expected(0, Duration::ZERO), 0);
    }

    fn ask(has_relief: bool) -> Request {
        let held = Held {
            campaign: CampaignId(1),
            seq: Seq(1),
            lease: LeaseId(1),
            waiting: DeliveryState::Planned,
        };
        Request::OnWire {
            held,
            used: Arc::from([]),
            has_relief,
            answer: oneshot::channel().0,
        }
    }

    #[tokio::test]
    async fn while_a_limit_holds_sessions_up_a_commit_keeps_its_distance_from_the_one_before() {
        for (was_relieved, has_relief, together, what) in [
            (true, true, 3, "others are there for the next"),
            (false, true, 1, "the first time"),
            (true, false, 1, "it is the last that is free"),
        ] {
            let (sender, mut queue) = tokio::sync::mpsc::unbounded_channel();
            for _ in 0..2 {
                sender.send(ask(true)).expect("the queue is open");
            }
            let mut requests = vec![ask(has_relief)];
            let mut gathering = Gathering {
                was_relieved,
                ..gathering(0)
            };
            gathering.gather(&mut queue, &mut requests).await;
            assert_eq!(requests.len(), together, "{what}");
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_others_who_do_not_come() {
        let (_sender, mut queue) = tokio::sync::mpsc::unbounded_channel();
        let mut requests = vec![Request::Release {
            lease: LeaseId(1),
            open: false,
        }];
        gathering(50).gather(&mut queue, &mut requests).await;
        assert_eq!(requests.len(), 1);
    }
}
