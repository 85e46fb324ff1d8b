//! What every request handler may use.

use crate::access::host_of_url;
use crate::live::Live;
use crate::one_clicks::OneClicks;
use crate::operator::Operator;
use crate::pages::Pages;
use crate::people::Door;
use crate::people::password::PasswordError;
use crate::public::PublicPages;
use crate::public::brand::Brand;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use ipnet::IpNet;
use serde::Serialize;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidings_campaign::time::Clock;
use tidings_campaign::token::KeyRing;
use tidings_import::Importer;
use tidings_store::people::Role;
use tidings_store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) keys: KeyRing,
    pub(crate) clock: Clock,
    pub(crate) pages: Pages,
    pub(crate) public: PublicPages,
    pub(crate) live: Live,
    pub(crate) one_clicks: OneClicks,
    /// The host of the public URL, under which the dashboard may be reached too.
    pub(crate) public_host: String,
    /// Whether browsers reach that host by https.
    pub(crate) is_https: bool,
    /// Who is let into the dashboard.
    pub(crate) door: Door,
    /// Proxies of ours, which say who the visitor is.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Who knows the configuration.
    pub(crate) operator: Option<Arc<dyn Operator>>,
    /// What is imported from the pages.
    pub(crate) importer: Importer,
    runtime: Handle,
    /// When the keys were last read again because a token named one that is not known; while it is done, the others wait.
    keys_read: Mutex<Option<Instant>>,
}

/// How the server is seen from outside.
pub(crate) struct Outside {
    /// Under which recipients reach the public pages.
    pub(crate) public_url: String,
    /// Whose pages they are.
    pub(crate) brand: Brand,
    /// Proxies of ours.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// What whoever comes may do in the dashboard without signing in.
    pub(crate) guests: Option<Role>,
    /// Who knows the configuration.
    pub(crate) operator: Option<Arc<dyn Operator>>,
    /// What is imported from the pages.
    pub(crate) importer: Importer,
}

/// How long after they were read again the keys are not, whatever tokens come: a flood of them must not reach the database.
const KEYS_REST: Duration = Duration::from_secs(1);

/// Why a request could not be answered. What the visitor sees does not depend on it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the program is stopping")]
    Stopping,
    #[error("{0}")]
    Password(#[from] PasswordError),
    #[error("a file cannot be read: {0}")]
    File(#[from] std::io::Error),
    #[error("the system gives no random octets: {0}")]
    Random(#[from] getrandom::Error),
    #[error("it was not recorded in time, or the database refused it")]
    NotRecorded,
}

impl Site {
    /// Must be called in the runtime that outlives the server's workers.
    pub(crate) fn new(
        store: Store,
        keys: KeyRing,
        clock: Clock,
        live: Live,
        outside: Outside,
    ) -> Result<Self, getrandom::Error> {
        let Outside {
            public_url,
            brand,
            trusted_proxies,
            guests,
            operator,
            importer,
        } = outside;
        Ok(Site {
            one_clicks: OneClicks::start(store.clone()),
            store,
            keys,
            clock,
            pages: Pages::new(),
            public: PublicPages::new(brand),
            live,
            public_host: host_of_url(&public_url).to_owned(),
            is_https: public_url.starts_with("https://"),
            door: Door::new(guests)?,
            trusted_proxies,
            operator,
            importer,
            runtime: Handle::current(),
            keys_read: Mutex::new(None),
        })
    }

    /// Reads the keys again if a word of the request's path is a token of a key that is not known here: another process may
    /// have made one.
    pub(crate) async fn meet_keys(&self, path: &str) {
        let is_stranger = || path.split(['/', '.']).any(|word| self.keys.is_stranger(word));
        if !is_stranger() {
            return;
        }
        let mut read = self.keys_read.lock().await;
        if read.is_some_and(|at| at.elapsed() < KEYS_REST) || !is_stranger() {
            return;
        }
        let (store, now) = (self.store.clone(), self.clock.now());
        match self.ask(async move { store.key_ring(now).await }).await {
            Ok(fresh) => self.keys.take_over(fresh),
            Err(trouble) => tracing::warn!("the keys cannot be read again now: {trouble}"),
        }
        *read = Some(Instant::now());
    }

    /// Runs database work in the program's runtime, until PostgreSQL has become silent. A connection belongs to the runtime that opened it, and
    /// the server's workers end before the sender has written its last outcomes.
    pub(crate) async fn ask<T, W>(&self, work: W) -> Result<T, Trouble>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let store = self.store.clone();
        Ok(self
            .in_program(async move { store.while_it_answers(work).await })
            .await??)
    }

    /// Runs other work there.
    pub(crate) async fn in_program<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.runtime.spawn(work).await.map_err(|_| Trouble::Stopping)
    }

    /// A page as an answer.
    pub(crate) fn page(&self, status: StatusCode, name: &str, data: &impl Serialize) -> HttpResponse {
        HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .body(self.pages.render(name, data))
    }
}
