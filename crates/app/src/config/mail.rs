//! Section `[mail]`.

use serde::Deserialize;
use std::path::PathBuf;

/// What messages say about this instance.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSection {
    /// `return_path_domain`, `TIDINGS_MAIL_RETURN_PATH_DOMAIN`: where bounces arrive; the sender's domain if absent.
    pub return_path_domain: Option<String>,
    /// `sender_id`, `TIDINGS_MAIL_SENDER_ID`: the stable end of `Feedback-ID`; the sender's domain if absent.
    pub sender_id: Option<String>,
    /// `attachments_folder`, `TIDINGS_MAIL_ATTACHMENTS_FOLDER`: where the files lie that recipients' attributes name.
    pub attachments_folder: Option<PathBuf>,
}

impl MailSection {
    pub(super) fn check(self) -> anyhow::Result<Self> {
        if let Some(domain) = &self.return_path_domain {
            tidings_campaign::address::EmailAddress::parse(&format!("b@{domain}")).map_err(|error| {
                anyhow::anyhow!("section [mail]: return_path_domain = \"{domain}\": {error}")
            })?;
        }
        Ok(self)
    }
}
