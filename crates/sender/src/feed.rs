//! The feed of one campaign: leases ranges of its ledger, asks `may_mail` for every recipient, and hands the
//! deliveries to the sessions at the campaign's rate.

use crate::away::Away;
use crate::dispatch::{Dispatcher, Placed};
use crate::fence::{Fence, Term};
use crate::guard::Witness;
use crate::job::{Cargo, DeliveryInHand, Job, LeaseTicket, withheld};
use crate::providers::Providers;
use crate::recorder::Recorder;
use crate::run::CampaignRun;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tidings_campaign::eligibility::may_mail;
use tidings_campaign::ids::LeaseId;
use tidings_campaign::provider;
use tidings_campaign::time::{Clock, Moment, Timestamp};
use tidings_store::deliveries::Leased;
use tidings_store::leases::{Claim, Lease};
use tidings_store::ledger::{Held, Outcome, Settlement};
use tidings_store::{Store, StoreError};
use tokio::time::{Instant, sleep};

/// The leases that this process holds, for renewing them.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldLeases(Arc<Mutex<HashMap<LeaseId, Weak<LeaseTicket>>>>);

impl HeldLeases {
    fn tickets(&self) -> MutexGuard<'_, HashMap<LeaseId, Weak<LeaseTicket>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, ticket: &Arc<LeaseTicket>) {
        let mut tickets = self.tickets();
        tickets.retain(|_, ticket| ticket.strong_count() > 0);
        tickets.insert(ticket.lease().id, Arc::downgrade(ticket));
    }

    fn with(&self, leases: impl IntoIterator<Item = LeaseId>, what: impl Fn(&LeaseTicket)) {
        // The last handle is dropped when nobody holds the lock any more.
        let mut found = Vec::new();
        let tickets = self.tickets();
        found.extend(leases.into_iter().filter_map(|id| tickets.get(&id)?.upgrade()));
        drop(tickets);
        found.iter().for_each(|ticket| what(ticket));
    }

    /// These leases are held until then.
    pub(crate) fn prolong(&self, leases: impl IntoIterator<Item = LeaseId>, until: Moment) {
        self.with(leases, |ticket| ticket.fence().prolong(until));
    }

    fn revoke(&self, leases: impl IntoIterator<Item = LeaseId>) {
        self.with(leases, LeaseTicket::revoke);
    }

    /// All of which somebody still has a delivery.
    fn in_hand(&self) -> Vec<LeaseId> {
        let tickets = self.tickets();
        let in_hand = tickets.iter().filter(|(_, ticket)| ticket.strong_count() > 0);
        in_hand.map(|(id, _)| *id).collect()
    }

    /// Those that are in use; of the others that ran out everything is let go.
    fn in_use(&self) -> Vec<LeaseId> {
        let ids: Vec<LeaseId> = self.tickets().keys().copied().collect();
        let in_use = RefCell::new(Vec::with_capacity(ids.len()));
        self.with(ids, |ticket| match ticket.fence().is_over() {
            true => ticket.revoke(),
            false => in_use.borrow_mut().push(ticket.lease().id),
        });
        in_use.into_inner()
    }

    /// Renews what is held, again and again. What is lost, or could not be renewed in time, is let go.
    pub(crate) async fn keep(self, store: Store, clock: Clock, owner: String, term: Term) {
        let mut away = Away::new("leases cannot be renewed");
        loop {
            let leases = self.in_use();
            let asked = Moment::now();
            let expires_at = clock.now().plus(term.lease);
            let renewed = async {
                let alive = store.renew(&leases, &owner, expires_at).await?;
                store.free_forgotten(&owner, &self.in_hand(), clock.now()).await?;
                Ok(alive)
            };
            match store.within(term.haste(), renewed).await {
                Ok(alive) => {
                    away.worked();
                    self.revoke(leases.into_iter().filter(|id| !alive.contains(id)));
                    self.prolong(alive, term.held_until(asked));
                    sleep(term.lease / 4).await;
                }
                Err(error) => {
                    away.failed(&error);
                    sleep(AWAY).await;
                }
            }
        }
    }
}

