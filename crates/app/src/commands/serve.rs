//! `tidings serve`: pages, scheduler, sender, what comes back, and interrupted imports in one process.

mod composing;
mod expiring;
mod forgetting;
mod intake;
mod summing;

use crate::commands::campaign::check::preflight_settings;
use crate::commands::send::sender_settings;
use crate::context::Context;
use crate::in_force::InForce;
use crate::lifecycle;
use crate::operator::OfFile;
use crate::output;
use anyhow::Context as _;
use intake::Incoming;
use std::sync::Arc;
use tidings_import::Importer;
use tidings_sender::lock::SenderLock;
use tidings_sender::sender::{self, Scope};
use tidings_sender::{guard, planner};
use tidings_store::Store;
use tidings_store::people::Role;
use tidings_web::operator::Operator;
use tidings_web::{Secret, ThresholdsNow, WebSettings, bind};
use tokio_util::sync::CancellationToken;

/// Serves until a signal comes or a part fails.
pub async fn run(context: &Context) -> anyhow::Result<()> {
    let store = context.store().await?;
    let stop = lifecycle::stop_on_signals()?;
    let first = first_link(context, &store).await?;
    let announce = |addr: std::net::SocketAddr| {
        let url = format!("http://{addr}/");
        let first = first.map(|secret| format!("{url}enter/{}", secret.expose()));
        if context.json {
            return output::json(&serde_json::json!({ "dashboard": url, "first_sign_in": first }));
        }
        output::line(format!("dashboard: {url}"))?;
        match first {
            Some(first) => output::line(format!(
                "nobody can sign in yet; create the administrator here, once: {first}"
            )),
            None => Ok(()),
        }
    };
    serve(context, store, stop, None, announce).await
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

/// The server, also for the demo. `guests`: what whoever comes may do without signing in. `announce` is told where the
/// dashboard is, once it answers.
pub async fn serve(
    context: &Context,
    store: Store,
    stop: CancellationToken,
    guests: Option<Role>,
    announce: impl FnOnce(std::net::SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let identity = context.identity(&store).await?;
    let lock = SenderLock::take(&store).context("sender")?;
    let witness = guard::look(&store, &context.data).await?;
    let in_force = InForce::of(context)?;
    in_force.heed_sighup()?;
    let settings = sender_settings(context, &in_force, identity.clone(), witness)?;
    let judging = settings.judging.clone();
    let importer = Importer::new(
        store.clone(),
        context.clock.clone(),
        context.config.dns.clone(),
        &context.data,
        context.config.web.largest_upload,
        stop.clone(),
    )
    .context("imports")?;
    let web = WebSettings {
        listen: context.config.web.listen,
        public_listen: context.config.web.public_listen,
        public_url: identity.public_url.clone(),
        trusted_proxies: context.config.web.trusted_proxies.clone(),
        hits: context.config.tracking.hits()?,
        preferences: context.config.preferences.clone(),
        brand: context.config.brand.clone(),
        guests,
        thresholds: ThresholdsNow::new(move || judging.borrow().thresholds),
        sign_up: context.config.sign_up.clone(),
        operator: OfFile::of(context, &store, &in_force).map(|operator| operator as Arc<dyn Operator>),
        importer: importer.clone(),
        composer: composing::composer(&store, &identity),
    };
    let incoming = Incoming::open(context, &store, identity.keys.clone()).await?;
    let server = bind(
        store.clone(),
        identity.keys.clone(),
        context.clock.clone(),
        &web,
        incoming.routes(),
    )
    .await?;
    announce(server.listen)?;
    let preflight = preflight_settings(context, identity.clone());
    let clock = context.clock.clone();
    let keep_hits = context.config.tracking.keep_hits;
    let summing = summing::run(store.clone(), clock.clone(), stop.clone());
    let expiring = expiring::run(store.clone(), clock.clone(), keep_hits, stop.clone());
    let keep_deliveries = context.config.retention.deliveries;
    let forgetting = forgetting::run(store.clone(), clock.clone(), keep_deliveries, stop.clone());
    let keys = lifecycle::keep_keys_fresh(store.clone(), identity.keys.clone(), clock.clone(), stop.clone());
    // Whatever ends first ends the others.
    let ends = |outcome: anyhow::Result<()>| {
        stop.cancel();
        outcome
    };
    let pages = async { ends(server.run(stop.cancelled()).await.context("web")) };
    let planning = async {
        ends(
            planner::run(store.clone(), clock.clone(), identity, stop.clone())
                .await
                .context("scheduler"),
        )
    };
    let sending = async {
        ends(
            sender::run(
                store.clone(),
                clock.clone(),
                settings,
                lock,
                Scope::All,
                stop.clone(),
            )
            .await
            .context("sender"),
        )
    };
    let examining = async {
        ends(
            tidings_preflight::run(store.clone(), preflight, clock.clone(), stop.clone())
                .await
                .context("pre-flight lists"),
        )
    };
    let importing = async { ends(importer.run().await.context("imports")) };
    let taking = async { ends(incoming.run(stop.clone()).await.context("intake")) };
    let (pages, planning, sending, examining, importing, taken, (), (), (), ()) = tokio::join!(
        pages, planning, sending, examining, importing, taking, keys, expiring, forgetting, summing
    );
    store.close().await;
    sending
        .and(planning)
        .and(examining)
        .and(importing)
        .and(taken)
        .and(pages)
}
