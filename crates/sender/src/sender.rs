//! The sender: looks which campaigns are to be sent, feeds them to the sessions of the relay, and stops cleanly.

use crate::cancelled;
use crate::feed::{Feed, HeldLeases, renew};
use crate::guard::{GuardError, Witness};
use crate::job::Job;
use crate::recorder::{Recorder, Writing};
use crate::relay::{Relay, RelaySettings};
use crate::retry::Retry;
use crate::run::{CampaignRun, CannotRun, Identity};
use crate::session::{self, Queue, SessionContext};
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::Action;
use tidings_campaign::time::Clock;
use tidings_store::send_status::SendStatus;
use tidings_store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Which campaigns a sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every campaign that is set sending, for as long as the sender runs.
    All,
    /// One, until it is finished or somebody stops it.
    One(CampaignId),
}

/// What a sender needs to know.
#[derive(Clone, Debug)]
pub struct SenderSettings {
    /// The relay.
    pub relay: RelaySettings,
    /// What messages say about this instance.
    pub identity: Identity,
    /// How retries are spaced.
    pub retry: Retry,
    /// How long a lease lasts without being renewed; at least a second.
    pub lease: Duration,
    /// Remembers outside the database how far it got.
    pub witness: Witness,
    /// Unique for every start of a process.
    pub owner: String,
    /// How long messages on the wire may take when the sender is stopped.
    pub deadline: Duration,
}

