//! Letters on their way to relays: one task takes those that are due, offers them to the schedule, where they go before
//! campaigns, and writes what becomes of them. Sessions handle them as they do deliveries.

use crate::away::Away;
use crate::dispatch::Dispatcher;
use crate::fence::{Fence, Term};
use crate::guard::{GuardError, Witness};
use crate::job::{Cargo, Job};
use crate::limits::Limit;
use crate::retry::Retry;
use crate::run::Identity;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::{CampaignId, LetterId, Seq};
use tidings_campaign::provider;
use tidings_campaign::time::{Clock, Moment, Timestamp};
use tidings_campaign::token::{DeliveryToken, KeyRing};
use tidings_store::at_work::AtWork;
use tidings_store::leases::Claim;
use tidings_store::ledger::{Outcome, Usage};
use tidings_store::letters::{DueLetter, LetterOutcome};
use tidings_store::sign_ups::FORGOTTEN_AT_ONCE;
use tidings_store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// How often it is looked for letters that are due.
const LOOK: Duration = Duration::from_millis(250);
/// Letters in hand at most: enough for every session, and few to be given back.
const MOST: usize = 64;
/// How long the database may take where many are forgotten.
const FORGETTING: Duration = Duration::from_secs(60);
/// How often letters that are long done with are forgotten, and sign-ups that nobody confirmed.
const FORGET: Duration = Duration::from_secs(3600);

/// What the task needs.
#[derive(Debug)]
pub(crate) struct Letters {
    pub store: Store,
    pub clock: Clock,
    pub owner: String,
    pub term: Term,
    pub retry: Retry,
    pub identity: Identity,
    pub dispatcher: Dispatcher,
    pub witness: Witness,
    pub node: AtWork,
}

#[derive(Debug)]
enum Request {
    OnWire(LetterId, Vec<Usage>, oneshot::Sender<bool>),
    Settle(LetterOutcome),
    LetGo(LetterId),
}

/// A letter, leased. Dropped without an outcome, it goes again, unless it was on the wire.
#[derive(Debug)]
pub struct LetterInHand {
    letter: DueLetter,
    fence: Arc<Fence>,
    /// See [`is_of_letters`](crate::schedule::is_of_letters).
    lane: CampaignId,
    retry: Retry,
    return_path_domain: String,
    keys: KeyRing,
    requests: mpsc::UnboundedSender<Request>,
    is_settled: bool,
}

impl LetterInHand {
    pub(crate) fn letter(&self) -> &DueLetter {
        &self.letter
    }

    /// Until when it is surely this sender's.
    pub(crate) fn fence(&self) -> &Fence {
        &self.fence
    }

    pub(crate) fn lane(&self) -> CampaignId {
        self.lane
    }

    pub(crate) fn is_late(&self, now: Timestamp) -> bool {
        now >= self.letter.expires_at
    }

    /// It is given up when it need not go any more, if not sooner.
    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// A token of ours, so that a bounce is taken; it names no campaign, so that nothing follows from it.
    pub(crate) fn return_path(&self) -> String {
        let token = DeliveryToken {
            campaign: CampaignId(0),
            seq: Seq(self.letter.id.0),
        };
        format!("b-{}@{}", token.sign(&self.keys), self.return_path_domain)
    }

    /// Asks to commit that it is about to be put on the wire.
    pub(crate) fn putting_on_wire(&self, used: &[Arc<str>]) -> oneshot::Receiver<bool> {
        let (answer, granted) = oneshot::channel();
        let usage = used.iter().map(|limit| Usage {
            limit: Arc::clone(limit),
            n: 1,
        });
        self.ask(Request::OnWire(self.letter.id, usage.collect(), answer));
        granted
    }

    pub(crate) fn settle(mut self, relay: &str, outcome: Outcome) {
        self.is_settled = true;
        self.report(relay, outcome);
    }

    pub(crate) fn take_back(&self, relay: &str) {
        self.report(relay, Outcome::Returned);
    }

    fn report(&self, relay: &str, outcome: Outcome) {
        self.ask(Request::Settle(LetterOutcome {
            id: self.letter.id,
            relay: relay.to_owned(),
            outcome,
        }));
    }

