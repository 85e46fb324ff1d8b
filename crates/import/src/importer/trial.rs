//! Finding out what an import of an upload would do, beside the pages.

use super::{Importer, locked, while_it_answers};
use crate::checks::{Checking, Found};
use crate::running::{self, Beside, Listener};
use crate::uploads::{Upload, UploadId};
use std::sync::{Arc, Mutex};
use tidings_campaign::csv_import::{Counts, Reject};
use tidings_store::imports::DryRun;
use tokio_util::task::AbortOnDropHandle;

/// Files that are tried out at once: each remembers the addresses that it has seen, 16 octets for each.
pub(super) const TRIALS_AT_ONCE: usize = 2;
/// Rejected rows that a trial shows.
const SHOWN: usize = 20;
/// Letters of such a row.
const SHOWN_LETTERS: usize = 160;

/// A trial, which ends when it is forgotten.
pub(super) struct Running {
    trial: Arc<Mutex<Trial>>,
    _task: AbortOnDropHandle<()>,
}

/// What an import of an upload would do, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// How far it is.
    pub state: TrialState,
    /// What would become of the rows so far.
    pub counts: Counts,
    /// The first rejected rows.
    pub rejects: Vec<Rejected>,
    /// What the checks have found.
    pub found: Found,
}

/// How far a trial is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrialState {
    /// Others go first.
    #[default]
    Waiting,
    /// It reads.
    Running,
    /// It came to its end.
    Done,
    /// It did not, and why.
    Failed(String),
}

/// A row that would be rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its line.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// Its beginning.
    pub row: String,
}

impl Importer {
    /// Begins to find out what an import of this upload would do. What was found out before is forgotten.
    pub fn try_out(&self, upload: &Upload) {
        let trial = Arc::new(Mutex::new(Trial::default()));
        let (this, shared, upload) = (self.clone(), trial.clone(), upload.clone());
        let id = upload.id.clone();
        let task = self.spawn(async move {
            let outcome = while_it_answers(&this.0.store, this.count(&upload, &shared)).await;
            let mut trial = locked(&shared);
            trial.state = match outcome {
                Ok(found) => {
                    trial.found = found;
                    TrialState::Done
                }
                Err(error) => TrialState::Failed(format!("{error:#}")),
            };
        });
        let running = Running {
            trial,
            _task: AbortOnDropHandle::new(task),
        };
        locked(&self.0.trials).insert(id, running);
    }

    async fn count(&self, upload: &Upload, trial: &Arc<Mutex<Trial>>) -> anyhow::Result<Found> {
        let _permit = self.0.at_once.acquire().await?;
        locked(trial).state = TrialState::Running;
        let sources = self.open(upload, self.0.uploads.path(&upload.id)).await?;
        let checking = Checking::new(&upload.wishes.checks, self.0.dns.as_ref())?;
        let beside = Beside::of_dry_run(checking, None, None)?;
        let target = DryRun::new(&self.0.store, &upload.list).await?;
        let done = running::count(sources, target, beside, &mut ToTrial(trial.clone())).await?;
        Ok(done.found)
    }

    /// What has been found out about an upload; none if nobody asked.
    pub fn trial(&self, id: &UploadId) -> Option<Trial> {
        let trials = locked(&self.0.trials);
        let running = trials.get(id)?;
        let trial = locked(&running.trial).clone();
        Some(trial)
    }

    /// Ends a trial, and forgets it: something else was said about the file.
    pub fn forget_trial(&self, id: &UploadId) {
        locked(&self.0.trials).remove(id);
    }
}

/// Tells a trial how it gets on.
struct ToTrial(Arc<Mutex<Trial>>);

impl Listener for ToTrial {
    fn progress(&mut self, counts: &Counts) {
        locked(&self.0).counts = *counts;
    }

    fn rejected(&mut self, rejects: &[Reject]) {
        let mut trial = locked(&self.0);
        let room = SHOWN - trial.rejects.len();
        trial.rejects.extend(rejects.iter().take(room).map(|reject| {
            Rejected {
                line: reject.line,
                reason: reject.reason.clone(),
                row: String::from_utf8_lossy(&reject.row)
                    .chars()
                    .take(SHOWN_LETTERS)
                    .collect(),
            }
        }));
    }
}
