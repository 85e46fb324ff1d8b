//! Sessions take their work here, and feeds bring it: the [`Schedule`] behind a lock, and the waiting around it.

use crate::job::Job;
use crate::limits::{Limit, LimitSettings, Path, Round, SessionId};
use crate::relay::{RelayFault, RelaySettings};
use crate::schedule::{NoSuchPool, Offered, PoolSettings, RelayChange, RelayId, Schedule, Seat, Turn};
use crate::shaping::Heard;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::provider;
use tidings_campaign::time::{Clock, Moment, Timestamp};
use tidings_store::ledger::Outcome;
use tidings_store::limit_shares::{ShareChanges, SharesAsked, SharesSeen};
use tidings_store::relay_status::RelayStatus;
use tokio::sync::Notify;
use tokio::time::sleep;

/// The relays, pools and limits of a sender.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// The relays.
    pub relays: Vec<RelaySettings>,
    /// Named pools of them.
    pub pools: Vec<PoolSettings>,
    /// All limits but those of single relays and campaigns.
    pub limits: LimitSettings,
}

impl Routing {
    /// Whether there is one.
    pub fn has_relay(&self) -> bool {
        !self.relays.is_empty()
    }

    /// The relays that a campaign may go through: those of the pool that it names, else of the pool of its sender's domain, else
    /// all.
    pub fn relays_of(&self, pool: Option<&str>, sender_domain: &str) -> Vec<&RelaySettings> {
        let is_its = |one: &&PoolSettings| match pool {
            Some(name) => one.name == name,
            None => one.sender_domains.iter().any(|domain| domain == sender_domain),
        };
        let members = self.pools.iter().find(is_its).map(|pool| &pool.relays);
        let is_member = |relay: &&RelaySettings| members.is_none_or(|names| names.contains(&relay.name));
        self.relays.iter().filter(is_member).collect()
    }
}

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

/// Time that never goes back, on the scale of the clock.
#[derive(Debug)]
enum Timeline {
    /// From the clock once, and from then on by the machine's steady one.
    Steady { began: Timestamp, at: Moment },
    /// A test's.
    Set(Clock),
}

impl Timeline {
    fn new(clock: &Clock) -> Timeline {
        match clock {
            Clock::System | Clock::Led(_) => Timeline::Steady {
                began: clock.now(),
                at: Moment::now(),
            },
            Clock::Set(_) => Timeline::Set(clock.clone()),
        }
    }

    fn now(&self) -> Timestamp {
        match self {
            Timeline::Steady { began, at } => began.plus(at.elapsed()),
            Timeline::Set(clock) => clock.now(),
        }
    }
}

/// Where the sessions of a relay wait. Those with a connection are woken first, so that a slow campaign does not open
/// connections for nothing.
#[derive(Debug)]
struct Port {
    connected: Notify,
    cold: Notify,
    connected_waiting: AtomicUsize,
    /// Nobody may open one more connection for now: those without need not be woken for a message.
    crowded: AtomicBool,
    /// For when the earliest timer of a waiting session is set: one is enough for all.
    timer: AtomicI64,
}

impl Port {
    fn new() -> Port {
        Port {
            connected: Notify::new(),
            cold: Notify::new(),
            connected_waiting: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            timer: AtomicI64::new(i64::MAX),
        }
    }

    fn wake_one(&self) {
        // Where it is crowded, one may be about to wait.
        if self.connected_waiting.load(Ordering::Relaxed) > 0 || self.crowded.load(Ordering::Relaxed) {
            self.connected.notify_one();
        } else {
            self.cold.notify_one();
        }
    }

    /// One that waits may connect.
    fn let_connect(&self) {
        self.crowded.store(false, Ordering::Relaxed);
        self.cold.notify_one();
    }

    fn wake_all(&self) {
        self.connected.notify_waiters();
        self.cold.notify_waiters();
    }
}

/// A waiting session looks at least so often whether it was forgotten.
const LOOK: Duration = Duration::from_secs(1);

/// A session's place at a relay, for as long as it has no connection.
#[derive(Debug)]
pub struct Desk {
    dispatcher: Dispatcher,
    port: Arc<Port>,
    relay: RelayId,
    session: SessionId,
    /// Whether several senders keep the relay's connections together.
    is_shared: bool,
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

impl Desk {
    /// The next delivery. `None`: there will be no more for this relay, or, if `connected`, for this connection.
    pub(crate) async fn take(&self, connected: bool) -> Option<Job> {
        let notify = if connected {
            &self.port.connected
        } else {
            &self.port.cold
        };
        loop {
            let woken = notify.notified();
            let until = match self.try_take(connected) {
                Turn::Take(taken) => {
                    if !connected && self.is_shared {
                        self.port.crowded.store(false, Ordering::Relaxed);
                    }
                    return Some(taken.item);
                }
                Turn::Closed => return None,
                Turn::Wait(until) => until,
                Turn::NoConnection { until, others } => {
                    self.port.crowded.store(others, Ordering::Relaxed);
                    if others {
                        // This one may have been woken in the place of one that was about to wait.
                        self.port.connected.notify_one();
                    }
                    Some(until)
                }
            };
            let _waiting = connected.then(|| Waits::at(&self.port));
            let span = until.map_or(LOOK, |until| until.since(self.dispatcher.0.timeline.now()));
            // Another session's timer will do for later moments.
            let own =
                until.is_some_and(|until| self.port.timer.fetch_min(until.0, Ordering::AcqRel) > until.0);
            let span = if own { span.min(LOOK) } else { LOOK };
            tokio::select! {
                () = woken => {}
                () = sleep(span) => {}
            }
            if own {
                self.port.timer.store(i64::MAX, Ordering::Release);
            }
        }
    }