/// Between two tries, when the database is away.
const AWAY: Duration = Duration::from_millis(300);

/// What a feed needs.
#[derive(Debug)]
pub(crate) struct Feed {
    pub store: Store,
    pub clock: Clock,
    pub owner: String,
    pub term: Term,
    pub recorder: Recorder,
    pub dispatcher: Dispatcher,
    pub held: HeldLeases,
    pub witness: Witness,
    /// Where the providers of unknown domains are found out, if they are.
    pub providers: Option<Providers>,
    pub run: Arc<CampaignRun>,
}

/// A lease holds about so much work, so that a pause, a cancel or an unsubscribe takes effect within seconds.
const LEASE_WORK: Duration = Duration::from_secs(1);
const LEASE_SIZE: std::ops::RangeInclusive<i64> = 10..=4000;
/// How often a campaign with nothing to do is looked at, soon after there was something and later on.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(200);

/// What a look for work brought.
enum Fed {
    Some,
    Nothing,
    Finished,
}

impl Feed {
    /// Feeds until the campaign is stopped or finished.
    pub(crate) async fn run(self) -> Result<(), StoreError> {
        let mut size = self.first_size();
        let (mut measured_at, mut measured) = (Instant::now(), 0);
        let mut idle = SHORTEST_LOOK;
        let mut away = Away::new("no work can be leased");
        while !self.run.is_stopped() {
            match self.lease_some(size).await {
                Ok(Fed::Some) => idle = SHORTEST_LOOK,
                Ok(Fed::Nothing) => {
                    sleep(idle).await;
                    idle = LOOK.min(idle * 2);
                }
                Ok(Fed::Finished) => return Ok(()),
                Err(error) if error.is_transient() => {
                    away.failed(&error);
                    sleep(AWAY).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            away.worked();
            if measured_at.elapsed() >= Duration::from_millis(500) {
                self.feed_the_hungry().await?;
                let ended = self.run.ended();
                let per_second = (ended - measured) as f64 / measured_at.elapsed().as_secs_f64();
                (measured_at, measured) = (Instant::now(), ended);
                let work = (per_second * LEASE_WORK.as_secs_f64()) as i64;
                size = work.clamp(*LEASE_SIZE.start(), *LEASE_SIZE.end()).max(size / 4);
            }
        }
        Ok(())
    }

    async fn lease_some(&self, size: i64) -> Result<Fed, StoreError> {
        if let Some((lease, until)) = self.next_lease(size).await? {
            self.work(lease, until).await?;
            return Ok(Fed::Some);
        }
        let finished = self.store.finish_if_done(self.run.id, self.clock.now());
        Ok(match self.store.within(self.term.patience(), finished).await? {
            true => Fed::Finished,
            false => Fed::Nothing,
        })
    }

    /// Calls back what was put aside for a provider that has nothing left to take.
    async fn feed_the_hungry(&self) -> Result<(), StoreError> {
        for (limit, room) in self.dispatcher.hungry(self.run.id) {
            let rows = i64::try_from(room).unwrap_or(i64::MAX);
            let pulled = self
                .store
                .pull_forward(self.run.id, &limit, rows, self.clock.now());
            let came = match self.store.within(self.term.patience(), pulled).await {
                Ok(came) => came,
                Err(error) if error.is_transient() => return Ok(()),
                Err(error) => return Err(error),
            };
            self.dispatcher.came_back(self.run.id, &limit, room, came);
        }
        Ok(())
    }

    fn first_size(&self) -> i64 {
        let rates = self
            .run
            .limit
            .rates
            .iter()
            .map(|rate| rate.per_second() * LEASE_WORK.as_secs_f64());
        let rate = rates.fold(400.0, f64::min);
        (rate as i64).clamp(*LEASE_SIZE.start(), 400)
    }

    /// A lease, and until when it is surely held.
    async fn next_lease(&self, size: i64) -> Result<Option<(Lease, Moment)>, StoreError> {
        let (now, patience) = (self.clock.now(), self.term.patience());
        let has_work = self.store.has_work(self.run.id, &self.owner, now);
        if !self.store.within(patience, has_work).await? {
            return Ok(None);
        }
        let (asked, now) = (Moment::now(), self.clock.now());
        let claim = Claim {
            owner: &self.owner,
            size,
            now,
            expires_at: now.plus(self.term.lease),
        };
        let claimed = self.store.claim(self.run.id, claim);
        let Some(lease) = self.store.within(patience, claimed).await? else {
            return Ok(None);
        };
        if let Err(error) = self.witness.remember(lease.id.0 + 1) {
            tracing::warn!("a restored backup would not be noticed: {error}");
        }
        Ok(Some((lease, self.term.held_until(asked))))
    }

    /// Hands a lease's deliveries to the schedule, as it has room: that is all that holds the feed back. How long the
    /// schedule keeps one of them does not matter here, or a slow provider's would keep the others from being loaded.
    /// What is not handed over goes back with the lease.
    async fn work(&self, lease: Lease, until: Moment) -> Result<(), StoreError> {
        let loaded_at = std::time::Instant::now();
        let fence = Fence::until(until);
        let deliveries = match self.store.within(fence.left(), self.store.load(&lease)).await {
            Ok(deliveries) => deliveries,
            Err(error) => {
                self.recorder.release(lease.id, true);
                return Err(error);
            }
        };
        let ticket = LeaseTicket::new(lease, fence, deliveries.len(), self.recorder.clone());
        self.held.add(&ticket);
        let now = self.clock.now();
        for delivery in deliveries {
            let Some(job) = self.decide(delivery, &ticket, (loaded_at, now)) else {
                continue;
            };
            if job.is_revoked() {
                return Ok(());
            }
            if let Some(providers) = &self.providers
                && job.provider == provider::OTHER
            {
                providers.meet(job.domain(), now);
            }
            let placed = tokio::select! {
                placed = self.dispatcher.offer(job) => placed,
                () = self.revoked(&ticket) => return Ok(()),
            };
            if let Placed::Aside(job, limit, due) = placed {
                job.settle("", false, Outcome::PutAside { limit, due });
            }
        }
        Ok(())
    }

    async fn revoked(&self, ticket: &LeaseTicket) {
        while !self.run.is_stopped() && !ticket.is_revoked() {
            sleep(LOOK).await;
        }
    }

    /// The decision is taken here, again, however the delivery was planned.
    fn decide(
        &self,
        delivery: Leased,
        ticket: &Arc<LeaseTicket>,
        (loaded_at, now): (std::time::Instant, Timestamp),
    ) -> Option<Job> {
        let lease = ticket.lease();
        let held = Held {
            campaign: lease.campaign,
            seq: delivery.seq,
            lease: lease.id,
            waiting: lease.waiting_state(),
        };
        let decision = match delivery.recipient {
            Ok(recipient) => may_mail(recipient, &delivery.standing, now).map_err(withheld),
            Err(detail) => Err(Outcome::Withheld {
                reason: "unreadable",
                detail,
            }),
        };
        match decision {
            Ok(to) => Some(Job {
                provider: provider::by_domain(to.recipient().address.domain()),
                cargo: Cargo::Delivery(DeliveryInHand {
                    held,
                    to,
                    asked_at: loaded_at,
                    run: Arc::clone(&self.run),
                    ticket: Arc::clone(ticket),
                }),
                attempts: delivery.attempts,
                first_attempt_at: delivery.first_attempt_at,
                broken: 0,
                attempt: None,
                passage: None,
            }),
            Err(outcome) => {
                ticket.settle(Settlement {
                    held,
                    was_on_wire: false,
                    relay: String::new(),
                    provider: "other",
                    outcome,
                    attempt: None,
                });
                None
            }
        }
    }
}
