//! What comes back while the server runs, by all ways that are configured.

use crate::config::Ways;
use crate::context::Context;
use actix_web::web::ServiceConfig;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_campaign::token::KeyRing;
use tidings_intake::Intake;
use tidings_intake::imap::{self, ImapSettings};
use tidings_intake::listener::Listener;
use tidings_intake::maildir::{self, MaildirSettings};
use tidings_intake::webhook::{self, Hooks, Https};
use tidings_store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Every way that is configured, ready to take.
pub struct Incoming {
    listeners: Vec<Listener>,
    hooks: Arc<Hooks>,
    mailboxes: Vec<ImapSettings>,
    maildirs: Vec<MaildirSettings>,
    intake: Intake,
}

/// What is too old to be kept as it came.
pub struct Old {
    store: Store,
    clock: Clock,
    keep: Duration,
}

impl Old {
    /// Arrivals that are emptied at once: others want to write too.
    const BATCH: i64 = 1_000;

    /// As it is configured.
    pub fn of(context: &Context, store: &Store) -> Old {
        Old {
            store: store.clone(),
            clock: context.clock.clone(),
            keep: context.config.feedback.keep_arrivals,
        }
    }

    /// Empties what is too old, once an hour.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let before = self.clock.now().minus(self.keep);
            let emptied = self.store.empty_old_arrivals(before, Self::BATCH);
            let pause = match self.store.while_it_answers(emptied).await {
                Ok(emptied) if emptied == Self::BATCH.unsigned_abs() => Duration::from_millis(100),
                Ok(_) => Duration::from_secs(3_600),
                Err(error) => {
                    tracing::warn!("old arrivals cannot be emptied, and will be later: {error}");
                    Duration::from_secs(600)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

impl Incoming {
    /// Takes all places where something is to come in; if not `all`, webhooks alone.
    ///
    /// # Errors
    /// If a table of rules or a certificate cannot be used, or a place is taken.
    pub async fn open(
        context: &Context,
        store: &Store,
        keys: KeyRing,
        all: bool,
    ) -> anyhow::Result<Incoming> {
        let none = Ways::default();
        let configured = &context.config.intake;
        let ways = if all { configured } else { &none };
        let rules = Arc::new(context.config.feedback.rules()?);
        let intake = Intake::start(
            store.clone(),
            keys,
            Arc::clone(&rules),
            context.config.feedback.policy,
            context.clock.clone(),
        );
        let mut listeners = Vec::new();
        for listener in &ways.smtp {
            let listener = Listener::bind(listener.settings()?, intake.clone())
                .await
                .context("section [[intake.smtp]]")?;
            tracing::info!("reports are taken on {}", listener.place());
            listeners.push(listener);
        }
        let (hooks, clock) = (configured.webhooks.clone(), context.clock.clone());
        let hooks = Arc::new(Hooks::new(hooks, intake.clone(), rules, clock, Https::default()));
        Ok(Incoming {
            listeners,
            hooks,
            mailboxes: ways.imap.clone(),
            maildirs: ways.maildir.clone(),
            intake,
        })
    }

    /// The routes of the webhooks, which the web server is to serve.
    pub fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
        webhook::routes(Arc::clone(&self.hooks))
    }

    /// Takes what comes until `stop`, or until one of the ways ends, which ends the others.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ways = JoinSet::new();
        for listener in self.listeners {
            ways.spawn(listener.run(stop.clone()));
        }
        for mailbox in self.mailboxes {
            ways.spawn(imap::run(self.intake.clone(), mailbox, stop.clone()));
        }
        for maildir in self.maildirs {
            ways.spawn(maildir::run(self.intake.clone(), maildir, stop.clone()));
        }
        if ways.is_empty() {
            stop.cancelled().await;
        }
        let mut outcome = Ok(());
        while let Some(ended) = ways.join_next().await {
            stop.cancel();
            outcome = outcome.and(ended.context("a way in"));
        }
        outcome
    }
}
