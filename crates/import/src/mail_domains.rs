//! Whether the recipients' domains take mail, asked of the DNS, many at once and each domain once.

use crate::checks::Found;
use crate::reading::Batch;
use std::collections::{HashMap, HashSet};
use tidings_dns::{Resolver, TakesMail, may_be_asked};
use tokio::task::JoinSet;

/// Questions that are open at once.
const AT_ONCE: usize = 50;
/// Domains that are remembered; then all are forgotten, and asked about anew if they come again.
const REMEMBERED: usize = 200_000;
/// So many questions in a row without an answer, and no more are asked: the DNS is away, and an import must end.
const GIVE_UP_AFTER: usize = 200;

/// What is known of domains in this run.
pub(crate) struct MailDomains {
    resolver: Resolver,
    /// `None`: there was no answer.
    known: HashMap<String, Option<TakesMail>>,
    /// Questions without an answer since the last answer.
    silent: usize,
}

impl MailDomains {
    pub fn new(resolver: Resolver) -> MailDomains {
        MailDomains {
            resolver,
            known: HashMap::new(),
            silent: 0,
        }
    }

    /// Rejects the rows of a batch whose domain takes no mail.
    pub async fn check(&mut self, batch: &mut Batch, found: &mut Found) {
        self.ask_about(batch).await;
        let mut refused = Vec::new();
        for (at, row) in batch.rows.iter().enumerate() {
            let domain = row.address.domain();
            match self.known.get(domain) {
                Some(Some(TakesMail::Refuses)) => refused.push((
                    at,
                    format!("the domain {domain} says that it takes no mail (null MX, RFC 7505)"),
                )),
                Some(Some(TakesMail::Nowhere)) => refused.push((
                    at,
                    format!("the domain {domain} does not exist, or no host takes its mail"),
                )),
                Some(Some(TakesMail::Yes)) => {}
                Some(None) => found.unanswered += 1,
                None if may_be_asked(domain) => found.unanswered += 1,
                None => {}
            }
        }
        found.no_mail += refused.len() as u64;
        batch.reject(refused);
    }

    async fn ask_about(&mut self, batch: &Batch) {
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        let domains: HashSet<&str> = batch
            .rows
            .iter()
            .map(|row| row.address.domain())
            .filter(|domain| may_be_asked(domain) && !self.known.contains_key(*domain))
            .collect();
        let mut waiting = domains.into_iter();
        let mut asking = JoinSet::new();
        loop {
            while asking.len() < AT_ONCE
                && self.silent < GIVE_UP_AFTER
                && let Some(domain) = waiting.next()
            {
                let (resolver, domain) = (self.resolver.clone(), domain.to_owned());
                asking.spawn(async move {
                    let answer = resolver.takes_mail(&domain).await;
                    (domain, answer)
                });
            }
            let Some(done) = asking.join_next().await else {
                return;
            };
            // A question that panicked has no answer either.
            let Ok((domain, answer)) = done else { continue };
            self.silent = if answer.is_ok() { 0 } else { self.silent + 1 };
            self.known.insert(domain, answer.ok());
        }
    }
}
