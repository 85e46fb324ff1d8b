//! `tidings serve`: pages, scheduler, sender, and what comes back, in one process or shared out among several by their roles.

mod composing;
mod expiring;
mod forgetting;
mod intake;
mod patience;
mod summing;

use crate::commands::campaign::check::preflight_settings;
use crate::commands::send::{require_relay, sender_settings};
use crate::config::{Roles, ServeRole};
use crate::context::Context;
use crate::in_force::InForce;
use crate::lifecycle;
use crate::node::ThisNode;
use crate::operator::OfFile;
use crate::output;
use anyhow::Context as _;
use clap::Args;
use futures_util::future::{LocalBoxFuture, join_all};
use futures_util::{FutureExt, TryFutureExt};
use intake::{Incoming, Old};
use patience::Patience;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use tidings_campaign::time::Clock;
use tidings_import::Importer;
use tidings_sender::dispatch::Routing;
use tidings_sender::lock::SenderLock;
use tidings_sender::run::Identity;
use tidings_sender::sender::{self, Scope};
use tidings_sender::{guard, planner};
use tidings_store::Store;
use tidings_store::people::Role;
use tidings_web::operator::Operator;
use tidings_web::{BoundServer, Secret, ThresholdsNow, WebSettings, bind};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Run the server: dashboard, unsubscribe pages, scheduler, sender and what takes reports, or some of these.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// What this process does, by commas; `[serve] roles` if not given, and everything if that says nothing.
    #[arg(long, value_name = "ROLES", value_delimiter = ',', value_enum)]
    roles: Option<Vec<ServeRole>>,
}

/// Serves until a signal comes or a part fails. A database that does not answer yet is waited for.
pub async fn run(args: ServeArgs, context: &Context) -> anyhow::Result<()> {
    let roles = args.roles.as_deref().and_then(Roles::of);
    let roles = roles.unwrap_or_else(|| context.config.roles.clone());
    let stop = lifecycle::stop_on_signals()?;
    // From now on a SIGHUP ends nothing, though there is nothing yet that could be read again.
    let _hangup = signal(SignalKind::hangup())?;
    let patience = Patience::begins();
    loop {
        let is_at_work = Cell::new(false);
        match begin(context, &roles, &stop, &is_at_work).await {
            Err(error) if !is_at_work.get() && patience.lasts(&error) => {
                patience.pause(context.name_database(error), &stop).await;
            }
            ended => return ended,
        }
    }
}

/// Opens the database and serves. `is_at_work` says whether it came so far.
async fn begin(
    context: &Context,
    roles: &Roles,
    stop: &CancellationToken,
    is_at_work: &Cell<bool>,
) -> anyhow::Result<()> {
    let Some(store) = stop.run_until_cancelled(context.store()).await else {
        return Ok(());
    };
    let store = store?;
    let first = match roles.has(ServeRole::Web) {
        true => first_link(context, &store).await?,
        false => None,
    };
    let announce = |node: &str, pages: Option<SocketAddr>| {
        is_at_work.set(true);
        let url = pages.map(|addr| format!("http://{addr}/"));
        let first = url.as_ref().zip(first);
        let first = first.map(|(url, secret)| format!("{url}enter/{}", secret.expose()));
        if context.json {
            return output::json(&serde_json::json!({
                "dashboard": url, "first_sign_in": first, "node": node, "roles": roles.names()
            }));
        }
        match url {
            Some(url) => output::line(format!("dashboard: {url}"))?,
            None => output::line(format!(
                "node {node} is at work, without pages: {}",
                roles.names().join(", ")
            ))?,
        }
        match first {
            Some(first) => output::line(format!(
                "nobody can sign in yet; create the administrator here, once: {first}"
            )),
            None => Ok(()),
        }
    };
    serve(context, store, stop.clone(), (roles, None), announce).await
}

