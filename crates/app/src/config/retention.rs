//! Section `[retention]`.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// Bounces and complaints come for weeks, and an address that bounces softly again and again is known by its last deliveries.
const SHORTEST: Duration = DAY.saturating_mul(30);
const LONGEST: Duration = DAY.saturating_mul(36_525);

/// How long what is kept that grows with every campaign (docs/retention.md). Hits have `[tracking] keep_hits`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSection {
    /// `deliveries`, `TIDINGS_RETENTION_DELIVERIES`: how long after a campaign is over its single deliveries are kept; for ever if
    /// nothing is said.
    #[serde(default, deserialize_with = "span")]
    pub deliveries: Option<Duration>,
}

fn span<'d, D: Deserializer<'d>>(written: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(written)?;
    let bounds = SHORTEST..=LONGEST;
    match humantime::parse_duration(&text) {
        Ok(span) if bounds.contains(&span) => Ok(Some(span)),
        _ => Err(D::Error::custom(format!(
            "deliveries = \"{text}\" is no time for which deliveries can be kept: write 400days or 2years, from 30 days to a \
             hundred years, or leave it out to keep them for ever"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_kept_for_ever_or_for_a_sensible_time() {
        let keep = |text: &str| toml::from_str::<RetentionSection>(text).map(|section| section.deliveries);
        assert_eq!(keep(""), Ok(None));
        assert_eq!(keep("deliveries = \"400d\""), Ok(Some(DAY * 400)));
        assert_eq!(keep("deliveries = \"30days\""), Ok(Some(DAY * 30)));
        for text in ["29days", "1h", "200years", "ever", ""] {
            let error = keep(&format!("deliveries = \"{text}\"")).unwrap_err().to_string();
            assert!(error.contains("from 30 days"), "{error}");
        }
        assert!(keep("hits = \"400d\"").is_err());
    }
}
