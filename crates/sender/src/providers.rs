//! Who runs the mailboxes of a domain that is not known by its name: asked of the DNS beside the sending, which never
//! waits for the answer. Until it is there, the domain is treated as its name says.

use crate::dispatch::Dispatcher;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidings_campaign::provider;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_dns::{DnsSettings, NoAnswer, Resolver, may_be_asked};
use tidings_store::domain_providers::DomainProvider;
use tidings_store::{Store, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Companies move their mailboxes rarely.
const FRESH: Duration = Duration::from_secs(7 * 86_400);
/// An older answer is better than none while the DNS is away, but not for ever.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// What had no answer is asked again then.
const AGAIN: Duration = Duration::from_secs(600);
/// So many domains are known from the start.
const REMEMBERED: i64 = 100_000;
/// So many are kept in memory; what a list has beyond that is told by name.
const MOST_DOMAINS: usize = 500_000;
/// So many wait to be asked. What finds no room is met again with its next recipient.
const WAITING: usize = 4096;
const AT_ONCE: usize = 16;
/// Answers are written together.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Where domains are brought whose provider is to be found out. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Providers {
    asked: Arc<Asked>,
    queue: mpsc::Sender<String>,
}

impl Providers {
    /// Lets the schedule know what was found out before; what is brought from now on waits for [`LookUps::run`].
    /// `None`: there is no DNS to ask, which the log says.
    pub(crate) async fn new(
        dns: &DnsSettings,
        dispatcher: Dispatcher,
        store: Store,
        clock: Clock,
    ) -> Result<Option<(Providers, LookUps)>, StoreError> {
        let resolver = match Resolver::new(dns) {
            Ok(resolver) => resolver,
            Err(error) => {
                tracing::warn!("limits for a provider hold for its own domains only: {error}");
                return Ok(None);
            }
        };
        let since = clock.now().minus(KEPT);
        store.forget_domain_providers(since).await?;
        let asked = Arc::new(Asked::default());
        for row in store.domain_providers(since, REMEMBERED).await? {
            // A word of another version says nothing here.
            if let Some(provider) = provider::by_name(&row.provider) {
                dispatcher.know_provider(&row.domain, provider);
                asked.not_before(&row.domain, row.looked_up_at.plus(FRESH));
            }
        }
        let (queue, brought) = mpsc::channel(WAITING);
        let look_ups = LookUps {
            resolver,
            dispatcher,
            store,
            clock,
            asked: Arc::clone(&asked),
            brought,
            unwritten: Vec::new(),
            failed_in_a_row: 0,
        };
        Ok(Some((Providers { asked, queue }, look_ups)))
    }

    /// A recipient's domain that is not known by its name. Never waits.
    pub(crate) fn meet(&self, domain: &str, now: Timestamp) {
        if self.asked.is_due(domain, now)
            && may_be_asked(domain)
            && self.queue.try_send(domain.to_owned()).is_ok()
        {
            self.asked.not_before(domain, now.plus(AGAIN));
        }
    }
}

/// When each domain may be asked about again.
#[derive(Debug, Default)]
// Shared by the feeds of all campaigns and the look-ups, each for a moment.
struct Asked(Mutex<HashMap<Box<str>, Timestamp>>);

impl Asked {
    fn is_due(&self, domain: &str, now: Timestamp) -> bool {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match asked.get(domain) {
            Some(not_before) => *not_before <= now,
            None => asked.len() < MOST_DOMAINS,
        }
    }

    fn not_before(&self, domain: &str, then: Timestamp) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(domain.into(), then);
    }
}

type Answer = (String, Result<&'static str, NoAnswer>);

/// The task that asks.
pub(crate) struct LookUps {
    resolver: Resolver,
    dispatcher: Dispatcher,
    store: Store,
    clock: Clock,
    asked: Arc<Asked>,
    brought: mpsc::Receiver<String>,
    unwritten: Vec<DomainProvider>,
    failed_in_a_row: u32,
}

impl LookUps {
    /// Asks until `stop`, and writes down what it has heard by then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut asking: JoinSet<Answer> = JoinSet::new();
        let mut write = interval(WRITE_EVERY);
        write.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(answer) = asking.join_next() => {
                    if let Ok(answer) = answer {
                        self.hear(answer);
                    }
                }
                _ = write.tick() => self.write().await,
                brought = self.brought.recv(), if asking.len() < AT_ONCE => match brought {
                    Some(domain) => drop(asking.spawn(ask(self.resolver.clone(), domain))),
                    None => break,
                },
            }
        }
        self.write().await;
    }

    fn hear(&mut self, (domain, answer): Answer) {
        match answer {
            Ok(provider) => {
                self.failed_in_a_row = 0;
                let now = self.clock.now();
                self.dispatcher.know_provider(&domain, provider);
                self.asked.not_before(&domain, now.plus(FRESH));
                self.unwritten.push(DomainProvider {
                    domain,
                    provider: provider.to_owned(),
                    looked_up_at: now,
                });
            }
            Err(error) => {
                tracing::debug!("a provider was not found out: {error}");
                self.failed_in_a_row += 1;
                // Single domains are often broken; the DNS itself is when all are.
                if self.failed_in_a_row == 20 {
                    tracing::warn!(
                        "the DNS gives no answers: until it does, limits for a provider hold for its own domains only"
                    );
                }
            }
        }
    }

    async fn write(&mut self) {
        let found = std::mem::take(&mut self.unwritten);
        if !found.is_empty()
            && let Err(error) = self
                .store
                .within(ANSWER, self.store.put_domain_providers(&found))
                .await
        {
            // They are known to this process, and the next one asks again.
            tracing::warn!("what the DNS said of providers cannot be written: {error}");
        }
    }
}

async fn ask(resolver: Resolver, domain: String) -> Answer {
    let provider = resolver
        .mx(&domain)
        .await
        .map(|hosts| provider::by_mx(hosts.iter().map(|mx| (mx.preference, mx.host.as_str()))));
    (domain, provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_asked_about_once_and_again_when_its_time_has_come() {
        let asked = Asked::default();
        let now = Timestamp::from_seconds(1_000_000);
        assert!(asked.is_due("example.org", now));
        asked.not_before("example.org", now.plus(AGAIN));
        assert!(!asked.is_due("example.org", now.plus(AGAIN / 2)));
        assert!(asked.is_due("example.org", now.plus(AGAIN)));
        assert!(asked.is_due("example.net", now));
    }

    #[test]
    fn however_many_domains_a_list_has_memory_is_bounded() {
        let asked = Asked::default();
        let now = Timestamp::from_seconds(1_000_000);
        for n in 0..MOST_DOMAINS {
            asked.not_before(&format!("{n}.example.org"), now);
        }
        assert!(!asked.is_due("one-more.example.org", now));
        assert!(asked.is_due("1.example.org", now), "it has its place already");
    }
}
