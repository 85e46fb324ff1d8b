//! When a campaign pauses by itself: too many addresses that are gone, or too many complaints.

use std::fmt;
use std::str::FromStr;
use tidings_campaign::ids::CampaignId;

/// A part of a whole, in millionths: 0 to 1,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

const WHOLE: u32 = 1_000_000;

impl Share {
    /// Nothing. As a threshold: it is switched off.
    pub const NEVER: Share = Share(0);

    /// So many millionths; what is more than the whole is the whole.
    pub const fn of_millionths(n: u32) -> Share {
        Share(if n > WHOLE { WHOLE } else { n })
    }

    /// In millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// Whether `part` of `whole` is more than this. Of nothing, nothing is more.
    pub fn is_passed_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(WHOLE) > u128::from(whole) * u128::from(self.0)
    }
}

/// What is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no share: write 5%, 0.3% or never")]
pub struct NoShare(String);

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Share, NoShare> {
        let wrong = || NoShare(text.chars().take(40).collect());
        if text.trim() == "never" {
            return Ok(Share::NEVER);
        }
        let percent = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
        if !percent.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(wrong());
        }
        let percent: f64 = percent.parse().map_err(|_| wrong())?;
        let millionths = (percent * f64::from(WHOLE / 100)).round();
        match (0.0..=f64::from(WHOLE)).contains(&millionths) {
            true if millionths > 0.0 || percent == 0.0 => Ok(Share(millionths as u32)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Share::NEVER => f.write_str("never"),
            Share(n) => write!(f, "{} %", f64::from(n) / f64::from(WHOLE / 100)),
        }
    }
}

/// When a campaign pauses by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// If more of its deliveries with an outcome bounced hard.
    pub hard_bounces: Share,
    /// If there were more complaints about its accepted deliveries.
    pub complaints: Share,
    /// The sample: not before so many deliveries have an outcome.
    pub after: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            hard_bounces: Share(50_000),
            complaints: Share(3_000),
            after: 200,
        }
    }
}

/// What a campaign says of its thresholds; the rest is as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnThresholds {
    /// In place of [`Thresholds::hard_bounces`].
    pub hard_bounces: Option<Share>,
    /// In place of [`Thresholds::complaints`].
    pub complaints: Option<Share>,
    /// In place of [`Thresholds::after`].
    pub after: Option<u64>,
}

impl OwnThresholds {
    /// What holds for the campaign.
    pub fn over(self, configured: Thresholds) -> Thresholds {
        Thresholds {
            hard_bounces: self.hard_bounces.unwrap_or(configured.hard_bounces),
            complaints: self.complaints.unwrap_or(configured.complaints),
            after: self.after.unwrap_or(configured.after),
        }
    }
}

/// How the deliveries of a campaign ended, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Relays accepted them, or refused them for good or for too long.
    pub settled: u64,
    /// Relays accepted them.
    pub accepted: u64,
    /// They bounced hard, at once or by a report.
    pub hard: u64,
    /// Complaints.
    pub complaints: u64,
}

impl Tally {
    /// What was added since.
    pub fn since(self, earlier: Tally) -> Tally {
        Tally {
            settled: self.settled.saturating_sub(earlier.settled),
            accepted: self.accepted.saturating_sub(earlier.accepted),
            hard: self.hard.saturating_sub(earlier.hard),
            complaints: self.complaints.saturating_sub(earlier.complaints),
        }
    }
}

/// Which threshold was passed, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    what: What,
    n: u64,
    of: u64,
    threshold: Share,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    HardBounces,
    Complaints,
}

/// One complaint in a small sample says nothing.
const FEWEST_COMPLAINTS: u64 = 2;

/// The threshold that is passed, if one is.
pub fn passed(thresholds: Thresholds, tally: Tally) -> Option<Passed> {
    if tally.settled < thresholds.after {
        return None;
    }
    let passes = |what, n, of, threshold: Share| {
        let is_passed = threshold != Share::NEVER && threshold.is_passed_by(n, of);
        is_passed.then_some(Passed {
            what,
            n,
            of,
            threshold,
        })
    };
    let complaints = || {
        let Tally {
            complaints, accepted, ..
        } = tally;
        passes(What::Complaints, complaints, accepted, thresholds.complaints)
            .filter(|_| complaints >= FEWEST_COMPLAINTS)
    };
    passes(
        What::HardBounces,
        tally.hard,
        tally.settled,
        thresholds.hard_bounces,
    )
    .or_else(complaints)
}

impl Passed {
    /// Why a campaign was paused, and what to do, for people.
    pub fn reason(&self, campaign: CampaignId) -> String {
        let Passed {
            what,
            n,
            of,
            threshold,
        } = self;
        let percent = 100.0 * *n as f64 / (*of).max(1) as f64;
        let (said, decimals) = match what {
            What::HardBounces => ("bounced hard", 1),
            What::Complaints => ("were complained about", 2),
        };
        format!(
            "paused by itself: {n} of {of} ({percent:.decimals$} %) {said}, more than {threshold}: look at \
             `tidings stats bounces --campaign {campaign}`, then resume"
        )
    }
}

