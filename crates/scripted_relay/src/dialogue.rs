//! One session's side of the conversation: octets in, replies out. No sockets here.

use crate::content::Content;
use crate::judge::Judge;
use crate::record::{Acceptance, Record};
use crate::script::{Act, Cut, Moment, Script, write_reply};
use data_encoding::BASE64;
use smtp_proto::request::receiver::{LineReceiver, RequestReceiver};
use smtp_proto::{
    AUTH_LOGIN, AUTH_PLAIN, Error, MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME, MAIL_SMTPUTF8, MailFrom, Request,
};
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

enum AuthLine {
    Plain,
    User,
    Password { user: Vec<u8> },
}

pub(crate) struct Dialogue {
    receiver: RequestReceiver,
    stage: Stage,
    talk: Talk,
}

/// The state of the session as RFC 5321 has it.
struct Talk {
    shared: Arc<Shared>,
    session: u64,
    greeted: bool,
    authenticated: bool,
    in_mail: bool,
    recipients: Vec<String>,
    messages: u32,
    buffer: Vec<u8>,
    answer_at: Option<Instant>,
    now: Instant,
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
    Close,
    Cut,
}

impl Dialogue {
    pub(crate) fn new(shared: Arc<Shared>, session: u64) -> Self {
        let now = shared.started;
        let talk = Talk {
            shared,
            session,
            greeted: false,
            authenticated: false,
            in_mail: false,
            recipients: Vec::new(),
            messages: 0,
            buffer: Vec::new(),
            answer_at: None,
            now,
        };
        Dialogue {
            receiver: RequestReceiver::default(),
            stage: Stage::Command,
            talk,
        }
    }

