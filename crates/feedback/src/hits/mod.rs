//! Who fetched a pixel or followed a link: a person, a proxy that hides persons, or a machine that looks at mail. Nobody can know
//! for sure; [`HitRules`] say what the evidence speaks for, and by which rule.
//!
//! The table of this crate is `rules.toml`; an operator's file has the same form and goes first.

mod agent;
mod file;
mod network;

use agent::{Word, Words};
use network::NetworkTable;
use std::sync::LazyLock;
use std::time::Duration;
use tidings_campaign::time::Timestamp;
pub use tidings_campaign::token::HitTarget;

pub use agent::Agent;
pub use file::HitRulesFault;
pub use network::Network;

/// Hits of one recipient and network this long before and after a hit of the trap are the same walker's.
pub const TRAP_WINDOW: Duration = Duration::from_secs(600);
/// Links of one message that are followed within so long of each other are followed at once.
pub const AT_ONCE: Duration = Duration::from_secs(3);
/// What is kept of a user agent at most, in octets.
pub const LONGEST_AGENT: usize = 256;

static STANDARD: LazyLock<HitRules> =
    LazyLock::new(|| HitRules::read(None).expect("the table in this crate is tested"));

/// What a hit speaks for. In the order of how much a person is behind it: the greatest of a recipient's hits is the recipient's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HitVerdict {
    /// A machine that looks at mail for somebody: nobody has read anything.
    Scanner,
    /// A proxy that fetches for many, perhaps before anybody reads.
    PrivacyProxy,
    /// Nothing speaks for either.
    Unknown,
    /// A person.
    Human,
}

impl HitVerdict {
    /// All, the least human first.
    pub const ALL: [HitVerdict; 4] = [
        HitVerdict::Scanner,
        HitVerdict::PrivacyProxy,
        HitVerdict::Unknown,
        HitVerdict::Human,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            HitVerdict::Scanner => "scanner",
            HitVerdict::PrivacyProxy => "privacy_proxy",
            HitVerdict::Unknown => "unknown",
            HitVerdict::Human => "human",
        }
    }

    /// As it stands in the database.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// From that number.
    pub fn from_number(number: i64) -> Option<HitVerdict> {
        Self::ALL.into_iter().find(|verdict| verdict.number() == number)
    }

    fn named(word: &str) -> Option<HitVerdict> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word)
    }
}

/// What a recipient did, as statistics call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HitKind {
    /// The pixel was fetched.
    Open,
    /// A link was followed.
    Click,
}

impl HitKind {
    /// Both.
    pub const ALL: [HitKind; 2] = [HitKind::Open, HitKind::Click];

    /// What a hit of this target is; nothing if it is the trap's, which nobody can do.
    pub const fn of(target: HitTarget) -> Option<HitKind> {
        match target {
            HitTarget::Pixel => Some(HitKind::Open),
            HitTarget::Link(_) => Some(HitKind::Click),
            HitTarget::Trap => None,
        }
    }

    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            HitKind::Open => "open",
            HitKind::Click => "click",
        }
    }
}

/// What is known of a hit.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// When.
    pub at: Timestamp,
    /// What was fetched.
    pub target: HitTarget,
    /// It was asked for by HEAD.
    pub is_head: bool,
    /// The program said that it fetches before anybody wants it.
    pub is_prefetch: bool,
    /// What the program calls itself, looked through by the rules that judge.
    pub agent: &'a Agent,
    /// From where; nothing where that is not kept.
    pub network: Option<Network>,
    /// How long after the message was accepted by the relay, if that is known.
    pub delay: Option<Duration>,
}

/// What the rules say of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged<'r> {
    /// What it speaks for.
    pub verdict: HitVerdict,
    /// The name of the rule that said so.
    pub rule: &'r str,
}

/// What the rule is called that says what no other rule said.
const NO_RULE: &str = "none";

/// A table of rules, ready for use.
#[derive(Debug)]
pub struct HitRules {
    /// All words of user agents that rules look for.
    words: Words,
    networks: NetworkTable,
    rules: Vec<Rule>,
}

/// Everything that is given must hold.
#[derive(Debug)]
struct Rule {
    name: String,
    verdict: HitVerdict,
    target: Option<Target>,
    /// One of these must be in the user agent.
    agents: Vec<Word>,
    /// None of these may.
    unless: Vec<Word>,
    /// From one of these networks.
    networks: Vec<u16>,
    signs: Vec<Sign>,
    /// So many different links followed at once.
    links: Option<usize>,
    /// Not longer after the message was accepted.
    within: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Pixel,
    Link,
    Trap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Head,
    Prefetch,
    NoAgent,
    /// The same recipient and network hit the trap about that time.
    Trapped,
}

