//! Sections `[intake]` and below: the ways by which feedback comes in.

mod imap;
mod maildir;
mod smtp;
mod webhook;

use serde::Deserialize;
use tidings_intake::imap::ImapSettings;
use tidings_intake::maildir::MaildirSettings;
use tidings_intake::webhook::Hook;

pub use smtp::SmtpListener;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntakeSection {
    #[serde(default)]
    smtp: Vec<smtp::SmtpSection>,
    #[serde(default)]
    webhook: Vec<webhook::WebhookSection>,
    #[serde(default)]
    imap: Vec<imap::ImapSection>,
    #[serde(default)]
    maildir: Vec<maildir::MaildirSection>,
}

/// The ways by which feedback comes in, checked.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// Where mail servers hand over what came back.
    pub smtp: Vec<SmtpListener>,
    /// Where mail providers post, in the order of the file.
    pub webhooks: Vec<Hook>,
    /// Mailboxes that are read.
    pub imap: Vec<ImapSettings>,
    /// Maildirs that are read.
    pub maildir: Vec<MaildirSettings>,
}

impl IntakeSection {
    /// `return_path_domain`: that of section `[mail]`.
    pub(super) fn check(self, return_path_domain: Option<&str>) -> anyhow::Result<Ways> {
        Ok(Ways {
            smtp: smtp::check(self.smtp, return_path_domain)?,
            webhooks: webhook::check(self.webhook)?,
            imap: imap::check(self.imap)?,
            maildir: maildir::check(self.maildir)?,
        })
    }
}
