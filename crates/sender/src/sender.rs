//! The sender: looks which campaigns are to be sent, feeds them to the sessions of the relay, and stops cleanly.

mod looking;
mod settings;
mod stopping;
mod telling;

pub use self::settings::{Scope, SenderError, SenderSettings};
use crate::alive::{self, Alive};
use crate::away::Away;
use crate::cancelled;
use crate::dispatch::Dispatcher;
use crate::feed::HeldLeases;
use crate::fence::Term;
use crate::guard::{GuardError, Witness};
use crate::letters::Letters;
use crate::limits::{OF_OPEN_CONNECTIONS, REMEMBERED};
use crate::lock::SenderLock;
use crate::providers::Providers;
use crate::recorder::{Newest, Recorder, Writing};
use crate::relay::RelaySettings;
use crate::run::CampaignRun;
use crate::schedule::RelayId;
use crate::session::{self, SessionContext};
use crate::sharing::Sharing;
use futures_util::FutureExt;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Clock;
use tidings_store::at_work::UnderWay;
use tidings_store::nodes::Doing;
use tidings_store::relay_status::RelayStatus;
use tidings_store::send_status::SendStatus;
use tidings_store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

const LOOK: Duration = Duration::from_millis(250);
/// How long the database may take to answer what pages and people wait for.
const ANSWER: Duration = Duration::from_secs(5);
/// The same of all that is asked before a campaign is sent; its templates are compiled then.
const PREPARATION: Duration = Duration::from_secs(60);

/// Sends until `stop`, or until the one campaign of the scope is done. What is on the wire is finished, the rest is
/// given back.
pub async fn run(
    store: Store,
    clock: Clock,
    settings: SenderSettings,
    lock: SenderLock,
    scope: Scope,
    stop: CancellationToken,
) -> Result<(), SenderError> {
    let witness = settings.witness.clone();
    let Some((_alive, used)) = begin(&store, &clock, &settings, &lock, &stop).await? else {
        return Ok(());
    };
    let term = Term {
        lease: settings.lease,
        is_contested: !lock.is_exclusive(),
    };
    let mut sender = Sender::start(store.clone(), clock.clone(), settings, term, scope, used);
    sender.share_limits();
    let outcome = sender.work(&stop).await;
    let newest = sender.recorder.newest().clone();
    let stopped = tokio::select! {
        stopped = sender.stop() => stopped,
        // What is to be written waits for this.
        never = keep_following(&store, &witness, &newest) => match never {},
    };
    drop(lock);
    // Nothing is sent any more, and nobody looks where the database is.
    store.stay_nowhere();
    outcome.and(stopped)?;
    let ended = async {
        store.within(ANSWER, cancelled::sweep(&store, &clock)).await?;
        // A backup that was taken during the last lease can be told by this.
        Ok(witness.advance(&store).await?)
    };
    ended.await.or_else(|error: SenderError| match error.passing() {
        // All that was sent is written.
        Some(why) => {
            tracing::warn!("the database does not answer at the end: {why}");
            Ok(())
        }
        None => Err(error),
    })
}

/// What is there before anything is sent.
type Begun = (Option<Alive>, Vec<(String, i64, u64)>);

/// Makes ready for sending. A database that does not answer is waited for; nothing if it is to stop before.
async fn begin(
    store: &Store,
    clock: &Clock,
    settings: &SenderSettings,
    lock: &SenderLock,
    stop: &CancellationToken,
) -> Result<Option<Begun>, SenderError> {
    let mut away = Away::new("nothing can be sent yet");
    let mut is_again = false;
    loop {
        let begun = async {
            if is_again {
                // It may be another database by now.
                store.stay_nowhere();
                settings.witness.look_again(store).await?;
            }
            if lock.is_exclusive() {
                store.expire_all_leases().await?;
            }
            settings.witness.begin(store).await?;
            let alive = begin_among_senders(store, settings).await?;
            Ok::<Begun, SenderError>((alive, limits_used(store, clock).await?))
        };
        let begun = begun.map(|begun| match begun {
            Err(SenderError::Store(error) | SenderError::Guard(GuardError::Store(error))) => Err(error),
            begun => Ok(begun),
        });
        match stop.run_until_cancelled(store.within(PREPARATION, begun)).await {
            Some(Ok(begun)) => return begun.map(Some),
            Some(Err(error)) if error.is_transient() => away.failed(&error),
            Some(Err(error)) => return Err(error.into()),
            None => break,
        }
        is_again = true;
        if stop.run_until_cancelled(sleep(LOOK)).await.is_none() {
            break;
        }
    }
    store.stay_nowhere();
    Ok(None)
}

