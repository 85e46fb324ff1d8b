//! The recorder: one task that writes the ledger. It gathers what has come in, commits it in one transaction and
//! then wakes the askers (group commit).
//!

mod gathering;
mod wearing;

use self::gathering::Gathering;
use self::wearing::Wearing;
use crate::judging::JudgingNow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::LeaseId;
use tidings_campaign::time::Clock;
use tidings_store::ledger::{Batch, Held, Settlement, Usage};
use tidings_store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};

#[derive(Debug)]
enum Request {
    OnWire(Held, Arc<[Arc<str>]>, oneshot::Sender<bool>),
    Settle(Settlement),
    Release { lease: LeaseId, open: bool },
}

/// The way to the recorder. Its queue has no bound of its own: each session has at most two requests in it.
#[derive(Clone, Debug)]
pub struct Recorder {
    requests: mpsc::UnboundedSender<Request>,
}

/// What the recorder needs to write.
#[derive(Clone, Debug)]
pub struct Writing {
    /// Where to.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The name under which leases are held.
    pub owner: String,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// When soft bounces suppress an address.
    pub judging: JudgingNow,
}

/// Requests of one transaction at most.
const MOST: usize = 2000;

impl Recorder {
    /// Starts the task. It ends when the last handle is gone, or with the error that made it stop.
    pub fn start(writing: Writing) -> (Recorder, tokio::task::JoinHandle<Result<(), StoreError>>) {
        let (requests, queue) = mpsc::unbounded_channel();
        (Recorder { requests }, tokio::spawn(write(writing, queue)))
    }

    /// Starts a recorder that grants everything and hands the outcomes to `look` instead of a database: for
    /// rehearsals.
    pub fn rehearse(
        mut look: impl FnMut(Settlement) + Send + 'static,
    ) -> (Recorder, tokio::task::JoinHandle<Result<(), StoreError>>) {
        let (requests, mut queue) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Some(request) = queue.recv().await {
                match request {
                    // A session that is gone needs no answer.
                    Request::OnWire(_, _, answer) => drop(answer.send(true)),
                    Request::Settle(settlement) => look(settlement),
                    Request::Release { .. } => {}
                }
            }
            Ok(())
        });
        (Recorder { requests }, task)
    }

    /// Commits that a delivery is about to be put on the wire. False: it must not be (the lease is lost, the
    /// campaign cancelled, or the database cannot be written).
    /// `used`: the limits that must remember it.
    pub async fn put_on_wire(&self, held: Held, used: Arc<[Arc<str>]>) -> bool {
        let (answer, granted) = oneshot::channel();
        self.requests.send(Request::OnWire(held, used, answer)).is_ok() && granted.await.unwrap_or(false)
    }

    /// Reports an outcome. If the recorder has stopped, the delivery stays on the wire and is unknown later.
    pub fn settle(&self, settlement: Settlement) {
        let _ = self.requests.send(Request::Settle(settlement));
    }

    /// Gives a lease back, after everything reported before.
    pub fn release(&self, lease: LeaseId, open: bool) {
        let _ = self.requests.send(Request::Release { lease, open });
    }
}

async fn write(writing: Writing, mut queue: mpsc::UnboundedReceiver<Request>) -> Result<(), StoreError> {
    let mut requests = Vec::with_capacity(MOST);
    let mut number = 0;
    let mut gathering = Gathering::new();
    let wearing = Wearing::start(
        writing.store.clone(),
        writing.clock.clone(),
        writing.judging.clone(),
    );
    while queue.recv_many(&mut requests, MOST).await > 0 {
        gathering.gather(&mut queue, &mut requests).await;
        number += 1;
        let mut batch = Batch {
            number,
            ..Batch::default()
        };
        let mut answers = Vec::new();
        let mut releases = Vec::new();
        let mut usage: HashMap<Arc<str>, i64> = HashMap::new();
        for request in requests.drain(..) {
            match request {
                Request::OnWire(held, used, answer) => {
                    for limit in used.iter() {
                        *usage.entry(Arc::clone(limit)).or_default() += 1;
                    }
                    batch.on_wire.push(held);
                    answers.push((held, answer));
                }
                Request::Settle(settlement) => batch.settled.push(settlement),
                Request::Release { lease, open } => releases.push((lease, open)),
            }
        }
        batch.usage = usage.into_iter().map(|(limit, n)| Usage { limit, n }).collect();
        let granted = commit(&writing, &batch).await?;
        gathering.committed(granted.len(), &batch.settled);
        for (held, answer) in answers {
            let _ = answer.send(granted.contains(&held));
        }
        wearing.look_into(batch.settled);
        for (lease, open) in releases {
            // A lease that is not given back runs out by itself.
            if let Err(error) = writing.store.release(lease, &writing.owner, open).await {
                tracing::debug!(lease = lease.0, "lease not released: {error}");
            }
        }
    }
    wearing.end().await;
    Ok(())
}

/// How long a database that is away is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

async fn commit(writing: &Writing, batch: &Batch) -> Result<HashSet<Held>, StoreError> {
    if batch.on_wire.is_empty() && batch.settled.is_empty() && batch.usage.is_empty() {
        return Ok(HashSet::new());
    }
    let began = writing.clock.now();
    loop {
        let now = writing.clock.now();
        let error = match writing
            .store
            .record(batch, &writing.owner, now.plus(writing.lease), now)
            .await
        {
            Ok(granted) => return Ok(granted),
            Err(error) => error,
        };
        if !error.is_transient() || now.since(began) > PATIENCE {
            return Err(error);
        }
        tracing::warn!("the ledger cannot be written, trying again: {error}");
        tokio::time::sleep(Duration::from_millis(300)).await;
        match writing.store.recorded(batch, &writing.owner).await {
            Ok(Some(granted)) => return Ok(granted),
            Ok(None) => {}
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error),
        }
    }
}
