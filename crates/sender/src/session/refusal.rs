//! What becomes of a delivery that is refused: by the relay, or here in the relay's words.

use super::{Ended, Prepared, Session};
use crate::connection::Announced;
use crate::job::Job;
use crate::relay::RelayFault;
use crate::reply::{Kind, Reply};
use crate::retry::Next;
use crate::shaping::Heard;
use tidings_feedback::reply::{GREYLISTED, judge};
use tidings_feedback::stage::Stage;
use tidings_feedback::verdict::{Cause, Class, Ruling, Verdict};
use tidings_store::ledger::{KeptReply, Outcome};

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// MAIL, because of the message's size, or RCPT.
    Envelope,
    /// DATA, after the recipient had been taken.
    Data,
    /// The message, after its final dot: it had been on the wire.
    Message,
}

impl Refused {
    fn stage(self) -> Stage {
        match self {
            Refused::Envelope => Stage::Recipient,
            Refused::Data | Refused::Message => Stage::Message,
        }
    }
}

impl Session<'_> {
    pub(super) fn refuse(&mut self, prepared: Box<Prepared>, reply: Reply, refused: Refused) {
        self.spare = prepared.content;
        self.refuse_job(prepared.job, reply, refused);
    }

    /// What a refusal means, by our rules and the operator's.
    pub(super) fn judge(&self, reply: &Reply, refused: Refused) -> Ruling {
        let rules = &self.context.judging.borrow().rules;
        judge(rules, reply.code, &reply.words(), Some(refused.stage()))
    }

    pub(super) fn refuse_job(&self, job: Job, reply: Reply, refused: Refused) {
        let was_on_wire = refused == Refused::Message;
        let ruling = self.judge(&reply, refused);
        if let Some(heard) = heard(&reply, &ruling.verdict) {
            self.desk.hear(job.domain(), heard);
        }
        // RFC 5321 section 4.5.3.1.10: 552 after RCPT is to be treated as 452.
        let temporary = reply.kind() == Kind::Transient || (reply.code == 552 && !was_on_wire);
        if temporary {
            self.try_later(job, reply.kept(), ruling, was_on_wire);
        } else {
            job.settle(
                &self.context.relay.name,
                was_on_wire,
                Outcome::Rejected(reply.kept(), ruling),
            );
        }
    }

    pub(super) fn try_later(&self, job: Job, reply: KeptReply, ruling: Ruling, was_on_wire: bool) {
        let now = self.context.clock.now();
        let first = job.first_attempt_at.unwrap_or(now);
        let outcome = match job.retry().after(job.attempts + 1, first, now, chance()) {
            Next::At(due) => Outcome::Deferred(reply, ruling, due),
            Next::GiveUp => Outcome::Expired(reply, ruling),
        };
        job.settle(&self.context.relay.name, was_on_wire, outcome);
    }
}

impl Session<'_> {
    /// A 421 in a transaction whose recipient is known: the connection is over, and if the provider finds us too fast
    /// that is no fault of the relay.
    pub(super) fn sent_away(&self, step: &'static str, reply: Reply, job: Job) -> Ended {
        let is_pace = heard(&reply, &self.judge(&reply, Refused::Envelope).verdict) == Some(Heard::TooFast);
        if is_pace {
            self.desk.hear(job.domain(), Heard::TooFast);
        }
        Ended {
            is_pace,
            ..refused(step, reply, job)
        }
    }
}

/// What a refusal says about our speed, if anything.
fn heard(reply: &Reply, verdict: &Verdict) -> Option<Heard> {
    let subject = reply.enhanced.as_deref().and_then(|code| code.split('.').nth(1));
    match (reply.code, subject) {
        // RFC 3463 section 3.4 and 3.5: the mail system shuts down, or a connection was idle.
        (421, Some("3" | "4")) => None,
        (421, _) => Some(Heard::TooFast),
        // It puts every stranger off once, however slowly we come.
        _ if verdict.reason == GREYLISTED => None,
        (400..=499, Some("7")) => Some(Heard::TooFast),
        (500..=599, _) if verdict.class == Class::Block => match verdict.cause {
            Cause::Reputation | Cause::Authentication => Some(Heard::Refused),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn refused(step: &'static str, reply: Reply, job: Job) -> Ended {
    Ended::fault(
        RelayFault::Refused {
            step,
            reply: reply.to_string(),
        },
        job,
    )
}

/// What this relay cannot carry is refused here, in the words that it would use.
pub(super) fn local_refusal(announced: &Announced, address: &str, octets: usize) -> Option<Outcome> {
    let (code, enhanced, text, rule, verdict) = if !address.is_ascii() && !announced.smtp_utf8 {
        let text = "not sent: the address needs SMTPUTF8, which the relay does not offer";
        (
            553,
            "5.6.7",
            text,
            "relay-without-smtputf8",
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
            "larger-than-announced",
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
    let rule = rule.to_owned();
    Some(Outcome::Rejected(reply, Ruling { verdict, rule }))
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
    use super::*;
    use tidings_feedback::rules::Rules;

    #[test]
    fn only_some_refusals_speak_of_our_speed() {
        for (code, enhanced, text, what) in [
            (421, None, "try again later", Some(Heard::TooFast)),
            (421, Some("4.7.0"), "greylisted", Some(Heard::TooFast)),
            (421, Some("4.3.2"), "shutting down", None),
            (450, Some("4.7.1"), "too many messages", Some(Heard::TooFast)),
            (450, Some("4.7.1"), "greylisted, come back later", None),
            (451, Some("4.2.0"), "busy", None),
            (550, Some("5.7.26"), "unauthenticated mail", Some(Heard::Refused)),
            (550, Some("5.1.1"), "no such user", None),
        ] {
            let reply = Reply {
                code,
                enhanced: enhanced.map(str::to_owned),
                text: text.to_owned(),
            };
            assert_eq!(
                heard(
                    &reply,
                    &judge(Rules::standard(), code, &reply.words(), None).verdict
                ),
                what,
                "{code} {text}"
            );
        }
    }
}