    /// The greeting; `open`: the connections now, this one included.
    pub(crate) fn greet(&mut self, open: u64, out: &mut Vec<u8>) -> Step {
        let script = &self.talk.shared.script;
        if script.max_sessions.is_some_and(|most| open > most) {
            write_reply(421, "", &format!("{} too many sessions", script.host), out);
            return Step::Close;
        }
        if let Some(Act::Answer(reply)) = self.talk.shared.judge.act(Moment::Greeting, "") {
            reply.write(false, out);
            return Step::Close;
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

impl Talk {
    fn reply(&self, code: u16, enhanced: &str, text: &str, out: &mut Vec<u8>) {
        let announced = self.shared.script.extensions.enhanced_status_codes;
        write_reply(code, if announced { enhanced } else { "" }, text, out);
    }

    /// A reply to a command that is the client's fault.
    fn refuse(&self, code: u16, enhanced: &str, text: &str, out: &mut Vec<u8>) -> Next {
        self.shared.record.count_bad_command();
        self.reply(code, enhanced, text, out);
        Next::Go
    }

    /// Does what the script says; 421 closes whatever it answers.
    fn act(&self, act: &Act, out: &mut Vec<u8>) -> Next {
        match act {
            Act::Cut(_) => Next::Cut,
            Act::Answer(reply) => {
                reply.write(self.shared.script.extensions.enhanced_status_codes, out);
                if reply.code() == 421 {
                    Next::Close
                } else {
                    Next::Go
                }
            }
        }
    }

    fn answer(&mut self, request: Request<impl AsRef<str>>, out: &mut Vec<u8>) -> Next {
        match request {
            Request::Ehlo { .. } => self.answer_ehlo(out),
            Request::Helo { .. } => {
                self.greeted = true;
                self.reset();
                self.reply(250, "", &self.shared.script.host, out);
                Next::GoAlone
            }
            Request::Mail { from } => self.answer_mail(&from, out),
            Request::Rcpt { to } => self.answer_rcpt(to.address.as_ref(), out),
            Request::Data => self.answer_data(out),
            Request::Rset => {
                self.reset();
                self.reply(250, "2.0.0", "reset", out);
                Next::Go
            }
            Request::Auth {
                mechanism,
                initial_response,
            } => self.answer_auth(mechanism, initial_response.as_ref(), out),
            Request::Noop { .. } => {
                self.reply(250, "2.0.0", "done", out);
                Next::GoAlone
            }
            Request::Vrfy { .. } => {
                self.reply(252, "2.5.0", "send it and see", out);
                Next::GoAlone
            }
            Request::Quit => {
                self.reply(221, "2.0.0", "goodbye", out);
                Next::Close
            }
            other => self.refuse(502, "5.5.1", &format!("{} is not known here", other.name()), out),
        }
    }

    fn answer_error(&self, error: &Error, out: &mut Vec<u8>) -> Next {
        match error {
            Error::InvalidSenderAddress => self.refuse(553, "5.1.7", "not an address", out),
            Error::InvalidRecipientAddress => self.refuse(553, "5.1.3", "not an address", out),
            Error::SyntaxError { syntax } => self.refuse(501, "5.5.4", &format!("write {syntax}"), out),
            Error::InvalidParameter { param } => {
                self.refuse(501, "5.5.4", &format!("wrong parameter {param}"), out)
            }
            Error::UnsupportedParameter { param } => {
                self.refuse(555, "5.5.4", &format!("unknown parameter {param}"), out)
            }
            Error::ResponseTooLong => self.refuse(500, "5.5.6", "line too long", out),
            _ => self.refuse(500, "5.5.1", "not a command", out),
        }
    }

    fn answer_ehlo(&mut self, out: &mut Vec<u8>) -> Next {
        self.greeted = true;
        self.reset();
        let script = &self.shared.script;
        let extensions = &script.extensions;
        let size = extensions.size.map(|size| format!("SIZE {size}"));
        let lines = [
            Some(script.host.as_str()),
            extensions.pipelining.then_some("PIPELINING"),
            size.as_deref(),
            extensions.eight_bit_mime.then_some("8BITMIME"),
            extensions.enhanced_status_codes.then_some("ENHANCEDSTATUSCODES"),
            extensions.smtputf8.then_some("SMTPUTF8"),
            script.login.is_some().then_some("AUTH PLAIN LOGIN"),
        ];
        let text: Vec<&str> = lines.into_iter().flatten().collect();
        write_reply(250, "", &text.join("\n"), out);
        Next::GoAlone
    }

    fn answer_mail(&mut self, from: &MailFrom<impl AsRef<str>>, out: &mut Vec<u8>) -> Next {
        let script = &self.shared.script;
        let extensions = &script.extensions;
        if !self.greeted {
            return self.refuse(503, "5.5.1", "say EHLO first", out);
        }
        if script.login.is_some() && !self.authenticated {
            return self.refuse(530, "5.7.0", "authentication required", out);
        }
        if self.in_mail {
            return self.refuse(503, "5.5.1", "one MAIL at a time", out);
        }
        if script
            .max_messages_per_session
            .is_some_and(|most| self.messages >= most)
        {
            self.reply(421, "4.7.0", "too many messages in one session", out);
            return Next::Close;
        }
        let eight_bit = from.flags & MAIL_BODY_8BITMIME != 0 && !extensions.eight_bit_mime;
        let utf8 = from.flags & MAIL_SMTPUTF8 != 0 && !extensions.smtputf8;
        if eight_bit || utf8 || from.flags & MAIL_BODY_BINARYMIME != 0 {
            return self.refuse(555, "5.5.4", "a parameter that was not announced", out);
        }
        if extensions.size.is_some_and(|most| from.size > most) {
            self.reply(552, "5.3.4", "message too big", out);
            return Next::Go;
        }
        if let Some(act) = self.shared.judge.act(Moment::Mail, "") {
            return self.act(act, out);
        }
        self.in_mail = true;
        self.reply(250, "2.1.0", "sender ok", out);
        Next::Go
    }

    fn answer_rcpt(&mut self, address: &str, out: &mut Vec<u8>) -> Next {
        if !self.in_mail {
            return self.refuse(503, "5.5.1", "MAIL comes before RCPT", out);
        }
        if !address.is_ascii() && !self.shared.script.extensions.smtputf8 {
            self.shared.record.count_refusal(553);
            return self.refuse(553, "5.6.7", "addresses beyond ASCII are not taken here", out);
        }
        if let Some(act) = self.shared.judge.act(Moment::Rcpt, address) {
            self.count_refusal(act, 1);
            return self.act(act, out);
        }
        if self.shared.judge.throttles(self.now) {
            self.shared.record.count_refusal(450);
            self.reply(450, "4.7.1", "too fast, slow down and try again later", out);
            return Next::Go;
        }
        self.recipients.push(address.to_owned());
        self.reply(250, "2.1.5", "recipient ok", out);
        Next::Go
    }

    fn count_refusal(&self, act: &Act, recipients: usize) {
        if let Act::Answer(reply) = act {
            for _ in 0..recipients {
                self.shared.record.count_refusal(reply.code());
            }
        }
    }

    fn act_for_any(&self, moment: Moment) -> Option<&Act> {
        self.recipients
            .iter()
            .find_map(|recipient| self.shared.judge.act(moment, recipient))
    }

    fn answer_data(&mut self, out: &mut Vec<u8>) -> Next {
        if !self.in_mail {
            return self.refuse(503, "5.5.1", "MAIL comes before DATA", out);
        }
        if self.recipients.is_empty() && !self.shared.script.data_without_recipients {
            self.reply(554, "5.5.1", "no valid recipients", out);
            return Next::Go;
        }
        if let Some(act) = self.act_for_any(Moment::Data) {
            self.count_refusal(act, self.recipients.len());
            return self.act(act, out);
        }
        self.reply(354, "", "end with a dot on its own line", out);
        Next::Content {
            cut: self.act_for_any(Moment::Content).is_some(),
        }
    }

    fn answer_content(&mut self, content: Content, out: &mut Vec<u8>) -> Next {
        let next = self.judge_content(&content, out);
        self.buffer = content.into_buffer();
        self.reset();
        next
    }

    fn judge_content(&mut self, content: &Content, out: &mut Vec<u8>) -> Next {
        if self.recipients.is_empty() {
            self.reply(554, "5.5.1", "no valid recipients", out);
            return Next::Go;
        }
        if self
            .shared
            .script
            .extensions
            .size
            .is_some_and(|most| content.size() > most)
        {
            self.recipients
                .iter()
                .for_each(|_| self.shared.record.count_refusal(552));
            self.reply(552, "5.3.4", "message too big", out);
            return Next::Go;
        }
        match self.act_for_any(Moment::Dot) {
            Some(Act::Cut(Cut::AfterDotAccepted)) => {
                self.accept(content, false);
                Next::Cut
            }
            Some(act) => {
                self.count_refusal(act, self.recipients.len());
                self.act(act, out)
            }
            None => {
                self.accept(content, true);
                self.messages += 1;
                self.answer_at = self.shared.judge.answer_at(self.now).or(self.answer_at);
                self.reply(
                    250,
                    "2.0.0",
                    &format!("accepted as {}-{}", self.session, self.messages),
                    out,
                );
                Next::Go
            }
        }
    }

    fn accept(&self, content: &Content, answered: bool) {
        let Shared {
            script,
            record,
            started,
            ..
        } = &*self.shared;
        let size = content.size();
        self.recipients.iter().for_each(|_| record.count_acceptance(size));
        if !script.remember && script.watcher.is_none() {
            return;
        }
        let message_id = content.message_id();
        let keep = script.content_limit > 0 && record.may_keep(content.kept().len(), script.content_limit);
        let kept: Option<Arc<[u8]>> = keep.then(|| content.kept().into());
        for recipient in &self.recipients {
            let acceptance = Acceptance {
                recipient: recipient.clone(),
                message_id: message_id.clone(),
                size,
                session: self.session,
                at: self.now.duration_since(*started),
                answered,
                content: kept.clone(),
            };
            if let Some(watcher) = &script.watcher {
                watcher(&acceptance);
            }
            if script.remember {
                record.remember(acceptance);
            }
        }
    }

    fn answer_auth(&mut self, mechanism: u64, initial: &str, out: &mut Vec<u8>) -> Next {
        if self.shared.script.login.is_none() {
            return self.refuse(503, "5.5.1", "AUTH was not announced", out);
        }
        if self.authenticated || self.in_mail {
            return self.refuse(503, "5.5.1", "not now", out);
        }
        let line = match mechanism {
            AUTH_PLAIN => AuthLine::Plain,
            AUTH_LOGIN => AuthLine::User,
            _ => return self.refuse(504, "5.5.4", "only PLAIN and LOGIN", out),
        };
        if initial.is_empty() {
            let prompt = if mechanism == AUTH_LOGIN {
                "VXNlcm5hbWU6"
            } else {
                ""
            };
            write_reply(334, "", prompt, out);
            return Next::Auth(line);
        }
        self.answer_auth_line(line, initial.as_bytes(), out)
    }

    fn answer_auth_line(&mut self, line: AuthLine, received: &[u8], out: &mut Vec<u8>) -> Next {
        let Ok(decoded) = BASE64.decode(received) else {
            self.refuse(501, "5.5.2", "not base64, or given up", out);
            return Next::GoAlone;
        };
        let (user, password) = match line {
            AuthLine::User => {
                write_reply(334, "", "UGFzc3dvcmQ6", out);
                return Next::Auth(AuthLine::Password { user: decoded });
            }
            AuthLine::Password { user } => (user, decoded),
            AuthLine::Plain => {
                let mut parts = decoded.split(|byte| *byte == 0).skip(1).map(<[u8]>::to_vec);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
        };
        let wanted = self.shared.script.login.as_ref();
        self.authenticated =
            wanted.is_some_and(|(name, word)| name.as_bytes() == user && word.as_bytes() == password);
        if self.authenticated {
            self.reply(235, "2.7.0", "welcome", out);
        } else {
            self.reply(535, "5.7.8", "wrong user or password", out);
        }
        Next::GoAlone
    }

    fn reset(&mut self) {
        self.in_mail = false;
        self.recipients.clear();
    }
}

#[cfg(test)]
mod tests;