    fn ask(&self, request: Request) {
        // If the task has ended, the letter's lease runs out.
        let _ = self.requests.send(request);
    }
}

impl Drop for LetterInHand {
    fn drop(&mut self) {
        if !self.is_settled {
            self.ask(Request::LetGo(self.letter.id));
        }
    }
}

impl Letters {
    /// Sends letters until `stop`, and then writes what becomes of those in hand.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), GuardError> {
        let (requests, mut queue) = mpsc::unbounded_channel();
        let mut work = Work {
            letters: self,
            in_hand: HashMap::new(),
            away: Away::new("letters cannot be read, or what becomes of them not written"),
            without_room: VecDeque::new(),
            lanes: HashMap::new(),
            is_resting: false,
            renewed: Instant::now(),
            forgot: None,
        };
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(request) = queue.recv() => work.answer(request).await?,
                _ = tick.tick() => match work.look(&requests).await {
                    Err(GuardError::Store(error)) if error.is_transient() => work.away.failed(&error),
                    outcome => {
                        outcome?;
                        work.away.worked();
                    }
                },
            }
        }
        // Nobody but those in hand asks any more.
        drop(requests);
        while let Some(request) = queue.recv().await {
            work.answer(request).await?;
        }
        Ok(())
    }

    fn open_lane(&self, lane: CampaignId, sender_domain: &str) {
        if let Err(error) = self.dispatcher.begin(lane, None, sender_domain, Limit::default()) {
            tracing::error!("letters from {sender_domain}: {error}");
        }
    }
}

struct Work {
    letters: Letters,
    in_hand: HashMap<LetterId, Arc<Fence>>,
    away: Away,
    /// Those of them that the schedule has no room for yet: one provider's may be many.
    without_room: VecDeque<Job>,
    /// Sender domains as the schedule knows them.
    lanes: HashMap<String, CampaignId>,
    /// The node drains, so the schedule knows none of them.
    is_resting: bool,
    renewed: Instant,
    forgot: Option<Instant>,
}

impl Work {
    async fn look(&mut self, requests: &mpsc::UnboundedSender<Request>) -> Result<(), GuardError> {
        self.rest_or_work();
        let Letters {
            store,
            clock,
            owner,
            term,
            witness,
            ..
        } = &self.letters;
        let (asked, now) = (Moment::now(), clock.now());
        if !self.in_hand.is_empty() && self.renewed.elapsed() > term.lease / 4 {
            let in_hand: Vec<_> = self.in_hand.keys().copied().collect();
            let renewed = store.renew_letters(owner, &in_hand, now.plus(term.lease));
            for id in store.within(term.haste(), renewed).await? {
                if let Some(fence) = self.in_hand.get(&id) {
                    fence.prolong(term.held_until(asked));
                }
            }
            self.renewed = Instant::now();
        }
        if self.forgot.is_none_or(|at| at.elapsed() > FORGET) {
            store.within(FORGETTING, store.forget_letters(now)).await?;
            // What is left of a flood goes with the next looks.
            let forgotten = store.within(FORGETTING, store.forget_sign_ups(now)).await?;
            if forgotten < FORGOTTEN_AT_ONCE {
                self.forgot = Some(Instant::now());
            }
        }
        if self.is_resting {
            return Ok(());
        }
        if !self.without_room.is_empty() {
            self.offer_again();
            return Ok(());
        }
        let room = MOST - self.in_hand.len();
        if room == 0 {
            return Ok(());
        }
        let (asked, now) = (Moment::now(), clock.now());
        let claim = Claim {
            owner,
            size: i64::try_from(room).expect("a small number"),
            now,
            expires_at: now.plus(term.lease),
        };
        let due = store.within(term.patience(), store.claim_letters(claim)).await?;
        if due.is_empty() {
            return Ok(());
        }
        // A backup that was taken before can be told by this.
        witness.advance(store).await?;
        let until = term.held_until(asked);
        for letter in due {
            let fence = Arc::new(Fence::until(until));
            self.in_hand.insert(letter.id, Arc::clone(&fence));
            let job = self.job(letter, fence, requests);
            self.without_room.push_back(job);
        }
        self.offer_again();
        Ok(())
    }

