//! What a running server does for people who look at pages: trying files out, importing them, going on with imports and taking
//! them back. All of it runs beside the pages, in the program's runtime, and goes on when nobody looks.

use crate::checks::{Checking, Found};
use crate::job::{Job, JobFile};
use crate::reading::{Input, Source, open_all};
use crate::resuming;
use crate::running::{self, Beside, Listener, Nobody};
use crate::suppression_list::{SuppressionCounts, SuppressionList, suppress_by_hash};
use crate::undo::TakingBack;
use crate::uploads::{INCOMING, Incoming, Upload, UploadId, Uploads, long_there};
use anyhow::{Context as _, anyhow, bail};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use tidings_campaign::csv_import::{Counts, Reject};
use tidings_campaign::ids::ImportId;
use tidings_campaign::time::Clock;
use tidings_dns::DnsSettings;
use tidings_store::at_work::AtWork;
use tidings_store::audit::By;
use tidings_store::imports::{DryRun, Import, NewImport};
use tidings_store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Files that are tried out at once: each remembers the addresses that it has seen, 16 octets for each.
const TRIALS_AT_ONCE: usize = 2;
/// Rejected rows that a trial shows.
const SHOWN: usize = 20;
/// Letters of such a row.
const SHOWN_LETTERS: usize = 160;
/// Imports of suppressions whose counts are remembered.
const REMEMBERED: usize = 100;
/// How often uploads are looked through for old ones.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);

/// The imports of a running server.
#[derive(Clone)]
pub struct Importer(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    dns: Option<DnsSettings>,
    /// The data folder.
    folder: PathBuf,
    uploads: Uploads,
    node: AtWork,
    stop: CancellationToken,
    tasks: TaskTracker,
    runtime: Handle,
    trials: Mutex<HashMap<UploadId, Running>>,
    at_once: Semaphore,
    suppressing: Mutex<Vec<Suppressing>>,
}