/// Where a rate of complaints stands by what the large mailbox providers ask of bulk senders: below 0.1 %, and never
/// 0.3 % or more (Gmail's and Yahoo's rules for senders, 2024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComplaintLine {
    /// Below 0.1 %.
    Good,
    /// 0.1 % or more.
    Raised,
    /// 0.3 % or more: mail is refused.
    Harmful,
}

impl ComplaintLine {
    /// Where so many complaints about so many accepted messages stand.
    pub fn of(complaints: u64, accepted: u64) -> ComplaintLine {
        let reaches = |per_mille: u128| {
            complaints > 0 && u128::from(complaints) * 1000 >= u128::from(accepted) * per_mille
        };
        match (reaches(3), reaches(1)) {
            (true, _) => ComplaintLine::Harmful,
            (_, true) => ComplaintLine::Raised,
            _ => ComplaintLine::Good,
        }
    }

    /// As programs read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ComplaintLine::Good => "below_0.1",
            ComplaintLine::Raised => "above_0.1",
            ComplaintLine::Harmful => "above_0.3",
        }
    }
}

impl fmt::Display for ComplaintLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ComplaintLine::Good => "below 0.1 %",
            ComplaintLine::Raised => "above 0.1 %",
            ComplaintLine::Harmful => "above 0.3 %",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(settled: u64, hard: u64, complaints: u64) -> Tally {
        Tally {
            settled,
            accepted: settled - hard,
            hard,
            complaints,
        }
    }

    fn why(tally: Tally) -> Option<String> {
        passed(Thresholds::default(), tally).map(|passed| passed.reason(CampaignId(7)))
    }

    #[test]
    fn a_campaign_pauses_when_more_than_its_share_bounced_hard() {
        assert_eq!(why(tally(400, 20, 0)), None, "5 % is not more than 5 %");
        let why = why(tally(412, 37, 0)).unwrap();
        assert_eq!(
            why,
            "paused by itself: 37 of 412 (9.0 %) bounced hard, more than 5 %: look at \
             `tidings stats bounces --campaign 7`, then resume"
        );
    }

    #[test]
    fn a_sample_that_is_too_small_pauses_nothing() {
        assert_eq!(why(tally(199, 199, 0)), None);
        assert!(why(tally(200, 11, 0)).is_some());
        assert_eq!(why(tally(200, 0, 1)), None, "one complaint says nothing");
    }

    #[test]
    fn complaints_are_counted_against_what_was_accepted() {
        assert_eq!(why(tally(1000, 0, 3)), None);
        let why = why(tally(1000, 30, 3)).unwrap();
        assert!(
            why.contains("3 of 970 (0.31 %) were complained about, more than 0.3 %"),
            "{why}"
        );
    }

    #[test]
    fn a_threshold_can_be_switched_off_and_a_campaign_has_its_own() {
        let own = OwnThresholds {
            hard_bounces: Some(Share::NEVER),
            after: Some(10),
            ..OwnThresholds::default()
        };
        let thresholds = own.over(Thresholds::default());
        assert_eq!(passed(thresholds, tally(20, 20, 0)), None);
        assert!(passed(thresholds, tally(20, 0, 2)).is_some());
    }

    #[test]
    fn what_was_before_a_resume_does_not_count() {
        let earlier = tally(500, 100, 0);
        assert_eq!(why(tally(700, 100, 0).since(earlier)), None);
        assert!(why(tally(700, 120, 0).since(earlier)).is_some());
    }

    #[test]
    fn shares_are_written_in_percent() {
        for (text, millionths) in [
            ("5%", 50_000),
            ("0.3 %", 3_000),
            (" 100%", 1_000_000),
            ("never", 0),
            ("0%", 0),
        ] {
            assert_eq!(text.parse::<Share>().unwrap().millionths(), millionths, "{text}");
        }
        for text in [
            "5",
            "-1%",
            "101%",
            "1e1%",
            "%",
            "",
            "0.00001%",
            "nan%",
            "never ever",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!(Share::of_millionths(3_000).to_string(), "0.3 %");
        assert_eq!("0.3 %".parse(), Ok(Share::of_millionths(3_000)));
    }

    #[test]
    fn complaints_stand_beside_the_lines_of_the_large_providers() {
        for (complaints, accepted, line) in [
            (0, 0, ComplaintLine::Good),
            (9, 10_000, ComplaintLine::Good),
            (10, 10_000, ComplaintLine::Raised),
            (29, 10_000, ComplaintLine::Raised),
            (30, 10_000, ComplaintLine::Harmful),
            (1, 0, ComplaintLine::Harmful),
        ] {
            assert_eq!(
                ComplaintLine::of(complaints, accepted),
                line,
                "{complaints} of {accepted}"
            );
        }
    }
}
