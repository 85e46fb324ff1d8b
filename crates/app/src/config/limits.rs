//! Sections `[limits]` and below.

use super::rates::Rates;
use super::{Faults, keep};
use anyhow::Context;
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
    /// Checks all limits, so that every fault is named at once.
    pub(super) fn check(self) -> anyhow::Result<LimitSettings> {
        let mut faults = Vec::new();
        let all = LimitSection {
            rate: self.rate,
            max_sessions: self.max_sessions,
        };
        let mut providers = check_each("limits.provider", self.provider, &mut faults);
        let limits = LimitSettings {
            all: all.check("limits", &mut faults),
            senders: check_each("limits.sender", self.sender, &mut faults),
            other_providers: providers.remove(DEFAULT),
            providers,
            campaigns: self.campaign.check("limits.campaign", &mut faults),
        };
        match faults.is_empty() {
            true => Ok(limits),
            false => Err(Faults(faults).into()),
        }
    }
}

fn check_each(
    section: &str,
    limits: BTreeMap<String, LimitSection>,
    faults: &mut Vec<String>,
) -> BTreeMap<String, Limit> {
    limits
        .into_iter()
        .map(|(name, limit)| {
            // Domains are compared in lower case, and so are the names of providers.
            let name = name.to_lowercase();
            let limit = limit.check(&format!("{section}.\"{name}\""), faults);
            (name, limit)
        })
        .collect()
}

impl LimitSection {
    /// Without what is faulty.
    fn check(self, section: &str, faults: &mut Vec<String>) -> Limit {
        if self.max_sessions == Some(0) {
            faults.push(format!(
                "section [{section}]: max_sessions is a number from 1 on; leave it away for no limit"
            ));
        }
        let rates = Rates::list(self.rate);
        let rates = rates.iter().map(|rate| rate.parse());
        let rates: anyhow::Result<_> = rates
            .collect::<Result<_, _>>()
            .with_context(|| format!("section [{section}]: rate"));
        Limit {
            rates: keep(rates, faults).unwrap_or_default(),
            max_sessions: self.max_sessions,
            spread: None,
        }
    }
}
