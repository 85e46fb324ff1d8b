//! The connections to PostgreSQL: to which of several servers they go, what each is set to, and what happens when the server
//! does not answer, restarts, or another takes its place.

mod writer;

use self::writer::Kept;
use crate::error::StoreError;
use crate::hosts::Hosts;
use crate::instance::Place;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;
use tidings_campaign::time::{Led, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

/// How long PostgreSQL may take to answer when a connection is opened.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same of each of several servers, when another may be the right one.
const LOOK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the end of what is under way is waited for when all is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is asked whether the server is there and what time it is.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// A suspicion is followed at once, but not more often than this.
const BREATH: Duration = Duration::from_millis(200);
/// An answer that took longer says too little about the time.
const PROMPT: Duration = Duration::from_millis(200);
/// What is under way when the server is found silent or gone may have been answered a moment ago, or fails by itself.
const LAST_MOMENT: Duration = Duration::from_secs(1);
/// So often a prompt answer is tried for at the start.
const PROMPT_TRIES: usize = 4;
/// A connection that was idle for longer is tried before it is used.
const MOMENT_AGO: Duration = Duration::from_secs(1);
/// Connections at most.
const CONNECTIONS: u32 = 10;

/// Where a server is: the cluster, the database in it, and the timeline.
macro_rules! place {
    () => {
        "SELECT s.system_identifier::TEXT || '/' || d.oid::TEXT || '/' || \
            substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) \
            FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()"
    };
}
pub(crate) use place;

/// Since when a server has been running.
macro_rules! since {
    () => {
        "(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000)::BIGINT"
    };
}
pub(crate) use since;

/// What is asked of a server at the beginning of each connection. Whether it is a standby; where it is, and since when
/// ([`Store::place`](crate::Store::place)); and it is told when to give up on us: a process that is stopped, or cut off, inside a
/// transaction would keep its locks, and others waiting. A statement that runs is not concerned. And a server that answers a commit
/// before it is on the disk (`synchronous_commit = off`) waits for its disk with ours: an `on_wire` that a crash undoes is mailed
/// twice. Settings that an old server does not know are passed over.
const GREETING: &str = concat!(
    "SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN '' ELSE (",
    place!(),
    ") END, ",
    since!(),
    ", (SELECT COUNT(set_config(s.name, v.column2, false)) FROM (VALUES \
        ('idle_in_transaction_session_timeout', '5s'), ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '3'), \
        ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '10s'), ('synchronous_commit', 'local')) v \
        JOIN pg_settings s ON s.name = v.column1 AND (s.name <> 'synchronous_commit' OR s.setting = 'off'))"
);

/// The time there, whether it is a standby, and whether each commit is on another server before it is answered.
const WATCH: &str = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT, pg_is_in_recovery(), \
    current_setting('synchronous_standby_names') <> '' AND current_setting('synchronous_commit') IN ('on', 'remote_apply')";

/// The pool of connections, which is replaced when its connections do not answer. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Servers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hosts: Hosts,
    pool: RwLock<PgPool>,
    /// Beside these connections the one by which the ledger is written.
    kept: Kept,
    /// Which of the hosts.
    at: AtomicUsize,
    /// Pools until now.
    pools: AtomicUsize,
    guarding: Arc<Guarding>,
    /// Whether commits are synchronous, as the server said last.
    synchronous: AtomicBool,
    led: OnceLock<Arc<Led>>,
    suspicion: Arc<Notify>,
    seen: watch::Sender<Seen>,
}

/// What was seen of the server last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// Pools until then.
    pools: usize,
    answers: bool,
}

/// Connections go nowhere else than to this place, if one is named. A server that was started again may have been turned back: it
/// counts as another, until that has been looked into.
#[derive(Debug, Default)]
struct Guarding(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    stay_at: Option<Place>,
    /// Which of the hosts it was found at instead.
    elsewhere: Option<usize>,
}

impl Guarding {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection to this place, at this one of the hosts, may be used.
    fn lets_in(&self, place: &Place, at: usize) -> bool {
        let mut places = self.places();
        match &places.stay_at {
            Some(here) if here != place => {
                // Who was left behind by a failover is not gone back to.
                if !is_behind(&place.name, &here.name) {
                    places.elsewhere = Some(at);
                }
                false
            }
            _ => {
                places.elsewhere = None;
                true
            }
        }
    }
}

