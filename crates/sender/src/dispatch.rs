//! Sessions take their work here, and feeds bring it: the [`Schedule`] behind a lock, and the waiting around it.

mod desk;
mod port;
mod routing;
mod timeline;

pub use self::desk::Desk;
pub(crate) use self::desk::Opening;
use self::port::Port;
pub use self::routing::Routing;
use self::timeline::Timeline;
use crate::job::Job;
use crate::limits::{Limit, LimitSettings, Path, Round, SessionId};
use crate::relay::RelaySettings;
use crate::schedule::{NoSuchPool, Offered, RelayChange, RelayId, Schedule};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_store::ledger::Outcome;
use tidings_store::limit_shares::{ShareChanges, SharesAsked, SharesSeen};
use tidings_store::relay_status::RelayStatus;
use tokio::sync::Notify;
use tokio::time::sleep;

/// A waiting session looks at least so often whether it was forgotten.
const LOOK: Duration = Duration::from_secs(1);

/// Where work comes from and goes to. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Dispatcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // Held for some hundred instructions, never across an await.
    schedule: Mutex<Schedule<Job>>,
    /// By [`RelayId`]; they only become more.
    ports: RwLock<Vec<Arc<Port>>>,
    room: Notify,
    /// Somebody waits for a part of a limit.
    hungry: Notify,
    closed: AtomicBool,
    /// Whether acceptances are of interest.
    shaped: AtomicBool,
    next_session: AtomicU64,
    timeline: Timeline,
}

/// A message's way through the limits. Dropped when the message is done with.
#[derive(Debug)]
pub struct Passage {
    /// Where sessions are limited: what is to be given back.
    sessions: Option<(Dispatcher, Arc<Path>, SessionId)>,
    /// The limits that must remember it.
    pub(crate) remembered_as: Arc<[Arc<str>]>,
    /// When it was taken, another session was there for the next: nothing is held up by its commit.
    pub(crate) has_relief: bool,
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Some((dispatcher, path, session)) = self.sessions.take() {
            dispatcher.schedule().release(&path, session);
        }
    }
}

/// What became of a delivery that was offered.
#[derive(Debug)]
pub(crate) enum Placed {
    Queued,
    /// Its provider takes no more for now: it is to go back into the ledger, due then, for this limit.
    Aside(Box<Job>, Arc<str>, Timestamp),
}

impl Dispatcher {
    /// Without relays: [`Dispatcher::change`] sets them. `used`: what limits remember of the last day, as name, minute
    /// and number.
    pub fn new(limits: LimitSettings, used: Vec<(String, i64, u64)>, clock: &Clock) -> Dispatcher {
        let timeline = Timeline::new(clock);
        Dispatcher(Arc::new(Inner {
            schedule: Mutex::new(Schedule::new(limits, used, timeline.now())),
            ports: RwLock::default(),
            room: Notify::new(),
            hungry: Notify::new(),
            closed: AtomicBool::new(false),
            shaped: AtomicBool::new(false),
            next_session: AtomicU64::new(1),
            timeline,
        }))
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule<Job>> {
        self.0.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn port(&self, relay: RelayId) -> Arc<Port> {
        let ports = self.0.ports.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&ports[relay.index()])
    }

    /// Does something with the schedule, and then what it asks for, outside the lock.
    fn with<R>(&self, act: impl FnOnce(&mut Schedule<Job>, Timestamp) -> R) -> R {
        let now = self.0.timeline.now();
        let (answer, wake, connect, gone, aside, room, hungry) = {
            let mut schedule = self.schedule();
            let answer = act(&mut schedule, now);
            (
                answer,
                schedule.take_wakes(),
                schedule.take_connects(),
                schedule.take_gone(),
                schedule.take_aside(),
                schedule.has_made_room(),
                schedule.limits().take_hungry(),
            )
        };
        // A job that is let go may report to the recorder, which must not happen under the lock.
        drop(gone);
        for (job, limit, due) in aside {
            job.settle("", false, Outcome::PutAside { limit, due });
        }
        if !wake.is_empty() || !connect.is_empty() {
            let ports = self.0.ports.read().unwrap_or_else(PoisonError::into_inner);
            for relay in connect {
                ports[relay.index()].let_connect();
            }
            for relay in wake {
                ports[relay.index()].wake_one();
            }
        }
        if room {
            self.0.room.notify_waiters();
        }
        if hungry {
            self.0.hungry.notify_one();
        }
        answer
    }

    /// Other relays, pools and limits from now on. Returns what sessions are to end and to begin.
    pub(crate) fn change(&self, routing: &Routing, is_same: impl Fn(&RelaySettings) -> bool) -> RelayChange {
        let change = self.with(|schedule, now| {
            let change = schedule.change(routing, is_same, now);
            let mut ports = self.0.ports.write().unwrap_or_else(PoisonError::into_inner);
            ports.extend(change.opened.iter().map(|_| Arc::new(Port::new())));
            change
        });
        for relay in &change.closed {
            self.port(*relay).wake_all();
        }
        change
    }

    /// From now on this process has only a part of each limit, under this name. To be called before anything is offered.
    pub(crate) fn share_limits(&self, owner: &str) {
        self.with(|schedule, _| schedule.share_limits(owner.into()));
    }

    /// Waits until somebody waits for a part of a limit that a round at once may bring.
    pub(crate) async fn waits_for_a_share(&self) {
        self.0.hungry.notified().await;
    }

    /// A round that begins now, and what is to be asked in it; none if there is nothing to divide.
    pub(crate) fn begin_round(
        &self,
        number: i64,
        at: Timestamp,
        (leaving, lease): (bool, Duration),
    ) -> Option<(Round, SharesAsked)> {
        self.with(|schedule, began| {
            let round = Round {
                number,
                began,
                at,
                leaving,
                lease,
            };
            let asked = schedule.limits().begin_round(&round)?;
            Some((round, asked))
        })
    }

    /// See [`Schedule::decide_shares`].
    pub(crate) fn decide(&self, seen: &SharesSeen, round: &Round) -> ShareChanges {
        self.with(|schedule, now| schedule.decide_shares(seen, round, now))
    }

    /// See [`Schedule::end_shares`].
    pub(crate) fn end_round(&self, committed: bool) {
        self.with(|schedule, now| schedule.end_shares(committed, now));
    }

    /// Lets a campaign in.
    pub fn begin(
        &self,
        id: CampaignId,
        pool: Option<&str>,
        sender_domain: &str,
        limit: Limit,
    ) -> Result<(), NoSuchPool> {
        self.with(|schedule, _| schedule.begin(id, pool, sender_domain, limit))
    }

    /// Lets go of everything of a campaign that still waits.
    pub fn forget(&self, id: CampaignId) {
        self.with(|schedule, _| schedule.forget(id));
        self.0.room.notify_waiters();
    }

    /// Nobody takes anything any more, and what waits is let go.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.with(|schedule, _| schedule.forget_all());
        let ports = self.0.ports.read().unwrap_or_else(PoisonError::into_inner);
        ports.iter().for_each(|port| port.wake_all());
        self.0.room.notify_waiters();
    }

