//! One session's side of the conversation: octets in, replies out. No sockets here.

mod auth;
mod talk;
mod transaction;

use self::auth::AuthLine;
use self::talk::Talk;
use crate::content::Content;
use crate::judge::Judge;
use crate::record::{Client, Record};
use crate::rule::{Act, Moment, write_reply};
use crate::script::Script;
use smtp_proto::Error;
use smtp_proto::request::receiver::{LineReceiver, RequestReceiver};
use std::slice::Iter;
use std::sync::Arc;
use tokio::time::Instant;

/// What all sessions of a relay share.
pub(crate) struct Shared {
    pub(crate) script: Script,
    pub(crate) judge: Judge,
    pub(crate) record: Record,
    pub(crate) started: Instant,
}

/// What the session does after it has sent the replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Go,
    Close,
    Cut,
    /// TLS begins, and the conversation anew.
    StartTls,
    /// Nothing is said any more.
    Silence,
}

enum Stage {
    Command,
    /// Waits for a line of AUTH.
    Auth(AuthLine, LineReceiver<()>),
    Content {
        content: Content,
        cut: bool,
    },
}

impl Stage {
    /// Takes octets of a line of AUTH or of the content; true when it is complete.
    fn ingest(&mut self, bytes: &mut Iter<'_, u8>) -> bool {
        match self {
            Stage::Command => true,
            Stage::Auth(_, line) => line.ingest(bytes),
            Stage::Content { content, .. } => content.ingest(bytes),
        }
    }
}

pub(crate) struct Dialogue {
    receiver: RequestReceiver,
    stage: Stage,
    talk: Talk,
}

/// What a command leads to.
enum Next {
    Go,
    /// The client must wait for the reply before it sends more (RFC 2920, 3.1).
    GoAlone,
    Auth(AuthLine),
    Content {
        cut: bool,
    },
    StartTls,
    Silence,
    Close,
    Cut,
}

impl Dialogue {
    pub(crate) fn new(shared: Arc<Shared>, session: u64, client: Client) -> Self {
        Dialogue {
            receiver: RequestReceiver::default(),
            stage: Stage::Command,
            talk: Talk::new(shared, session, client),
        }
    }

    /// The TLS handshake is over.
    pub(crate) fn begin_encrypted(&mut self) {
        self.receiver = RequestReceiver::default();
        self.talk.begin_encrypted();
    }

    /// The greeting; `open`: the connections now, this one included.
    pub(crate) fn greet(&mut self, open: u64, out: &mut Vec<u8>) -> Step {
        let script = &self.talk.shared.script;
        if script.max_sessions.is_some_and(|most| open > most) {
            write_reply(421, "", &format!("{} too many sessions", script.host), out);
            return Step::Close;
        }
        match self.talk.shared.judge.act(Moment::Greeting, "") {
            None => {}
            Some(Act::Silence) => return Step::Silence,
            Some(Act::Close | Act::Cut(_)) => return Step::Close,
            Some(Act::Garbage(octets)) => {
                out.extend_from_slice(octets);
                return Step::Go;
            }
            Some(Act::Answer(reply)) => {
                reply.write(false, out);
                return Step::Close;
            }
        }
        write_reply(220, "", &format!("{} ESMTP {}", script.host, script.banner), out);
        Step::Go
    }

    /// When the replies of the last [`Dialogue::feed`] may go out, if the script sets a pace.
    pub(crate) fn take_answer_at(&mut self) -> Option<Instant> {
        self.talk.answer_at.take()
    }

    /// Takes what one read brought and appends the replies to `out`.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Instant, out: &mut Vec<u8>) -> Step {
        self.talk.now = now;
        let mut rest = bytes.iter();
        loop {
            let next = match &mut self.stage {
                Stage::Command => match self.receiver.ingest(&mut rest) {
                    Ok(request) => self.talk.answer(request, out),
                    Err(Error::NeedsMoreData { .. }) => return Step::Go,
                    Err(error) => self.talk.answer_error(&error, out),
                },
                Stage::Content { cut: true, .. } if rest.len() > 0 => Next::Cut,
                Stage::Auth(..) | Stage::Content { .. } => {
                    if !self.stage.ingest(&mut rest) {
                        return Step::Go;
                    }
                    self.finish_stage(out)
                }
            };
            let alone = match next {
                Next::Go => false,
                Next::GoAlone => true,
                Next::Auth(line) => {
                    self.stage = Stage::Auth(line, LineReceiver::default());
                    true
                }
                Next::Content { cut } => {
                    let keep_all = self.talk.shared.script.content_limit > 0;
                    let content = Content::new(keep_all, std::mem::take(&mut self.talk.buffer));
                    self.stage = Stage::Content { content, cut };
                    true
                }
                Next::Close => return Step::Close,
                Next::StartTls => return Step::StartTls,
                Next::Silence => return Step::Silence,
                Next::Cut => {
                    self.talk.shared.record.count_cut();
                    return Step::Cut;
                }
            };
            let pipelining = self.talk.shared.script.extensions.pipelining;
            if rest.len() > 0 && (alone || !pipelining) {
                self.talk.refuse(
                    503,
                    "5.5.0",
                    "commands came before the reply they had to wait for",
                    out,
                );
                return Step::Close;
            }
        }
    }

    /// The line of AUTH or the content is complete.
    fn finish_stage(&mut self, out: &mut Vec<u8>) -> Next {
        match std::mem::replace(&mut self.stage, Stage::Command) {
            Stage::Command => Next::Go,
            Stage::Auth(line, received) => self.talk.answer_auth_line(line, &received.buf, out),
            Stage::Content { content, .. } => self.talk.answer_content(content, out),
        }
    }
}

#[cfg(test)]
mod tests;
