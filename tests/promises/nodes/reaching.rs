//! What is steered reaches all nodes within two seconds.

use super::*;
use std::time::Instant;
use tidings_tests::{Arrivals, Yardstick};

/// Without a message for so long, mail has stopped: two seconds, and a while in which none may come.
const QUIET: Duration = Duration::from_millis(3_500);
/// So many that they are not all sent when something is changed.
const READERS: usize = 3_000;

/// A campaign that three nodes send in no hurry, and when each message was accepted.
struct UnderWay {
    app: App,
    campaign: i64,
    arrivals: Arrivals,
    nodes: Vec<Running>,
}

impl UnderWay {
    fn begin() -> UnderWay {
        let app = App::start(Engine::Postgres);
        let arrivals = Arrivals::at(&app.relay, Script::accepting().pace(120.0));
        app.import("readers", READERS);
        let campaign = app.campaign("readers");
        let nodes = ["a", "b", "c"].map(|name| node(&app, name, "send,schedule"));
        start(&app, campaign);
        wait_until("all send", 60, || {
            ["a", "b", "c"].iter().all(|name| accepted_by(&app, name) > 0)
        });
        UnderWay {
            app,
            campaign,
            arrivals,
            nodes: nodes.into(),
        }
    }

    /// Does this, and panics unless mail stops within two seconds after it.
    #[track_caller]
    fn assert_stops_after(&self, what: &str, change: impl FnOnce(&App)) {
        let yardstick = Yardstick::begin();
        change(&self.app);
        let changed = Instant::now();
        let last = || {
            self.arrivals
                .times()
                .last()
                .map_or(changed, |last| changed.max(*last))
        };
        wait_until("mail stops", 60, || last().elapsed() > QUIET);
        yardstick.assert_in_time(what, last() - changed);
        assert!(self.arrivals.times().len() < READERS, "everything was sent");
        let show = self.app.show(self.campaign);
        assert_ledger_adds_up(&show);
        let said: Vec<String> = self.nodes.iter().map(Running::stderr_so_far).collect();
        assert_eq!(
            (show.count("on_wire"), show.count("unknown")),
            (0, 0),
            "{show} {said:?}"
        );
    }

    #[track_caller]
    fn ends_with_all_accepted_or_withheld(&self) {
        finished(&self.app, self.campaign);
        let show = self.app.show(self.campaign);
        assert_eq!(
            show.count("accepted") + show.count("withheld"),
            READERS as u64,
            "{show}"
        );
        self.app.relay.reached_once();
    }

    /// Does this, and panics unless mail flows within two seconds after it.
    #[track_caller]
    fn assert_flows_after(&self, what: &str, change: impl FnOnce(&App)) {
        let yardstick = Yardstick::begin();
        let before = self.arrivals.times().len();
        change(&self.app);
        let changed = Instant::now();
        wait_until("mail flows again", 60, || self.arrivals.times().len() > before);
        let first = self.arrivals.times()[before];
        yardstick.assert_in_time(what, first.saturating_duration_since(changed));
    }
}

#[test]
fn a_pause_reaches_all_nodes_within_two_seconds_and_so_does_its_end() {
    let under_way = UnderWay::begin();
    let campaign = under_way.campaign;
    let steer = |action: &'static str| move |app: &App| drop(app.steer(campaign, action));
    under_way.assert_stops_after("pause", steer("pause"));
    under_way.assert_flows_after("resume", steer("resume"));
    under_way.assert_stops_after("cancel", steer("cancel"));
    assert_eq!(under_way.app.show(campaign).state(), "cancelled");
    assert_eq!(under_way.nodes.len(), 3);
    under_way.app.relay.reached_once();
}

/// No sender is told of these two: it asks again for what it has known for 1.5 seconds.
#[test]
fn suppressions_reach_all_nodes_within_two_seconds() {
    let under_way = UnderWay::begin();
    // By hand, as no command does it: what holds is what the database says.
    under_way.assert_stops_after("the suppression of everybody", |app| {
        app.database.execute(
            "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
             SELECT address_key, 'by_hand', 'all at once', 1 FROM recipients",
        );
    });
    under_way.app.relay.follow(Script::accepting());
    under_way.ends_with_all_accepted_or_withheld();
}

#[test]
fn unsubscribes_reach_all_nodes_within_two_seconds() {
    let under_way = UnderWay::begin();
    under_way.assert_stops_after("the unsubscribe of everybody", |app| {
        app.database
            .execute("UPDATE subscriptions SET state = 'unsubscribed'");
    });
    under_way.ends_with_all_accepted_or_withheld();
}