/// Whether the first is an earlier timeline of the same database.
fn is_behind(place: &str, here: &str) -> bool {
    match (place.rsplit_once('/'), here.rsplit_once('/')) {
        // Timelines are hexadecimal numbers of eight digits.
        (Some((database, timeline)), Some((same, ours))) => database == same && timeline < ours,
        _ => false,
    }
}

impl Servers {
    /// Connects to the first server at `url` that can be written to.
    pub(crate) async fn open(url: &str) -> Result<Servers, StoreError> {
        let hosts = Hosts::parse(url).map_err(|source| StoreError::Open {
            what: "the PostgreSQL URL".to_owned(),
            source,
        })?;
        let at = hosts.first().await.map_err(|source| StoreError::Open {
            what: hosts.to_string(),
            source,
        })?;
        let servers = Servers::at(hosts, at);
        let opened = servers.pool().acquire().await;
        opened.map_err(|source| StoreError::Open {
            what: servers.0.hosts.to_string(),
            source,
        })?;
        tokio::spawn(keep_watch(
            Arc::downgrade(&servers.0),
            Arc::clone(&servers.0.suspicion),
        ));
        Ok(servers)
    }

    fn at(hosts: Hosts, at: usize) -> Servers {
        let guarding = Arc::<Guarding>::default();
        let pool = pool(&hosts, at, &guarding);
        Servers(Arc::new(Inner {
            hosts,
            pool: RwLock::new(pool),
            kept: Kept::default(),
            at: AtomicUsize::new(at),
            pools: AtomicUsize::new(1),
            guarding,
            synchronous: AtomicBool::new(false),
            led: OnceLock::new(),
            suspicion: Arc::default(),
            seen: watch::Sender::new(Seen {
                pools: 1,
                answers: true,
            }),
        }))
    }

    /// The database where it was found, or as it was started again, if connections may not go there.
    pub(crate) fn elsewhere(&self) -> Option<Servers> {
        let at = self.0.guarding.places().elsewhere?;
        Some(Servers::at(self.0.hosts.clone(), at))
    }

    /// The connections.
    pub(crate) fn pool(&self) -> PgPool {
        self.0.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for an answer for so long. One that does not come makes these connections suspect: no statement of the future
    /// goes over them. A future that is dropped in the middle leaves its connection to the pool, which waits, without end, for
    /// it to become usable.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let pools = self.0.pools.load(Ordering::Relaxed);
        match timeout(limit, work).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error.is_transient() {
                    self.0.suspicion.notify_one();
                }
                Err(error)
            }
            Err(_) => {
                self.0.replace(pools, self.0.at.load(Ordering::Relaxed));
                self.0.suspicion.notify_one();
                Err(StoreError::NoAnswer(limit))
            }
        }
    }

    /// Waits for an answer until the server has become silent or gone. Then the connections of the work are lost.
    pub(crate) async fn while_it_answers<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let pools = self.0.pools.load(Ordering::Relaxed);
        let mut work = pin!(work);
        let answer = tokio::select! {
            biased;
            answer = &mut work => answer,
            () = self.lost(pools) => {
                match timeout(LAST_MOMENT, work).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        self.0.replace(pools, self.0.at.load(Ordering::Relaxed));
                        return Err(StoreError::Silent);
                    }
                }
            }
        };
        if let Err(error) = &answer
            && error.is_transient()
        {
            self.0.suspicion.notify_one();
        }
        answer
    }

    /// Waits until the server is silent or gone, or has been given other connections than these.
    async fn lost(&self, pools: usize) {
        let mut seen = self.0.seen.subscribe();
        // The sender lives as long as this.
        let _ = seen.wait_for(|seen| !seen.answers || seen.pools > pools).await;
    }

    /// From now on connections go to this place and to no other; or, without one, to any.
    pub(crate) fn stay_at(&self, place: Option<Place>) {
        let mut places = self.0.guarding.places();
        places.stay_at = place;
        places.elsewhere = None;
        self.0.suspicion.notify_one();
    }

    /// The only place that connections go to.
    pub(crate) fn stays_at(&self) -> Option<Place> {
        self.0.guarding.places().stay_at.clone()
    }

    /// Whether each commit was on another server before it was answered, as the server said last.
    pub(crate) fn is_synchronous(&self) -> bool {
        self.0.synchronous.load(Ordering::Relaxed)
    }

    /// Closes the connections when what is under way is done; what a silent server keeps is not waited for long.
    pub(crate) async fn close(&self) {
        let pool = self.pool();
        // From here on nothing is kept any more.
        let closed = pool.close();
        let all_closed = async {
            self.0.kept.close().await;
            closed.await;
        };
        if timeout(CLOSE_TIMEOUT, all_closed).await.is_err() {
            tracing::debug!("connections to {} are dropped: they do not answer", self.0.hosts);
        }
    }

    /// Has a clock follow the server's.
    pub(crate) async fn lead(&self, clock: &Arc<Led>) -> Result<(), StoreError> {
        let _ = self.0.led.set(Arc::clone(clock));
        let mut connection = self.pool().acquire().await?;
        for _ in 0..PROMPT_TRIES {
            self.0.ask(&mut connection, PROMPT).await?;
            if clock.is_told() {
                return Ok(());
            }
        }
        // A server that is far away, or busy: half of what its answer takes is still better than a clock that may be wrong by hours.
        self.0.ask(&mut connection, Duration::MAX).await?;
        Ok(())
    }
}

