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
    /// `postal_address`, `TIDINGS_MAIL_POSTAL_ADDRESS`: the sender's, which pre-flight lists look for in every newsletter.
    pub postal_address: Option<String>,
}

impl MailSection {
    pub(super) fn check(self) -> anyhow::Result<Self> {
        if let Some(domain) = &self.return_path_domain {
            tidings_campaign::address::EmailAddress::parse(&format!("b@{domain}")).map_err(|error| {
                anyhow::anyhow!("section [mail]: return_path_domain = \"{domain}\": {error}")
            })?;
        }
        anyhow::ensure!(
            self.postal_address
                .as_ref()
                .is_none_or(|address| address.contains(char::is_alphanumeric)),
            "section [mail]: postal_address is empty: write it as it stands in your newsletters, or leave it out"
        );
        Ok(self)
    }
}