/// Why a sender stopped.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// Another process sends from the same SQLite file.
    #[error("another tidings process is already sending from this database (it holds {0})")]
    AlreadySending(PathBuf),
    /// The lock file.
    #[error("cannot lock {file}: {source}")]
    Lock {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The witness of the restore guard.
    #[error("{0}")]
    Guard(#[from] GuardError),
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
}

const LOOK: Duration = Duration::from_millis(250);

/// Sends until `stop`, or until the one campaign of the scope is done. What is on the wire is finished, the rest is
/// given back.
pub async fn run(
    store: Store,
    clock: Clock,
    settings: SenderSettings,
    scope: Scope,
    stop: CancellationToken,
) -> Result<(), SenderError> {
    let lock = lock_sqlite(&store)?;
    if lock.is_some() {
        store.expire_all_leases().await?;
    }
    let witness = settings.witness.clone();
    witness.begin(&store).await?;
    let mut sender = Sender::start(store.clone(), clock.clone(), settings, scope);
    let outcome = sender.work(&stop).await;
    let stopped = sender.stop().await;
    drop(lock);
    outcome.and(stopped)?;
    cancelled::sweep(&store, &clock).await?;
    // A backup that was taken during the last lease can be told by this.
    Ok(witness.advance(&store).await?)
}

/// On SQLite one process sends. That the lock is free proves that a former sender is dead, so that its leases need
/// not be waited for.
fn lock_sqlite(store: &Store) -> Result<Option<File>, SenderError> {
    let Some(database) = store.sqlite_file() else {
        return Ok(None);
    };
    let mut name = database.as_os_str().to_owned();
    name.push(".sender-lock");
    let file = PathBuf::from(name);
    let failed = |source| SenderError::Lock {
        file: file.clone(),
        source,
    };
    let lock = File::create(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(SenderError::AlreadySending(file)),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

struct Running {
    run: Arc<CampaignRun>,
    feed: JoinHandle<Result<(), StoreError>>,
    ended: u64,
    looked: Instant,
}

struct Sender {
    store: Store,
    clock: Clock,
    settings: SenderSettings,
    scope: Scope,
    relay: Arc<Relay>,
    recorder: Recorder,
    recording: JoinHandle<Result<(), StoreError>>,
    queue: async_channel::Sender<Job>,
    sessions: JoinSet<()>,
    finish: CancellationToken,
    abort: CancellationToken,
    held: HeldLeases,
    running: HashMap<CampaignId, Running>,
    /// A feed has ended.
    ended: Arc<Notify>,
    renewed: Instant,
    told: Instant,
}

impl Sender {
    fn start(store: Store, clock: Clock, settings: SenderSettings, scope: Scope) -> Sender {
        let writing = Writing {
            store: store.clone(),
            clock: clock.clone(),
            owner: settings.owner.clone(),
            lease: settings.lease,
        };
        let (recorder, recording) = Recorder::start(writing);
        let relay = Arc::new(Relay::new(settings.relay.clone()));
        let (queue, fresh) = async_channel::bounded(settings.relay.max_sessions * 4);
        let (finish, abort) = (CancellationToken::new(), CancellationToken::new());
        let sessions = start_sessions(SessionContext {
            relay: Arc::clone(&relay),
            queue: Queue {
                fresh,
                returned: async_channel::unbounded(),
            },
            recorder: recorder.clone(),
            clock: clock.clone(),
            ask_again: Some(store.clone()),
            stop: finish.clone(),
            abort: abort.clone(),
        });
        let now = Instant::now();
        Sender {
            store,
            clock,
            settings,
            scope,
            relay,
            recorder,
            recording,
            queue,
            sessions,
            finish,
            abort,
            held: HeldLeases::default(),
            running: HashMap::new(),
            ended: Arc::default(),
            renewed: now,
            told: now,
        }
    }

    async fn work(&mut self, stop: &CancellationToken) -> Result<(), SenderError> {
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                // The recorder ends by itself only when the ledger cannot be written.
                ended = &mut self.recording => return ended.unwrap_or(Ok(())).map_err(SenderError::from),
                _ = tick.tick() => {}
                () = self.ended.notified() => {}
            }
            match self.look().await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.is_transient() => tracing::warn!("database away, trying again: {error}"),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Starts and stops feeds as the campaigns' states ask. False: there is nothing left to do.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let mut wanted = self.store.sending_campaigns().await?;
        if let Scope::One(id) = self.scope {
            wanted.retain(|campaign| *campaign == id);
        }
        for (id, running) in &self.running {
            if !wanted.contains(id) {
                running.run.stop();
            }
        }
        self.reap().await?;
        for id in &wanted {
            if !self.running.contains_key(id) {
                self.begin(*id).await?;
            }
        }
        if self.renewed.elapsed() > self.settings.lease / 3 {
            let expires_at = self.clock.now().plus(self.settings.lease);
            renew(&self.store, &self.held.alive(), &self.settings.owner, expires_at).await?;
            self.renewed = Instant::now();
        }
        if self.told.elapsed() > Duration::from_secs(1) {
            self.tell().await?;
            cancelled::sweep(&self.store, &self.clock).await?;
            self.told = Instant::now();
        }
        Ok(self.scope == Scope::All || !self.running.is_empty() || !wanted.is_empty())
    }

    async fn reap(&mut self) -> Result<(), StoreError> {
        let ended: Vec<CampaignId> = self
            .running
            .iter()
            .filter(|(_, running)| running.feed.is_finished())
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            let Some(running) = self.running.remove(&id) else {
                continue;
            };
            match running.feed.await {
                Ok(outcome) => outcome?,
                Err(panic) => tracing::error!(campaign = id.0, "the feed of a campaign broke: {panic}"),
            }
        }
        Ok(())
    }

    async fn begin(&mut self, id: CampaignId) -> Result<(), StoreError> {
        let campaign = self.store.get_campaign(id).await?;
        let prepared = CampaignRun::prepare(
            &self.store,
            &campaign,
            &self.settings.identity,
            self.settings.retry,
        )
        .await;
        let run = match prepared {
            Ok(run) => Arc::new(run),
            Err(CannotRun::Store(error)) => return Err(error),
            Err(CannotRun::Content(why)) => {
                tracing::error!(campaign = id.0, "held: {why}");
                self.store.move_campaign(id, Action::Hold, Some(&why)).await?;
                return Ok(());
            }
        };
        tracing::info!(campaign = id.0, "sending");
        let feed = Feed {
            store: self.store.clone(),
            clock: self.clock.clone(),
            owner: self.settings.owner.clone(),
            lease: self.settings.lease,
            recorder: self.recorder.clone(),
            queue: self.queue.clone(),
            held: self.held.clone(),
            witness: self.settings.witness.clone(),
            run: Arc::clone(&run),
        };
        let ended = Arc::clone(&self.ended);
        let running = Running {
            run,
            feed: tokio::spawn(async move {
                let outcome = feed.run().await;
                ended.notify_one();
                outcome
            }),
            ended: 0,
            looked: Instant::now(),
        };
        self.running.insert(id, running);
        Ok(())
    }

    /// Says for every campaign how fast it goes and what binds it.
    async fn tell(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for (id, running) in &mut self.running {
            let ended = running.run.ended();
            let rate_per_second = (ended - running.ended) as f64 / running.looked.elapsed().as_secs_f64();
            running.ended = ended;
            running.looked = Instant::now();
            let mut limit = running.run.binding_rate().map(|rate| format!("campaign: {rate}"));
            limit = limit.or_else(|| self.relay.binding_limit());
            if limit.is_none() && rate_per_second == 0.0 {
                let due = self.store.next_due(*id).await?;
                limit = due.map(|due| format!("waiting for retries, the next is due at {due}"));
            } else if limit.is_none() {
                let relay = &self.relay.settings;
                limit = Some(format!("relay {}: {} sessions", relay.name, relay.max_sessions));
            }
            let status = SendStatus {
                rate_per_second,
                binding_limit: limit,
            };
            self.store.set_send_status(*id, &status, now).await?;
        }
        Ok(())
    }

    /// Finishes what is on the wire, gives back the rest and waits for the ledger.
    async fn stop(mut self) -> Result<(), SenderError> {
        for running in self.running.values() {
            running.run.stop();
        }
        self.finish.cancel();
        let all_done = async { while self.sessions.join_next().await.is_some() {} };
        if timeout(self.settings.deadline, all_done).await.is_err() {
            // Answers that have not come by now are recorded as lost.
            self.abort.cancel();
            let all_done = async { while self.sessions.join_next().await.is_some() {} };
            let _ = timeout(Duration::from_millis(500), all_done).await;
            self.sessions.shutdown().await;
        }
        self.queue.close();
        for (_, running) in self.running.drain() {
            let _ = timeout(Duration::from_secs(1), running.feed).await;
        }
        // With the last handle the recorder writes what is left and ends.
        drop(self.recorder);
        if self.recording.is_finished() {
            return Ok(());
        }
        match timeout(Duration::from_secs(5), self.recording).await {
            Ok(Ok(outcome)) => outcome.map_err(SenderError::from),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

/// Starts as many sessions as the relay allows.
pub fn start_sessions(context: SessionContext) -> JoinSet<()> {
    let mut sessions = JoinSet::new();
    for _ in 0..context.relay.settings.max_sessions {
        sessions.spawn(session::run(context.clone()));
    }
    sessions
}
