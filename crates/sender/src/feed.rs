//! The feed of one campaign: leases ranges of its ledger, asks `may_mail` for every recipient, and hands the
//! deliveries to the sessions at the campaign's rate.

use crate::dispatch::{Dispatcher, Placed};
use crate::guard::Witness;
use crate::job::{Cargo, DeliveryInHand, Job, LeaseTicket, withheld};
use crate::providers::Providers;
use crate::recorder::Recorder;
use crate::run::CampaignRun;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tidings_campaign::eligibility::may_mail;
use tidings_campaign::ids::LeaseId;
use tidings_campaign::provider;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_store::deliveries::Leased;
use tidings_store::leases::{Claim, Lease};
use tidings_store::ledger::{Held, Outcome, Settlement};
use tidings_store::{Store, StoreError};
use tokio::time::{Instant, sleep};

/// The leases that this process holds, for renewing them.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldLeases(Arc<Mutex<Vec<Weak<LeaseTicket>>>>);

impl HeldLeases {
    fn add(&self, ticket: &Arc<LeaseTicket>) {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|ticket| ticket.strong_count() > 0);
        tickets.push(Arc::downgrade(ticket));
    }

    pub(crate) fn alive(&self) -> Vec<Arc<LeaseTicket>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

/// What a feed needs.
#[derive(Debug)]
pub(crate) struct Feed {
    pub store: Store,
    pub clock: Clock,
    pub owner: String,
    pub lease: Duration,
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

impl Feed {
    /// Feeds until the campaign is stopped or finished.
    pub(crate) async fn run(self) -> Result<(), StoreError> {
        let mut size = self.first_size();
        let (mut measured_at, mut measured) = (Instant::now(), 0);
        let mut idle = SHORTEST_LOOK;
        while !self.run.is_stopped() {
            match self.next_lease(size).await {
                Ok(Some(lease)) => {
                    idle = SHORTEST_LOOK;
                    self.work(lease).await?;
                }
                Ok(None) => {
                    if self.store.finish_if_done(self.run.id, self.clock.now()).await? {
                        return Ok(());
                    }
                    sleep(idle).await;
                    idle = LOOK.min(idle * 2);
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(campaign = self.run.id.0, "no lease, trying again: {error}");
                    sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(error),
            }
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

    /// Calls back what was put aside for a provider that has nothing left to take.
    async fn feed_the_hungry(&self) -> Result<(), StoreError> {
        for (limit, room) in self.dispatcher.hungry(self.run.id) {
            let rows = i64::try_from(room).unwrap_or(i64::MAX);
            let came = match self
                .store
                .pull_forward(self.run.id, &limit, rows, self.clock.now())
                .await
            {
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

    async fn next_lease(&self, size: i64) -> Result<Option<Lease>, StoreError> {
        let now = self.clock.now();
        if !self.store.has_work(self.run.id, now).await? {
            return Ok(None);
        }
        let claim = Claim {
            owner: &self.owner,
            size,
            now,
            expires_at: now.plus(self.lease),
        };
        let lease = self.store.claim(self.run.id, claim).await?;
        if let Some(lease) = &lease
            && let Err(error) = self.witness.remember(lease.id.0 + 1)
        {
            tracing::warn!("a restored backup would not be noticed: {error}");
        }
        Ok(lease)
    }

    /// Hands a lease's deliveries to the schedule, as it has room: that is all that holds the feed back. How long the
    /// schedule keeps one of them does not matter here, or a slow provider's would keep the others from being loaded.
    /// What is not handed over goes back with the lease.
    async fn work(&self, lease: Lease) -> Result<(), StoreError> {
        let loaded_at = std::time::Instant::now();
        let deliveries = match self.store.load(&lease).await {
            Ok(deliveries) => deliveries,
            Err(error) => {
                self.recorder.release(lease.id, true);
                return if error.is_transient() { Ok(()) } else { Err(error) };
            }
        };
        let ticket = LeaseTicket::new(lease, deliveries.len(), self.recorder.clone());
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

/// Which of `tickets` are lost, and prolongs the rest.
pub(crate) async fn renew(
    store: &Store,
    tickets: &[Arc<LeaseTicket>],
    owner: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<LeaseId> = tickets.iter().map(|ticket| ticket.lease().id).collect();
    let alive = store.renew(&ids, owner, expires_at).await?;
    for ticket in tickets
        .iter()
        .filter(|ticket| !alive.contains(&ticket.lease().id))
    {
        ticket.revoke();
    }
    Ok(())
}
