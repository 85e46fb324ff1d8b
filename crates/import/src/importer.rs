//! What a running server does for people who look at pages: trying files out, importing them, going on with imports and taking
//! them back. All of it runs beside the pages, in the program's runtime, and goes on when nobody looks.
//!
//! Trying out is in `importer/trial.rs`, imports and taking them back in `importer/imports.rs`, lists of suppressions in
//! `importer/suppressing.rs`, and which files go in time in `importer/old_files.rs`.

mod imports;
mod old_files;
mod suppressing;
mod trial;

pub use imports::Begun;
pub use suppressing::Suppressing;
pub use trial::{Rejected, Trial, TrialState};

use crate::resuming;
use crate::uploads::{UploadId, Uploads};
use anyhow::anyhow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidings_campaign::time::Clock;
use tidings_dns::DnsSettings;
use tidings_store::at_work::AtWork;
use tidings_store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trial::{Running, TRIALS_AT_ONCE};

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
}

/// Does what may take long, unless PostgreSQL becomes silent or gone, or its connections are exchanged because something else was not
/// answered: an import may have lost its lock with a connection. It is gone on with when the server is back; what else was given up is
/// for the person who asked, who is told.
pub(crate) async fn while_it_answers<T>(
    store: &Store,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    store.while_it_answers(async { Ok(work.await) }).await?
}

impl std::fmt::Debug for Importer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer")
            .field("folder", &self.0.folder)
            .finish_non_exhaustive()
    }
}
