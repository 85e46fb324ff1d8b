//! Checks that are made on wish: what is looked at, and what came of it.

use crate::mail_domains::MailDomains;
use crate::reading::{Batch, Reading};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tidings_campaign::csv_import::{Remark, Remarks};
use tidings_dns::{DnsSettings, Resolver};

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Whether the address's domain takes mail; rows whose domain does not are rejected.
    Mx,
    /// Domains that give addresses for ten minutes; they are remarked on.
    Disposable,
    /// Mailboxes of functions, such as info and sales; they are remarked on.
    Role,
    /// Domains one letter away from a well-known one; they are remarked on.
    Typos,
    /// All of these.
    All,
}

impl Check {
    const ALL: [(Check, &'static str); 5] = [
        (Check::Mx, "mx"),
        (Check::Disposable, "disposable"),
        (Check::Role, "role"),
        (Check::Typos, "typos"),
        (Check::All, "all"),
    ];
}

/// Not a check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a check: use mx, disposable, role, typos or all")]
pub struct UnknownCheck(String);

impl std::str::FromStr for Check {
    type Err = UnknownCheck;
    fn from_str(word: &str) -> Result<Self, UnknownCheck> {
        let found = Check::ALL.into_iter().find(|(_, known)| *known == word);
        found
            .map(|(check, _)| check)
            .ok_or_else(|| UnknownCheck(word.to_owned()))
    }
}

fn has(checks: &[Check], check: Check) -> bool {
    checks.contains(&check) || checks.contains(&Check::All)
}

/// Whether any of them leads to remarks.
pub fn has_remarks(checks: &[Check]) -> bool {
    [Check::Disposable, Check::Role, Check::Typos]
        .iter()
        .any(|&check| has(checks, check))
}

/// The checks of a run.
pub struct Checking {
    checks: Vec<Check>,
    domains: Option<MailDomains>,
    /// What they have found so far.
    pub found: Found,
}

impl Checking {
    /// `dns`: whom to ask, if it may be asked.
    pub fn new(checks: &[Check], dns: Option<&DnsSettings>) -> anyhow::Result<Checking> {
        let mut domains = None;
        if has(checks, Check::Mx) {
            let dns = dns
                .context("--check mx asks the DNS, and [dns] enabled = false in tidings.toml forbids that")?;
            domains = Some(MailDomains::new(Resolver::new(dns)?));
        }
        Ok(Checking {
            checks: checks.to_vec(),
            domains,
            found: Found::default(),
        })
    }

    /// What the reading thread does for them, after `skip` rows.
    pub(crate) fn reading(&self, skip: u64) -> Reading {
        let wants = |check| has(&self.checks, check);
        Reading {
            skip,
            remarks: Remarks::new(wants(Check::Disposable), wants(Check::Role), wants(Check::Typos)),
            keeps_originals: self.domains.is_some(),
        }
    }

    /// Looks at a batch, and rejects rows of it.
    pub(crate) async fn check(&mut self, batch: &mut Batch) {
        if let Some(domains) = &mut self.domains {
            domains.check(batch, &mut self.found).await;
        }
        for remarked in &batch.remarked {
            match remarked.remark {
                Remark::Disposable => self.found.disposable += 1,
                Remark::Role => self.found.role += 1,
                Remark::Typo(_) => self.found.typos += 1,
            }
        }
    }
}

/// What the checks of this run have found, as `--json` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Remarks on domains that give addresses for a short time.
    pub disposable: u64,
    /// Remarks on mailboxes of functions.
    pub role: u64,
    /// Remarks on what may be a typing error.
    pub typos: u64,
    /// Rows that were rejected because their domain takes no mail.
    pub no_mail: u64,
    /// Rows that were taken although the DNS said nothing about their domain.
    pub unanswered: u64,
}

impl Found {
    /// What a person is told; nothing if nothing was found.
    pub fn lines(&self) -> Vec<(u64, &'static str)> {
        [
            (self.no_mail, "of the rejected: the domain takes no mail"),
            (
                self.unanswered,
                "taken unchecked: the DNS said nothing about the domain",
            ),
            (
                self.disposable,
                "remarks: a provider of addresses for a short time",
            ),
            (self.role, "remarks: the mailbox of a function"),
            (self.typos, "remarks: perhaps a typing error in the domain"),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .collect()
    }
}