impl HitRules {
    /// The rules of this crate.
    pub fn standard() -> &'static HitRules {
        &STANDARD
    }

    /// The rules of this crate, with an operator's before them.
    ///
    /// # Errors
    /// If the text is no table of rules; the fault says where.
    pub fn with(text: &str) -> Result<HitRules, HitRulesFault> {
        HitRules::read(Some(text))
    }

    /// The names of all rules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str()).chain([NO_RULE])
    }

    /// Whether a network fetches for so many that it must not be slowed down as one visitor.
    pub fn is_proxy(&self, network: Network) -> bool {
        self.networks.is_proxy(network)
    }

    /// Looks through what a program calls itself; empty if it does not say.
    pub fn look_through(&self, agent: &str) -> Agent {
        self.words.look_through(agent)
    }

    /// Judges the hits of one recipient of one campaign, in the order of time, in the light of each other. The judgements have
    /// the same order. Exact for hits that have all others of [`TRAP_WINDOW`] around them in the list.
    pub fn judge(&self, hits: &[Evidence<'_>]) -> Vec<Judged<'_>> {
        debug_assert!(hits.is_sorted_by_key(|hit| hit.at));
        (0..hits.len())
            .map(|place| self.judge_one(&hits[place], &Company { hits, place }))
            .collect()
    }

    fn judge_one(&self, hit: &Evidence<'_>, company: &Company<'_>) -> Judged<'_> {
        let class = hit.network.and_then(|network| self.networks.class(network));
        let rule = self.rules.iter().find(|rule| rule.fits(hit, class, company));
        rule.map_or(
            Judged {
                verdict: HitVerdict::Unknown,
                rule: NO_RULE,
            },
            |rule| Judged {
                verdict: rule.verdict,
                rule: &rule.name,
            },
        )
    }
}

impl Rule {
    fn fits(&self, hit: &Evidence<'_>, class: Option<u16>, company: &Company<'_>) -> bool {
        let has = |word: &Word| hit.agent.has(*word);
        let target_fits = match self.target {
            None => true,
            Some(Target::Pixel) => hit.target == HitTarget::Pixel,
            Some(Target::Trap) => hit.target == HitTarget::Trap,
            Some(Target::Link) => matches!(hit.target, HitTarget::Link(_)),
        };
        target_fits
            && (self.agents.is_empty() || self.agents.iter().any(has))
            && !self.unless.iter().any(has)
            && (self.networks.is_empty() || class.is_some_and(|class| self.networks.contains(&class)))
            && self
                .within
                .is_none_or(|within| hit.delay.is_some_and(|delay| delay <= within))
            && self.signs.iter().all(|sign| match sign {
                Sign::Head => hit.is_head,
                Sign::Prefetch => hit.is_prefetch,
                Sign::NoAgent => !hit.agent.is_named,
                Sign::Trapped => company.is_trapped(),
            })
            && self.links.is_none_or(|links| company.links_at_once() >= links)
    }
}

/// A hit among the others of its recipient.
struct Company<'a> {
    hits: &'a [Evidence<'a>],
    place: usize,
}

impl<'a> Company<'a> {
    /// The hits from the same network within so long before and after this one, itself too. Nothing is known of hits without
    /// a network.
    fn around(&self, window: Duration) -> impl Iterator<Item = &'a Evidence<'a>> {
        let (hits, hit) = (self.hits, &self.hits[self.place]);
        let near =
            move |other: &&Evidence<'_>| other.at.since(hit.at) <= window && hit.at.since(other.at) <= window;
        let before = hits[..self.place].iter().rev().take_while(near);
        let after = hits[self.place..].iter().take_while(near);
        before
            .chain(after)
            .filter(move |other| hit.network.is_some() && other.network == hit.network)
    }

    fn is_trapped(&self) -> bool {
        self.around(TRAP_WINDOW)
            .any(|other| other.target == HitTarget::Trap)
    }

    fn links_at_once(&self) -> usize {
        let mut links: Vec<i64> = self
            .around(AT_ONCE)
            .filter(|other| matches!(other.target, HitTarget::Link(_)))
            .map(|other| other.target.number())
            .collect();
        links.sort_unstable();
        links.dedup();
        links.len()
    }
}

#[cfg(test)]
mod tests;
