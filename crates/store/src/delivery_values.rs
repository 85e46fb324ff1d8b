//! A delivery as other programs read it: in exports of commands and pages alike.

use crate::deliveries::ListedDelivery;
use serde_json::{Value, json};
use tidings_campaign::time::Timestamp;

impl ListedDelivery {
    /// The columns, as scripts know them.
    pub const COLUMNS: [&str; 15] = [
        "seq",
        "address",
        "state",
        "attempts",
        "relay",
        "code",
        "enhanced",
        "reply",
        "class",
        "cause",
        "reason",
        "settled_at",
        "due_at",
        "session",
        "duration_us",
    ];

    /// A value for each of [`Self::COLUMNS`].
    pub fn values(&self) -> [Value; Self::COLUMNS.len()] {
        let moment = |at: Option<i64>| json!(at.map(|at| Timestamp(at).to_string()));
        [
            json!(self.seq),
            json!(self.address),
            json!(self.state),
            json!(self.attempts),
            json!(self.relay),
            json!(self.code),
            json!(self.enhanced),
            json!(self.reply),
            json!(self.class),
            json!(self.cause),
            json!(self.why()),
            moment(self.settled_at),
            moment(self.due_at),
            json!(self.session),
            json!(self.duration_us),
        ]
    }

    /// The finer reason, or the whole story; of one that waits for a limit, that it was not refused.
    pub fn why(&self) -> Option<String> {
        match self.waits_for() {
            Some(limit) => Some(format!("not refused: waits for a limit ({limit})")),
            None => self.reason.clone(),
        }
    }
}