    /// The next delivery if one may go now.
    pub(crate) fn take_now(&self) -> Option<Job> {
        match self.try_take(true) {
            Turn::Take(taken) => Some(taken.item),
            Turn::Wait(_) | Turn::NoConnection { .. } | Turn::Closed => None,
        }
    }

    fn try_take(&self, connected: bool) -> Turn<Job> {
        if self.dispatcher.0.closed.load(Ordering::Acquire) {
            return Turn::Closed;
        }
        let idle = self.port.connected_waiting.load(Ordering::Relaxed);
        let seat = Seat {
            relay: self.relay,
            session: self.session,
            connected,
            idle,
        };
        let mut turn = self.dispatcher.with(|schedule, now| {
            let mut turn = schedule.take(seat, now);
            if let Turn::Take(taken) = &mut turn
                && taken.item.provider == provider::OTHER
            {
                // It may have been found out since the delivery was loaded.
                taken.item.provider = schedule.known_provider(taken.item.domain());
            }
            turn
        });
        if let Turn::Take(taken) = &mut turn {
            let sessions = taken
                .path
                .take()
                .map(|path| (self.dispatcher.clone(), path, self.session));
            let remembered_as = Arc::clone(&taken.remembered_as);
            taken.item.passage = Some(Passage {
                sessions,
                remembered_as,
                has_relief: idle > 0,
            });
        }
        turn
    }

    /// A connection is going to be opened for a delivery that was taken without one. Where several senders share the relay's, it
    /// counts until what is returned is dropped.
    pub(crate) fn opening(&self) -> Option<Opening<'_>> {
        self.is_shared.then_some(Opening(self))
    }

    /// A connection is ready. It counts until what is returned is dropped.
    pub(crate) fn connected(&self, relay: &str) -> Connected<'_> {
        if self.dispatcher.with(|schedule, _| schedule.connected(self.relay)) {
            tracing::info!(relay.name = %relay, "relay works again");
        }
        Connected(self)
    }

    /// A fault of the relay. `was_ready`: of a connection that had been made.
    pub(crate) fn fault(&self, relay: &str, fault: &RelayFault, was_ready: bool) {
        let words = fault.to_string();
        let left_alone = self
            .dispatcher
            .with(|schedule, now| schedule.fault(self.relay, words, was_ready, now));
        if left_alone {
            tracing::warn!(relay.name = %relay, "relay put aside: {fault}");
        }
    }

    /// A message went through, whatever was said to it.
    pub(crate) fn works(&self) {
        self.dispatcher.with(|schedule, _| schedule.works(self.relay));
    }

    /// The recipient's provider said something about our speed. `domain`: the recipient's.
    pub(crate) fn hear(&self, domain: &str, heard: Heard) {
        let inner = &self.dispatcher.0;
        if heard == Heard::Accepted && !inner.shaped.load(Ordering::Relaxed) {
            return;
        }
        let shaped = self.dispatcher.with(|schedule, now| {
            schedule.hear(self.relay, domain, heard, now);
            schedule.is_shaped()
        });
        inner.shaped.store(shaped, Ordering::Relaxed);
    }

    /// Puts a delivery back in front of the others.
    pub(crate) fn give_back(&self, job: Job) {
        self.dispatcher.give_back(job);
    }
}

/// A connection that is open, or being opened or closed, counted where several senders share a relay's.
#[derive(Debug)]
pub(crate) struct Opening<'a>(&'a Desk);

impl Opening<'_> {
    /// Waits until another sender may count it as its own, because the database has not been heard of for so long.
    pub(crate) async fn lost(&self) {
        let Desk {
            dispatcher, relay, ..
        } = self.0;
        loop {
            let until = dispatcher.schedule().connections_last_until(*relay);
            let left = until.since(dispatcher.0.timeline.now());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let Desk {
            dispatcher,
            relay,
            session,
            ..
        } = self.0;
        dispatcher.with(|schedule, now| schedule.connection_closed(*relay, *session, now));
    }
}

struct Waits<'a>(&'a Port);

impl<'a> Waits<'a> {
    fn at(port: &'a Port) -> Waits<'a> {
        port.connected_waiting.fetch_add(1, Ordering::Relaxed);
        Waits(port)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.connected_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection of a relay, counted.
#[derive(Debug)]
pub(crate) struct Connected<'a>(&'a Desk);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0
            .dispatcher
            .with(|schedule, _| schedule.disconnected(self.0.relay));
    }
}
