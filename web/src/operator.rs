//! The configuration as the dashboard shows and changes it. What the pages need of it comes in through [`Operator`], which the
//! program gives to the server, because only the program knows where the configuration is and what it means.

mod catalogue;

pub use catalogue::{Entry, Holds, Kind, SECRET, entries};

use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidings_campaign::time::Timestamp;
use tidings_store::audit::By;

/// A part of the configuration that is changed at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// `[[relay]]` of this name.
    Relay(String),
    /// `[limits]`: for all relays together.
    AllRelays,
    /// `[limits.sender."…"]`: for a domain in whose name mail goes out.
    Sender(String),
    /// `[limits.provider."…"]`; `default` stands for those without one of their own.
    Provider(String),
    /// `[limits.campaign]`: for each campaign.
    Campaigns,
    /// `[feedback]`.
    Feedback,
    /// `[tracking]`.
    Tracking,
    /// `[mail]`.
    Mail,
}

impl Part {
    /// From the words of a form; `name` counts where a part has one.
    pub fn of(kind: &str, name: &str) -> Option<Part> {
        let name = name.to_owned();
        Some(match kind {
            "relay" => Part::Relay(name),
            "all" => Part::AllRelays,
            "sender" => Part::Sender(name),
            "provider" => Part::Provider(name),
            "campaign" => Part::Campaigns,
            "feedback" => Part::Feedback,
            "tracking" => Part::Tracking,
            "mail" => Part::Mail,
            _ => return None,
        })
    }

    /// The word for which [`Part::of`] gives it.
    pub fn kind(&self) -> &'static str {
        match self {
            Part::Relay(_) => "relay",
            Part::AllRelays => "all",
            Part::Sender(_) => "sender",
            Part::Provider(_) => "provider",
            Part::Campaigns => "campaign",
            Part::Feedback => "feedback",
            Part::Tracking => "tracking",
            Part::Mail => "mail",
        }
    }

    /// Whether it can go: the other sections stay, and their settings go back to the defaults.
    pub fn can_go(&self) -> bool {
        match self {
            Part::Relay(_) | Part::Sender(_) | Part::Provider(_) | Part::Campaigns => true,
            Part::AllRelays | Part::Feedback | Part::Tracking | Part::Mail => false,
        }
    }

    /// Its name, where it has one.
    pub fn name(&self) -> &str {
        match self {
            Part::Relay(name) | Part::Sender(name) | Part::Provider(name) => name,
            _ => "",
        }
    }
}

/// As people and the audit log call it.
impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Relay(name) => write!(f, "relay {name}"),
            Part::AllRelays => f.write_str("limits"),
            Part::Sender(name) => write!(f, "limits of sender {name}"),
            Part::Provider(name) => write!(f, "limits of provider {name}"),
            Part::Campaigns => f.write_str("limits of each campaign"),
            Part::Feedback => f.write_str("[feedback]"),
            Part::Tracking => f.write_str("[tracking]"),
            Part::Mail => f.write_str("[mail]"),
        }
    }
}

/// What is to become of a part.
#[derive(Clone)]
pub enum Wish {
    /// It is new, with these settings by their keys; an empty text is the default.
    Add(BTreeMap<String, String>),
    /// It gets these settings; those that are not named stay.
    Set(BTreeMap<String, String>),
    /// It goes.
    Remove,
}

/// A change that somebody asks for.
#[derive(Clone)]
pub struct Change {
    /// Of what.
    pub part: Part,
    /// What is to be.
    pub wish: Wish,
    /// The [`Shown::version`] that they looked at.
    pub version: String,
}

/// Where a setting's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// It is written in the file.
    File,
    /// An environment variable of this name says it, whatever the file says.
    Variable(String),
}

/// A setting as it is configured.
#[derive(Clone, Debug)]
pub struct Setting {
    /// As people write it; empty for the default. Never a secret.
    pub value: String,
    /// Who says so.
    pub source: Source,
    /// The program runs with another value until it is started again, or reads the file again.
    pub is_waiting: bool,
}

/// A part as it is configured.
#[derive(Clone, Debug)]
pub struct PartShown {
    /// Which.
    pub part: Part,
    /// By their keys: each of [`entries`].
    pub settings: BTreeMap<&'static str, Setting>,
    /// The file has it, so that it can be changed and removed there.
    pub is_in_file: bool,
}

/// A `[[pool]]`.
#[derive(Clone, Debug)]
pub struct PoolShown {
    /// Its name.
    pub name: String,
    /// Its relays' names.
    pub relays: Vec<String>,
    /// The domains whose mail goes through it.
    pub sender_domains: Vec<String>,
}

