//! What a sender is configured to send through.

use crate::limits::LimitSettings;
use crate::relay::RelaySettings;
use crate::schedule::PoolSettings;

/// The relays, pools and limits of a sender.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// The relays.
    pub relays: Vec<RelaySettings>,
    /// Named pools of them.
    pub pools: Vec<PoolSettings>,
    /// All limits but those of single relays and campaigns.
    pub limits: LimitSettings,
}

impl Routing {
    /// Whether there is one.
    pub fn has_relay(&self) -> bool {
        !self.relays.is_empty()
    }

    /// The relays that a campaign may go through: those of the pool that it names, else of the pool of its sender's domain, else
    /// all.
    pub fn relays_of(&self, pool: Option<&str>, sender_domain: &str) -> Vec<&RelaySettings> {
        let is_its = |one: &&PoolSettings| match pool {
            Some(name) => one.name == name,
            None => one.sender_domains.iter().any(|domain| domain == sender_domain),
        };
        let members = self.pools.iter().find(is_its).map(|pool| &pool.relays);
        let is_member = |relay: &&RelaySettings| members.is_none_or(|names| names.contains(&relay.name));
        self.relays.iter().filter(is_member).collect()
    }
}
