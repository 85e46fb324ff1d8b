//! Asking links and images whether they are there, without becoming a tool to look around in somebody's network with.

mod client;

use client::Client;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::preflight::{Asked, LinkAnswer, Outcome, reach};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Different addresses that are asked at most.
const MOST: usize = 200;
/// At once.
const AT_ONCE: usize = 8;
/// All of them together.
const PATIENCE: Duration = Duration::from_secs(120);

/// How links are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Whether they are asked at all.
    pub check: bool,
    /// Addresses of private networks, and any port, may be asked too.
    pub allow_private_addresses: bool,
}

/// Addresses of links and, by `true`, of images.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    /// In the messages of several recipients.
    pub(crate) shared: Vec<(String, bool)>,
    /// In the message of one alone.
    pub(crate) own: Vec<(String, bool)>,
}

/// Asks each address that is shared, and says of the others that they are one recipient's own. Those that lead to `public_url` are
/// signed for one recipient, and left alone.
pub(crate) async fn ask(
    Addresses { shared, own }: Addresses,
    public_url: &str,
    settings: LinkSettings,
) -> Asked<Vec<LinkAnswer>> {
    if !settings.check {
        return Asked::NotAsked("check_links in section [preflight] is false".to_owned());
    }
    let client = Arc::new(Client::new(settings.allow_private_addresses));
    let (free, until) = (Arc::new(Semaphore::new(AT_ONCE)), Instant::now() + PATIENCE);
    let shared = distinct(shared, public_url);
    let own = distinct(own, public_url).into_iter();
    let own = own.filter(|(url, _)| shared.iter().all(|(other, _)| other != url));
    let own = own.map(|(url, is_image)| LinkAnswer {
        url: url.to_string(),
        is_image,
        outcome: Outcome::OnesOwn,
    });
    let own: Vec<LinkAnswer> = own.take(MOST).collect();
    let mut asking = JoinSet::new();
    for (at, (url, is_image)) in shared.into_iter().enumerate() {
        let (client, free) = (Arc::clone(&client), Arc::clone(&free));
        asking.spawn(async move {
            let outcome = match reach::why_not_asked(&url, settings.allow_private_addresses) {
                _ if at >= MOST => Outcome::NotAsked(format!("{MOST} others were asked")),
                Some(why) => Outcome::NotAsked(why),
                None => one(url.clone(), client, free, until).await,
            };
            let url = url.to_string();
            (
                at,
                LinkAnswer {
                    url,
                    is_image,
                    outcome,
                },
            )
        });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(at, _)| *at);
    Asked::Found(answers.into_iter().map(|(_, answer)| answer).chain(own).collect())
}

async fn one(url: Url, client: Arc<Client>, free: Arc<Semaphore>, until: Instant) -> Outcome {
    let too_late = || Outcome::Failed("there was no time left to ask it".to_owned());
    let Ok(Ok(permit)) = timeout_at(until, free.acquire_owned()).await else {
        return too_late();
    };
    let asked = spawn_blocking(move || {
        let outcome = client.ask(url);
        // Not before the thread is done, however long it takes.
        drop(permit);
        outcome
    });
    match timeout_at(until, asked).await {
        Ok(outcome) => outcome.unwrap_or_else(|panic| Outcome::Failed(panic.to_string())),
        Err(_) => too_late(),
    }
}

/// Web addresses, each once whatever stands behind its `#`, without those of our own.
fn distinct(addresses: Vec<(String, bool)>, public_url: &str) -> Vec<(Url, bool)> {
    let mut seen = HashSet::new();
    addresses
        .into_iter()
        .filter(|(url, _)| !reach::is_ours(url, public_url))
        .filter_map(|(url, is_image)| {
            let mut url = Url::parse(&url)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https"))?;
            url.set_fragment(None);
            seen.insert(url.clone()).then_some((url, is_image))
        })
        .collect()
}

#[cfg(test)]
mod tests;
