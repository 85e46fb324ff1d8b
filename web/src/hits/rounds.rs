//! Hits are made durable in rounds: all that come while one is on its way to the disk go together in the next. Each of the server's
//! workers wakes the requests that it has itself, because to wake one from elsewhere costs as much as to answer it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidings_store::hits::NewHit;
use tokio::sync::{Notify, oneshot, watch};

/// Hits that may wait in memory. What does not fit in waits in its request, whose patience is bounded.
const WAITING: usize = 8000;

/// What the workers and the recorder share.
pub(super) struct Rounds {
    open: Mutex<Open>,
    came: Notify,
    /// The number of the last round that is done with.
    done: watch::Sender<u64>,
}

/// The round that gathers.
#[derive(Default)]
struct Open {
    number: u64,
    hits: Vec<NewHit>,
    is_closed: bool,
}

impl Rounds {
    pub(super) fn new() -> Rounds {
        Rounds {
            open: Mutex::default(),
            came: Notify::new(),
            done: watch::Sender::new(0),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a hit to the round that gathers, and returns its number; the hit again if there are too many.
    fn add(&self, hit: NewHit) -> Result<u64, NewHit> {
        let (number, is_first) = {
            let mut open = self.open();
            if open.hits.len() >= WAITING {
                return Err(hit);
            }
            open.hits.push(hit);
            (open.number + 1, open.hits.len() == 1)
        };
        if is_first {
            self.came.notify_one();
        }
        Ok(number)
    }

    /// The hits of the round that gathers, once there are some, with its number; the next begins. Nothing when it is closed and all
    /// have been taken.
    pub(super) async fn next(&self) -> Option<(u64, Vec<NewHit>)> {
        loop {
            {
                let mut open = self.open();
                if !open.hits.is_empty() {
                    open.number += 1;
                    let room = open.hits.len();
                    let hits = std::mem::replace(&mut open.hits, Vec::with_capacity(room));
                    return Some((open.number, hits));
                }
                if open.is_closed {
                    return None;
                }
            }
            self.came.notified().await;
        }
    }

    /// The round of this number is done with.
    pub(super) fn is_done(&self, number: u64) {
        self.done.send_replace(number);
    }

    /// No more will come.
    pub(super) fn close(&self) {
        self.open().is_closed = true;
        self.came.notify_one();
    }
}

/// A request, with the number of its round.
type Waiter = (u64, oneshot::Sender<()>);

/// The requests of one worker that wait for their rounds.
#[derive(Clone)]
pub(crate) struct Waiters {
    rounds: Arc<Rounds>,
    waiting: Rc<RefCell<VecDeque<Waiter>>>,
}

impl Waiters {
    /// Must be called in the worker. What wakes them ends with the worker.
    pub(super) fn start(rounds: Arc<Rounds>) -> Waiters {
        let waiters = Waiters {
            rounds,
            waiting: Rc::default(),
        };
        let waiting = Rc::downgrade(&waiters.waiting);
        let mut done = waiters.rounds.done.subscribe();
        actix_web::rt::spawn(async move {
            while done.changed().await.is_ok() {
                let Some(waiting) = waiting.upgrade() else {
                    return;
                };
                let number = *done.borrow_and_update();
                let mut waiting = waiting.borrow_mut();
                while waiting.front().is_some_and(|(round, _)| *round <= number) {
                    if let Some((_, waiter)) = waiting.pop_front() {
                        // Whoever asked may have been answered already.
                        let _ = waiter.send(());
                    }
                }
            }
        });
        waiters
    }

    /// Adds a hit to the round that gathers; what it returns is ready when that is durable. The hit again if there are too many.
    pub(super) fn add(&self, hit: NewHit) -> Result<oneshot::Receiver<()>, NewHit> {
        // Rounds come in order, and are looked at by this worker only when this is over.
        let round = self.rounds.add(hit)?;
        let (waiter, durable) = oneshot::channel();
        self.waiting.borrow_mut().push_back((round, waiter));
        Ok(durable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_campaign::ids::CampaignId;
    use tidings_campaign::time::Timestamp;
    use tidings_campaign::token::HitTarget;

    fn hit(campaign: i64) -> NewHit {
        NewHit {
            campaign: CampaignId(campaign),
            recipient: None,
            target: HitTarget::Pixel,
            at: Timestamp(0),
            is_head: false,
            is_prefetch: false,
            agent: String::new(),
            network: None,
        }
    }

    #[actix_web::test]
    async fn who_comes_during_a_round_waits_for_the_next() {
        let rounds = Arc::new(Rounds::new());
        let waiters = Waiters::start(Arc::clone(&rounds));
        let mut first = waiters.add(hit(1)).unwrap();
        let (number, hits) = rounds.next().await.unwrap();
        assert_eq!((number, hits.len()), (1, 1));
        let second = waiters.add(hit(2)).unwrap();
        assert!(first.try_recv().is_err());
        rounds.is_done(number);
        first.await.unwrap();
        let mut second = second;
        assert!(second.try_recv().is_err());
        rounds.close();
        let (number, hits) = rounds.next().await.unwrap();
        assert_eq!((number, hits[0].campaign), (2, CampaignId(2)));
        rounds.is_done(number);
        second.await.unwrap();
        assert!(rounds.next().await.is_none());
    }

    #[actix_web::test]
    async fn no_more_wait_than_fit_in() {
        let rounds = Arc::new(Rounds::new());
        let waiters = Waiters::start(Arc::clone(&rounds));
        let waiting: Vec<_> = (0..WAITING).map(|_| waiters.add(hit(1)).unwrap()).collect();
        assert!(waiters.add(hit(2)).is_err());
        assert_eq!(rounds.next().await.unwrap().1.len(), waiting.len());
        assert!(waiters.add(hit(2)).is_ok());
    }
}
