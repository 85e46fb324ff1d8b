//! Section `[retry]`.

use super::duration;
use anyhow::ensure;
use serde::Deserialize;
use tidings_sender::retry::Retry;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetrySection {
    first: Option<String>,
    factor: Option<f64>,
    ceiling: Option<String>,
    give_up: Option<String>,
}

impl RetrySection {
    pub(super) fn check(self) -> anyhow::Result<Retry> {
        let default = Retry::default();
        let read = |key, text: Option<String>, default| match text {
            Some(text) => duration("retry", key, &text),
            None => Ok(default),
        };
        let retry = Retry {
            first: read("first", self.first, default.first)?,
            factor: self.factor.unwrap_or(default.factor),
            ceiling: read("ceiling", self.ceiling, default.ceiling)?,
            give_up: read("give_up", self.give_up, default.give_up)?,
        };
        ensure!(
            (1.0..=100.0).contains(&retry.factor),
            "section [retry]: factor = {} is not between 1 and 100",
            retry.factor
        );
        ensure!(
            !retry.first.is_zero(),
            "section [retry]: first must be longer than nothing"
        );
        Ok(retry)
    }
}
