//! A session: one task, one connection to a relay, one message after the other.
//!
//! Where the relay announces PIPELINING, one write carries the content of a message, its final dot, and MAIL, RCPT
//! and DATA of the next (RFC 2920 section 3.1 allows content first in a group): one round trip for a message.

mod content;
mod envelope;
mod opening;
mod refusal;
mod transfer;

use self::content::finish_content;
use self::envelope::Envelope;
use self::refusal::local_refusal;
use crate::connection::Connection;
use crate::job::{Attempt, Job};
use crate::recorder::Recorder;
use crate::relay::{Relay, RelayFault};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tidings_campaign::message::BodyEncoding;
use tidings_campaign::time::Clock;
use tidings_store::Store;
use tidings_store::ledger::Outcome;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Where sessions take their work from.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Fresh work, bounded.
    pub fresh: async_channel::Receiver<Job>,
    /// Work that a session could not do for want of a connection; it goes first. Bounded by the sessions.
    pub returned: (async_channel::Sender<Job>, async_channel::Receiver<Job>),
}

impl Queue {
    fn take_now(&self) -> Option<Job> {
        self.returned.1.try_recv().or_else(|_| self.fresh.try_recv()).ok()
    }

    fn is_empty(&self) -> bool {
        self.returned.1.is_empty() && self.fresh.is_empty()
    }

    async fn take(&self) -> Option<Job> {
        if let Some(job) = self.take_now() {
            return Some(job);
        }
        tokio::select! {
            biased;
            job = self.returned.1.recv() => job.ok(),
            job = self.fresh.recv() => job.ok(),
        }
    }
}

/// What a session needs besides its connection.
#[derive(Clone, Debug)]
pub struct SessionContext {
    /// The relay.
    pub relay: Arc<Relay>,
    /// The work.
    pub queue: Queue,
    /// The ledger.
    pub recorder: Recorder,
    /// The time, for `Date` headers and retries.
    pub clock: Clock,
    /// Where to ask again whether a recipient may be mailed; nowhere in a rehearsal.
    pub ask_again: Option<Store>,
    /// Take nothing more, finish what is on the wire.
    pub stop: CancellationToken,
    /// Do not even wait for answers any more.
    pub abort: CancellationToken,
}

/// A message that is ready to go.
struct Prepared {
    job: Job,
    /// Dot-stuffed content with the final dot.
    content: Vec<u8>,
    /// `MAIL …` and `RCPT …`, each with its CRLF.
    envelope: String,
}

/// How the opening of a transaction ended.
enum Opened {
    /// DATA was answered with 354.
    Ready(Box<Prepared>),
    /// The recipient was refused and is settled.
    Refused,
}

/// A connection that can go on no longer, and the delivery in hand, unharmed.
#[derive(Default)]
struct Ended {
    fault: Option<RelayFault>,
    job: Option<Job>,
    /// What was said before a fault, secrets masked.
    transcript: Option<String>,
}

impl Ended {
    fn fault(fault: RelayFault, job: Job) -> Ended {
        Ended {
            fault: Some(fault),
            job: Some(job),
            transcript: None,
        }
    }

    /// A fault, and no delivery in hand.
    fn fault_alone(fault: RelayFault) -> Ended {
        Ended {
            fault: Some(fault),
            ..Ended::default()
        }
    }
}

/// How often a waiting session looks whether its work was revoked.
const LOOK: Duration = Duration::from_millis(200);
/// So many broken connections in its own transaction, and a delivery is deferred rather than tried again at once.
const BROKEN: u32 = 3;

/// Numbers the sessions of this process.
static SESSIONS: AtomicI64 = AtomicI64::new(1);

/// Works until `stop` or until there can be no more work.
pub async fn run(context: SessionContext) {
    loop {
        let job = tokio::select! {
            biased;
            () = context.stop.cancelled() => return,
            job = context.queue.take() => match job { Some(job) => job, None => return },
        };
        if job.is_revoked() {
            continue;
        }
        if context.relay.aside_for().is_some() {
            // Another session may have a connection; this one waits without holding anything back.
            give_back(&context, job);
            wait_aside(&context).await;
            continue;
        }
        let opened = tokio::select! {
            biased;
            () = context.stop.cancelled() => return,
            opened = Connection::open(&context.relay.settings) => opened,
        };
        let ended = match opened {
            Ok(connection) => {
                context.relay.works();
                Session {
                    context: &context,
                    number: SESSIONS.fetch_add(1, Ordering::Relaxed),
                    connection,
                    begun: 0,
                    served: false,
                    reset: false,
                    spare: Vec::new(),
                }
                .converse(job)
                .await
            }
            Err(failed) => Ended {
                transcript: Some(failed.transcript),
                ..Ended::fault(failed.fault, job)
            },
        };
        if let Some(fault) = ended.fault {
            context.relay.put_aside(&fault);
        }
        if let Some(transcript) = ended.transcript {
            tracing::trace!(relay.name = %context.relay.settings.name, "a session failed:\n{transcript}");
        }
        if let Some(job) = ended.job {
            give_back(&context, job);
        }
    }
}

fn give_back(context: &SessionContext, mut job: Job) {
    // What was begun came to nothing.
    job.attempt = None;
    // Closed only when everything stops; then the job's lease takes it back.
    let _ = context.queue.returned.0.try_send(job);
}