/// The configuration.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The file's path, or what stands in its place.
    pub place: String,
    /// The file is there.
    pub is_there: bool,
    /// Changes with the file's text.
    pub version: String,
    /// Why the file cannot be taken, if it cannot; what follows is then what is in force.
    pub trouble: Option<String>,
    /// The file says what the program has not taken over, though it could.
    pub is_waiting: bool,
    /// The relays first, in the file's order.
    pub parts: Vec<PartShown>,
    /// In the file's order.
    pub pools: Vec<PoolShown>,
    /// What the DNS said of our domains.
    pub domains: Looked,
}

/// What the DNS said of the domains in whose names mail goes out, when it was asked last.
#[derive(Clone, Debug, Default)]
pub enum Looked {
    /// Nobody has asked since the start.
    #[default]
    Never,
    /// It is being asked.
    Asking,
    /// It answered, or the time was over.
    Answered {
        /// When.
        at: Timestamp,
        /// For each domain.
        domains: Vec<DomainFinding>,
        /// Why nothing is known, if so.
        note: Option<String>,
    },
}

/// What was found out about a domain.
#[derive(Clone, Debug)]
pub struct DomainFinding {
    /// The domain.
    pub domain: String,
    /// What it is to our mail: `From`, `return path`, or both.
    pub role: String,
    /// A sentence for each.
    pub faults: Vec<String>,
    /// Why nothing is known.
    pub note: Option<String>,
}

/// What was found out about a relay by connecting to it.
#[derive(Clone, Debug)]
pub struct RelayFinding {
    /// Its name.
    pub relay: String,
    /// `host:port`.
    pub address: String,
    /// When it was asked.
    pub at: Timestamp,
    /// Why it does not work, one sentence; none if it does.
    pub fault: Option<String>,
    /// How it greeted.
    pub greeting: Option<String>,
    /// The version of TLS, if the connection was encrypted.
    pub tls: Option<String>,
    /// Whose certificate it showed, by whom, and until when it holds.
    pub certificate: Option<String>,
    /// By which mechanism we logged in.
    pub auth: Option<String>,
    /// The lines of its EHLO reply.
    pub announces: Vec<String>,
    /// What deserves a word though it works.
    pub hints: Vec<String>,
    /// What was said before a fault; secrets are masked.
    pub transcript: Option<String>,
}

/// What is wrong with a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// At which setting, if it is about one of the part's.
    pub key: Option<String>,
    /// One sentence.
    pub text: String,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The program would not take it.
    Faults(Vec<Fault>),
    /// The file is not any more as it was when the page was made.
    ChangedOutside,
    /// The file cannot be written; somebody who can may put these lines in.
    NotWritten {
        /// Why.
        why: String,
        /// What would have been written, without passwords; none if something was to go.
        lines: Option<String>,
    },
    /// Something that is none of the visitor's doing, one sentence.
    Failed(String),
}

/// Who knows the configuration and may change it. Each future is to be run in the program's runtime.
pub trait Operator: Send + Sync {
    /// The configuration as it is now.
    fn shown(self: Arc<Self>) -> BoxFuture<'static, Shown>;

    /// Changes the file, keeps it in the audit log, and takes over what can be.
    fn change(self: Arc<Self>, change: Change, by: By) -> BoxFuture<'static, Result<(), Refusal>>;

    /// Reads the file again, as by SIGHUP.
    fn read_again(self: Arc<Self>, by: By) -> BoxFuture<'static, Result<(), Refusal>>;

    /// Connects to a relay, within a bounded time; one at a time for each relay.
    fn test_relay(self: Arc<Self>, name: String) -> BoxFuture<'static, Result<RelayFinding, Refusal>>;

    /// Begins to ask the DNS about our domains, if nobody does already.
    fn look_at_domains(self: Arc<Self>);
}

/// A relay's URL without the password that may be in it, also if it is no URL.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('?').unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else {
        return url.to_owned();
    };
    let user = rest[..at].split(':').next().unwrap_or_default();
    format!("{scheme}://{user}{}", &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_any_url() {
        for (url, shown) in [
            ("smtps://ann:se@cr/et@host:465", "smtps://ann@host:465"),
            ("smtp://ann@host?tls=required", "smtp://ann@host?tls=required"),
            ("smtp://host:25", "smtp://host:25"),
            ("smtp://ann:secret@", "smtp://ann@"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn parts_are_found_by_the_words_of_forms() {
        for part in [
            Part::Relay("a b".to_owned()),
            Part::AllRelays,
            Part::Sender("example.com".to_owned()),
            Part::Provider("default".to_owned()),
            Part::Campaigns,
            Part::Feedback,
            Part::Tracking,
            Part::Mail,
        ] {
            assert_eq!(Part::of(part.kind(), part.name()), Some(part));
        }
        assert_eq!(Part::of("intake", ""), None);
    }
}
