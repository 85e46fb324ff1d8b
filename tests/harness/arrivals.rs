//! When mail arrived at the relay of a test.

use crate::Relay;
use crate::script::Script;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Each message that the relay has accepted under one script: when, and for whom.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<Vec<(Instant, String)>>>);

impl Arrivals {
    /// Lets the relay follow this script, and notes what it accepts.
    pub fn at(relay: &Relay, script: Script) -> Arrivals {
        let arrivals = Arrivals::default();
        let noted = arrivals.clone();
        relay.follow(script.watch(move |one| {
            let mut noted = noted.0.lock().expect("nobody panics with it");
            noted.push((Instant::now(), one.recipient.clone()));
        }));
        arrivals
    }

    /// When each was accepted, in order.
    pub fn times(&self) -> Vec<Instant> {
        self.times_of("")
    }

    /// The same of recipients whose address ends so.
    pub fn times_of(&self, ending: &str) -> Vec<Instant> {
        let noted = self.0.lock().expect("nobody panics with it");
        let those = noted.iter().filter(|(_, recipient)| recipient.ends_with(ending));
        let mut times: Vec<Instant> = those.map(|(at, _)| *at).collect();
        times.sort_unstable();
        times
    }
}
