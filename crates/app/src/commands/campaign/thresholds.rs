//! When a campaign pauses by itself, where that is not as configured.

use clap::Args;
use tidings_feedback::thresholds::{OwnThresholds, Share};

/// The thresholds of `campaign create`.
#[derive(Args, Clone, Copy, Debug)]
pub struct ThresholdArgs {
    /// It pauses by itself when more than this share of its deliveries bounced hard: 3%, or never; as configured if not given.
    #[arg(long, value_name = "SHARE")]
    pause_at_hard_bounces: Option<Share>,
    /// It pauses by itself when there are more complaints than this share of what was accepted: 0.2%, or never.
    #[arg(long, value_name = "SHARE")]
    pause_at_complaints: Option<Share>,
    /// But not before so many deliveries were accepted or refused.
    #[arg(long, value_name = "N")]
    pause_after: Option<u64>,
}

impl ThresholdArgs {
    /// What the campaign says of its thresholds.
    pub fn own(self) -> OwnThresholds {
        OwnThresholds {
            hard_bounces: self.pause_at_hard_bounces,
            complaints: self.pause_at_complaints,
            after: self.pause_after,
        }
    }
}