    /// Brings a delivery; waits until there is room.
    pub(crate) async fn offer(&self, job: Job) -> Placed {
        let mut job = job;
        loop {
            let room = self.0.room.notified();
            match self.with(|schedule, now| schedule.offer(job, now)) {
                Offered::Queued => return Placed::Queued,
                Offered::Aside(job, limit, due) => return Placed::Aside(Box::new(job), limit, due),
                Offered::Full(full) => job = full,
            }
            if self.0.closed.load(Ordering::Acquire) || job.is_revoked() {
                return Placed::Queued;
            }
            tokio::select! {
                () = room => {}
                () = sleep(LOOK / 5) => {}
            }
        }
    }

    /// Brings a letter; it comes back if there is no room for it now.
    pub(crate) fn offer_letter(&self, job: Job) -> Option<Job> {
        match self.with(|schedule, now| schedule.offer(job, now)) {
            Offered::Queued => None,
            Offered::Aside(job, limit, due) => {
                job.settle("", false, Outcome::PutAside { limit, due });
                None
            }
            Offered::Full(job) => Some(job),
        }
    }

    /// Brings a delivery that no provider holds up; waits until there is room.
    pub async fn bring(&self, job: Job) {
        if let Placed::Aside(..) = self.offer(job).await {
            unreachable!("only a limit or a slow provider puts a delivery aside, and there is none");
        }
    }

    /// Puts a delivery that a session could not hand over in front of the others.
    pub(crate) fn give_back(&self, job: Job) {
        // What was begun came to nothing.
        let job = Job {
            passage: None,
            attempt: None,
            ..job
        };
        self.with(|schedule, _| schedule.give_back(job));
    }

    /// What binds a campaign now, if anything does.
    pub(crate) fn binding_limit(&self, campaign: CampaignId) -> Option<String> {
        self.with(|schedule, now| schedule.binding_limit(campaign, now))
    }

    /// See [`Schedule::relay_statuses`].
    pub(crate) fn relay_statuses(&self) -> Vec<RelayStatus> {
        self.with(|schedule, now| schedule.relay_statuses(now))
    }

    /// See [`Schedule::know_provider`].
    pub(crate) fn know_provider(&self, domain: &str, provider: &'static str) {
        self.with(|schedule, _| schedule.know_provider(domain, provider));
    }

    /// How long so many deliveries of a campaign take at least, by its limits.
    pub(crate) fn time_for(&self, campaign: CampaignId, open: u64) -> Option<Duration> {
        self.with(|schedule, now| schedule.time_for(campaign, open, now))
    }

    /// See [`Schedule::know_aside`].
    pub(crate) fn know_aside(&self, campaign: CampaignId, limit: &str, n: u64) {
        self.with(|schedule, _| schedule.know_aside(campaign, limit, n));
    }

    /// See [`Schedule::hungry`].
    pub(crate) fn hungry(&self, campaign: CampaignId) -> Vec<(String, u64)> {
        self.with(|schedule, now| schedule.hungry(campaign, now))
    }

    /// See [`Schedule::came_back`].
    pub(crate) fn came_back(&self, campaign: CampaignId, limit: &str, asked: u64, came: u64) {
        self.with(|schedule, _| schedule.came_back(campaign, limit, asked, came));
    }

    /// A place for a session of a relay.
    pub(crate) fn desk(&self, relay: RelayId) -> Desk {
        Desk {
            dispatcher: self.clone(),
            port: self.port(relay),
            relay,
            session: self.0.next_session.fetch_add(1, Ordering::Relaxed),
            is_shared: self.schedule().limits().is_shared(),
        }
    }
}
