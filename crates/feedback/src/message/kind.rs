//! What kind of message it is.

use super::parts::Mail;
use super::signs::{SIGNS, Sign};
use crate::address;
use serde::Serialize;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A delivery failed or is late.
    Bounce,
    /// A person called a message spam.
    Complaint,
    /// A machine answered in a person's name.
    Autoreply,
    /// None of these: a person's answer, a receipt, a delivery that succeeded.
    Other,
}

/// What tells a report on a failure that has no delivery status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokens {
    /// From a mail system.
    pub by_machine: bool,
    /// Nobody is to be answered.
    pub no_return: bool,
    /// The subject says so.
    pub subject: bool,
    /// A field names those that failed.
    pub names_failed: bool,
    /// The subject is one of an answer by a machine.
    pub autoreply_subject: bool,
    /// A field says that a machine answers.
    pub autoreply_field: bool,
    /// `Auto-Submitted` says that no person wrote it.
    pub auto_submitted: bool,
    /// It has another message in it.
    pub returns: bool,
}

impl Tokens {
    /// Reads them off the header.
    pub fn of(mail: &Mail<'_>) -> Tokens {
        let header = &mail.header;
        let subject = SIGNS.of(crate::rules::cut(&mail.subject, 1024));
        let field = |name: &str| header.get(name).map(str::to_ascii_lowercase);
        let automatic = field("auto-submitted").filter(|value| !value.starts_with("no"));
        let is_null =
            |value: &str| matches!(value.trim(), "<>" | "< >" | "MAILER-DAEMON" | "<MAILER-DAEMON>");
        Tokens {
            by_machine: ["from", "return-path", "sender", "reply-to"]
                .into_iter()
                .any(|name| header.get(name).is_some_and(is_mail_system)),
            no_return: header.get("return-path").is_some_and(is_null),
            subject: subject.has(Sign::BounceSubject),
            names_failed: header.get("x-failed-recipients").is_some(),
            autoreply_subject: subject.has(Sign::AutoreplySubject),
            autoreply_field: AUTOREPLY_FIELDS.iter().any(|name| {
                header
                    .get(name)
                    .is_some_and(|value| !value.eq_ignore_ascii_case("no"))
            }) || field("precedence")
                .is_some_and(|value| matches!(value.as_str(), "auto_reply" | "auto-reply" | "autoreply"))
                || automatic
                    .as_deref()
                    .is_some_and(|value| value.contains("vacation"))
                || field("x-auto-response-suppress").is_some()
                    && automatic.is_some()
                    && subject.has(Sign::AutoreplySubject),
            auto_submitted: automatic
                .as_deref()
                .is_some_and(|value| value.starts_with("auto-replied")),
            returns: mail.original.is_some(),
        }
    }

    /// How much the header alone speaks for a bounce.
    pub fn weight(&self) -> u32 {
        let one = u32::from;
        4 * one(self.names_failed)
            + 2 * one(self.by_machine)
            + 2 * one(self.subject)
            + one(self.no_return)
            + one(self.returns)
    }
}

/// Fields that only programs which answer for a person write.
const AUTOREPLY_FIELDS: [&str; 9] = [
    "x-autoreply",
    "x-autorespond",
    "x-autoresponse",
    "x-auto-reply",
    "x-auto-response",
    "x-autoreply-from",
    "x-mail-autoreply",
    "x-vacation",
    "auto-reply",
];

/// Whether a field's value names a mail system rather than a person.
fn is_mail_system(value: &str) -> bool {
    let lower = value.to_lowercase();
    let local = address::first(&lower)
        .map(address::local)
        .unwrap_or_else(|| lower.trim_matches(['<', '>', ' ']).to_owned());
    let locals = [
        "mailer-daemon",
        "postmaster",
        "post_master",
        "mailerdaemon",
        "mailer_daemon",
        "mail-daemon",
        "mailadmin",
        "mail-admin",
        "maildaemon",
        "bounce",
        "bounces",
        "mdaemon",
        "majordomo",
        "microsoftexchange",
        "exchange",
        "notifier",
        "nobody",
        "daemon",
        "root",
        "mail",
        "system",
        "delivery",
        "smtp",
        "mmdf",
        "uucp",
    ];
    locals
        .iter()
        .any(|one| local == *one || one.len() > 7 && local.starts_with(one))
        || [
            "mailer-daemon",
            "mail delivery",
            "mail system",
            "delivery subsystem",
            "mail administrator",
            "system administrator",
            "systemadministrator",
            "internet mail",
            "mail deliver",
            "postmaster",
            "delivery system",
            "mailer daemon",
            "message delivery",
            "mail server",
            "delivery status",
            "mail router",
        ]
        .iter()
        .any(|words| lower.contains(words))
}
