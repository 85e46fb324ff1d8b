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
use crate::dispatch::{Desk, Dispatcher, Opening};
use crate::job::{Attempt, Job};
use crate::judging::JudgingNow;
use crate::own_files::NoFile;
use crate::recorder::Recorder;
use crate::relay::{RelayFault, RelaySettings};
use crate::schedule::RelayId;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tidings_campaign::lifecycle::Action;
use tidings_campaign::message::BodyEncoding;
use tidings_campaign::message::attachment::EncodedFile;
use tidings_campaign::time::Clock;
use tidings_store::Store;
use tidings_store::ledger::Outcome;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What a session needs besides its connection.
#[derive(Clone, Debug)]
pub struct SessionContext {
    /// The relay.
    pub relay: Arc<RelaySettings>,
    /// The relay in the dispatcher.
    pub(crate) relay_id: RelayId,
    /// Where work comes from.
    pub dispatcher: Dispatcher,
    /// The ledger.
    pub recorder: Recorder,
    /// What refusals mean.
    pub judging: JudgingNow,
    /// The time, for `Date` headers and retries.
    pub clock: Clock,
    /// Where to ask again whether a recipient may be mailed, and where transcripts are kept; nowhere in a rehearsal.
    pub store: Option<Store>,
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
    /// The fault is that a provider finds us too fast: it says nothing about the relay.
    is_pace: bool,
}

