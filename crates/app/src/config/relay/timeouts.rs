//! Section `[relay.timeouts]`.

use super::span;
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
    pub(super) fn check(self) -> anyhow::Result<Timeouts> {
        let mut timeouts = Timeouts::default();
        for (key, text, place) in [
            ("timeouts.connect", self.connect, &mut timeouts.connect),
            ("timeouts.greeting", self.greeting, &mut timeouts.greeting),
            ("timeouts.command", self.command, &mut timeouts.command),
            ("timeouts.data", self.data, &mut timeouts.data),
            ("timeouts.block", self.block, &mut timeouts.block),
            ("timeouts.final_dot", self.final_dot, &mut timeouts.final_dot),
        ] {
            if let Some(text) = text {
                *place = span(key, &text)?;
            }
        }
        Ok(timeouts)
    }
}
