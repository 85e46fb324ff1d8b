//! Who a campaign may go to: the address, the name, the attributes and the standing on lists.

use crate::address::EmailAddress;
use crate::ids::RecipientId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A recipient as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipient {
    /// Its identity in the store.
    pub id: RecipientId,
    /// Where it is mailed.
    pub address: EmailAddress,
    /// The name for greetings and the `To` header; may be empty.
    pub name: String,
    /// Everything else that is known, under the names that templates use.
    pub attributes: Map<String, Value>,
}

/// A recipient's standing on one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subscription {
    /// Asked for confirmation and has not answered.
    Pending,
    /// Wants this list's mail.
    Confirmed,
    /// Wants it no more.
    Unsubscribed,
}

impl Subscription {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Subscription::Pending => "pending",
            Subscription::Confirmed => "confirmed",
            Subscription::Unsubscribed => "unsubscribed",
        }
    }

    /// From the database's word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Subscription::Pending,
            Subscription::Confirmed,
            Subscription::Unsubscribed,
        ]
        .into_iter()
        .find(|s| s.as_str() == word)
    }
}
