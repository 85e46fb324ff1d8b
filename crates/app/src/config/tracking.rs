//! Section `[tracking]`.

use super::rules_file;
use anyhow::Context;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::tracking::Tracking;
use tidings_feedback::hits::HitRules;
use tidings_web::HitSettings;

/// So many hits from one network in a minute are recorded if nothing else is said: more than an office does.
const HITS_PER_MINUTE: u32 = 6000;

const DAY: Duration = Duration::from_secs(86_400);
/// Last year's newsletter of the same season can still be compared.
const KEEP_HITS: Duration = DAY.saturating_mul(400);
const LONGEST: Duration = DAY.saturating_mul(3_653);

/// What becomes of links and the open pixel, and how hits of them are recorded and judged (docs/tracking.md).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingSection {
    /// `mode`, `TIDINGS_TRACKING_MODE`: `full`, `anonymous` or `off`, where neither the campaign nor one of its lists says it.
    #[serde(default)]
    pub mode: Tracking,
    /// `rules`, `TIDINGS_TRACKING_RULES`: a file of rules that go before ours (docs/tracking.md).
    rules: Option<PathBuf>,
    /// `max_hits_per_minute`, `TIDINGS_TRACKING_MAX_HITS_PER_MINUTE`: so many from one network are recorded; 0: all.
    max_hits_per_minute: Option<u32>,
    /// `keep_hits`, `TIDINGS_TRACKING_KEEP_HITS`: how long who did what is known; the counters stay.
    #[serde(default = "kept", deserialize_with = "span")]
    pub keep_hits: Duration,
}

impl Default for TrackingSection {
    fn default() -> Self {
        TrackingSection {
            mode: Tracking::default(),
            rules: None,
            max_hits_per_minute: None,
            keep_hits: KEEP_HITS,
        }
    }
}

fn kept() -> Duration {
    KEEP_HITS
}

fn span<'d, D: Deserializer<'d>>(written: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(written)?;
    let bounds = DAY..=LONGEST;
    match humantime::parse_duration(&text) {
        Ok(span) if bounds.contains(&span) => Ok(span),
        _ => Err(D::Error::custom(format!(
            "keep_hits = \"{text}\" is no time for which hits can be kept: write 90days or 2years, from one day to ten years"
        ))),
    }
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
            keep: self.keep_hits,
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
            rules: Some(file),
            ..TrackingSection::default()
        };
        let error = format!("{:#}", section.hits().unwrap_err());
        for part in ["[tracking]", "hits.toml", "\"ours\"", "\"alien\"", "human"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn hits_are_kept_for_a_sensible_time() {
        let keep = |text: &str| toml::from_str::<TrackingSection>(text).map(|section| section.keep_hits);
        assert_eq!(keep(""), Ok(KEEP_HITS));
        assert_eq!(keep("keep_hits = \"90days\""), Ok(DAY * 90));
        for text in ["1h", "100years", "ever", ""] {
            let error = keep(&format!("keep_hits = \"{text}\"")).unwrap_err().to_string();
            assert!(error.contains("write 90days"), "{error}");
        }
    }
}
