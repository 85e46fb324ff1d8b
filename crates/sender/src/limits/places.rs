//! The places of the tree, and what may stop a message there, in the words in which people are told of them.

use super::given::Spread;
use crate::pace::Rate;
use std::fmt;
use std::sync::Arc;
use tidings_campaign::ids::CampaignId;

/// A place of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    All,
    Relay(Arc<str>),
    Sender(Arc<str>),
    Provider(Arc<str>),
    Campaign(CampaignId),
}

/// As it is called in the database and to people.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::All => f.write_str("all relays"),
            Place::Relay(name) => write!(f, "relay {name}"),
            Place::Sender(domain) => write!(f, "sender {domain}"),
            Place::Provider(name) => write!(f, "provider {name}"),
            Place::Campaign(id) => write!(f, "campaign {id}"),
        }
    }
}

/// What stops a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Rate(Rate),
    Spread(Spread),
    Sessions(usize),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Rate(rate) => rate.fmt(f),
            Bound::Spread(spread) => write!(f, "spread over {}", humantime::format_duration(spread.over)),
            Bound::Sessions(n) => write!(f, "{n} sessions"),
        }
    }
}
