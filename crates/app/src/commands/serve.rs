//! `tidings serve`: pages, scheduler, sender, what comes back, and interrupted imports in one process.

mod intake;

use crate::commands::import::resuming;
use crate::commands::send::sender_settings;
use crate::context::Context;
use crate::lifecycle;
use crate::output;
use anyhow::Context as _;
use intake::Incoming;
use tidings_sender::lock::SenderLock;
use tidings_sender::sender::{self, Scope};
use tidings_sender::{guard, planner};
use tidings_store::Store;
use tidings_web::{WebSettings, bind};
use tokio_util::sync::CancellationToken;

/// Serves until a signal comes or a part fails.
pub async fn run(context: &Context) -> anyhow::Result<()> {
    let store = context.store().await?;
    let stop = lifecycle::stop_on_signals()?;
    let announce = |addr: std::net::SocketAddr| {
        let url = format!("http://{addr}/");
        match context.json {
            true => output::json(&serde_json::json!({ "dashboard": url })),
            false => output::line(format!("dashboard: {url}")),
        }
    };
    serve(context, store, stop, announce).await
}

/// The server, also for the demo. `announce` is told where the dashboard is, once it answers.
pub async fn serve(
    context: &Context,
    store: Store,
    stop: CancellationToken,
    announce: impl FnOnce(std::net::SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let identity = context.identity(&store).await?;
    let lock = SenderLock::take(&store).context("sender")?;
    let witness = guard::look(&store, &context.data).await?;
    let settings = sender_settings(context, identity.clone(), witness)?;
    let web = WebSettings {
        listen: context.config.web.listen,
        public_listen: context.config.web.public_listen,
        public_url: identity.public_url.clone(),
        trusted_proxies: context.config.web.trusted_proxies.clone(),
        hits: context.config.tracking.hits()?,
        preferences: context.config.preferences.clone(),
        brand: context.config.brand.clone(),
        sign_up: context.config.sign_up.clone(),
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
    let clock = context.clock.clone();
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
    let importing = async {
        ends(
            resuming::run(
                store.clone(),
                context.config.dns.clone(),
                clock.clone(),
                stop.clone(),
            )
            .await
            .context("imports"),
        )
    };
    let taking = async { ends(incoming.run(stop.clone()).await.context("intake")) };
    let (pages, planning, sending, importing, taken, ()) =
        tokio::join!(pages, planning, sending, importing, taking, keys);
    store.close().await;
    sending.and(planning).and(importing).and(taken).and(pages)
}
