//! The state of a session as RFC 5321 has it, and its answers to commands.

use super::{Next, Shared};
use crate::record::{Client, Parameters};
use crate::rule::{Act, Cut, Moment, write_reply};
use crate::script::Tls;
use smtp_proto::{Error, Request};
use std::sync::Arc;
use tokio::time::Instant;

pub(super) struct Talk {
    pub(super) shared: Arc<Shared>,
    pub(super) session: u64,
    pub(super) client: Client,
    pub(super) greeted: bool,
    pub(super) authenticated: bool,
    pub(super) in_mail: bool,
    pub(super) sender: String,
    pub(super) parameters: Parameters,
    pub(super) recipients: Vec<Recipient>,
    pub(super) messages: u32,
    pub(super) buffer: Vec<u8>,
    pub(super) answer_at: Option<Instant>,
    pub(super) now: Instant,
}

/// A recipient that was not refused.
pub(super) struct Recipient {
    pub(super) address: String,
    pub(super) notify: u64,
    pub(super) original: Option<String>,
}

impl Talk {
    pub(super) fn new(shared: Arc<Shared>, session: u64, client: Client) -> Self {
        let now = shared.started;
        Talk {
            shared,
            session,
            client,
            greeted: false,
            authenticated: false,
            in_mail: false,
            sender: String::new(),
            parameters: Parameters::default(),
            recipients: Vec::new(),
            messages: 0,
            buffer: Vec::new(),
            answer_at: None,
            now,
        }
    }

    /// After the TLS handshake nothing counts that was said before (RFC 3207, 4.2).
    pub(super) fn begin_encrypted(&mut self) {
        self.client.encrypted = true;
        self.greeted = false;
        self.authenticated = false;
        self.reset();
    }

    pub(super) fn reply(&self, code: u16, enhanced: &str, text: &str, out: &mut Vec<u8>) {
        let announced = self.shared.script.extensions.enhanced_status_codes;
        write_reply(code, if announced { enhanced } else { "" }, text, out);
    }

    /// A reply to a command that is the client's fault.
    pub(super) fn refuse(&self, code: u16, enhanced: &str, text: &str, out: &mut Vec<u8>) -> Next {
        self.shared.record.count_bad_command();
        self.reply(code, enhanced, text, out);
        Next::Go
    }

    /// Does what the script says; 421 closes whatever it answers.
    pub(super) fn act(&self, act: &Act, out: &mut Vec<u8>) -> Next {
        match act {
            Act::Cut(_) => Next::Cut,
            Act::Close => Next::Close,
            Act::Silence => Next::Silence,
            Act::Garbage(octets) => {
                out.extend_from_slice(octets);
                Next::GoAlone
            }
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

    pub(super) fn answer(&mut self, request: Request<impl AsRef<str>>, out: &mut Vec<u8>) -> Next {
        match request {
            Request::Ehlo { host } => {
                host.as_ref().clone_into(&mut self.client.hello);
                self.answer_ehlo(out)
            }
            Request::StartTls => self.answer_start_tls(out),
            Request::Helo { host } => {
                host.as_ref().clone_into(&mut self.client.hello);
                self.greeted = true;
                self.reset();
                self.reply(250, "", &self.shared.script.host, out);
                Next::GoAlone
            }
            Request::Mail { from } => self.answer_mail(&from, out),
            Request::Rcpt { to } => self.answer_rcpt(&to, out),
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

    pub(super) fn answer_error(&self, error: &Error, out: &mut Vec<u8>) -> Next {
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
        let shared = Arc::clone(&self.shared);
        let act = shared.judge.act(Moment::Ehlo, "");
        if let Some(act) = act
            && !matches!(act, Act::Cut(Cut::AfterEhlo))
        {
            return self.act(act, out);
        }
        self.greeted = true;
        self.reset();
        let script = &shared.script;
        let extensions = script.claimed.as_ref().unwrap_or(&script.extensions);
        let size = extensions.size.map(|size| format!("SIZE {size}"));
        let names: Vec<&str> = script
            .mechanisms
            .iter()
            .map(|mechanism| mechanism.name())
            .collect();
        let auth = format!("AUTH {}", names.join(" "));
        let lines = [
            Some(script.host.as_str()),
            extensions.pipelining.then_some("PIPELINING"),
            size.as_deref(),
            extensions.eight_bit_mime.then_some("8BITMIME"),
            extensions.enhanced_status_codes.then_some("ENHANCEDSTATUSCODES"),
            extensions.smtputf8.then_some("SMTPUTF8"),
            extensions.dsn.then_some("DSN"),
            self.may_start_tls().then_some("STARTTLS"),
            self.may_log_in().then_some(auth.as_str()),
        ];
        let text: Vec<&str> = lines.into_iter().flatten().collect();
        write_reply(250, "", &text.join("\n"), out);
        match act {
            Some(_) => Next::Close,
            None => Next::GoAlone,
        }
    }

    fn may_start_tls(&self) -> bool {
        matches!(self.shared.script.tls, Tls::Offered(_)) && !self.client.encrypted
    }

    pub(super) fn may_log_in(&self) -> bool {
        self.shared.script.wants_login() && !self.may_start_tls()
    }

    fn answer_start_tls(&mut self, out: &mut Vec<u8>) -> Next {
        if !self.may_start_tls() {
            return self.refuse(503, "5.5.1", "STARTTLS was not announced", out);
        }
        let shared = Arc::clone(&self.shared);
        if let Some(act) = shared.judge.act(Moment::StartTls, "") {
            return self.act(act, out);
        }
        self.reply(220, "2.0.0", "begin", out);
        out.extend_from_slice(shared.script.injected.as_bytes());
        Next::StartTls
    }

    pub(super) fn reset(&mut self) {
        self.in_mail = false;
        self.recipients.clear();
    }
}