async fn wait_aside(context: &SessionContext) {
    while let Some(span) = context.relay.aside_for() {
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = sleep(span.min(LOOK)) => {}
        }
        // Work that was revoked meanwhile must not wait for the relay: its lease is to be given back.
        if let Some(job) = context.queue.take_now()
            && !job.is_revoked()
        {
            give_back(context, job);
        }
    }
}

struct Session<'a> {
    context: &'a SessionContext,
    /// As the ledger tells it from others of this process.
    number: i64,
    connection: Connection,
    /// Messages for which MAIL went out or is about to.
    begun: u32,
    /// A message was taken over this connection: the relay understands us.
    served: bool,
    /// The relay may still hold a half-open transaction: RSET before the next.
    reset: bool,
    /// A buffer for the next message.
    spare: Vec<u8>,
}

impl Session<'_> {
    /// Hands over one message after the other. Says goodbye unless the connection failed.
    async fn converse(mut self, first: Job) -> Ended {
        match self.work(first).await {
            Ok(()) => {
                self.connection.quit().await;
                Ended::default()
            }
            Err(ended) => Ended {
                transcript: ended.fault.as_ref().map(|fault| self.told(fault)),
                ..ended
            },
        }
    }

    fn told(&self, fault: &RelayFault) -> String {
        format!("{}* {fault}\n", self.connection.transcript())
    }

    /// Whether the connection has carried as many messages as it may.
    fn is_used_up(&self) -> bool {
        let most = self.context.relay.settings.messages_per_session;
        most.is_some_and(|most| self.begun >= most)
    }

    async fn work(&mut self, first: Job) -> Result<(), Ended> {
        let mut job = Some(first);
        loop {
            let Some(current) = job.take() else {
                let next = tokio::select! {
                    biased;
                    () = self.context.stop.cancelled() => return Ok(()),
                    next = timeout(self.context.relay.settings.idle_timeout, self.context.queue.take()) => next,
                };
                match next {
                    Ok(Some(next)) => job = Some(next),
                    _ => return Ok(()),
                }
                continue;
            };
            if !self.wait_turn(&current).await {
                drop(current);
                if self.context.stop.is_cancelled() {
                    return Ok(());
                }
                continue;
            }
            let Some(prepared) = self.asked_again(current).await.and_then(|job| self.prepare(job)) else {
                continue;
            };
            let mut opened = match self.open(prepared).await? {
                Opened::Ready(prepared) => Some(prepared),
                Opened::Refused => None,
            };
            while let Some(current) = opened.take() {
                if let Some(Opened::Ready(next)) = self.transfer(current).await? {
                    opened = Some(next);
                }
            }
            if self.context.stop.is_cancelled() || self.is_used_up() {
                return Ok(());
            }
        }
    }

    /// Waits until the relay's rates let the message pass. False: it must be let go.
    async fn wait_turn(&self, job: &Job) -> bool {
        loop {
            if job.is_revoked() || self.context.stop.is_cancelled() {
                return false;
            }
            match self.context.relay.try_pass() {
                Ok(()) => return true,
                Err(wait) => sleep(wait.span.min(LOOK)).await,
            }
        }
    }

    async fn asked_again(&self, job: Job) -> Option<Job> {
        match &self.context.ask_again {
            Some(store) => job.asked_again(store).await,
            None => Some(job),
        }
    }

    /// Renders the message. `None`: it cannot go out, and is settled.
    fn prepare(&mut self, job: Job) -> Option<Box<Prepared>> {
        let announced = *self.connection.announced();
        let encoding = if announced.eight_bit_mime {
            BodyEncoding::EightBit
        } else {
            BodyEncoding::SevenBit
        };
        let mut content = std::mem::take(&mut self.spare);
        let now = self.context.clock.now();
        let built = match job.run.messages.build(&job.to, now, encoding, &mut content) {
            Ok(built) => built,
            Err(error) => {
                let detail = error.to_string();
                job.settle(
                    "",
                    false,
                    Outcome::Withheld {
                        reason: "unrenderable",
                        detail,
                    },
                );
                return None;
            }
        };
        let address = job.to.recipient().address.as_str();
        if let Some(refusal) = local_refusal(&announced, address, content.len()) {
            job.settle(&self.context.relay.settings.name, false, refusal);
            return None;
        }
        let envelope = Envelope {
            return_path: &job.run.messages.return_path(job.held.seq),
            address,
            size: content.len(),
            eight_bit: built.eight_bit,
        }
        .lines(&announced);
        self.begun += 1;
        finish_content(&mut content);
        Some(Box::new(Prepared {
            job,
            content,
            envelope,
        }))
    }

    /// An attempt that begins now.
    fn attempt(&self) -> Option<Attempt> {
        Some(Attempt {
            session: self.number,
            began: self.context.clock.now(),
            since: Instant::now(),
        })
    }

    /// Takes the next message if there is one and its turn has come.
    async fn prefetch(&mut self) -> Option<Box<Prepared>> {
        if !self.connection.announced().pipelining || self.is_used_up() {
            return None;
        }
        while !self.context.stop.is_cancelled() && !self.context.queue.is_empty() {
            if self.context.relay.try_pass().is_err() {
                return None;
            }
            let job = self.context.queue.take_now()?;
            if job.is_revoked() {
                continue;
            }
            if let Some(prepared) = self.asked_again(job).await.and_then(|job| self.prepare(job)) {
                return Some(prepared);
            }
        }
        None
    }
}
