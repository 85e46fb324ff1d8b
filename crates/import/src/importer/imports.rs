//! Imports that a server works on: begun from an upload, gone on with, taken back.

use super::{Importer, Inner, while_it_answers};
use crate::checks::Checking;
use crate::job::{Job, JobFile};
use crate::reading::{Input, Source, open_all};
use crate::resuming;
use crate::running::{self, Beside, Nobody};
use crate::undo::TakingBack;
use crate::uploads::{INCOMING, Upload};
use anyhow::{Context as _, bail};
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};
use tidings_campaign::ids::ImportId;
use tidings_store::audit::By;
use tidings_store::imports::{Import, NewImport};
use tokio_util::sync::CancellationToken;

/// What came of asking for an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is under way.
    New(ImportId),
    /// The same files are being imported in the same way already, or that import is stopped.
    Same(ImportId),
}

impl Importer {
    /// Opens what was uploaded, which is there or has been moved, as its owner wishes.
    pub(super) async fn open(&self, upload: &Upload, path: PathBuf) -> anyhow::Result<Vec<Source>> {
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
        let same = store.while_it_answers(store.find_unfinished_import(&fingerprint));
        if let Some(same) = same.await? {
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
            fingerprint: Some(fingerprint.clone()),
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
        let begun = Import::begin(store, &new, self.0.clock.now());
        let import = match store.while_it_answers(begun).await {
            Ok(import) => import,
            Err(error) => {
                // It may have begun all the same, and is gone on with then. As long as nobody can say, the file stays where it would be
                // looked for.
                let found = if error.is_transient() {
                    let found = store.find_unfinished_import(&fingerprint);
                    store.while_it_answers(found).await?
                } else {
                    None
                };
                if let Some(import) = found {
                    self.0.uploads.remove(&upload.id);
                    return Ok(Begun::New(import.id));
                }
                std::fs::rename(&path, &waiting)?;
                return Err(error.into());
            }
        };
        self.0.uploads.remove(&upload.id);
        let id = import.id();
        let (this, never) = (self.clone(), CancellationToken::new());
        self.spawn_job(async move {
            let mut nobody = Nobody;
            let Inner { store, clock, .. } = &*this.0;
            let imported = running::to_the_end(&job, sources, import, beside, clock, &never, &mut nobody);
            tell(id, while_it_answers(store, imported).await.map(drop));
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
        let found = store.while_it_answers(store.find_import(id)).await?;
        let record = found.context("there is no such import")?;
        let job = resuming::job_of(&record)?;
        let checked = job.clone();
        tokio::task::spawn_blocking(move || checked.check_files())
            .await
            .context("the files could not be looked at")?
            .context("it cannot go on from this page")?;
        let by = Some(&by);
        let resumed = resuming::when_released(|| Import::resume(store, &record, by, clock.now()));
        let Some((import, record)) = store.while_it_answers(resumed).await? else {
            bail!("a process works on this import already");
        };
        let (this, never) = (self.clone(), CancellationToken::new());
        self.spawn_job(async move {
            let mut nobody = Nobody;
            let Inner {
                store, dns, clock, ..
            } = &*this.0;
            let imported = resuming::go_on(&job, import, &record, dns.as_ref(), clock, &never, &mut nobody);
            tell(record.id, while_it_answers(store, imported).await.map(drop));
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
        let begun = TakingBack::begin(store, id, &self.0.folder, &by, clock);
        let taking_back = while_it_answers(store, begun)
            .await?
            .context("the import is running: stop it first")?;
        let this = self.clone();
        self.spawn_job(async move {
            let taken_back = taking_back.to_the_end(&this.0.clock);
            tell(id, while_it_answers(&this.0.store, taken_back).await.map(drop));
        });
        Ok(())
    }
}

/// What an import that runs beside the pages came to; its record says it too.
fn tell(id: ImportId, outcome: anyhow::Result<()>) {
    match outcome {
        Ok(()) => tracing::info!("import {id} is at its end"),
        Err(error) => tracing::warn!("import {id}: {error:#}"),
    }
}
