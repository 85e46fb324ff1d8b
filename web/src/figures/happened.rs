//! What happened to a campaign, or to all, beside what its ledger says.

/// Bounces by class, at once or reported later, complaints and unsubscribes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) hard: i64,
    pub(crate) soft: i64,
    pub(crate) block: i64,
    pub(crate) other: i64,
    pub(crate) complaints: i64,
    pub(crate) unsubscribed: i64,
}

impl Happened {
    /// Adds a counter. A deferral is no bounce: it may still arrive.
    pub(crate) fn add(&mut self, outcome: &str, class: &str, n: i64) {
        let field = match (outcome, class) {
            ("unsubscribed", _) => &mut self.unsubscribed,
            ("complaint", _) => &mut self.complaints,
            ("rejected" | "expired" | "bounce", "hard") => &mut self.hard,
            ("rejected" | "expired" | "bounce", "soft") => &mut self.soft,
            ("rejected" | "expired" | "bounce", "block") => &mut self.block,
            ("rejected" | "expired" | "bounce", _) => &mut self.other,
            _ => return,
        };
        *field += n;
    }

    pub(crate) fn plus(mut self, more: Happened) -> Happened {
        self.hard += more.hard;
        self.soft += more.soft;
        self.block += more.block;
        self.other += more.other;
        self.complaints += more.complaints;
        self.unsubscribed += more.unsubscribed;
        self
    }

    /// All that bounced, whatever its class.
    pub(crate) fn bounced(&self) -> i64 {
        self.hard + self.soft + self.block + self.other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deferral_is_no_bounce() {
        let mut happened = Happened::default();
        happened.add("deferred", "soft", 5);
        happened.add("rejected", "hard", 2);
        happened.add("expired", "soft", 1);
        happened.add("rejected", "", 4);
        happened.add("unsubscribed", "", 3);
        assert_eq!(
            happened,
            Happened {
                hard: 2,
                soft: 1,
                block: 0,
                other: 4,
                complaints: 0,
                unsubscribed: 3
            }
        );
        assert_eq!(happened.bounced(), 7);
    }
}