/// The secret of the link that makes the first administrator; none if there is one.
async fn first_link(context: &Context, store: &Store) -> anyhow::Result<Option<Secret>> {
    if store.has_administrator().await? {
        return Ok(None);
    }
    let secret = Secret::random()?;
    store.first_link(secret.digest(), context.clock.now()).await?;
    Ok(Some(secret))
}

/// A part of the server, which runs until it is told to stop or fails.
type Part = LocalBoxFuture<'static, anyhow::Result<()>>;

/// The server, also for the demo. `guests`: what whoever comes may do without signing in. `announce` is told what the node is called
/// and where the dashboard is, if there is one, once it is bound.
pub async fn serve(
    context: &Context,
    store: Store,
    stop: CancellationToken,
    (roles, guests): (&Roles, Option<Role>),
    announce: impl FnOnce(&str, Option<SocketAddr>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut node = ThisNode::new(context, &store, &roles.names()).await?;
    let store = node.store().clone();
    let common = Common {
        identity: context.identity(&store).await?,
        in_force: InForce::of(context)?,
        context,
        store,
        stop,
    };
    let mut parts: Vec<(&str, Part)> = Vec::new();
    if roles.has(ServeRole::Send) {
        // Where there are pages, an administrator adds the first relay on them.
        if !roles.has(ServeRole::Web) {
            require_relay(context)?;
        }
        parts.push(("sender", common.sending(&node).await?));
    }
    common.in_force.heed_sighup()?;
    if roles.has(ServeRole::Schedule) {
        parts.extend(common.scheduling(&node));
    }
    let importer = common.importer(&node)?;
    // Uploads and their imports lie with the process that has the pages.
    if roles.has(ServeRole::Schedule) || roles.has(ServeRole::Web) {
        let importer = importer.clone();
        let importing = async move { Ok(importer.run().await?) };
        parts.push(("imports", importing.boxed_local()));
    }
    let keys = common.identity.keys.clone();
    let incoming = Incoming::open(context, &common.store, keys, roles.has(ServeRole::Intake)).await?;
    let mut pages = None;
    if roles.has(ServeRole::Web) {
        let bound = common.pages(importer, &incoming, guests).await?;
        pages = Some(bound.listen);
        let stop = common.stop.clone();
        let serving = async move { Ok(bound.run(stop.cancelled()).await?) };
        parts.push(("web", serving.boxed_local()));
    }
    parts.push(("intake", incoming.run(common.stop.clone()).boxed_local()));
    node.listen = pages.map(|addr| addr.to_string());
    announce(common.store.node(), pages)?;
    common.run(parts, &node).await
}

/// What the parts have in common.
struct Common<'c> {
    context: &'c Context,
    store: Store,
    stop: CancellationToken,
    identity: Identity,
    in_force: Arc<InForce>,
}

