//! Sections `[[intake.maildir]]`.

use crate::config::duration;
use anyhow::ensure;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tidings_intake::maildir::MaildirSettings;

/// `path`, `TIDINGS_INTAKE_MAILDIR_PATH`; `poll`, `TIDINGS_INTAKE_MAILDIR_POLL`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaildirSection {
    path: PathBuf,
    poll: Option<String>,
}

/// The Maildirs of all sections.
pub(super) fn check(sections: Vec<MaildirSection>) -> anyhow::Result<Vec<MaildirSettings>> {
    sections.into_iter().map(MaildirSection::check).collect()
}

impl MaildirSection {
    fn check(self) -> anyhow::Result<MaildirSettings> {
        let poll = match &self.poll {
            Some(text) => duration("[intake.maildir]", "poll", text)?,
            None => MaildirSettings::POLL,
        };
        ensure!(
            poll >= Duration::from_millis(100),
            "section [[intake.maildir]]: poll = {poll:?} is too often: write 5s"
        );
        Ok(MaildirSettings {
            path: self.path,
            poll,
        })
    }
}