/// Goes where the database is, again and again.
async fn keep_following(store: &Store, witness: &Witness, newest: &Newest) -> Infallible {
    loop {
        if let Err(error) = follow(store, witness, newest).await {
            tracing::debug!("the database cannot be followed yet: {error}");
        }
        sleep(LOOK).await;
    }
}

/// Goes where the database is now, if it may.
async fn follow(store: &Store, witness: &Witness, newest: &Newest) -> Result<(), SenderError> {
    let followed = async {
        match witness.follow(store, newest).await {
            Err(GuardError::Store(error)) => Err(error),
            outcome => Ok(outcome),
        }
    };
    Ok(store.within(ANSWER, followed).await??)
}

/// Where several may send: says that this one lives, and takes from those of this folder that are dead what only the living need.
async fn begin_among_senders(store: &Store, settings: &SenderSettings) -> Result<Option<Alive>, StoreError> {
    if !store.has_many_senders() {
        return Ok(None);
    }
    let dead = alive::dead(&settings.data).unwrap_or_else(|error| {
        tracing::warn!(
            "whether former senders are dead cannot be seen, their connections are waited for: {error}"
        );
        Vec::new()
    });
    for dead in dead {
        store.forget_shares_of(&dead.owner, &OF_OPEN_CONNECTIONS).await?;
        dead.forget();
    }
    let alive = Alive::begin(&settings.data, &settings.owner);
    let warn = |error: &std::io::Error| {
        tracing::warn!("should this sender die, its connections will be waited for: {error}");
    };
    Ok(alive.inspect_err(warn).ok())
}

/// What limits remember of the last day.
async fn limits_used(store: &Store, clock: &Clock) -> Result<Vec<(String, i64, u64)>, StoreError> {
    let since = clock.now().minus(REMEMBERED);
    store.forget_limit_usage(since).await?;
    store.forget_limit_shares(since).await?;
    if store.has_many_senders() {
        // The turns at the table of shares tell it.
        return Ok(Vec::new());
    }
    let used = store.limit_usage(since).await?;
    let positive = |(limit, minute, n): (String, i64, i64)| Some((limit, minute, u64::try_from(n).ok()?));
    Ok(used.into_iter().filter_map(positive).collect())
}

struct Running {
    run: Arc<CampaignRun>,
    feed: JoinHandle<Result<(), StoreError>>,
    ended: u64,
    looked: Instant,
    /// How many had bounced hard when it was last asked whether it must pause.
    hard: u64,
    braked: Instant,
}

struct Sender {
    store: Store,
    clock: Clock,
    settings: SenderSettings,
    term: Term,
    scope: Scope,
    dispatcher: Dispatcher,
    relays: Vec<RelayAtWork>,
    recorder: Recorder,
    recording: JoinHandle<Result<(), StoreError>>,
    sessions: JoinSet<()>,
    finish: CancellationToken,
    abort: CancellationToken,
    held: HeldLeases,
    /// What renews the leases.
    keeping: JoinSet<()>,
    providers: Option<Providers>,
    /// What waits for the DNS.
    look_ups: JoinSet<()>,
    /// What sends letters, if this sender does.
    letters: JoinSet<Result<(), GuardError>>,
    /// What divides the limits with other senders, if there may be any; it ends when its token is cancelled.
    sharing: JoinSet<Result<(), StoreError>>,
    share_end: CancellationToken,
    running: HashMap<CampaignId, Running>,
    /// Kept while feeds run, so that a drain waits for them.
    under_way: Option<UnderWay>,
    /// A feed has ended.
    ended: Arc<Notify>,
    told: Instant,
    /// What was last said of the relays, and when.
    told_of_relays: Option<(Instant, Vec<RelayStatus>)>,
}

impl Sender {
    fn start(
        store: Store,
        clock: Clock,
        settings: SenderSettings,
        term: Term,
        scope: Scope,
        used: Vec<(String, i64, u64)>,
    ) -> Sender {
        let held = HeldLeases::default();
        let mut keeping = JoinSet::new();
        // Also where nobody else sends: what had run out would be taken over by this sender itself.
        keeping.spawn(
            held.clone()
                .keep(store.clone(), clock.clone(), settings.owner.clone(), term),
        );
        let writing = Writing {
            store: store.clone(),
            clock: clock.clone(),
            owner: settings.owner.clone(),
            term,
            held: held.clone(),
            judging: settings.judging.clone(),
        };
        let (recorder, recording) = Recorder::start(writing);
        let limits = settings.routing.borrow().limits.clone();
        let dispatcher = Dispatcher::new(limits, used, &clock);
        if store.has_many_senders() {
            dispatcher.share_limits(&settings.owner);
        }
        let now = Instant::now();
        let mut sender = Sender {
            store,
            clock,
            settings,
            term,
            scope,
            dispatcher,
            relays: Vec::new(),
            recorder,
            recording,
            sessions: JoinSet::new(),
            finish: CancellationToken::new(),
            abort: CancellationToken::new(),
            held,
            keeping,
            providers: None,
            look_ups: JoinSet::new(),
            letters: JoinSet::new(),
            sharing: JoinSet::new(),
            share_end: CancellationToken::new(),
            running: HashMap::new(),
            under_way: None,
            ended: Arc::default(),
            told: now,
            told_of_relays: None,
        };
        sender.route();
        sender
    }

