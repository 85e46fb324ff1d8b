//! What `tidings campaign show ID --json` says.

use serde_json::Value;

/// The delivery states as `deliveries` names them.
const STATES: [&str; 9] = [
    "planned", "leased", "on_wire", "accepted", "deferred", "rejected", "expired", "withheld", "unknown",
];

/// A campaign as the command line shows it.
#[derive(Clone, Debug)]
pub struct Show(pub Value);

impl Show {
    /// The campaign's state: `sending`, `finished` …
    #[track_caller]
    pub fn state(&self) -> &str {
        self.0["state"]
            .as_str()
            .unwrap_or_else(|| panic!("no `state` in {self}"))
    }

    /// How many deliveries were planned when the campaign started.
    #[track_caller]
    pub fn planned(&self) -> u64 {
        self.0["planned"]
            .as_u64()
            .unwrap_or_else(|| panic!("no `planned` in {self}"))
    }

    /// How many deliveries are in this state now.
    #[track_caller]
    pub fn count(&self, state: &str) -> u64 {
        self.0["deliveries"][state]
            .as_u64()
            .unwrap_or_else(|| panic!("no `deliveries.{state}` in {self}"))
    }

    /// Why the campaign stands where it stands; empty if there is nothing to say.
    pub fn reason(&self) -> &str {
        self.0["reason"].as_str().unwrap_or_default()
    }
}

impl std::fmt::Display for Show {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The invariant of the ledger: the states of a campaign sum to the number planned at its start.
#[track_caller]
pub fn assert_ledger_adds_up(show: &Show) {
    let sum: u64 = STATES.iter().map(|state| show.count(state)).sum();
    assert_eq!(
        sum,
        show.planned(),
        "the states do not sum to what was planned: {show}"
    );
}
