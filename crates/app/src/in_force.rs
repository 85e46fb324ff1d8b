//! What of the configuration can change while the program runs, as it is now.

use crate::config::{Config, ConfigSource};
use crate::context::Context;
use anyhow::ensure;
use std::sync::{Arc, Mutex, PoisonError};
use tidings_sender::dispatch::Routing;
use tidings_sender::judging::{Judging, JudgingNow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use toml::Table;

/// The relays, pools and limits, and how refusals are judged: as the configuration said at the start, and from each time on that it
/// is read again as it says then.
pub struct InForce {
    source: Option<ConfigSource>,
    routing: watch::Sender<Routing>,
    judging: watch::Sender<Arc<Judging>>,
    /// As it was written at the start, with the variables.
    started: Table,
    /// The same when it was taken over last.
    taken: Mutex<Table>,
}

/// What can be taken over of a configuration.
pub struct Takeable {
    routing: Routing,
    judging: Judging,
}

impl Takeable {
    /// `had_relays`: what was never there need not stay.
    ///
    /// # Errors
    /// If a running program would not do with it.
    fn of(config: Config, had_relays: bool) -> anyhow::Result<Takeable> {
        ensure!(
            !had_relays || config.routing.has_relay(),
            "the configuration has no relay any more"
        );
        Ok(Takeable {
            judging: config.feedback.judging()?,
            routing: config.routing,
        })
    }
}

impl InForce {
    /// As the program was started with it.
    pub fn of(context: &Context) -> anyhow::Result<Arc<InForce>> {
        let written = match &context.source {
            Some(source) => crate::config::merged(&source.text()?.unwrap_or_default())?,
            None => Table::new(),
        };
        Ok(Arc::new(InForce {
            source: context.source.clone(),
            routing: watch::Sender::new(context.config.routing.clone()),
            judging: watch::Sender::new(Arc::new(context.config.feedback.judging()?)),
            started: written.clone(),
            taken: Mutex::new(written),
        }))
    }

    /// Relays, pools and limits, now and when they change.
    pub fn routing(&self) -> watch::Receiver<Routing> {
        self.routing.subscribe()
    }

    /// How refusals are judged, now and when that changes.
    pub fn judging(&self) -> JudgingNow {
        self.judging.subscribe()
    }

    /// The configuration at the start, as it was written.
    pub fn started(&self) -> &Table {
        &self.started
    }

    /// The configuration that was taken over last, as it was written.
    pub fn taken(&self) -> Table {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What would be taken over of a configuration.
    ///
    /// # Errors
    /// If this process would not do with it.
    pub fn takeable(&self, config: Config) -> anyhow::Result<Takeable> {
        Takeable::of(config, self.routing.borrow().has_relay())
    }

    /// Reads the configuration again. One that cannot be taken changes nothing.
    pub fn read_again(&self) -> anyhow::Result<()> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        // One at a time from the reading on, so that what is shown is what holds, and a former text never comes after a later one.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let text = source.text()?.unwrap_or_default();
        let new = self.takeable(source.check(&text)?)?;
        let written = crate::config::merged(&text)?;
        *taken = written;
        self.routing.send_replace(new.routing);
        self.judging.send_replace(Arc::new(new.judging));
        Ok(())
    }

    /// Does so at each SIGHUP from now on.
    pub fn heed_sighup(self: &Arc<Self>) -> anyhow::Result<()> {
        if self.source.is_none() {
            return Ok(());
        }
        let mut hangup = signal(SignalKind::hangup())?;
        let in_force = Arc::clone(self);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                if let Err(error) = in_force.read_again() {
                    tracing::error!("the configuration is not taken over: {error:#}");
                }
            }
        });
        Ok(())
    }
}
