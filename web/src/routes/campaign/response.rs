//! What recipients did with a campaign: opens and clicks as ranges, because programs fetch too. Pure.

use crate::figures::numbers::{count, share};
use serde::Serialize;
use tidings_feedback::hits::{HitKind, HitVerdict};
use tidings_store::hits::{HitCount, HitRecipientCount};

/// Between how many and how many recipients did something; lengths in thousandths of all whose message was accepted.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Range {
    /// `12 % to 31 %`.
    share: String,
    /// `120 to 310 of 1,000`.
    count: String,
    x: i64,
    width: i64,
    /// Nothing was seen of it.
    is_none: bool,
}

/// The recipients who opened or clicked: at least those who did so in person for certain, at most all for whom anything was
/// fetched.
pub(super) fn range(kind: HitKind, counts: &[HitRecipientCount], accepted: i64) -> Range {
    let sum = |is_counted: &dyn Fn(HitVerdict) -> bool| -> i64 {
        let counted = counts
            .iter()
            .filter(|count| count.kind == kind && is_counted(count.verdict));
        counted.map(|count| count.n).sum()
    };
    let least = sum(&|verdict| verdict == HitVerdict::Human);
    let most = sum(&|_| true);
    let place = |n: i64| (n * 1000 / accepted.max(1)).clamp(0, 1000);
    let (numbers, shares) = match least == most {
        true => (count(most), share(most, accepted)),
        false => (
            format!("{} to {}", count(least), count(most)),
            format!("{} to {}", share(least, accepted), share(most, accepted)),
        ),
    };
    Range {
        share: shares,
        count: format!("{numbers} of {}", count(accepted)),
        x: place(least),
        // What is there is seen.
        width: (place(most) - place(least)).max(i64::from(most > 0) * 4),
        is_none: most == 0,
    }
}

/// The same of a campaign that is tracked without recipients: it is known how often, and not by whom.
pub(super) fn anonymous(kind: HitKind, counts: &[HitCount]) -> Range {
    let of_kind = || {
        counts
            .iter()
            .filter(|count| HitKind::of(count.target) == Some(kind))
    };
    let by_persons = of_kind().filter(|count| count.verdict == HitVerdict::Human);
    let (least, most): (i64, i64) = (
        by_persons.map(|count| count.n).sum(),
        of_kind().map(|count| count.n).sum(),
    );
    Range {
        share: match least == most {
            true => count(most),
            false => format!("{} to {}", count(least), count(most)),
        },
        count: "times; by whom is not recorded".to_owned(),
        x: least * 1000 / most.max(1),
        width: 1000 - least * 1000 / most.max(1),
        is_none: most == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_campaign::ids::CampaignId;

    #[test]
    fn a_range_goes_from_persons_to_everything() {
        let count = |kind, verdict, n| HitRecipientCount {
            campaign: CampaignId(1),
            kind,
            verdict,
            n,
        };
        let counts = [
            count(HitKind::Open, HitVerdict::Human, 120),
            count(HitKind::Open, HitVerdict::PrivacyProxy, 190),
            count(HitKind::Click, HitVerdict::Human, 7),
        ];
        let opens = range(HitKind::Open, &counts, 1000);
        assert_eq!(
            (opens.share.as_str(), opens.x, opens.width),
            ("12 % to 31 %", 120, 190)
        );
        assert_eq!(opens.count, "120 to 310 of 1,000");
        let clicks = range(HitKind::Click, &counts, 1000);
        assert_eq!((clicks.share.as_str(), clicks.x, clicks.width), ("0.70 %", 7, 4));
        assert!(range(HitKind::Open, &[], 0).is_none);
    }
}
