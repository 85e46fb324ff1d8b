//! Sections `[[pool]]`.

use anyhow::{bail, ensure};
use serde::Deserialize;
use tidings_sender::relay::RelaySettings;
use tidings_sender::schedule::PoolSettings;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolSection {
    name: String,
    relays: Vec<String>,
    #[serde(default)]
    sender_domains: Vec<String>,
}

impl PoolSection {
    fn check(self, relays: &[RelaySettings]) -> anyhow::Result<PoolSettings> {
        let section = format!("section [[pool]] `{}`", self.name);
        ensure!(!self.name.trim().is_empty(), "section [[pool]]: name is empty");
        ensure!(
            !self.relays.is_empty(),
            "{section}: relays is empty: name at least one"
        );
        for name in &self.relays {
            if !relays.iter().any(|relay| relay.name == *name) {
                bail!("{section}: no relay is called `{name}`: write [[relay]] with name = \"{name}\"");
            }
        }
        Ok(PoolSettings {
            name: self.name,
            relays: self.relays,
            sender_domains: self
                .sender_domains
                .iter()
                .map(|domain| domain.to_lowercase())
                .collect(),
        })
    }
}

/// Checks all pools, against the relays and against each other.
pub(super) fn check(
    sections: Vec<PoolSection>,
    relays: &[RelaySettings],
) -> anyhow::Result<Vec<PoolSettings>> {
    let mut pools: Vec<PoolSettings> = Vec::new();
    for section in sections {
        let pool = section.check(relays)?;
        for other in &pools {
            ensure!(
                other.name != pool.name,
                "section [[pool]]: two pools are called `{}`",
                pool.name
            );
            if let Some(domain) = pool
                .sender_domains
                .iter()
                .find(|domain| other.sender_domains.contains(domain))
            {
                bail!(
                    "section [[pool]]: {domain} is in sender_domains of `{}` and of `{}`: a domain has one pool",
                    other.name,
                    pool.name
                );
            }
        }
        pools.push(pool);
    }
    Ok(pools)
}
