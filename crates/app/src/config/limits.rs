//! Sections `[limits]` and below.

use super::rates::Rates;
use anyhow::{Context, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidings_sender::limits::{Limit, LimitSettings};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsSection {
    rate: Option<Rates>,
    max_sessions: Option<usize>,
    #[serde(default)]
    sender: BTreeMap<String, LimitSection>,
    #[serde(default)]
    provider: BTreeMap<String, LimitSection>,
    #[serde(default)]
    campaign: LimitSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitSection {
    rate: Option<Rates>,
    max_sessions: Option<usize>,
}

/// `[limits.provider.default]`: each provider that has no section of its own.
const DEFAULT: &str = "default";

impl LimitsSection {
    pub(super) fn check(self) -> anyhow::Result<LimitSettings> {
        let all = LimitSection {
            rate: self.rate,
            max_sessions: self.max_sessions,
        };
        let mut providers = check_each("limits.provider", self.provider)?;
        Ok(LimitSettings {
            all: all.check("limits")?,
            senders: check_each("limits.sender", self.sender)?,
            other_providers: providers.remove(DEFAULT),
            providers,
            campaigns: self.campaign.check("limits.campaign")?,
        })
    }
}

fn check_each(
    section: &str,
    limits: BTreeMap<String, LimitSection>,
) -> anyhow::Result<BTreeMap<String, Limit>> {
    limits
        .into_iter()
        .map(|(name, limit)| {
            // Domains are compared in lower case, and so are the names of providers.
            let name = name.to_lowercase();
            let limit = limit.check(&format!("{section}.\"{name}\""))?;
            Ok((name, limit))
        })
        .collect()
}

impl LimitSection {
    fn check(self, section: &str) -> anyhow::Result<Limit> {
        ensure!(
            self.max_sessions != Some(0),
            "section [{section}]: max_sessions is a number from 1 on; leave it away for no limit"
        );
        let rates = Rates::list(self.rate)
            .iter()
            .map(|rate| rate.parse())
            .collect::<Result<_, _>>()
            .with_context(|| format!("section [{section}]: rate"))?;
        Ok(Limit {
            rates,
            max_sessions: self.max_sessions,
            spread: None,
        })
    }
}
