//! Letters: single mails that the engine itself writes to one person.

use std::time::Duration;

/// What a letter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetterKind {
    /// Asks whether a sign-up was meant.
    OptIn,
    /// Asks whether a changed address is right.
    AddressChange,
    /// A newsletter that somebody tries.
    Test,
}

impl LetterKind {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            LetterKind::OptIn => "opt_in",
            LetterKind::AddressChange => "address_change",
            LetterKind::Test => "test",
        }
    }

    /// From the database's word.
    pub fn parse(word: &str) -> Option<Self> {
        [LetterKind::OptIn, LetterKind::AddressChange, LetterKind::Test]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// How many letters may be caused, so that nobody can have strangers flooded with them. 0: no cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterCaps {
    /// To one address in 24 hours.
    pub address_per_day: u32,
    /// By one network in an hour.
    pub network_per_hour: u32,
    /// Of one list in an hour.
    pub list_per_hour: u32,
}

impl LetterCaps {
    /// For letters that only the operator can cause.
    pub const NONE: LetterCaps = LetterCaps {
        address_per_day: 0,
        network_per_hour: 0,
        list_per_hour: 0,
    };
    /// The time over which letters to an address are counted.
    pub const DAY: Duration = Duration::from_secs(86_400);
    /// The time over which those by a network or of a list are.
    pub const HOUR: Duration = Duration::from_secs(3600);
}

impl Default for LetterCaps {
    fn default() -> Self {
        LetterCaps {
            address_per_day: 3,
            network_per_hour: 20,
            list_per_hour: 1000,
        }
    }
}

/// The cap that keeps a letter back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// The address has had enough of them for today.
    Address,
    /// The network has caused enough for this hour.
    Network,
    /// The list has sent enough for this hour.
    List,
}

impl Cap {
    /// For logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cap::Address => "letters to one address in a day",
            Cap::Network => "letters by one network in an hour",
            Cap::List => "letters of one list in an hour",
        }
    }
}
