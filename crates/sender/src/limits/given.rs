//! The limits that are configured.

use crate::pace::Rate;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is allowed at one place of the tree. Nothing given means no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// All of them are kept.
    pub rates: Vec<Rate>,
    /// Sessions that carry such mail at the same time, at most.
    pub max_sessions: Option<usize>,
    /// If they are to be spread evenly over a time.
    pub spread: Option<Spread>,
}

/// So many messages, one by one, over so long a time: the pace is that of the whole, so that a pause moves the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// How many there are, 1 at least.
    pub messages: u64,
    /// From the first to the last, a second at least.
    pub over: Duration,
}

impl Spread {
    pub(super) fn per_second(self) -> f64 {
        self.messages.max(1) as f64 / self.over.as_secs_f64().max(1.0)
    }
}

/// The limits that are configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// For all relays together.
    pub all: Limit,
    /// By the domain of the sender's address.
    pub senders: BTreeMap<String, Limit>,
    /// By the provider's name, or a recipient's domain.
    pub providers: BTreeMap<String, Limit>,
    /// For each provider that has no limit of its own.
    pub other_providers: Option<Limit>,
    /// For each campaign, beside its own.
    pub campaigns: Limit,
}
