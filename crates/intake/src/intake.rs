//! One task gathers what has come in by all ways and keeps it in one transaction (group commit).

use crate::arrival::{Arrival, Mail, Post};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_campaign::token::KeyRing;
use tidings_feedback::event::EventKind;
use tidings_feedback::message;
use tidings_feedback::policy::Policy;
use tidings_feedback::rules::Rules;
use tidings_store::feedback::{NewArrival, Taken};
use tidings_store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};

/// Arrivals of one transaction at most.
const BATCH: usize = 128;
/// A message longer than this is read on a thread for blocking work.
const QUICK: usize = 256 * 1024;

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The database did not take it. It may be brought again.
    #[error("{0}")]
    Store(#[from] Arc<StoreError>),
    /// The process is ending. It may be brought again.
    #[error("the intake has stopped")]
    Stopped,
}

type Answer = Result<Taken, IntakeError>;

struct Asked {
    arrival: NewArrival,
    answer: oneshot::Sender<Answer>,
}

/// Takes what comes in. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    rules: Arc<Rules>,
    keys: KeyRing,
    clock: Clock,
    queue: mpsc::Sender<Asked>,
}

impl Intake {
    /// Starts the task that keeps what comes in; it ends when the last handle is gone.
    pub fn start(store: Store, keys: KeyRing, rules: Arc<Rules>, policy: Policy, clock: Clock) -> Intake {
        let (queue, asked) = mpsc::channel(4 * BATCH);
        let keeper = Keeper {
            store,
            keys: keys.clone(),
            policy,
            clock: clock.clone(),
        };
        tokio::spawn(keeper.run(asked));
        Intake {
            rules,
            keys,
            clock,
            queue,
        }
    }

    /// The keys of the tokens in return paths and unsubscribe addresses.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Takes something. When this returns without an error, it is durable, and what follows from it has been done. The same
    /// arrival may be brought again: it counts once.
    pub async fn take(&self, arrival: Arrival) -> Answer {
        let arrival = match arrival {
            Arrival::Mail(mail) => self.read(mail).await,
            Arrival::Post(post) => posted(post, self.clock.now()),
        };
        self.keep(arrival).await
    }

    /// Takes a message, and tells whether it says anything that is understood here. Where people's mail lies too, theirs
    /// can be left alone then.
    pub async fn take_mail(&self, mail: Mail) -> Result<bool, IntakeError> {
        let arrival = self.read(mail).await;
        let is_understood = arrival.events.iter().any(|event| event.kind != EventKind::Other);
        self.keep(arrival).await.map(|_| is_understood)
    }

    async fn keep(&self, arrival: NewArrival) -> Answer {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { arrival, answer };
        self.queue.send(asked).await.map_err(|_| IntakeError::Stopped)?;
        answered.await.map_err(|_| IntakeError::Stopped)?
    }

    async fn read(&self, mail: Mail) -> NewArrival {
        let now = self.clock.now();
        if mail.octets.len() <= QUICK {
            return read(&self.rules, mail, now);
        }
        let rules = Arc::clone(&self.rules);
        tokio::task::spawn_blocking(move || read(&rules, mail, now))
            .await
            .expect("reading a message does not panic")
    }
}

fn read(rules: &Rules, mail: Mail, now: Timestamp) -> NewArrival {
    let Mail {
        way,
        recipients,
        octets,
    } = mail;
    let mut digest = Sha256::new();
    for recipient in &recipients {
        digest.update(recipient.to_ascii_lowercase());
        digest.update([0]);
    }
    digest.update(&octets);
    NewArrival {
        way,
        key: HEXLOWER.encode(&digest.finalize()),
        events: message::events(rules, &recipients, &octets),
        raw: octets,
        received_at: now,
    }
}

fn posted(post: Post, now: Timestamp) -> NewArrival {
    let mut digest = Sha256::new();
    digest.update(post.way.as_str());
    digest.update(post.id.as_ref().map_or(&post.body[..], |id| id.as_bytes()));
    NewArrival {
        way: post.way,
        key: HEXLOWER.encode(&digest.finalize()),
        events: post.events,
        raw: post.body,
        received_at: now,
    }
}

/// Keeps what comes in.
struct Keeper {
    store: Store,
    keys: KeyRing,
    policy: Policy,
    clock: Clock,
}

impl Keeper {
    async fn run(self, mut asked: mpsc::Receiver<Asked>) {
        let mut batch = Vec::with_capacity(BATCH);
        while asked.recv_many(&mut batch, BATCH).await > 0 {
            let (arrivals, answers): (Vec<_>, Vec<_>) = batch
                .drain(..)
                .map(|Asked { arrival, answer }| (arrival, answer))
                .unzip();
            match self.keep(&arrivals).await {
                // Whoever asked may be gone: then it comes again, and is known.
                Ok(taken) => taken.into_iter().zip(answers).for_each(|(taken, answer)| {
                    let _ = answer.send(Ok(taken));
                }),
                // One that always fails must not keep the others out.
                Err(error) if arrivals.len() > 1 && !error.is_transient() => {
                    for (arrival, answer) in arrivals.into_iter().zip(answers) {
                        let kept = self.keep(&[arrival]).await;
                        let kept = kept.map_err(|error| failed(error).into());
                        let _ = answer.send(kept.map(|mut taken| taken.remove(0)));
                    }
                }
                Err(error) => {
                    let error = failed(error);
                    for answer in answers {
                        let _ = answer.send(Err(Arc::clone(&error).into()));
                    }
                }
            }
        }
    }

    async fn keep(&self, arrivals: &[NewArrival]) -> Result<Vec<Taken>, StoreError> {
        let now = self.clock.now();
        let taken = self.store.take_feedback(arrivals, &self.policy, &self.keys, now);
        self.store.while_it_answers(taken).await
    }
}

fn failed(error: StoreError) -> Arc<StoreError> {
    tracing::error!("what came in was not kept, and will be asked for again: {error}");
    Arc::new(error)
}