    /// While the node drains, what waits is let go: the others send it.
    fn rest_or_work(&mut self) {
        let is_to_rest = !self.letters.node.may_take();
        if is_to_rest == self.is_resting {
            return;
        }
        self.is_resting = is_to_rest;
        self.without_room.clear();
        for (sender_domain, lane) in &self.lanes {
            match is_to_rest {
                true => self.letters.dispatcher.forget(*lane),
                false => self.letters.open_lane(*lane, sender_domain),
            }
        }
    }

    /// Offers what the schedule had no room for, until it has none again.
    fn offer_again(&mut self) {
        for _ in 0..self.without_room.len() {
            let Some(job) = self.without_room.pop_front() else {
                return;
            };
            if let Some(job) = self.letters.dispatcher.offer_letter(job) {
                self.without_room.push_back(job);
            }
        }
    }

    fn job(
        &mut self,
        letter: DueLetter,
        fence: Arc<Fence>,
        requests: &mpsc::UnboundedSender<Request>,
    ) -> Job {
        let lane = self.lane(&letter.sender_domain);
        let identity = &self.letters.identity;
        let return_path_domain = identity.return_path_domain.clone();
        Job {
            provider: provider::by_domain(letter.to.domain()),
            attempts: letter.attempts,
            first_attempt_at: letter.first_attempt_at,
            broken: 0,
            attempt: None,
            passage: None,
            cargo: Cargo::Letter(LetterInHand {
                fence,
                lane,
                retry: self.letters.retry,
                return_path_domain: return_path_domain.unwrap_or_else(|| letter.sender_domain.clone()),
                keys: identity.keys.clone(),
                requests: requests.clone(),
                is_settled: false,
                letter,
            }),
        }
    }

    /// Under which number the letters of a sender domain wait.
    fn lane(&mut self, sender_domain: &str) -> CampaignId {
        if let Some(lane) = self.lanes.get(sender_domain) {
            return *lane;
        }
        let lane = CampaignId(-1 - i64::try_from(self.lanes.len()).expect("few domains"));
        self.letters.open_lane(lane, sender_domain);
        self.lanes.insert(sender_domain.to_owned(), lane);
        lane
    }

    async fn answer(&mut self, request: Request) -> Result<(), StoreError> {
        let Letters {
            store, owner, term, ..
        } = &self.letters;
        let away = &mut self.away;
        match request {
            Request::OnWire(id, usage, answer) => {
                let now = self.letters.clock.now();
                let put = store.put_letter_on_wire(id, owner, &usage, now);
                let granted = store.within(term.patience(), put).await;
                if let Err(error) = &granted {
                    tracing::warn!(letter = id.0, "not put on the wire: {error}");
                    // The answer may be what was lost.
                    let returned = LetterOutcome {
                        id,
                        relay: String::new(),
                        outcome: Outcome::Returned,
                    };
                    let return_it = || store.settle_letter(&returned, owner, now);
                    patiently(store, *term, away, return_it).await?;
                }
                // A session that is gone needs no answer.
                let _ = answer.send(granted.unwrap_or(false));
                Ok(())
            }
            Request::Settle(settled) => {
                if settled.outcome != Outcome::Returned {
                    self.in_hand.remove(&settled.id);
                }
                let now = self.letters.clock.now();
                patiently(store, *term, away, || store.settle_letter(&settled, owner, now)).await
            }
            Request::LetGo(id) => {
                self.in_hand.remove(&id);
                let now = self.letters.clock.now();
                patiently(store, *term, away, || store.let_go_of_letter(id, owner, now)).await
            }
        }
    }
}

/// Tries again as long as the database is away. Both statements may be repeated.
async fn patiently<F>(
    store: &Store,
    term: Term,
    away: &mut Away,
    mut write: impl FnMut() -> F,
) -> Result<(), StoreError>
where
    F: Future<Output = Result<(), StoreError>>,
{
    loop {
        match store.within(term.patience(), write()).await {
            Err(error) if error.is_transient() => {
                away.failed(&error);
                sleep(Duration::from_millis(300)).await;
            }
            outcome => return outcome,
        }
    }
}