    /// Where several senders may work with the database, they divide the limits among them.
    fn share_limits(&mut self) {
        if self.store.has_many_senders() {
            let sharing = Sharing {
                store: self.store.clone(),
                clock: self.clock.clone(),
                dispatcher: self.dispatcher.clone(),
                lease: self.term.lease,
            };
            self.sharing.spawn(sharing.run(self.share_end.clone()));
        }
    }

    /// From now on the DNS is asked for the providers of domains that are not known.
    async fn find_out_providers(&mut self) -> Result<(), StoreError> {
        let Some(dns) = &self.settings.dns else {
            return Ok(());
        };
        let (dispatcher, store) = (self.dispatcher.clone(), self.store.clone());
        if let Some((providers, look_ups)) =
            Providers::new(dns, dispatcher, store, self.clock.clone()).await?
        {
            self.providers = Some(providers);
            self.look_ups.spawn(look_ups.run(self.finish.clone()));
        }
        Ok(())
    }

    /// Takes over the relays, pools and limits as they are configured now. Sessions of a relay that is gone or has
    /// changed finish what is on the wire; what waited for them waits for the others.
    fn route(&mut self) {
        let routing = self.settings.routing.borrow_and_update().clone();
        let known: Vec<&RelaySettings> = self.relays.iter().map(|relay| &*relay.settings).collect();
        let change = self
            .dispatcher
            .change(&routing, |settings| known.contains(&settings));
        self.relays.retain(|relay| {
            let closed = change.closed.contains(&relay.id);
            if closed {
                relay.stop.cancel();
            }
            !closed
        });
        for (id, settings) in change.opened {
            let relay = RelayAtWork {
                id,
                settings: Arc::new(settings),
                stop: self.finish.child_token(),
            };
            let context = SessionContext {
                relay: Arc::clone(&relay.settings),
                dispatcher: self.dispatcher.clone(),
                relay_id: id,
                recorder: self.recorder.clone(),
                judging: self.settings.judging.clone(),
                clock: self.clock.clone(),
                store: Some(self.store.clone()),
                stop: relay.stop.clone(),
                abort: self.abort.clone(),
            };
            session::start(&mut self.sessions, &context);
            self.relays.push(relay);
        }
    }

    fn send_letters(&mut self) {
        let letters = Letters {
            store: self.store.clone(),
            clock: self.clock.clone(),
            owner: self.settings.owner.clone(),
            term: self.term,
            retry: self.settings.retry,
            identity: self.settings.identity.clone(),
            dispatcher: self.dispatcher.clone(),
            witness: self.settings.witness.clone(),
            node: self.settings.node.clone(),
        };
        self.letters.spawn(letters.run(self.finish.clone()));
    }

    async fn work(&mut self, stop: &CancellationToken) -> Result<(), SenderError> {
        self.find_out_providers().await?;
        if self.scope == Scope::All {
            self.send_letters();
        }
        let mut news = self.settings.node.news();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away = Away::new("campaigns cannot be looked at");
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                // The recorder ends by itself only when the ledger cannot be written.
                ended = &mut self.recording => return ended.unwrap_or(Ok(())).map_err(SenderError::from),
                // Nor do the letters.
                Some(ended) = self.letters.join_next() => return ended.unwrap_or(Ok(())).map_err(SenderError::from),
                // Nor does the dividing of limits.
                Some(ended) = self.sharing.join_next() => return ended.unwrap_or(Ok(())).map_err(SenderError::from),
                _ = tick.tick() => {}
                () = news.come() => {}
                () = self.ended.notified() => {}
                // Without a sender of news it stays as it is.
                Ok(()) = self.settings.routing.changed() => {
                    self.route();
                    tracing::info!("relays, pools and limits are as configured now");
                }
            }
            match self.follow_and_look().await {
                Ok(true) => away.worked(),
                Ok(false) => return Ok(()),
                Err(SenderError::Store(error)) if error.is_transient() => away.failed(&error),
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes where the database is now, if it may, and looks.
    async fn follow_and_look(&mut self) -> Result<bool, SenderError> {
        follow(&self.store, &self.settings.witness, self.recorder.newest()).await?;
        Ok(self.look().await?)
    }
}

/// A relay with sessions.
struct RelayAtWork {
    id: RelayId,
    settings: Arc<RelaySettings>,
    stop: CancellationToken,
}
