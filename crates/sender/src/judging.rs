//! How refusals are judged, and what follows from them.

use std::sync::Arc;
use tidings_feedback::policy::SoftRule;
use tidings_feedback::rules::Rules;
use tidings_feedback::thresholds::Thresholds;
use tokio::sync::watch;

/// How refusals are judged, and what follows from them, as it is configured.
#[derive(Debug)]
pub struct Judging {
    /// What replies mean.
    pub rules: Rules,
    /// When soft bounces suppress an address.
    pub soft: SoftRule,
    /// When campaigns pause by themselves, where they say nothing else.
    pub thresholds: Thresholds,
}

/// The judging that holds now; another from the moment on when it changes.
pub type JudgingNow = watch::Receiver<Arc<Judging>>;
