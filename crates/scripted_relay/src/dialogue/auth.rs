//! Logging in (RFC 4954).

use super::Next;
use super::talk::Talk;
use crate::rule::{Moment, write_reply};
use crate::script::Mechanism;
use data_encoding::BASE64;
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, AUTH_XOAUTH2};
use std::sync::Arc;

/// Which line of AUTH is waited for.
pub(super) enum AuthLine {
    Plain,
    User,
    Password {
        user: Vec<u8>,
    },
    Token,
    /// The empty line after the explanation of a refusal.
    Regret,
}

/// What Google's servers say of a token that is not good.
const REGRET: &[u8] = br#"{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}"#;

impl Talk {
    pub(super) fn answer_auth(&mut self, mechanism: u64, initial: &str, out: &mut Vec<u8>) -> Next {
        if !self.may_log_in() {
            return self.refuse(503, "5.5.1", "AUTH was not announced", out);
        }
        if self.authenticated || self.in_mail {
            return self.refuse(503, "5.5.1", "not now", out);
        }
        let shared = Arc::clone(&self.shared);
        if let Some(act) = shared.judge.act(Moment::Auth, "") {
            return self.act(act, out);
        }
        let (known, line, prompt) = match mechanism {
            AUTH_PLAIN => (Mechanism::Plain, AuthLine::Plain, ""),
            AUTH_LOGIN => (Mechanism::Login, AuthLine::User, "VXNlcm5hbWU6"),
            AUTH_XOAUTH2 => (Mechanism::Xoauth2, AuthLine::Token, ""),
            _ => return self.refuse(504, "5.5.4", "not a mechanism that was announced", out),
        };
        if !shared.script.mechanisms.contains(&known) {
            return self.refuse(504, "5.5.4", "not a mechanism that was announced", out);
        }
        if initial.is_empty() {
            write_reply(334, "", prompt, out);
            return Next::Auth(line);
        }
        self.answer_auth_line(line, initial.as_bytes(), out)
    }

    pub(super) fn answer_auth_line(&mut self, line: AuthLine, received: &[u8], out: &mut Vec<u8>) -> Next {
        if matches!(line, AuthLine::Regret) {
            if !received.trim_ascii().is_empty() {
                return self.refuse(501, "5.5.2", "an empty line was due", out);
            }
            self.reply(535, "5.7.8", "token not accepted", out);
            return Next::GoAlone;
        }
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
            AuthLine::Token | AuthLine::Regret => return self.answer_token(&decoded, out),
            AuthLine::Plain => {
                let mut parts = decoded.split(|byte| *byte == 0).skip(1).map(<[u8]>::to_vec);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
        };
        let wanted = self.shared.script.login.as_ref();
        self.authenticated =
            wanted.is_some_and(|(name, word)| name.as_bytes() == user && word.as_bytes() == password);
        if self.authenticated {
            self.client.user = Some(String::from_utf8_lossy(&user).into_owned());
            self.reply(235, "2.7.0", "welcome", out);
        } else {
            self.reply(535, "5.7.8", "wrong user or password", out);
        }
        Next::GoAlone
    }

    /// `user=…^Aauth=Bearer …^A^A`
    fn answer_token(&mut self, decoded: &[u8], out: &mut Vec<u8>) -> Next {
        let text = String::from_utf8_lossy(decoded);
        let mut fields = text.split('\u{1}');
        let user = fields
            .next()
            .and_then(|field| field.strip_prefix("user="))
            .unwrap_or_default();
        let token = fields
            .next()
            .and_then(|field| field.strip_prefix("auth=Bearer "))
            .unwrap_or_default();
        self.authenticated = self
            .shared
            .script
            .token
            .as_ref()
            .is_some_and(|is_good| is_good(user, token));
        if self.authenticated {
            self.client.user = Some(user.to_owned());
            self.reply(235, "2.7.0", "welcome", out);
            return Next::GoAlone;
        }
        write_reply(334, "", &BASE64.encode(REGRET), out);
        Next::Auth(AuthLine::Regret)
    }
}
