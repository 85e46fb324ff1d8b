//! Handing a message over: its content, the final dot, and in the same write the opening of the next.

use super::refusal::Refused;
use super::{BROKEN, Ended, Opened, Prepared, Session};
use crate::connection::Connection;
use crate::job::Job;
use crate::relay::RelayFault;
use crate::reply::{Kind, Reply};
use crate::shaping::Heard;
use std::time::Instant;
use tidings_feedback::verdict::{Cause, Class, Ruling, Verdict};
use tidings_store::ledger::{KeptReply, Outcome};

impl Session<'_> {
    /// Sends the content of an open transaction and, in the same write, opens the next. Returns how the next fared.
    pub(super) async fn transfer(&mut self, current: Box<Prepared>) -> Result<Option<Opened>, Ended> {
        // The next message is rendered while the commit is under way.
        let asked = current.job.put_on_wire(&self.context.recorder);
        let (granted, mut next) = tokio::join!(asked, self.prefetch());
        let relay = &self.context.relay.name;
        if !granted {
            // The open DATA can only be left by closing the connection. The lease takes the delivery back.
            return Err(Ended {
                job: next.map(|next| next.job),
                ..Ended::default()
            });
        }
        if self.connection.is_disturbed() {
            current.job.take_back(relay);
            if let Some(next) = next {
                self.desk.give_back(next.job);
            }
            let fault = RelayFault::Broken("closed by the relay before the final dot".to_owned());
            return Err(self.broke_in_transaction(current.job, fault));
        }
        let Prepared { job, mut content, .. } = *current;
        let dot = content.len();
        if let Some(next) = &mut next {
            next.job.attempt = self.attempt();
            content.extend_from_slice(next.envelope.as_bytes());
            content.extend_from_slice(b"DATA\r\n");
        }
        // From here on another node may have it, if the lease is over: nothing is written then.
        let written = self.connection.write_content(&content, dot, || job.held_for());
        if let Err(failed) = written.await {
            if let Some(next) = next {
                self.desk.give_back(next.job);
            }
            let is_over = job.held_for().is_zero();
            if failed.written < dot && is_over {
                job.take_back(relay);
                return Err(Ended::default());
            }
            if is_over {
                job.lose(relay, LEASE_OVER.to_owned());
                return Err(Ended::default());
            }
            if failed.written < dot {
                job.take_back(relay);
                return Err(self.broke_in_transaction(job, failed.fault));
            }
            lost(job, relay, &failed.fault);
            return Err(Ended::fault_alone(failed.fault));
        }
        content.clear();
        self.spare = content;
        let abort = &self.context.abort;
        let answer = tokio::select! {
            biased;
            answer = answer_to_dot(&mut self.connection, &job) => answer,
            () = abort.cancelled() => {
                Err(RelayFault::Broken("stopped before the relay answered".to_owned()))
            }
        };
        let Some(answer) = answer.transpose() else {
            // Another node will say that it is unknown. By then this connection is gone.
            job.lose(relay, LEASE_OVER.to_owned());
            return Err(Ended {
                job: next.map(|next| next.job),
                ..Ended::default()
            });
        };
        match answer {
            Ok(reply) if reply.code == 421 => {
                job.take_back(relay);
                if let Some(next) = next {
                    self.desk.give_back(next.job);
                }
                return Err(self.sent_away("the final dot", reply, job));
            }
            Ok(reply) if reply.kind() == Kind::Positive => {
                self.note_service(&job);
                job.settle(relay, true, Outcome::Accepted(reply.kept()));
            }
            Ok(reply) => self.refuse_job(job, reply, Refused::Message),
            Err(fault) => {
                lost(job, relay, &fault);
                return Err(Ended {
                    fault: Some(fault),
                    job: next.map(|next| next.job),
                    ..Ended::default()
                });
            }
        }
        match next {
            Some(next) => self.read_opening(next).await.map(Some),
            None => Ok(None),
        }
    }

    /// A message was taken.
    fn note_service(&mut self, job: &Job) {
        if !self.served {
            self.served = true;
            self.desk.works();
        }
        self.desk.hear(job.domain(), Heard::Accepted);
    }

    /// A connection broke while this delivery was being handed over. If that happens again and again, the
    /// message itself may be the reason: it is deferred, so that others can pass.
    pub(super) fn broke_in_transaction(&self, mut job: Job, fault: RelayFault) -> Ended {
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
        let ruling = Ruling {
            verdict,
            rule: "connection-broke".to_owned(),
        };
        self.try_later(job, reply, ruling, false);
        Ended::fault_alone(fault)
    }
}

const DOT: &str = "the final dot";
const LEASE_OVER: &str =
    "the lease ran out before the relay answered, because the database was away or the sender stood still";

/// Waits for the answer to the final dot, and not longer than the lease is held, which others prolong meanwhile. `None`: it is
/// over.
async fn answer_to_dot(connection: &mut Connection, job: &Job) -> Result<Option<Reply>, RelayFault> {
    let limit = connection.timeouts().final_dot;
    let deadline = Instant::now() + limit;
    loop {
        let held = job.held_for();
        if held.is_zero() {
            return Ok(None);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if connection.is_heard(DOT, left.min(held)).await? {
            return connection.reply(DOT, left.min(held)).await.map(Some);
        }
        if left <= held {
            return Err(RelayFault::TimedOut { step: DOT, limit });
        }
    }
}

fn lost(job: Job, relay: &str, fault: &RelayFault) {
    job.lose(relay, fault.to_string());
}
