//! One session's side of the conversation: octets in, replies out. No sockets here.

mod talk;

use super::clients::Guest;
use super::content::{Content, Held, Progress, Room};
use super::lines::{Line, Whole};
use super::recipients::Purpose;
use super::reply::{self, Reply};
use super::settings::{Bounds, Protocol};
use super::{House, OFFICE_KEPT};
use smtp_proto::{Error, Request};
use std::sync::Arc;
use talk::{Next, Talk};

/// A message whose final dot has come.
pub(super) struct Received {
    /// Those of its envelope.
    pub(super) recipients: Vec<String>,
    /// The message, dots unstuffed.
    pub(super) octets: Vec<u8>,
    /// Its place in memory.
    pub(super) _held: Held,
}

/// What the session does after it has sent the replies.
pub(super) enum Step {
    /// Reads on.
    Read,
    /// Keeps a message, and says so by [`Dialogue::answer_kept`].
    Keep(Received),
    /// TLS begins, and the conversation anew.
    StartTls,
    /// Ends.
    Close,
}

enum Stage {
    Command(Line),
    Content(Content),
}

/// The state of a session.
pub(super) struct Dialogue {
    stage: Stage,
    talk: Talk,
    room: Room,
    commands: u32,
    errors: u32,
}

impl Dialogue {
    pub(super) fn new(house: Arc<House>, guest: Guest) -> Dialogue {
        Dialogue {
            stage: Stage::Command(Line::default()),
            room: house.room.clone(),
            talk: Talk::new(house, guest),
            commands: 0,
            errors: 0,
        }
    }

    /// The greeting.
    pub(super) fn greet(&self, out: &mut Vec<u8>) {
        let protocol = match self.talk.house.settings.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        let text = format!("{} {protocol}", self.talk.house.settings.name);
        Reply::of(220, "", text).write(out);
    }

    /// The TLS handshake is over: nothing counts that was said before (RFC 3207 section 4.2).
    pub(super) fn begin_encrypted(&mut self) {
        self.stage = Stage::Command(Line::default());
        self.talk.begin_encrypted();
    }

    /// Whether a content is coming in, not a command.
    pub(super) fn is_in_content(&self) -> bool {
        matches!(self.stage, Stage::Content(_))
    }

    /// Takes what was read, up to what the session must do first, and appends the replies to `out`.
    pub(super) fn feed(&mut self, octets: &mut &[u8], out: &mut Vec<u8>) -> Step {
        while !octets.is_empty() {
            let step = match &mut self.stage {
                Stage::Command(line) => match line.ingest(octets) {
                    Some(whole) => self.answer(&whole, out),
                    None => Step::Read,
                },
                Stage::Content(content) => match content.ingest(octets) {
                    Progress::More => Step::Read,
                    Progress::Ended => self.finish_content(out),
                    Progress::Endless => {
                        reply::ENDLESS.write(out);
                        Step::Close
                    }
                },
            };
            if !matches!(step, Step::Read) {
                return step;
            }
        }
        Step::Read
    }

    fn answer(&mut self, whole: &Whole, out: &mut Vec<u8>) -> Step {
        self.commands += 1;
        if self.commands > self.bounds().commands {
            reply::TOO_MANY_COMMANDS.write(out);
            return Step::Close;
        }
        let next = match whole {
            Whole::TooLong => Next::Say(reply::LINE_TOO_LONG),
            Whole::Line(line) => match Request::parse(&mut line.iter()) {
                Ok(request) => self.talk.answer(&request, line),
                Err(error) => Next::Say(of_error(&error)),
            },
        };
        match next {
            Next::Say(reply) => self.say(&reply, out),
            Next::Announce(lines) => {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                reply::write_lines(250, &lines, out);
                Step::Read
            }
            Next::Content => {
                reply::GO_ON.write(out);
                self.stage = Stage::Content(Content::new(self.bounds().message_size, self.room.clone()));
                Step::Read
            }
            Next::StartTls => {
                reply::BEGIN_TLS.write(out);
                Step::StartTls
            }
            Next::Close => {
                reply::BYE.write(out);
                Step::Close
            }
        }
    }

    /// Answers, and ends the session with one that has done too much wrong.
    fn say(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Step {
        self.errors += u32::from(reply.is_refusal());
        if self.errors > self.bounds().errors {
            reply::TOO_MANY_ERRORS.write(out);
            return Step::Close;
        }
        reply.write(out);
        Step::Read
    }

    fn finish_content(&mut self, out: &mut Vec<u8>) -> Step {
        let Stage::Content(content) = std::mem::replace(&mut self.stage, Stage::Command(Line::default()))
        else {
            return Step::Read;
        };
        let envelope = self.talk.take_envelope();
        let (mut octets, held) = match content.finish() {
            Ok(kept) => kept,
            Err(excess) => {
                let recipients = envelope.recipients.len();
                return self.say_to_each(recipients, &talk::of_excess(excess), out);
            }
        };
        if envelope.purpose == Purpose::Office {
            octets.truncate(OFFICE_KEPT);
        }
        Step::Keep(Received {
            recipients: envelope.recipients,
            octets,
            _held: held,
        })
    }

    /// The message that [`Step::Keep`] gave, to so many recipients, is durable, or it could not be kept.
    pub(super) fn answer_kept(&mut self, recipients: usize, is_kept: bool, out: &mut Vec<u8>) {
        let reply = match is_kept {
            true => {
                (self.commands, self.errors) = (0, 0);
                reply::KEPT
            }
            false => reply::NOT_KEPT,
        };
        self.say_to_each(recipients, &reply, out);
    }

    /// LMTP has an answer for each recipient (RFC 2033 section 4.2).
    fn say_to_each(&mut self, recipients: usize, reply: &Reply, out: &mut Vec<u8>) -> Step {
        let times = match self.talk.house.settings.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        for _ in 0..times {
            reply.write(out);
        }
        Step::Read
    }

    fn bounds(&self) -> &Bounds {
        &self.talk.house.settings.bounds
    }
}

/// What is answered to what cannot be read.
fn of_error(error: &Error) -> Reply {
    match error {
        Error::InvalidSenderAddress => reply::NO_SENDER_ADDRESS,
        Error::InvalidRecipientAddress => reply::NO_RECIPIENT_ADDRESS,
        Error::SyntaxError { syntax } => Reply::of(501, "5.5.4", format!("write {syntax}")),
        Error::InvalidParameter { param } => Reply::of(501, "5.5.4", format!("wrong parameter {param}")),
        Error::UnsupportedParameter { .. } => reply::NOT_ANNOUNCED,
        _ => reply::NO_COMMAND,
    }
}

#[cfg(test)]
mod tests;