impl Inner {
    /// Opens new connections at `at`, if nobody has done so since there were `pools`. Those in use are used to their end.
    fn replace(&self, pools: usize, at: usize) {
        let mut pool_in_use = self.pool.write().unwrap_or_else(PoisonError::into_inner);
        if self.pools.load(Ordering::Relaxed) != pools || pool_in_use.is_closed() {
            return;
        }
        self.at.store(at, Ordering::Relaxed);
        self.pools.store(pools + 1, Ordering::Relaxed);
        *pool_in_use = pool(&self.hosts, at, &self.guarding);
        drop(pool_in_use);
        self.kept.let_go();
    }

    /// Asks the server what time it is; an answer that takes longer than `prompt` says nothing about that. False: it is a standby.
    async fn ask(&self, connection: &mut PgConnection, prompt: Duration) -> Result<bool, sqlx::Error> {
        let asked = Instant::now();
        let (now, is_standby, is_synchronous): (i64, bool, bool) =
            sqlx::query_as(WATCH).fetch_one(connection).await?;
        let took = asked.elapsed();
        if let Some(led) = self.led.get()
            && took < prompt
        {
            led.tell(Timestamp(now).plus(took / 2));
        }
        // What a server says that has taken the place of another says nothing about what was there before.
        if self.guarding.places().elsewhere.is_none() && !is_standby {
            self.synchronous.store(is_synchronous, Ordering::Relaxed);
        }
        Ok(!is_standby)
    }

    /// Looks through all servers, from the present one on, for one that can be written to.
    async fn look_around(&self) -> Option<(usize, PgConnection)> {
        let at = self.at.load(Ordering::Relaxed);
        for n in 0..self.hosts.len() {
            let at = (at + n) % self.hosts.len();
            let options = self.hosts.options(at);
            let found = timeout(LOOK_TIMEOUT, async {
                let mut connection = options.connect().await?;
                let place = greet(&mut connection).await?;
                let is_there = place.is_some_and(|place| self.guarding.lets_in(&place, at));
                Ok::<_, sqlx::Error>((is_there, connection))
            });
            match found.await {
                Ok(Ok((true, connection))) => return Some((at, connection)),
                Ok(Ok((false, _))) => tracing::debug!("{} cannot be written to", self.hosts.name(at)),
                Ok(Err(error)) => tracing::debug!("{} does not answer: {error}", self.hosts.name(at)),
                Err(_) => tracing::debug!("{} does not answer in time", self.hosts.name(at)),
            }
        }
        None
    }
}