impl Common<'_> {
    /// The sender, which has its lock before anything is changed for its sake.
    async fn sending(&self, node: &ThisNode) -> anyhow::Result<Part> {
        let lock = SenderLock::take(&self.store).context("sender")?;
        let witness = guard::look(&self.store, &self.context.data).await?;
        let settings = sender_settings(self.context, &self.in_force, self.identity.clone(), witness, node);
        let (store, clock, stop) = self.shared();
        let mut routing = self.in_force.routing();
        let sending = async move {
            if !routing.borrow().has_relay() {
                tracing::warn!("there is no relay yet: nothing is sent until one is added to the settings");
                let added = routing.wait_for(Routing::has_relay);
                // An end of the waiting is the program's.
                if !matches!(stop.run_until_cancelled(added).await, Some(Ok(_))) {
                    return Ok(());
                }
            }
            Ok(sender::run(store, clock, settings, lock, Scope::All, stop).await?)
        };
        Ok(sending.boxed_local())
    }

    /// What must be done somewhere, and may be at several nodes at once.
    fn scheduling(&self, node: &ThisNode) -> Vec<(&'static str, Part)> {
        let at_work = || node.at_work.clone();
        let (store, clock, stop) = self.shared();
        let planning = planner::run(store, clock, self.identity.clone(), at_work(), stop);
        let (store, clock, stop) = self.shared();
        let settings = preflight_settings(self.context, &self.in_force, self.identity.clone());
        let examining = tidings_preflight::run(store, settings, clock, at_work(), stop);
        let (store, clock, stop) = self.shared();
        let keep_hits = self.context.config.tracking.keep_hits;
        let expiring = expiring::run(store, clock, keep_hits, stop);
        let (store, clock, stop) = self.shared();
        let summing = summing::run(store, clock, stop);
        let (store, clock, stop) = self.shared();
        let keep_deliveries = self.context.config.retention.deliveries;
        let forgetting = forgetting::run(store, clock, keep_deliveries, at_work(), stop);
        let emptying = Old::of(self.context, &self.store).run(self.stop.clone());
        vec![
            ("scheduler", planning.err_into().boxed_local()),
            ("pre-flight lists", examining.err_into().boxed_local()),
            ("old hits", expiring.map(Ok).boxed_local()),
            ("old deliveries", forgetting.map(Ok).boxed_local()),
            ("sums of days", summing.map(Ok).boxed_local()),
            ("old arrivals", emptying.map(Ok).boxed_local()),
        ]
    }

    fn shared(&self) -> (Store, Clock, CancellationToken) {
        (self.store.clone(), self.context.clock.clone(), self.stop.clone())
    }

    fn importer(&self, node: &ThisNode) -> anyhow::Result<Importer> {
        let config = &self.context.config;
        let (store, clock, stop) = self.shared();
        Importer::new(
            store,
            clock,
            config.dns.clone(),
            &self.context.data,
            config.web.largest_upload,
            node.at_work.clone(),
            stop,
        )
        .context("imports")
    }

    /// The pages, whose addresses are taken.
    async fn pages(
        &self,
        importer: Importer,
        incoming: &Incoming,
        guests: Option<Role>,
    ) -> anyhow::Result<BoundServer> {
        let config = &self.context.config;
        let judging = self.in_force.judging();
        let operator = OfFile::of(self.context, &self.store, &self.in_force);
        let settings = WebSettings {
            listen: config.web.listen,
            public_listen: config.web.public_listen,
            public_url: self.identity.public_url.clone(),
            trusted_proxies: config.web.trusted_proxies.clone(),
            hits: config.tracking.hits()?,
            preferences: config.preferences.clone(),
            brand: config.brand.clone(),
            guests,
            thresholds: ThresholdsNow::new(move || judging.borrow().thresholds),
            sign_up: config.sign_up.clone(),
            operator: operator.map(|operator| operator as Arc<dyn Operator>),
            importer,
            composer: composing::composer(&self.store, &self.identity),
        };
        let (store, clock, keys) = (
            self.store.clone(),
            self.context.clock.clone(),
            self.identity.keys.clone(),
        );
        Ok(bind(store, keys, clock, &settings, incoming.routes()).await?)
    }

    /// All parts, until they have ended. Whichever ends first ends the others; of several failures the first part's is told.
    async fn run(self, parts: Vec<(&str, Part)>, node: &ThisNode) -> anyhow::Result<()> {
        let ended = CancellationToken::new();
        let stop = &self.stop;
        let parts = join_all(parts.into_iter().map(|(name, part)| async move {
            let outcome = part.await.context(name.to_owned());
            stop.cancel();
            outcome
        }));
        let parts = async {
            let outcomes = parts.await;
            ended.cancel();
            outcomes
        };
        let (store, clock, stop) = self.shared();
        let keys = lifecycle::keep_keys_fresh(store, self.identity.keys.clone(), clock, stop);
        let (outcomes, (), ()) = tokio::join!(parts, keys, node.run(&self.stop, &ended));
        node.end().await;
        self.store.close().await;
        outcomes.into_iter().collect()
    }
}
