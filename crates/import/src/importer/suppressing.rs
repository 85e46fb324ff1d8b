//! Suppressing everybody in a list, beside the pages.

use super::{Importer, Inner, locked, while_it_answers};
use crate::page_words::of_list;
use crate::suppression_list::{SuppressionCounts, SuppressionList, suppress_by_hash};
use crate::uploads::Incoming;
use anyhow::{Context as _, anyhow};
use tidings_campaign::csv_import::{Options, Refusal, Source};
use tidings_store::audit::By;

/// Imports of suppressions whose counts are remembered.
const REMEMBERED: usize = 100;

/// An import of suppressions.
#[derive(Clone, Debug)]
pub struct Suppressing {
    /// Counted from 1 since the server began.
    pub number: u64,
    /// Who asked for it.
    pub owner: String,
    /// The file's name.
    pub name: String,
    /// What became of the rows so far.
    pub counts: SuppressionCounts,
    /// Recipients that are suppressed by their hash, if hashes came.
    pub recipients: Option<u64>,
    /// None: it is under way. Otherwise it ended, perhaps before its end, and why.
    pub ended: Option<Result<(), String>>,
}

impl Importer {
    /// Begins to suppress everybody in a list. Returns the number under which it is remembered. What is wrong with the file is told
    /// in a sentence.
    pub async fn suppress(
        &self,
        incoming: Incoming,
        (name, reason): (String, String),
        by: By,
    ) -> anyhow::Result<u64> {
        let this = self.clone();
        self.in_runtime(async move { this.suppress_here(incoming, (name, reason), by).await })
            .await
    }

    async fn suppress_here(
        &self,
        incoming: Incoming,
        (name, reason): (String, String),
        by: By,
    ) -> anyhow::Result<u64> {
        let shown = name.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let file = Source::File(incoming.into_file()?);
            SuppressionList::open(file, &shown, &Options::default())
        });
        let opened = opened.await.context("the file could not be looked at")?;
        let list = opened.map_err(|error| match error.downcast_ref::<Refusal>() {
            Some(refusal) => anyhow!(of_list(refusal)),
            None => error,
        })?;
        let about = (name.as_str(), reason.as_str());
        let (store, now) = (&self.0.store, self.0.clock.now());
        let told = store.audit(&by, "began to import suppressions", about, now);
        store.while_it_answers(told).await?;
        let number = self.remember(&name, &by);
        let this = self.clone();
        self.spawn_job(async move {
            let suppressed = this.all_suppressions(number, list, &reason);
            let outcome = while_it_answers(&this.0.store, suppressed).await;
            let ended = outcome.map_err(|error| format!("{error:#}"));
            let detail = this.suppressing(number).map_or_else(String::new, |run| {
                let counts = &run.counts;
                format!(
                    "{} rows, {} suppressed now, {} rejected",
                    counts.rows, counts.added, counts.rejected
                )
            });
            let (store, now) = (&this.0.store, this.0.clock.now());
            let what = "imported suppressions";
            let told = store.audit(&by, what, (&name, &detail), now);
            if let Err(error) = store.while_it_answers(told).await {
                tracing::warn!("the end of an import of suppressions is not in the audit log: {error}");
            }
            this.change(number, |run| run.ended = Some(ended));
        });
        Ok(number)
    }

    fn remember(&self, name: &str, by: &By) -> u64 {
        let mut all = locked(&self.0.suppressing);
        let number = all.last().map_or(1, |last| last.number + 1);
        if all.len() >= REMEMBERED {
            all.remove(0);
        }
        all.push(Suppressing {
            number,
            owner: by.who.clone(),
            name: name.to_owned(),
            counts: SuppressionCounts::default(),
            recipients: None,
            ended: None,
        });
        number
    }

    async fn all_suppressions(&self, number: u64, list: SuppressionList, reason: &str) -> anyhow::Result<()> {
        let Inner { store, clock, .. } = &*self.0;
        let has_hashes = list.has_hashes();
        let mut counts = SuppressionCounts::default();
        let told = |counts: &SuppressionCounts| {
            self.change(number, |run| run.counts = counts.clone());
        };
        list.import(store, reason, clock, &mut counts, told).await?;
        if has_hashes {
            let recipients = suppress_by_hash(store, clock).await?;
            self.change(number, |run| run.recipients = Some(recipients));
        }
        Ok(())
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Suppressing)) {
        let mut all = locked(&self.0.suppressing);
        if let Some(run) = all.iter_mut().find(|run| run.number == number) {
            change(run);
        }
    }

    /// An import of suppressions since the server began.
    pub fn suppressing(&self, number: u64) -> Option<Suppressing> {
        let all = locked(&self.0.suppressing);
        all.iter().find(|run| run.number == number).cloned()
    }
}
