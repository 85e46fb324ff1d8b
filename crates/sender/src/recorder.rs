//! The recorder: one task that writes the ledger. It gathers what has come in, commits it in one transaction and
//! then wakes the askers (group commit).
//!

mod gathering;
mod newest;
mod wearing;

use self::gathering::Gathering;
pub(crate) use self::newest::Newest;
use self::wearing::Wearing;
use crate::away::Away;
use crate::feed::HeldLeases;
use crate::fence::Term;
use crate::judging::JudgingNow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::LeaseId;
use tidings_campaign::time::{Clock, Moment};
use tidings_store::ledger::{Batch, Held, Settlement, Usage};
use tidings_store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};

#[derive(Debug)]
enum Request {
    OnWire {
        held: Held,
        used: Arc<[Arc<str>]>,
        has_relief: bool,
        answer: oneshot::Sender<bool>,
    },
    Settle(Settlement),
    Release {
        lease: LeaseId,
        open: bool,
    },
}

/// The way to the recorder. Its queue has no bound of its own: each session has at most two requests in it.
#[derive(Clone, Debug)]
pub struct Recorder {
    requests: mpsc::UnboundedSender<Request>,
    newest: Newest,
}

/// What the recorder needs to write.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    /// Where to.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The name under which leases are held.
    pub owner: String,
    /// How long a lease lasts without being renewed.
    pub term: Term,
    /// The leases that a commit prolongs.
    pub held: HeldLeases,
    /// When soft bounces suppress an address.
    pub judging: JudgingNow,
}

/// Requests of one transaction at most.
const MOST: usize = 2000;

impl Recorder {
    /// Starts the task. It ends when the last handle is gone, or with the error that made it stop.
    pub(crate) fn start(writing: Writing) -> (Recorder, tokio::task::JoinHandle<Result<(), StoreError>>) {
        let (requests, queue) = mpsc::unbounded_channel();
        let newest = Newest::default();
        let task = tokio::spawn(write(writing, queue, newest.clone()));
        (Recorder { requests, newest }, task)
    }

    /// What it committed last, for asking a database whether it knows that.
    pub(crate) fn newest(&self) -> &Newest {
        &self.newest
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
                    Request::OnWire { answer, .. } => drop(answer.send(true)),
                    Request::Settle(settlement) => look(settlement),
                    Request::Release { .. } => {}
                }
            }
            Ok(())
        });
        let newest = Newest::default();
        (Recorder { requests, newest }, task)
    }

    /// Commits that a delivery is about to be put on the wire. False: it must not be (the lease is lost, the
    /// campaign cancelled, or the database cannot be written).
    /// `used`: the limits that must remember it. `has_relief`: another session is there for the next delivery, so that the
    /// commit may wait a moment for others.
    pub async fn put_on_wire(&self, held: Held, used: Arc<[Arc<str>]>, has_relief: bool) -> bool {
        let (answer, granted) = oneshot::channel();
        let request = Request::OnWire {
            held,
            used,
            has_relief,
            answer,
        };
        self.requests.send(request).is_ok() && granted.await.unwrap_or(false)
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

async fn write(
    writing: Writing,
    mut queue: mpsc::UnboundedReceiver<Request>,
    newest: Newest,
) -> Result<(), StoreError> {
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
                Request::OnWire {
                    held, used, answer, ..
                } => {
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
        newest.prepare(&batch);
        let (mut granted, asked) = commit(&writing, &batch).await?;
        if writing.term.is_contested {
            let leases: HashSet<LeaseId> = granted.iter().map(|held| held.lease).collect();
            writing.held.prolong(leases, writing.term.held_until(asked));
        }
        newest.follow(&batch, &granted);
        gathering.committed(granted.len(), &batch.settled);
        for (held, answer) in answers {
            // Each grant is for one: should two ask for the same delivery, one of them has it.
            let _ = answer.send(granted.remove(&held));
        }
        wearing.look_into(batch.settled);
        for (lease, open) in releases {
            // A lease that is not given back runs out by itself.
            let released = writing.store.release(lease, &writing.owner, open);
            if let Err(error) = writing.store.within(writing.term.patience(), released).await {
                tracing::debug!(lease = lease.0, "lease not released: {error}");
                if error.is_transient() {
                    break;
                }
            }
        }
    }
    wearing.end().await;
    Ok(())
}

/// Until a database that is away is asked again.
const AGAIN: Duration = Duration::from_millis(300);

/// Commits a batch, however long the database is away: no outcome is forgotten. Also says when that was asked which has
/// succeeded, or earlier.
async fn commit(writing: &Writing, batch: &Batch) -> Result<(HashSet<Held>, Moment), StoreError> {
    let first_asked = Moment::now();
    if batch.on_wire.is_empty() && batch.settled.is_empty() && batch.usage.is_empty() {
        return Ok((HashSet::new(), first_asked));
    }
    let Writing {
        store, owner, term, ..
    } = writing;
    let mut away = Away::new("the ledger cannot be written");
    loop {
        let (asked, now) = (Moment::now(), writing.clock.now());
        let recorded = store.record(batch, owner, now.plus(term.lease), now);
        let error = match store.within(term.patience(), recorded).await {
            Ok(granted) => {
                away.worked();
                return Ok((granted, asked));
            }
            Err(error) => error,
        };
        if !error.is_transient() {
            return Err(error);
        }
        away.failed(&error);
        tokio::time::sleep(AGAIN).await;
        // The answer may be what was lost.
        match store.within(term.patience(), store.recorded(batch, owner)).await {
            Ok(Some(granted)) => {
                away.worked();
                return Ok((granted, first_asked));
            }
            Ok(None) => {}
            Err(error) if error.is_transient() => {}
            Err(error) => return Err(error),
        }
    }
}
