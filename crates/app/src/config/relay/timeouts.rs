//! Section `[relay.timeouts]`.

use super::span;
use crate::config::keep;
use serde::Deserialize;
use tidings_sender::timeouts::Timeouts;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeoutsSection {
    connect: Option<String>,
    greeting: Option<String>,
    command: Option<String>,
    data: Option<String>,
    block: Option<String>,
    final_dot: Option<String>,
}

impl TimeoutsSection {
    /// With the default in the place of what is faulty.
    pub(super) fn check(self, faults: &mut Vec<String>) -> Timeouts {
        let mut timeouts = Timeouts::default();
        for (key, text, place) in [
            ("timeouts.connect", self.connect, &mut timeouts.connect),
            ("timeouts.greeting", self.greeting, &mut timeouts.greeting),
            ("timeouts.command", self.command, &mut timeouts.command),
            ("timeouts.data", self.data, &mut timeouts.data),
            ("timeouts.block", self.block, &mut timeouts.block),
            ("timeouts.final_dot", self.final_dot, &mut timeouts.final_dot),
        ] {
            let given = text.and_then(|text| keep(span(key, &text), faults));
            *place = given.unwrap_or(*place);
        }
        timeouts
    }
}
