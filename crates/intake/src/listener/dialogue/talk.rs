//! The state of a session as RFC 5321 has it, and its answers to commands.

use crate::listener::House;
use crate::listener::clients::Guest;
use crate::listener::content::Excess;
use crate::listener::recipients::{Purpose, Refusal};
use crate::listener::reply::{self, Reply};
use crate::listener::settings::{Bounds, Protocol};
use smtp_proto::{MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_SMTPUTF8, MailFrom, RcptTo, Request};
use std::borrow::Cow;
use std::sync::Arc;

type Text<'a> = Cow<'a, str>;

/// Whom a message is for.
pub(super) struct Envelope {
    pub(super) recipients: Vec<String>,
    /// Of all recipients: what any of them is for.
    pub(super) purpose: Purpose,
}

/// What a command leads to.
pub(super) enum Next {
    /// This answer.
    Say(Reply),
    /// The lines that tell what is offered.
    Announce(Vec<String>),
    /// The content comes.
    Content,
    /// The TLS handshake comes.
    StartTls,
    /// The session ends.
    Close,
}

pub(super) struct Talk {
    pub(super) house: Arc<House>,
    guest: Guest,
    is_encrypted: bool,
    is_greeted: bool,
    /// From MAIL on.
    envelope: Option<Envelope>,
}

impl Talk {
    pub(super) fn new(house: Arc<House>, guest: Guest) -> Talk {
        Talk {
            house,
            guest,
            is_encrypted: false,
            is_greeted: false,
            envelope: None,
        }
    }

    pub(super) fn begin_encrypted(&mut self) {
        self.is_encrypted = true;
        self.is_greeted = false;
        self.envelope = None;
    }

    /// The envelope of the content that has ended.
    pub(super) fn take_envelope(&mut self) -> Envelope {
        self.envelope
            .take()
            .expect("a content begins after RCPT, and nothing is answered until it ends")
    }

    /// `line`: as it came.
    pub(super) fn answer(&mut self, request: &Request<Text<'_>>, line: &[u8]) -> Next {
        let is_lmtp = self.house.settings.protocol == Protocol::Lmtp;
        Next::Say(match request {
            Request::Ehlo { .. } | Request::Helo { .. } if is_lmtp => reply::OTHER_GREETING,
            Request::Lhlo { .. } if !is_lmtp => reply::OTHER_GREETING,
            Request::Ehlo { .. } | Request::Lhlo { .. } => return self.announce(),
            Request::Helo { .. } => {
                self.greeted();
                Reply::of(250, "", self.house.settings.name.clone())
            }
            Request::StartTls if self.offers_tls() => return Next::StartTls,
            Request::Mail { from } => self.answer_mail(from),
            Request::Rcpt { to } => self.answer_rcpt(to, line),
            Request::Data => return self.answer_data(),
            Request::Rset => {
                self.envelope = None;
                reply::DONE
            }
            Request::Noop { .. } => reply::DONE,
            Request::Vrfy { .. } => reply::CANNOT_VERIFY,
            Request::Help { .. } => reply::HELP,
            Request::Quit => return Next::Close,
            _ => reply::NOT_OFFERED,
        })
    }

    fn greeted(&mut self) {
        self.is_greeted = true;
        self.envelope = None;
    }

    fn announce(&mut self) -> Next {
        self.greeted();
        let settings = &self.house.settings;
        let mut lines = vec![
            settings.name.clone(),
            "PIPELINING".to_owned(),
            format!("SIZE {}", settings.bounds.message_size),
            "8BITMIME".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
            "SMTPUTF8".to_owned(),
            format!("LIMITS RCPTMAX={}", Bounds::RECIPIENTS),
        ];
        if self.offers_tls() {
            lines.push("STARTTLS".to_owned());
        }
        Next::Announce(lines)
    }

    fn offers_tls(&self) -> bool {
        self.house.settings.identity.is_some() && !self.is_encrypted
    }

    fn answer_mail(&mut self, from: &MailFrom<Text<'_>>) -> Reply {
        let settings = &self.house.settings;
        if settings.tls_required && !self.is_encrypted {
            return reply::TLS_FIRST;
        }
        if !self.is_greeted {
            return reply::GREET_FIRST;
        }
        if self.envelope.is_some() {
            return reply::ONE_MAIL;
        }
        if asks_for_more(from) {
            return reply::NOT_ANNOUNCED;
        }
        if from.size > settings.bounds.message_size {
            return reply::TOO_BIG;
        }
        if !self.guest.may_send() {
            return reply::TOO_FAST;
        }
        self.envelope = Some(Envelope {
            recipients: Vec::new(),
            purpose: Purpose::Office,
        });
        reply::SENDER_OK
    }

    fn answer_rcpt(&mut self, to: &RcptTo<Text<'_>>, line: &[u8]) -> Reply {
        let Some(envelope) = &mut self.envelope else {
            return reply::MAIL_FIRST;
        };
        if to.flags != 0 || to.orcpt.is_some() || to.rrvs != 0 {
            return reply::NOT_ANNOUNCED;
        }
        if envelope.recipients.len() >= Bounds::RECIPIENTS {
            return reply::TOO_MANY_RECIPIENTS;
        }
        let House { settings, keys, .. } = &*self.house;
        let (address, judged) = match to.address.as_ref() {
            // The parser gives the same for both.
            "" if is_bare_postmaster(line) => ("postmaster", Ok(Purpose::Office)),
            "" => return reply::NO_RECIPIENT_ADDRESS,
            address => (address, settings.recipients.judge(address, keys)),
        };
        match judged {
            Ok(purpose) => {
                if purpose == Purpose::Feedback {
                    envelope.purpose = purpose;
                }
                envelope.recipients.push(address.to_owned());
                reply::RECIPIENT_OK
            }
            Err(Refusal::Unknown) => reply::UNKNOWN_RECIPIENT,
            Err(Refusal::NotRelayed) => reply::NOT_RELAYED,
        }
    }

    fn answer_data(&self) -> Next {
        match &self.envelope {
            None => Next::Say(reply::MAIL_FIRST),
            Some(envelope) if envelope.recipients.is_empty() => Next::Say(reply::NO_RECIPIENTS),
            Some(_) => Next::Content,
        }
    }
}

/// Whether MAIL has a parameter that was not announced.
fn asks_for_more(from: &MailFrom<Text<'_>>) -> bool {
    const OFFERED: u64 = MAIL_BODY_7BIT | MAIL_BODY_8BITMIME | MAIL_SMTPUTF8;
    let given = [
        from.trans_id.is_some(),
        from.env_id.is_some(),
        from.solicit.is_some(),
        from.mtrk.is_some(),
        from.auth.is_some(),
        from.by != 0,
        from.hold_for != 0,
        from.hold_until != 0,
        from.mt_priority != 0,
    ];
    from.flags & !OFFERED != 0 || given.contains(&true)
}

/// `RCPT TO:<postmaster>`, which has no domain (RFC 5321 section 4.1.1.3).
fn is_bare_postmaster(line: &[u8]) -> bool {
    const NAME: &[u8] = b"<postmaster>";
    line.windows(NAME.len())
        .any(|part| part.eq_ignore_ascii_case(NAME))
}

/// What is answered to a content that is not taken.
pub(super) fn of_excess(excess: Excess) -> Reply {
    match excess {
        Excess::TooLong => reply::TOO_BIG,
        Excess::NoRoom => reply::NO_ROOM,
    }
}
