//! A session: one task, one connection to a relay, one message after the other.
//!
//! Where the relay announces PIPELINING, one write carries the content of a message, its final dot, and MAIL, RCPT
//! and DATA of the next (RFC 2920 section 3.1 allows content first in a group): one round trip for a message.

use crate::connection::{Connection, limits};
use crate::job::Job;
use crate::recorder::Recorder;
use crate::relay::{Relay, RelayFault};
use crate::reply::{Kind, Reply};
use crate::retry::Next;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::message::BodyEncoding;
use tidings_campaign::time::Clock;
use tidings_feedback::reply::verdict;
use tidings_feedback::verdict::{Cause, Class, Verdict};
use tidings_store::Store;
use tidings_store::ledger::{KeptReply, Outcome};
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
struct Ended {
    fault: Option<RelayFault>,
    job: Option<Job>,
}

impl Ended {
    fn fault(fault: RelayFault, job: Job) -> Ended {
        Ended {
            fault: Some(fault),
            job: Some(job),
        }
    }
}

/// So long a connection without work is kept.
const IDLE: Duration = Duration::from_secs(5);
/// How often a waiting session looks whether its work was revoked.
const LOOK: Duration = Duration::from_millis(200);
/// So many broken connections in its own transaction, and a delivery is deferred rather than tried again at once.
const BROKEN: u32 = 3;

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
                    connection,
                    reset: false,
                    spare: Vec::new(),
                }
                .converse(job)
                .await
            }
            Err(fault) => Ended::fault(fault, job),
        };
        if let Some(fault) = ended.fault {
            context.relay.put_aside(&fault);
        }
        if let Some(job) = ended.job {
            give_back(&context, job);
        }
    }
}

fn give_back(context: &SessionContext, job: Job) {
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
    connection: Connection,
    /// The relay may still hold a half-open transaction: RSET before the next.
    reset: bool,
    /// A buffer for the next message.
    spare: Vec<u8>,
}

