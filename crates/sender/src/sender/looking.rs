//! Which campaigns are to be sent now: feeds begin and end, and a campaign beyond its thresholds pauses.

use super::{ANSWER, PREPARATION, Running, Scope, Sender};
use crate::brake::brake;
use crate::cancelled;
use crate::feed::Feed;
use crate::run::{CampaignRun, CannotRun};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::Action;
use tidings_store::StoreError;

impl Sender {
    /// Starts and stops feeds as the campaigns' states ask. False: there is nothing left to do.
    pub(super) async fn look(&mut self) -> Result<bool, StoreError> {
        self.brake().await?;
        let sending = self.store.sending_campaigns();
        let mut wanted = self.store.within(ANSWER, sending).await?;
        if let Scope::One(id) = self.scope {
            wanted.retain(|campaign| *campaign == id);
        }
        if !self.settings.node.may_take() {
            wanted.clear();
        }
        for (id, running) in &self.running {
            if !wanted.contains(id) {
                running.run.stop();
                self.dispatcher.forget(*id);
            }
        }
        self.reap().await?;
        for id in &wanted {
            if !self.running.contains_key(id) {
                let store = self.store.clone();
                store.within(PREPARATION, self.begin(*id)).await?;
            }
        }
        match (self.running.is_empty(), &self.under_way) {
            (true, Some(_)) => self.under_way = None,
            (false, None) => self.under_way = Some(self.settings.node.begin()),
            _ => {}
        }
        if self.told.elapsed() > Duration::from_secs(1) {
            let store = self.store.clone();
            store.within(ANSWER, self.tell()).await?;
            store.within(ANSWER, self.tell_of_relays()).await?;
            store
                .within(PREPARATION, cancelled::sweep(&self.store, &self.clock))
                .await?;
            self.told = Instant::now();
        }
        Ok(self.scope == Scope::All || !self.running.is_empty() || !wanted.is_empty())
    }

    /// Pauses the campaigns that have passed their thresholds. Each is looked at every second, and at once when more of
    /// it bounced hard.
    async fn brake(&mut self) -> Result<(), StoreError> {
        let thresholds = self.settings.judging.borrow().thresholds;
        for (id, running) in &mut self.running {
            let hard = running.run.hard();
            if hard > running.hard || running.braked.elapsed() > Duration::from_secs(1) {
                (running.hard, running.braked) = (hard, Instant::now());
                let store = &self.store;
                store.within(ANSWER, brake(store, *id, thresholds)).await?;
            }
        }
        Ok(())
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
                return self.hold(id, &why).await;
            }
        };
        if let Err(why) =
            self.dispatcher
                .begin(id, run.pool.as_deref(), &run.sender_domain, run.limit.clone())
        {
            tracing::error!(campaign = id.0, "held: {why}");
            return self.hold(id, &why.to_string()).await;
        }
        for (limit, n) in self.store.count_aside(id).await? {
            self.dispatcher.know_aside(id, &limit, n.unsigned_abs());
        }
        tracing::info!(campaign = id.0, "sending");
        let feed = Feed {
            store: self.store.clone(),
            clock: self.clock.clone(),
            owner: self.settings.owner.clone(),
            term: self.term,
            recorder: self.recorder.clone(),
            dispatcher: self.dispatcher.clone(),
            held: self.held.clone(),
            witness: self.settings.witness.clone(),
            providers: self.providers.clone(),
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
            hard: 0,
            braked: Instant::now(),
        };
        self.running.insert(id, running);
        Ok(())
    }

    async fn hold(&self, id: CampaignId, why: &str) -> Result<(), StoreError> {
        match self.store.move_campaign(id, Action::Hold, Some(why)).await {
            // Another node or a person was faster.
            Ok(_) | Err(StoreError::NotAllowed(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
