//! Reading a table of rules about hits.

use super::agent::{NewWords, Word};
use super::network::NetworkTable;
use super::{HitRules, HitVerdict, Rule, Sign, Target};
use ipnet::IpNet;
use serde::Deserialize;
use std::collections::HashSet;
use std::time::Duration;

const STANDARD: &str = include_str!("rules.toml");

/// What is wrong with a file of rules.
#[derive(Debug, thiserror::Error)]
pub enum HitRulesFault {
    /// It is not the table that is wanted.
    #[error("not a table of rules: {0}")]
    Form(#[from] toml::de::Error),
    /// One rule cannot be used.
    #[error("rule \"{rule}\": {fault}")]
    Rule {
        /// Its name.
        rule: String,
        /// What is wrong, and what to do.
        fault: String,
    },
    /// One class of networks cannot be used.
    #[error("network \"{network}\": {fault}")]
    Network {
        /// Its name.
        network: String,
        /// What is wrong, and what to do.
        fault: String,
    },
    /// There are more words than fit into memory.
    #[error("there are too many words in the rules: leave some out")]
    TooMany,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    network: Vec<RawNetwork>,
    #[serde(default)]
    rule: Vec<RawRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetwork {
    name: String,
    #[serde(default)]
    proxy: bool,
    #[serde(default)]
    ranges: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: String,
    verdict: String,
    target: Option<String>,
    #[serde(default)]
    agents: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    #[serde(default)]
    networks: Vec<String>,
    #[serde(default)]
    signs: Vec<String>,
    links: Option<usize>,
    within_seconds: Option<u64>,
}

impl HitRules {
    pub(super) fn read(own: Option<&str>) -> Result<HitRules, HitRulesFault> {
        let tables: Vec<Table> = own
            .into_iter()
            .chain([STANDARD])
            .map(toml::from_str)
            .collect::<Result<_, _>>()?;
        let mut networks = NetworkTable::default();
        for network in tables.iter().flat_map(|table| &table.network) {
            network.add_to(&mut networks)?;
        }
        let mut words = NewWords::default();
        let mut rules = Vec::new();
        for table in tables {
            let mut names = HashSet::new();
            for raw in table.rule {
                if !names.insert(raw.name.clone()) {
                    return Err(raw.fault("there are two rules of that name: rename one"));
                }
                rules.push(raw.check(&mut words, &networks)?);
            }
        }
        Ok(HitRules {
            words: words.finish()?,
            networks,
            rules,
        })
    }
}

impl RawNetwork {
    fn add_to(&self, networks: &mut NetworkTable) -> Result<(), HitRulesFault> {
        let wrong = |fault: String| HitRulesFault::Network {
            network: self.name.clone(),
            fault,
        };
        let class = networks
            .class_named(&self.name, self.proxy)
            .ok_or(HitRulesFault::TooMany)?;
        for text in &self.ranges {
            let range: IpNet = text.parse().map_err(|_| {
                wrong(format!(
                    "\"{text}\" is no range: write \"192.0.2.0/24\" or \"2001:db8::/32\""
                ))
            })?;
            if !networks.add(range, class) {
                return Err(wrong(format!(
                    "\"{text}\" is narrower than what is kept of addresses: ranges have at most 24 bits, of IPv6 48"
                )));
            }
        }
        Ok(())
    }
}

impl RawRule {
    fn check(self, words: &mut NewWords, networks: &NetworkTable) -> Result<Rule, HitRulesFault> {
        let verdict = HitVerdict::named(&self.verdict).ok_or_else(|| {
            let names = HitVerdict::ALL.map(HitVerdict::as_str).join(", ");
            self.fault(format!(
                "the verdict \"{}\" is not known: write one of {names}",
                self.verdict
            ))
        })?;
        let target = self.target.as_deref().map(|word| match word {
            "pixel" => Ok(Target::Pixel),
            "link" => Ok(Target::Link),
            "trap" => Ok(Target::Trap),
            other => Err(self.fault(format!(
                "the target \"{other}\" is not known: write pixel, link or trap"
            ))),
        });
        let signs = self.signs.iter().map(|word| match word.as_str() {
            "head" => Ok(Sign::Head),
            "prefetch" => Ok(Sign::Prefetch),
            "no_agent" => Ok(Sign::NoAgent),
            "trapped" => Ok(Sign::Trapped),
            other => Err(self.fault(format!(
                "the sign \"{other}\" is not known: write head, prefetch, no_agent or trapped"
            ))),
        });
        let classes = self.networks.iter().map(|name| {
            networks.find(name).ok_or_else(|| {
                let names = networks.names().join(", ");
                self.fault(format!(
                    "the network \"{name}\" is not known: write one of {names}"
                ))
            })
        });
        let (target, signs, classes) = (
            target.transpose()?,
            signs.collect::<Result<Vec<_>, _>>()?,
            classes.collect::<Result<Vec<_>, _>>()?,
        );
        if target.is_none()
            && signs.is_empty()
            && classes.is_empty()
            && self.agents.is_empty()
            && self.links.is_none()
            && self.within_seconds.is_none()
        {
            return Err(self.fault("it says nothing: give it agents, networks, signs or a target"));
        }
        if self.links.is_some() && target != Some(Target::Link) {
            return Err(self.fault("links needs target = \"link\" beside it"));
        }
        let mut add = |texts: &[String]| -> Result<Vec<Word>, HitRulesFault> {
            texts.iter().map(|text| self.word(text, words)).collect()
        };
        let (agents, unless) = (add(&self.agents)?, add(&self.unless)?);
        Ok(Rule {
            verdict,
            target,
            agents,
            unless,
            networks: classes,
            signs,
            links: self.links,
            within: self.within_seconds.map(Duration::from_secs),
            name: self.name,
        })
    }

    fn word(&self, text: &str, words: &mut NewWords) -> Result<Word, HitRulesFault> {
        if text.is_empty() {
            return Err(self.fault("an empty word is in every user agent: use the sign no_agent"));
        }
        Ok(words.add(text))
    }

    fn fault(&self, fault: impl Into<String>) -> HitRulesFault {
        HitRulesFault::Rule {
            rule: self.name.clone(),
            fault: fault.into(),
        }
    }
}