impl Session<'_> {
    async fn converse(mut self, first: Job) -> Ended {
        let mut job = Some(first);
        loop {
            let Some(current) = job.take() else {
                let next = tokio::select! {
                    biased;
                    () = self.context.stop.cancelled() => break,
                    next = timeout(IDLE, self.context.queue.take()) => next,
                };
                match next {
                    Ok(Some(next)) => job = Some(next),
                    _ => break,
                }
                continue;
            };
            if !self.wait_turn(&current).await {
                drop(current);
                if self.context.stop.is_cancelled() {
                    break;
                }
                continue;
            }
            let Some(prepared) = self.asked_again(current).await.and_then(|job| self.prepare(job)) else {
                continue;
            };
            let mut opened = match self.open(prepared).await {
                Ok(Opened::Ready(prepared)) => Some(prepared),
                Ok(Opened::Refused) => None,
                Err(ended) => return ended,
            };
            while let Some(current) = opened.take() {
                match self.transfer(current).await {
                    Ok(Some(Opened::Ready(next))) => opened = Some(next),
                    Ok(_) => {}
                    Err(ended) => return ended,
                }
            }
            if self.context.stop.is_cancelled() {
                break;
            }
        }
        self.connection.quit().await;
        Ended {
            fault: None,
            job: None,
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
        let body = if built.eight_bit { " BODY=8BITMIME" } else { "" };
        let size = announced
            .size
            .map(|_| format!(" SIZE={}", content.len()))
            .unwrap_or_default();
        let utf8 = if address.is_ascii() { "" } else { " SMTPUTF8" };
        let return_path = job.run.messages.return_path(job.held.seq);
        let envelope = format!("MAIL FROM:<{return_path}>{body}{size}{utf8}\r\nRCPT TO:<{address}>\r\n");
        finish_content(&mut content);
        Some(Box::new(Prepared {
            job,
            content,
            envelope,
        }))
    }

    /// Takes the next message if there is one and its turn has come.
    async fn prefetch(&mut self) -> Option<Box<Prepared>> {
        if !self.connection.announced().pipelining {
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

    /// Sends MAIL, RCPT and DATA: as one group, or one after the other.
    async fn open(&mut self, prepared: Box<Prepared>) -> Result<Opened, Ended> {
        let reset = if self.reset { "RSET\r\n" } else { "" };
        if self.connection.announced().pipelining {
            let group = format!("{reset}{}DATA\r\n", prepared.envelope);
            if let Err(failed) = self.connection.write(group.as_bytes(), limits::COMMAND).await {
                return Err(Ended::fault(failed.fault, prepared.job));
            }
            if self.reset
                && let Err(fault) = self.read_reset().await
            {
                return Err(Ended::fault(fault, prepared.job));
            }
            return self.read_opening(prepared).await;
        }
        self.open_in_steps(prepared).await
    }

    async fn open_in_steps(&mut self, mut prepared: Box<Prepared>) -> Result<Opened, Ended> {
        if self.reset {
            if let Err(failed) = self.connection.write(b"RSET\r\n", limits::COMMAND).await {
                return Err(Ended::fault(failed.fault, prepared.job));
            }
            if let Err(fault) = self.read_reset().await {
                return Err(Ended::fault(fault, prepared.job));
            }
        }
        let envelope = std::mem::take(&mut prepared.envelope);
        let mut recipient = None;
        for (step, line) in ["MAIL", "RCPT"].into_iter().zip(envelope.split_inclusive('\n')) {
            match self.ask(line, step).await {
                Ok(reply) if step == "MAIL" && reply.kind() != Kind::Positive => {
                    return Err(refused(step, reply, prepared.job));
                }
                Ok(reply) => recipient = Some(reply),
                Err(fault) => return Err(Ended::fault(fault, prepared.job)),
            }
        }
        let recipient = recipient.expect("an envelope has two lines");
        if recipient.kind() != Kind::Positive {
            if recipient.code == 421 {
                return Err(refused("RCPT", recipient, prepared.job));
            }
            self.reset = true;
            self.refuse(prepared, recipient, false);
            return Ok(Opened::Refused);
        }
        match self.ask("DATA\r\n", "DATA").await {
            Ok(data) => self.after_data(prepared, recipient, data).await,
            Err(fault) => Err(Ended::fault(fault, prepared.job)),
        }
    }

    async fn ask(&mut self, line: &str, step: &'static str) -> Result<Reply, RelayFault> {
        self.connection
            .write(line.as_bytes(), limits::COMMAND)
            .await
            .map_err(|failed| failed.fault)?;
        self.connection
            .reply(
                step,
                if step == "DATA" {
                    limits::DATA
                } else {
                    limits::COMMAND
                },
            )
            .await
    }

    async fn read_reset(&mut self) -> Result<(), RelayFault> {
        let reply = self.connection.reply("RSET", limits::COMMAND).await?;
        if reply.kind() != Kind::Positive {
            return Err(RelayFault::Refused {
                step: "RSET",
                reply: reply.to_string(),
            });
        }
        self.reset = false;
        Ok(())
    }

    /// Reads the replies to a pipelined MAIL, RCPT and DATA.
    async fn read_opening(&mut self, prepared: Box<Prepared>) -> Result<Opened, Ended> {
        let mail = match self.connection.reply("MAIL", limits::COMMAND).await {
            Ok(reply) if reply.kind() == Kind::Positive => reply,
            Ok(reply) => return Err(refused("MAIL", reply, prepared.job)),
            Err(fault) => return Err(Ended::fault(fault, prepared.job)),
        };
        drop(mail);
        let recipient = match self.connection.reply("RCPT", limits::COMMAND).await {
            Ok(reply) if reply.code == 421 => return Err(refused("RCPT", reply, prepared.job)),
            Ok(reply) => reply,
            Err(fault) => return Err(Ended::fault(fault, prepared.job)),
        };
        match self.connection.reply("DATA", limits::DATA).await {
            Ok(data) => self.after_data(prepared, recipient, data).await,
            Err(fault) if recipient.kind() == Kind::Positive => Err(Ended::fault(fault, prepared.job)),
            Err(fault) => {
                // The recipient has its answer, whatever became of the connection.
                self.refuse(prepared, recipient, false);
                Err(Ended {
                    fault: Some(fault),
                    job: None,
                })
            }
        }
    }

    async fn after_data(
        &mut self,
        prepared: Box<Prepared>,
        recipient: Reply,
        data: Reply,
    ) -> Result<Opened, Ended> {
        let recipient_taken = recipient.kind() == Kind::Positive;
        match (recipient_taken, data.kind()) {
            (true, Kind::Intermediate) => return Ok(Opened::Ready(prepared)),
            (true, _) if data.code == 421 => return Err(refused("DATA", data, prepared.job)),
            (true, _) => self.refuse(prepared, data, false),
            (false, Kind::Intermediate) => {
                self.refuse(prepared, recipient, false);
                // RFC 2920 section 3.1: a 354 in spite of refused recipients is ended by a lone dot.
                if let Err(fault) = self.ask(".\r\n", "the lone dot").await {
                    return Err(Ended {
                        fault: Some(fault),
                        job: None,
                    });
                }
            }
            (false, _) => {
                let closing = data.code == 421;
                self.refuse(prepared, recipient, false);
                if closing {
                    let fault = RelayFault::Refused {
                        step: "DATA",
                        reply: data.to_string(),
                    };
                    return Err(Ended {
                        fault: Some(fault),
                        job: None,
                    });
                }
            }
        }
        self.reset = true;
        Ok(Opened::Refused)
    }

    /// Sends the content of an open transaction and, in the same write, opens the next. Returns how the next fared.
    async fn transfer(&mut self, current: Box<Prepared>) -> Result<Option<Opened>, Ended> {
        let held = current.job.held;
        let recorder = self.context.recorder.clone();
        // The next message is rendered while the commit is under way.
        let (granted, next) = tokio::join!(recorder.put_on_wire(held), self.prefetch());
        let relay = &self.context.relay.settings.name;
        if !granted {
            // The open DATA can only be left by closing the connection. The lease takes the delivery back.
            return Err(Ended {
                fault: None,
                job: next.map(|next| next.job),
            });
        }
        if self.connection.is_disturbed() {
            current.job.take_back(relay);
            if let Some(next) = next {
                give_back(self.context, next.job);
            }
            let fault = RelayFault::Broken("closed by the relay before the final dot".to_owned());
            return Err(self.broke_in_transaction(current.job, fault));
        }
        let Prepared { job, mut content, .. } = *current;
        let dot = content.len();
        if let Some(next) = &next {
            content.extend_from_slice(next.envelope.as_bytes());
            content.extend_from_slice(b"DATA\r\n");
        }
        if let Err(failed) = self.connection.write(&content, limits::BLOCK).await {
            if let Some(next) = next {
                give_back(self.context, next.job);
            }
            if failed.written < dot {
                job.take_back(relay);
                return Err(self.broke_in_transaction(job, failed.fault));
            }
            lost(job, relay, &failed.fault);
            return Err(Ended {
                fault: Some(failed.fault),
                job: None,
            });
        }
        content.clear();
        self.spare = content;
        let answer = tokio::select! {
            biased;
            answer = self.connection.reply("the final dot", limits::FINAL_DOT) => answer,
            () = self.context.abort.cancelled() => {
                Err(RelayFault::Broken("stopped before the relay answered".to_owned()))
            }
        };
        match answer {
            Ok(reply) if reply.code == 421 => {
                job.take_back(relay);
                if let Some(next) = next {
                    give_back(self.context, next.job);
                }
                return Err(refused("the final dot", reply, job));
            }
            Ok(reply) if reply.kind() == Kind::Positive => {
                job.settle(relay, true, Outcome::Accepted(reply.kept()));
            }
            Ok(reply) => self.refuse_job(job, reply, true),
            Err(fault) => {
                lost(job, relay, &fault);
                return Err(Ended {
                    fault: Some(fault),
                    job: next.map(|next| next.job),
                });
            }
        }
        match next {
            Some(next) => self.read_opening(next).await.map(Some),
            None => Ok(None),
        }
    }

    /// A connection broke while this delivery was being handed over. If that happens again and again, the
    /// message itself may be the reason: it is deferred, so that others can pass.
    fn broke_in_transaction(&self, mut job: Job, fault: RelayFault) -> Ended {
        job.broken += 1;
        if job.broken < BROKEN {
            return Ended::fault(fault, job);
        }
        let reply = KeptReply {
            code: 421,
            enhanced: Some("4.4.2".to_owned()),
            text: fault.to_string(),
        };
        let verdict = Verdict {
            class: Class::Soft,
            cause: Cause::Network,
            reason: "networkerror",
        };
        self.try_later(job, reply, verdict, false);
        Ended {
            fault: Some(fault),
            job: None,
        }
    }

    fn refuse(&mut self, prepared: Box<Prepared>, reply: Reply, was_on_wire: bool) {
        self.spare = prepared.content;
        self.refuse_job(prepared.job, reply, was_on_wire);
    }

    fn refuse_job(&self, job: Job, reply: Reply, was_on_wire: bool) {
        let verdict = verdict(reply.code, &reply.words());
        // RFC 5321 section 4.5.3.1.10: 552 after RCPT is to be treated as 452.
        let temporary = reply.kind() == Kind::Transient || (reply.code == 552 && !was_on_wire);
        if temporary {
            self.try_later(job, reply.kept(), verdict, was_on_wire);
        } else {
            job.settle(
                &self.context.relay.settings.name,
                was_on_wire,
                Outcome::Rejected(reply.kept(), verdict),
            );
        }
    }

    fn try_later(&self, job: Job, reply: KeptReply, verdict: Verdict, was_on_wire: bool) {
        let now = self.context.clock.now();
        let first = job.first_attempt_at.unwrap_or(now);
        let outcome = match job.run.retry.after(job.attempts + 1, first, now, chance()) {
            Next::At(due) => Outcome::Deferred(reply, verdict, due),
            Next::GiveUp => Outcome::Expired(reply, verdict),
        };
        job.settle(&self.context.relay.settings.name, was_on_wire, outcome);
    }
}

fn lost(job: Job, relay: &str, fault: &RelayFault) {
    let policy = job.run.unknown_policy;
    job.settle(
        relay,
        true,
        Outcome::Unknown {
            detail: fault.to_string(),
            policy,
        },
    );
}

fn refused(step: &'static str, reply: Reply, job: Job) -> Ended {
    Ended::fault(
        RelayFault::Refused {
            step,
            reply: reply.to_string(),
        },
        job,
    )
}

/// What this relay cannot carry is refused here, in the words that it would use.
fn local_refusal(announced: &crate::connection::Announced, address: &str, octets: usize) -> Option<Outcome> {
    let (code, enhanced, text, verdict) = if !address.is_ascii() && !announced.smtp_utf8 {
        let text = "not sent: the address needs SMTPUTF8, which the relay does not offer";
        (
            553,
            "5.6.7",
            text,
            Verdict {
                class: Class::Other,
                cause: Cause::Relay,
                reason: "notaccept",
            },
        )
    } else if announced.size.is_some_and(|limit| limit > 0 && octets > limit) {
        let text = "not sent: the message is larger than the relay takes";
        (
            552,
            "5.3.4",
            text,
            Verdict {
                class: Class::Other,
                cause: Cause::Content,
                reason: "mesgtoobig",
            },
        )
    } else {
        return None;
    };
    let reply = KeptReply {
        code,
        enhanced: Some(enhanced.to_owned()),
        text: text.to_owned(),
    };
    Some(Outcome::Rejected(reply, verdict))
}

/// Dot-stuffs the content (RFC 5321 section 4.5.2) and appends the final dot.
fn finish_content(content: &mut Vec<u8>) {
    if !content.ends_with(b"\r\n") {
        content.extend_from_slice(b"\r\n");
    }
    let mut at = usize::from(content.first() == Some(&b'.'));
    if at == 1 {
        content.insert(0, b'.');
    }
    while let Some(found) = memchr::memmem::find(&content[at..], b"\r\n.") {
        let dot = at + found + 2;
        content.insert(dot, b'.');
        at = dot + 2;
    }
    content.extend_from_slice(b".\r\n");
}

fn chance() -> f64 {
    let mut octets = [0; 4];
    // Without randomness the delays are merely not spread.
    match getrandom::fill(&mut octets) {
        Ok(()) => f64::from(u32::from_ne_bytes(octets)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::finish_content;

    #[test]
    fn lines_that_begin_with_a_dot_are_stuffed() {
        for (content, wire) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a\r\n.\r\n.b\r\nc.\r\n", "a\r\n..\r\n..b\r\nc.\r\n.\r\n"),
            ("\r\n.\r\n", "\r\n..\r\n.\r\n"),
        ] {
            let mut octets = content.as_bytes().to_vec();
            finish_content(&mut octets);
            assert_eq!(String::from_utf8(octets).unwrap(), wire);
        }
    }
}
