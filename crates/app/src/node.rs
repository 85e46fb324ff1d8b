//! This process as one of the nodes that work on a database: what it is called, and the word that it gives every two seconds.

use crate::context::Context;
use crate::lifecycle;
use std::time::{Duration, Instant};
use tidings_campaign::time::{Clock, Timestamp};
use tidings_store::at_work::AtWork;
use tidings_store::nodes::{BEAT, Beat, NodeState};
use tidings_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Between two lookings for rows of nodes that are long gone.
const FORGET: Duration = Duration::from_secs(3_600);
/// What was taken in the moment in which a node began to drain shows in the ledger by then.
const TAKEN_BY: Duration = Duration::from_secs(1);
/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// The last word is not waited for any longer: a database that is away must not keep the process.
const LAST_WORD: Duration = Duration::from_millis(500);

/// This process as a node.
#[derive(Debug)]
pub struct ThisNode {
    store: Store,
    clock: Clock,
    /// Unique for every start of a process.
    pub owner: String,
    /// What its parts share.
    pub at_work: AtWork,
    roles: String,
    started_at: Timestamp,
    /// Where its pages are.
    pub listen: Option<String>,
}

impl ThisNode {
    /// With the name of `[sender] node`, or with a number behind it while a living node has that. Others see it once it runs.
    pub async fn new(context: &Context, store: &Store, roles: &[String]) -> anyhow::Result<ThisNode> {
        let now = context.clock.now();
        let name = store.free_node_name(&context.config.sending.node, now).await?;
        Ok(ThisNode {
            owner: lifecycle::owner_name(&name)?,
            store: store.clone().called(name),
            clock: context.clock.clone(),
            at_work: AtWork::default(),
            roles: roles.join(","),
            started_at: now,
            listen: None,
        })
    }

    /// The database, where what is written is this node's.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Says what the process does until `done`, and hears whether it is to take nothing more. `stop`: it is about to end.
    pub async fn run(&self, stop: &CancellationToken, done: &CancellationToken) {
        let mut tick = interval(BEAT);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = self.at_work.news();
        let (mut draining_since, mut forgot) = (None, None::<Instant>);
        let hearing = self.at_work.hear(&self.store);
        tokio::pin!(hearing);
        loop {
            let heard = tokio::select! {
                () = done.cancelled() => return,
                () = &mut hearing => continue,
                () = news.come() => self.store.within(ANSWER, self.store.is_to_drain(&self.owner)).await,
                _ = tick.tick() => self.store.within(ANSWER, self.beat(self.state(stop, draining_since))).await,
            };
            match heard {
                Ok(true) if draining_since.is_none() => {
                    draining_since = Some(Instant::now());
                    self.at_work.set_draining(true);
                    tracing::info!("takes nothing more: somebody has asked for that");
                    tick.reset_immediately();
                }
                Ok(false) if draining_since.is_some() => {
                    draining_since = None;
                    self.at_work.set_draining(false);
                    tracing::info!("works again");
                    tick.reset_immediately();
                }
                Ok(_) => {}
                Err(error) => tracing::debug!("cannot say that this node is there: {error}"),
            }
            if forgot.is_none_or(|at| at.elapsed() > FORGET) {
                forgot = Some(Instant::now());
                let forgotten = self.store.forget_nodes(self.clock.now());
                if let Err(error) = self.store.within(ANSWER, forgotten).await {
                    tracing::debug!("nodes of former days are forgotten later: {error}");
                }
            }
        }
    }

    fn state(&self, stop: &CancellationToken, draining_since: Option<Instant>) -> NodeState {
        match draining_since {
            Some(since) if since.elapsed() > TAKEN_BY && self.at_work.is_idle() => NodeState::Drained,
            None if !stop.is_cancelled() => NodeState::Running,
            _ => NodeState::Draining,
        }
    }

    async fn beat(&self, state: NodeState) -> Result<bool, StoreError> {
        let doing = self.at_work.doing();
        let beat = Beat {
            owner: &self.owner,
            name: self.store.node(),
            roles: &self.roles,
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.started_at,
            listen: self.listen.as_deref(),
            doing: &doing,
            state,
        };
        self.store.beat(beat, self.clock.now()).await
    }

    /// Says that it has ended. To be called when nothing runs any more.
    pub async fn end(&self) {
        self.at_work.set_doing(Default::default());
        let said = timeout(LAST_WORD, self.beat(NodeState::Stopped)).await;
        if !matches!(said, Ok(Ok(_))) {
            tracing::debug!("the end of this node could not be said: it will be taken for lost");
        }
    }
}