/// A trial, which ends when it is forgotten.
struct Running {
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

/// What came of asking for an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is under way.
    New(ImportId),
    /// The same files are being imported in the same way already, or that import is stopped.
    Same(ImportId),
}

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

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Importer {
    /// In the runtime that is running. `data`: the data folder; `largest`: octets of an upload.
    pub fn new(
        store: Store,
        clock: Clock,
        dns: Option<DnsSettings>,
        data: &Path,
        largest: u64,
        node: AtWork,
        stop: CancellationToken,
    ) -> std::io::Result<Importer> {
        Ok(Importer(Arc::new(Inner {
            store,
            clock,
            dns,
            folder: std::path::absolute(data)?,
            uploads: Uploads::in_folder(data, largest),
            node,
            stop,
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            trials: Mutex::default(),
            at_once: Semaphore::new(TRIALS_AT_ONCE),
            suppressing: Mutex::default(),
        })))
    }

    /// The files that wait.
    pub fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Whether the DNS may be asked.
    pub fn has_dns(&self) -> bool {
        self.0.dns.is_some()
    }

    /// Goes on with imports whose process is gone, and forgets old uploads, until the server stops and everything that was begun
    /// has been left as it is: an import that is cut off by that goes on with the next start.
    pub async fn run(&self) -> Result<(), StoreError> {
        let Inner {
            store,
            dns,
            clock,
            node,
            stop,
            tasks,
            ..
        } = &*self.0;
        let expiring = self.clone();
        self.spawn(async move { expiring.expire().await });
        let outcome = resuming::run(
            store.clone(),
            dns.clone(),
            clock.clone(),
            node.clone(),
            stop.clone(),
        )
        .await;
        stop.cancelled().await;
        locked(&self.0.trials).clear();
        tasks.close();
        tasks.wait().await;
        outcome
    }

    async fn expire(&self) {
        let mut tick = tokio::time::interval(EXPIRE_EVERY);
        loop {
            tick.tick().await;
            let (uploads, now) = (self.0.uploads.clone(), self.0.clock.now());
            // What cannot be removed is told by whoever removes it.
            drop(tokio::task::spawn_blocking(move || uploads.expire(now)).await);
            if let Err(error) = self.remove_left_over().await {
                tracing::warn!("files that imports have left over cannot be looked for: {error}");
            }
            locked(&self.0.trials).retain(|id, _| self.0.uploads.path(id).is_file());
        }
    }

    /// Removes files that were to be an import's, and whose import was never recorded.
    async fn remove_left_over(&self) -> Result<(), StoreError> {
        let (folder, now) = (self.0.folder.clone(), self.0.clock.now());
        let looked = tokio::task::spawn_blocking(move || long_there(&folder, now)).await;
        for path in looked.unwrap_or_default() {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name else { continue };
            if self.0.store.has_import_of(name).await? {
                continue;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => tracing::info!("removed {}, which no import names", path.display()),
                Err(error) => tracing::warn!("cannot remove {}: {error}", path.display()),
            }
        }
        Ok(())
    }

    /// Lets work go on beside the pages until it ends or the server stops.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        let stop = self.0.stop.clone();
        let work = async move {
            tokio::select! {
                () = work => {}
                () = stop.cancelled() => {}
            }
        };
        self.0.tasks.spawn_on(work, &self.0.runtime)
    }

    /// The same of what a drain waits for.
    fn spawn_job(&self, work: impl Future<Output = ()> + Send + 'static) {
        let under_way = self.0.node.begin();
        self.spawn(async move {
            work.await;
            drop(under_way);
        });
    }

    /// Does something in the program's runtime, whose connections do not end with a worker of the web server.
    async fn in_runtime<T: Send + 'static>(
        &self,
        work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        let done = self.0.runtime.spawn(work).await;
        done.map_err(|_| anyhow!("the program is stopping"))?
    }

    /// Begins to find out what an import of this upload would do. What was found out before is forgotten.
    pub fn try_out(&self, upload: &Upload) {
        let trial = Arc::new(Mutex::new(Trial::default()));
        let (this, shared, upload) = (self.clone(), trial.clone(), upload.clone());
        let id = upload.id.clone();
        let task = self.spawn(async move {
            let outcome = this.count(&upload, &shared).await;
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

    async fn open(&self, upload: &Upload, path: PathBuf) -> anyhow::Result<Vec<Source>> {
        let options = upload.wishes.options()?;
        let input = Input {
            shown: upload.name.clone(),
            path: Some(path),
        };
        tokio::task::spawn_blocking(move || open_all(&[input], &options))
            .await
            .context("the file could not be looked at")?
    }

    /// Imports an upload, under the person's name. When this returns, the import is recorded and under way.
    pub async fn begin(&self, upload: Upload, by: By) -> anyhow::Result<Begun> {
        let this = self.clone();
        self.in_runtime(async move { this.begin_here(upload, by).await })
            .await
    }

    async fn begin_here(&self, upload: Upload, by: By) -> anyhow::Result<Begun> {
        self.forget_trial(&upload.id);
        let Inner { store, folder, .. } = &*self.0;
        let waiting = self.0.uploads.path(&upload.id);
        let path = folder.join(format!("{INCOMING}{}", upload.id));
        let sources = self.open(&upload, waiting.clone()).await?;
        let options = upload.wishes.options()?;
        let file = JobFile {
            name: upload.name.clone(),
            path: path.clone(),
            copied: true,
            sha256: upload.sha256.clone(),
            octets: upload.octets,
            mapping: Vec::new(),
        };
        let job = Job::new(vec![file], &sources, &options, &upload.wishes.checks, folder)?;
        let fingerprint = job.fingerprint(&upload.list);
        if let Some(same) = store.find_unfinished_import(&fingerprint).await? {
            return Ok(Begun::Same(same.id));
        }
        let checking = Checking::new(&upload.wishes.checks, self.0.dns.as_ref())?;
        let beside = Beside::new(checking, None, None, folder)?;
        let new = NewImport {
            list: upload.list.clone(),
            files: upload.name.clone(),
            started_by: by.who.clone(),
            by,
            consent: upload.consent.clone(),
            fingerprint: Some(fingerprint),
            details: Some(serde_json::to_string(&job).context("the job is not JSON")?),
        };
        // From here the file is the import's: it goes with that, and not after a day, which begins anew until it is recorded.
        let now = u64::try_from(self.0.clock.now().0).unwrap_or_default();
        let now = UNIX_EPOCH + Duration::from_micros(now);
        let touched = File::options()
            .append(true)
            .open(&waiting)
            .and_then(|file| file.set_modified(now));
        touched.context("the upload is not there any more")?;
        std::fs::rename(&waiting, &path).context("the upload is not there any more")?;
        let begun = Import::begin(store, &new, self.0.clock.now()).await;
        let import = match begun {
            Ok(import) => import,
            Err(error) => {
                std::fs::rename(&path, &waiting)?;
                return Err(error.into());
            }
        };
        self.0.uploads.remove(&upload.id);
        let id = import.id();
        let (this, never) = (self.clone(), CancellationToken::new());
        self.spawn_job(async move {
            let clock = &this.0.clock;
            let outcome =
                running::to_the_end(&job, sources, import, beside, clock, &never, &mut Nobody).await;
            tell(id, outcome.map(drop));
        });
        Ok(Begun::New(id))
    }

    /// Goes on with an import that is stopped, or whose process is gone. Says what keeps it from that.
    pub async fn go_on(&self, id: ImportId, by: By) -> anyhow::Result<()> {
        let this = self.clone();
        self.in_runtime(async move { this.go_on_here(id, by).await })
            .await
    }

    async fn go_on_here(&self, id: ImportId, by: By) -> anyhow::Result<()> {
        let Inner { store, clock, .. } = &*self.0;
        let record = store.find_import(id).await?.context("there is no such import")?;
        let job = resuming::job_of(&record)?;
        let checked = job.clone();
        tokio::task::spawn_blocking(move || checked.check_files())
            .await
            .context("the files could not be looked at")?
            .context("it cannot go on from this page")?;
        let by = Some(&by);
        let resumed = resuming::when_released(|| Import::resume(store, &record, by, clock.now())).await?;
        let Some((import, record)) = resumed else {
            bail!("a process works on this import already");
        };
        let (this, never) = (self.clone(), CancellationToken::new());
        self.spawn_job(async move {
            let Inner { dns, clock, .. } = &*this.0;
            let outcome =
                resuming::go_on(&job, import, &record, dns.as_ref(), clock, &never, &mut Nobody).await;
            tell(record.id, outcome.map(drop));
        });
        Ok(())
    }

    /// Begins to take an import back.
    pub async fn take_back(&self, id: ImportId, by: By) -> anyhow::Result<()> {
        let this = self.clone();
        self.in_runtime(async move { this.take_back_here(id, by).await })
            .await
    }

    async fn take_back_here(&self, id: ImportId, by: By) -> anyhow::Result<()> {
        let Inner { store, clock, .. } = &*self.0;
        let begun = TakingBack::begin(store, id, &self.0.folder, &by, clock).await?;
        let taking_back = begun.context("the import is running: stop it first")?;
        let this = self.clone();
        self.spawn_job(async move {
            tell(id, taking_back.to_the_end(&this.0.clock).await.map(drop));
        });
        Ok(())
    }

    /// Begins to suppress everybody in a list. Returns the number under which it is remembered.
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
            SuppressionList::open(Box::new(incoming.into_file()?), &shown)
        });
        let list = opened.await.context("the file could not be looked at")??;
        let about = (name.as_str(), reason.as_str());
        let (store, now) = (&self.0.store, self.0.clock.now());
        store
            .audit(&by, "began to import suppressions", about, now)
            .await?;
        let number = self.remember(&name, &by);
        let this = self.clone();
        self.spawn_job(async move {
            let outcome = this.all_suppressions(number, list, &reason).await;
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
            if let Err(error) = store.audit(&by, what, (&name, &detail), now).await {
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

impl std::fmt::Debug for Importer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer")
            .field("folder", &self.0.folder)
            .finish_non_exhaustive()
    }
}

/// What an import that runs beside the pages came to; its record says it too.
fn tell(id: ImportId, outcome: anyhow::Result<()>) {
    match outcome {
        Ok(()) => tracing::info!("import {id} is at its end"),
        Err(error) => tracing::warn!("import {id}: {error:#}"),
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
