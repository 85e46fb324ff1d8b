//! Sections `[intake]` and below: the ways by which feedback comes in.

mod smtp;

use serde::Deserialize;

pub use smtp::SmtpListener;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntakeSection {
    #[serde(default)]
    smtp: Vec<smtp::SmtpSection>,
}

/// The ways by which feedback comes in, checked.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// Where mail servers hand over what came back.
    pub smtp: Vec<SmtpListener>,
}

impl IntakeSection {
    /// `return_path_domain`: that of section `[mail]`.
    pub(super) fn check(self, return_path_domain: Option<&str>) -> anyhow::Result<Ways> {
        Ok(Ways {
            smtp: smtp::check(self.smtp, return_path_domain)?,
        })
    }
}
