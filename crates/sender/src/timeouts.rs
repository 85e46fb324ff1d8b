//! How long a relay may take for its answers (RFC 5321 section 4.5.3.2).

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The time-outs of a connection. What is shorter than the standard asks gives up on relays that are merely slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS, each.
    pub connect: Duration,
    /// The first reply.
    pub greeting: Duration,
    /// EHLO, AUTH, MAIL, RCPT and the like.
    pub command: Duration,
    /// The 354 to DATA.
    pub data: Duration,
    /// Each block of content that the relay takes.
    pub block: Duration,
    /// The reply to the final dot.
    pub final_dot: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(30),
            greeting: MINUTE * 5,
            command: MINUTE * 5,
            data: MINUTE * 2,
            block: MINUTE * 3,
            final_dot: Timeouts::LEAST_FINAL_DOT,
        }
    }
}

impl Timeouts {
    /// Who gives up earlier on the reply to the final dot does not know about messages that the relay still accepts.
    pub const LEAST_FINAL_DOT: Duration = MINUTE.saturating_mul(10);

    /// A goodbye is not waited for.
    pub(crate) const QUIT: Duration = Duration::from_secs(2);

    /// The same, none of them longer than `patience`.
    pub fn at_most(self, patience: Duration) -> Timeouts {
        Timeouts {
            connect: self.connect.min(patience),
            greeting: self.greeting.min(patience),
            command: self.command.min(patience),
            data: self.data.min(patience),
            block: self.block.min(patience),
            final_dot: self.final_dot.min(patience),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_at_least_those_of_the_standard() {
        let Timeouts {
            greeting,
            command,
            data,
            block,
            final_dot,
            ..
        } = Timeouts::default();
        let minutes = [greeting, command, data, block, final_dot].map(|limit| limit.as_secs() / 60);
        assert_eq!(minutes, [5, 5, 2, 3, 10]);
    }
}
