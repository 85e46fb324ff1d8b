//! Saying that the database is away: at once, then every few seconds, and when it is back.

use std::time::{Duration, Instant};
use tidings_store::StoreError;

const AGAIN: Duration = Duration::from_secs(10);

/// Whether it is away for somebody who tries again until it is not.
#[derive(Debug)]
pub(crate) struct Away {
    /// What cannot be done meanwhile, as a sentence.
    what: &'static str,
    since: Option<Instant>,
    said: Option<Instant>,
}

impl Away {
    pub(crate) const fn new(what: &'static str) -> Away {
        Away {
            what,
            since: None,
            said: None,
        }
    }

    /// It did not work.
    pub(crate) fn failed(&mut self, error: &StoreError) {
        self.since.get_or_insert_with(Instant::now);
        if self.said.is_none_or(|said| said.elapsed() > AGAIN) {
            self.said = Some(Instant::now());
            tracing::warn!("{}, trying again: {error}", self.what);
        }
    }

    /// It worked.
    pub(crate) fn worked(&mut self) {
        if let Some(since) = self.since.take() {
            self.said = None;
            tracing::info!("the database was away for {:.1} s", since.elapsed().as_secs_f64());
        }
    }
}