/// Looks now and then, and when something seems wrong, whether the server is there. If it is not, or has become a standby, the
/// others are asked. A connection of its own, so that it does not wait behind others.
async fn keep_watch(inner: Weak<Inner>, suspicion: Arc<Notify>) {
    let mut connection: Option<PgConnection> = None;
    loop {
        // Whatever comes of it: it is time to look.
        let _ = timeout(WATCH_EVERY, suspicion.notified()).await;
        let Some(inner) = inner.upgrade() else { return };
        let mut is_silent = false;
        if let Some(mut watching) = connection.take() {
            match timeout(LOOK_TIMEOUT, inner.ask(&mut watching, PROMPT)).await {
                Ok(Ok(true)) => connection = Some(watching),
                Ok(Ok(false) | Err(_)) => {}
                Err(_) => is_silent = true,
            }
        }
        if connection.is_none()
            && let Some((at, found)) = inner.look_around().await
        {
            let is_another = at != inner.at.load(Ordering::Relaxed);
            if is_another {
                tracing::warn!("the database is at {} now", inner.hosts.name(at));
            }
            if is_silent || is_another {
                inner.replace(inner.pools.load(Ordering::Relaxed), at);
            }
            connection = Some(found);
        }
        inner.seen.send_replace(Seen {
            pools: inner.pools.load(Ordering::Relaxed),
            answers: connection.is_some(),
        });
        drop(inner);
        sleep(BREATH).await;
    }
}

/// The place of a server, and the settings of the connection. `None`: it is a standby.
async fn greet(connection: &mut PgConnection) -> Result<Option<Place>, sqlx::Error> {
    let (is_standby, name, since, _): (bool, String, i64, i64) =
        sqlx::query_as(GREETING).fetch_one(connection).await?;
    Ok((!is_standby).then_some(Place { name, since }))
}

fn pool(hosts: &Hosts, at: usize, guarding: &Arc<Guarding>) -> PgPool {
    let guarding = Arc::clone(guarding);
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        // A connection that was used a moment ago is not asked whether it still works: that would be a round trip for each
        // statement.
        .test_before_acquire(false)
        .before_acquire(|connection, seen| {
            Box::pin(async move {
                if seen.idle_for < MOMENT_AGO {
                    return Ok(true);
                }
                Ok(matches!(
                    timeout(LOOK_TIMEOUT, connection.ping()).await,
                    Ok(Ok(()))
                ))
            })
        })
        .after_connect(move |connection, _| {
            let guarding = Arc::clone(&guarding);
            Box::pin(async move {
                let refused = |why: &str| Err(sqlx::Error::Protocol(why.to_owned()));
                match greet(connection).await? {
                    None => refused("this server is a standby: it cannot be written to"),
                    Some(place) => match guarding.lets_in(&place, at) {
                        true => Ok(()),
                        false => {
                            refused("the database was started again, or another server has taken its place: that is looked into")
                        }
                    },
                }
            })
        })
        .connect_lazy_with(hosts.options(at).clone())
}

impl Hosts {
    /// The first that can be written to. A server that is starting is left to the pool's patience.
    async fn first(&self) -> Result<usize, sqlx::Error> {
        let mut failed = None;
        for at in 0..self.len() {
            match try_one(self.options(at)).await {
                Ok(true) => return Ok(at),
                Ok(false) => {}
                // What is wrong with the first one is told.
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        Err(failed.unwrap_or_else(|| {
            sqlx::Error::Protocol("every server is a standby: none can be written to".to_owned())
        }))
    }
}

/// Connects once, because the pool tries until its time is over and then forgets why. False: it is a standby.
async fn try_one(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let tried = async {
        let mut connection = options.connect().await?;
        let place = greet(&mut connection).await?;
        connection.close().await?;
        Ok(place.is_some())
    };
    match timeout(CONNECT_TIMEOUT, tried).await {
        Ok(Err(sqlx::Error::Database(error))) if error.code().is_some_and(|code| code.starts_with("57P")) => {
            Ok(true)
        }
        Ok(outcome) => outcome,
        Err(_) => Err(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_behind;

    #[test]
    fn who_was_left_behind_by_a_failover_is_known_by_the_timeline() {
        assert!(is_behind("7/16384/0000000A", "7/16384/0000000B"));
        assert!(!is_behind("7/16384/0000000C", "7/16384/0000000B"));
        assert!(!is_behind("8/16384/00000001", "7/16384/0000000B"));
    }
}
