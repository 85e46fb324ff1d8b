//! Identifiers as types, so that a list is never taken for a campaign.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map($name)
            }
        }
    };
}

id!(
    /// A campaign.
    CampaignId
);
id!(
    /// A recipient: one address.
    RecipientId
);
id!(
    /// A list of recipients.
    ListId
);
id!(
    /// A template.
    TemplateId
);
id!(
    /// One run of `tidings import`.
    ImportId
);
id!(
    /// A range of deliveries that one sender works on.
    LeaseId
);
id!(
    /// The place of a delivery in its campaign: 1 for the first, dense. Together with the campaign it names a delivery.
    Seq
);
id!(
    /// A letter: a mail that the engine itself writes to one person.
    LetterId
);
id!(
    /// A sign-up: one request of one address for one list.
    SignUpId
);
