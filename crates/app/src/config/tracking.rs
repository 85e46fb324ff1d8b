//! Section `[tracking]`.

use serde::Deserialize;
use tidings_campaign::tracking::Tracking;

/// What becomes of links (docs/tracking.md).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackingSection {
    /// `mode`, `TIDINGS_TRACKING_MODE`: `full`, `anonymous` or `off`, where neither the campaign nor one of its lists says it.
    #[serde(default)]
    pub(super) mode: Tracking,
}
