//! Section `[sender]`.

use super::duration;
use anyhow::ensure;
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SenderSection {
    lease: Option<String>,
    deadline: Option<String>,
    node: Option<String>,
}

/// How this process sends.
#[derive(Clone, Debug)]
pub struct Sending {
    /// `lease`, `TIDINGS_SENDER_LEASE`: how long a claim on deliveries outlives a sender that is gone.
    pub lease: Duration,
    /// `deadline`, `TIDINGS_SENDER_DEADLINE`: how long a stop waits for messages that are on the wire.
    pub deadline: Duration,
    /// `node`, `TIDINGS_SENDER_NODE`: the name of this process in the counters.
    pub node: String,
}

impl SenderSection {
    pub(super) fn check(self) -> anyhow::Result<Sending> {
        let read = |key, text: Option<String>, default| match text {
            Some(text) => duration("sender", key, &text),
            None => Ok(Duration::from_secs(default)),
        };
        let lease = read("lease", self.lease, 30)?;
        ensure!(
            lease >= Duration::from_secs(1),
            "section [sender]: lease must be at least 1s"
        );
        let node = self.node.unwrap_or_else(|| "main".to_owned());
        ensure!(
            !node.is_empty() && node.len() <= 64 && !node.contains(char::is_whitespace),
            "section [sender]: node is one word of at most 64 letters"
        );
        Ok(Sending {
            lease,
            deadline: read("deadline", self.deadline, 8)?,
            node,
        })
    }
}