impl Ended {
    fn fault(fault: RelayFault, job: Job) -> Ended {
        Ended {
            fault: Some(fault),
            job: Some(job),
            ..Ended::default()
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

/// So many broken connections in its own transaction, and a delivery is deferred rather than tried again at once.
const BROKEN: u32 = 3;
/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Transcripts kept of each relay.
const TRANSCRIPTS: i64 = 10;

/// Numbers the sessions of this process.
static SESSIONS: AtomicI64 = AtomicI64::new(1);

/// Starts as many sessions as the relay allows connections. Where several senders share those, each has part of them and the
/// other sessions wait.
pub(crate) fn start(sessions: &mut JoinSet<()>, context: &SessionContext) {
    for _ in 0..context.relay.max_sessions {
        sessions.spawn(run(context.clone()));
    }
}

/// Works until `stop` or until there can be no more work.
pub async fn run(context: SessionContext) {
    let desk = context.dispatcher.desk(context.relay_id);
    loop {
        let job = tokio::select! {
            biased;
            () = context.stop.cancelled() => return,
            job = desk.take(false) => match job { Some(job) => job, None => return },
        };
        let counted = desk.opening();
        let opened = tokio::select! {
            biased;
            () = context.stop.cancelled() => return,
            opened = Connection::open(&context.relay) => opened,
            () = lost(counted.as_ref()) => {
                drop(counted);
                desk.give_back(job);
                continue;
            }
        };
        let (was_ready, ended) = match opened {
            Ok(connection) => {
                let ended = tokio::select! {
                    biased;
                    ended = work(&context, &desk, connection, job) => ended,
                    // What was in hand goes back with its lease, or is unknown when that is over, as it is when a process dies.
                    () = lost(counted.as_ref()) => Ended::default(),
                };
                (true, ended)
            }
            Err(failed) => {
                let ended = Ended {
                    transcript: Some(failed.transcript),
                    ..Ended::fault(failed.fault, job)
                };
                (false, ended)
            }
        };
        // The socket is closed.
        drop(counted);
        if let (Some(fault), false) = (&ended.fault, ended.is_pace) {
            desk.fault(&context.relay.name, fault, was_ready);
        }
        // Others may have a connection for it.
        if let Some(job) = ended.job {
            desk.give_back(job);
        }
        if let Some(fault) = &ended.fault {
            context.keep_transcript(fault, ended.transcript.as_deref()).await;
        }
    }
}

/// Waits until the connection may be another sender's. Never, where this process sends alone.
async fn lost(counted: Option<&Opening<'_>>) {
    match counted {
        Some(counted) => counted.lost().await,
        None => std::future::pending().await,
    }
}

async fn work(context: &SessionContext, desk: &Desk, connection: Connection, job: Job) -> Ended {
    let _connected = desk.connected(&context.relay.name);
    let session = Session {
        context,
        desk,
        number: SESSIONS.fetch_add(1, Ordering::Relaxed),
        connection,
        begun: 0,
        served: false,
        reset: false,
        spare: Vec::new(),
    };
    session.converse(job).await
}

impl SessionContext {
    async fn keep_transcript(&self, fault: &RelayFault, transcript: Option<&str>) {
        let (Some(store), Some(transcript)) = (&self.store, transcript) else {
            return;
        };
        let now = self.clock.now();
        let fault = fault.to_string();
        let kept = store.keep_transcript(&self.relay.name, now, &fault, transcript, TRANSCRIPTS);
        if let Err(error) = store.within(ANSWER, kept).await {
            tracing::debug!(relay.name = %self.relay.name, "the transcript of a session is not kept: {error}");
        }
    }
}

struct Session<'a> {
    context: &'a SessionContext,
    /// As the ledger tells it from others of this process.
    number: i64,
    desk: &'a Desk,
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
        let most = self.context.relay.messages_per_session;
        most.is_some_and(|most| self.begun >= most)
    }

    async fn work(&mut self, first: Job) -> Result<(), Ended> {
        let mut job = Some(first);
        loop {
            let Some(current) = job.take() else {
                let next = tokio::select! {
                    biased;
                    () = self.context.stop.cancelled() => return Ok(()),
                    next = timeout(self.context.relay.idle_timeout, self.desk.take(true)) => next,
                };
                match next {
                    Ok(Some(next)) => job = Some(next),
                    _ => return Ok(()),
                }
                continue;
            };
            let Some(prepared) = self.ready(current).await else {
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

    /// Asks once more whether it may go, and makes the message. `None`: it cannot go out now, and is settled or goes back
    /// with its lease.
    async fn ready(&mut self, job: Job) -> Option<Box<Prepared>> {
        let job = self.asked_again(job).await?;
        let own = match job
            .delivery()
            .and_then(|it| it.run.own_files.as_ref().zip(Some(it)))
        {
            None => None,
            Some((files, delivery)) => match files.of(delivery.to.recipient()).await {
                Ok(file) => file,
                Err(fault) => {
                    self.without_file(job, fault).await;
                    return None;
                }
            },
        };
        self.prepare(job, own.as_ref())
    }

    /// What is wrong with one recipient's file is recorded with the delivery; where no file can be read, the campaign
    /// waits for a person, and its deliveries go back with their leases.
    async fn without_file(&self, job: Job, fault: NoFile) {
        let run = job.delivery().map(|delivery| &delivery.run);
        let detail = match (fault, &self.context.store, run) {
            (NoFile::Folder(why), Some(store), Some(run)) => {
                run.stop();
                tracing::error!(campaign = run.id.0, "held: {why}");
                let held = store.move_campaign(run.id, Action::Hold, Some(&why));
                let held = store.within(ANSWER, held).await;
                // Another session has held it already, or a person has stopped it.
                if let Err(error) = held {
                    tracing::debug!(campaign = run.id.0, "not held: {error}");
                }
                return;
            }
            (NoFile::Folder(why) | NoFile::Recipient(why), ..) => why,
        };
        let reason = "attachment";
        job.settle("", false, Outcome::Withheld { reason, detail });
    }

    async fn asked_again(&self, job: Job) -> Option<Job> {
        match &self.context.store {
            Some(store) => job.asked_again(store, self.context.clock.now()).await,
            None => Some(job),
        }
    }

    /// Renders the message. `None`: it cannot go out, and is settled.
    fn prepare(&mut self, job: Job, own: Option<&EncodedFile>) -> Option<Box<Prepared>> {
        let announced = *self.connection.announced();
        let encoding = if announced.eight_bit_mime {
            BodyEncoding::EightBit
        } else {
            BodyEncoding::SevenBit
        };
        let mut content = std::mem::take(&mut self.spare);
        let now = self.context.clock.now();
        let built = match job.write(own, now, encoding, &mut content) {
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
        let address = job.address().as_str();
        if let Some(refusal) = local_refusal(&announced, address, content.len()) {
            job.settle(&self.context.relay.name, false, refusal);
            return None;
        }
        let envelope = Envelope {
            return_path: &job.return_path(),
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

    /// Takes the next message if there is one and its turn has come. One alone is looked at: the current message is committed as on
    /// the wire and must not wait, with an answer of `may_mail` that grows old, while many are found that may not go.
    async fn prefetch(&mut self) -> Option<Box<Prepared>> {
        let may_pipeline = self.connection.announced().pipelining;
        if !may_pipeline || self.is_used_up() || self.context.stop.is_cancelled() {
            return None;
        }
        let job = self.desk.take_now()?;
        self.ready(job).await
    }
}
