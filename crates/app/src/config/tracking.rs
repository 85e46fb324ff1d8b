//! Section `[tracking]`.

use super::rules_file;
use anyhow::Context;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidings_campaign::tracking::Tracking;
use tidings_feedback::hits::HitRules;
use tidings_web::HitSettings;

/// So many hits from one network in a minute are recorded if nothing else is said: more than an office does.
const HITS_PER_MINUTE: u32 = 6000;

/// What becomes of links and the open pixel, and how hits of them are recorded and judged (docs/tracking.md).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingSection {
    /// `mode`, `TIDINGS_TRACKING_MODE`: `full`, `anonymous` or `off`, where neither the campaign nor one of its lists says it.
    #[serde(default)]
    pub mode: Tracking,
    /// `rules`, `TIDINGS_TRACKING_RULES`: a file of rules that go before ours (docs/tracking.md).
    rules: Option<PathBuf>,
    /// `max_hits_per_minute`, `TIDINGS_TRACKING_MAX_HITS_PER_MINUTE`: so many from one network are recorded; 0: all.
    max_hits_per_minute: Option<u32>,
}

impl TrackingSection {
    /// The file of rules, if one is named.
    pub fn rules_file(&self) -> Option<&Path> {
        self.rules.as_deref()
    }

    /// How the server records hits.
    ///
    /// # Errors
    /// As [`rules`](Self::rules).
    pub fn hits(&self) -> anyhow::Result<HitSettings> {
        Ok(HitSettings {
            rules: Arc::new(self.rules()?),
            per_minute: self.max_hits_per_minute.unwrap_or(HITS_PER_MINUTE),
        })
    }

    /// Our rules, with the file's before them.
    ///
    /// # Errors
    /// If the file cannot be read or is no table of rules; the message names the file and the rule or line.
    pub fn rules(&self) -> anyhow::Result<HitRules> {
        let file = self.rules.as_deref();
        let text = file.map(|file| rules_file::read("tracking", file)).transpose()?;
        HitRules::with(text.as_deref().unwrap_or_default())
            .with_context(|| format!("section [tracking]: rules = {:?}", file.unwrap_or(Path::new(""))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faulty_file_of_rules_is_named_with_the_rule() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hits.toml");
        std::fs::write(&file, "[[rule]]\nname = \"ours\"\nverdict = \"alien\"\n").unwrap();
        let section = TrackingSection {
            mode: Tracking::default(),
            rules: Some(file),
            max_hits_per_minute: None,
        };
        let error = format!("{:#}", section.hits().unwrap_err());
        for part in ["[tracking]", "hits.toml", "\"ours\"", "\"alien\"", "human"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }
}
