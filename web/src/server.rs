//! Binding, serving, stopping.

use crate::access::meet_keys;
use crate::composer::Composer;
use crate::hits::{HitSettings, Hits};
use crate::live::{Poller, ThresholdsNow};
use crate::newsletters::Newsletters;
use crate::operator::Operator;
use crate::preferences::{PreferencePages, PreferenceSettings};
use crate::public::brand::Brand;
use crate::routes;
use crate::routes::hits::HitsAhead;
use crate::sign_up::{SignUpSettings, SignUps};
use crate::site::{Outside, Site};
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use futures_util::future::try_join_all;
use ipnet::IpNet;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tidings_campaign::time::Clock;
use tidings_campaign::token::KeyRing;
use tidings_import::Importer;
use tidings_store::people::Role;
use tidings_store::{Store, StoreError};
use tokio::task::JoinHandle;

/// Seconds that requests under way get when the server stops.
const STOP_SECONDS: u64 = 2;
/// Pages are few and small; the machine's cores belong to the sender.
const WORKERS: usize = 2;

/// Where the server listens.
#[derive(Clone)]
pub struct WebSettings {
    /// The dashboard and the public pages; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Only what recipients reach (`/u/…`, `/p/…`, `/a/…`, `/s/…`, `/o/…`, `/c/…` and so on), `/health` and what is bound besides; any address.
    pub public_listen: Option<SocketAddr>,
    /// Under which recipients reach the public pages: `https://news.example.com`.
    pub public_url: String,
    /// Proxies of ours, which say in X-Forwarded-For who the visitor is.
    pub trusted_proxies: Vec<IpNet>,
    /// How hits of pixels and links are recorded.
    pub hits: HitSettings,
    /// What recipients may see and change of themselves.
    pub preferences: PreferenceSettings,
    /// Whose pages they are.
    pub brand: Brand,
    /// When campaigns pause by themselves.
    pub thresholds: ThresholdsNow,
    /// What whoever comes may do in the dashboard without signing in: for demonstrations.
    pub guests: Option<Role>,
    /// How sign-ups are taken.
    pub sign_up: SignUpSettings,
    /// Who knows the configuration; none if it is from no file.
    pub operator: Option<Arc<dyn Operator>>,
    /// What is imported from the pages.
    pub importer: Importer,
    /// Makes the messages of campaigns that somebody tries.
    pub composer: Composer,
}

/// Why the server cannot begin, or ended.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address is taken, or is not this machine's.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Which.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gives no random octets.
    #[error("the system gives no random octets: {0}")]
    Random(#[from] getrandom::Error),
    /// The counters cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A running server failed.
    #[error("the web server stopped: {0}")]
    Stopped(#[source] io::Error),
}

/// A server that listens already; [`BoundServer::run`] makes it answer.
pub struct BoundServer {
    /// Where the dashboard is.
    pub listen: SocketAddr,
    /// Where the public pages are, if they have an address of their own.
    pub public_listen: Option<SocketAddr>,
    servers: Vec<Server>,
    poller: JoinHandle<()>,
}

/// Binds the addresses and reads the counters once. Must be called in the runtime that outlives the server. `more`: further
/// routes, which are public on all addresses.
pub async fn bind(
    store: Store,
    keys: KeyRing,
    clock: Clock,
    settings: &WebSettings,
    more: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> Result<BoundServer, WebError> {
    let (poller, live) = Poller::start(store.clone(), clock.clone(), settings.thresholds.clone()).await?;
    let hits = Hits::new(store.clone(), &settings.hits, settings.trusted_proxies.clone())?;
    let outside = Outside {
        public_url: settings.public_url.clone(),
        brand: settings.brand.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        guests: settings.guests,
        operator: settings.operator.clone(),
        importer: settings.importer.clone(),
    };
    let proxies = settings.trusted_proxies.clone();
    let sign_ups = SignUps::new(settings.sign_up.clone(), &settings.public_url, proxies);
    let shared = Shared {
        site: web::Data::new(Site::new(store, keys, clock, live, outside)?),
        hits: web::Data::new(hits),
        sign_ups: web::Data::new(sign_ups),
    };
    let letters = web::Data::new(Newsletters::new(&settings.public_url));
    let preferences = web::Data::new(PreferencePages::new(
        settings.preferences.clone(),
        &settings.public_url,
        settings.trusted_proxies.clone(),
    ));
    let composer = web::Data::new(settings.composer.clone());
    let more = move |config: &mut web::ServiceConfig| {
        let config = config.app_data(letters.clone()).app_data(preferences.clone());
        more(config.app_data(composer.clone()));
    };
    let (listen, server) = listen(settings.listen, shared.clone(), more.clone(), routes::everything)?;
    let mut servers = vec![server];
    let mut public_listen = None;
    if let Some(addr) = settings.public_listen {
        let (addr, server) = self::listen(addr, shared, more, routes::public_only)?;
        public_listen = Some(addr);
        servers.push(server);
    }
    Ok(BoundServer {
        listen,
        public_listen,
        servers,
        poller: tokio::spawn(poller.run()),
    })
}

/// What all workers of all servers share.
#[derive(Clone)]
struct Shared {
    site: web::Data<Site>,
    hits: web::Data<Hits>,
    sign_ups: web::Data<SignUps>,
}

fn listen(
    addr: SocketAddr,
    shared: Shared,
    more: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    routes: fn(&mut web::ServiceConfig),
) -> Result<(SocketAddr, Server), WebError> {
    let failed = |source| WebError::Listen { addr, source };
    // The dashboard answers for every path that is left.
    let app = move || {
        App::new()
            .app_data(shared.site.clone())
            .app_data(shared.sign_ups.clone())
            .wrap(from_fn(meet_keys))
            .wrap(HitsAhead {
                site: shared.site.clone(),
                hits: shared.hits.clone(),
            })
            .configure(more.clone())
            .configure(routes)
    };
    let server = HttpServer::new(app)
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(STOP_SECONDS)
        .bind(addr)
        .map_err(failed)?;
    let bound = server.addrs().first().copied().unwrap_or(addr);
    Ok((bound, server.run()))
}

impl BoundServer {
    /// Answers until `shutdown` is ready; requests under way then get two seconds.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), WebError> {
        let handles: Vec<_> = self.servers.iter().map(Server::handle).collect();
        let mut servers = std::pin::pin!(try_join_all(self.servers));
        tokio::select! {
            ended = &mut servers => return ended.map(drop).map_err(WebError::Stopped),
            () = shutdown => {}
        }
        // Ends the event streams, which would otherwise use up the deadline.
        self.poller.abort();
        let stops: Vec<_> = handles.iter().map(|handle| handle.stop(true)).collect();
        let ended = servers.await.map(drop).map_err(WebError::Stopped);
        drop(stops);
        ended
    }
}
