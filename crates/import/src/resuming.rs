//! Going on with imports whose process is gone.

use crate::checks::Checking;
use crate::importer::while_it_answers;
use crate::job::Job;
use crate::reading::open_all;
use crate::row_file::{REJECTS, REMARKS, RowFile};
use crate::running::{self, Beside, Done, Listener, Nobody};
use anyhow::Context as _;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;
use tidings_campaign::ids::ImportId;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_dns::DnsSettings;
use tidings_store::at_work::AtWork;
use tidings_store::imports::{Import, ImportRecord};
use tidings_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often a server looks for imports that nobody works on.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// An import that has committed nothing for so long may be one of them; its lock says whether it is.
const QUIET: Duration = Duration::from_secs(5);

/// For so long a process that was killed may seem to hold its import.
const RELEASED_AFTER: Duration = Duration::from_secs(2);

/// Tries until nobody holds the import any more, or it has been held for too long to be a process that was killed.
pub async fn when_released<T, F>(mut attempt: impl FnMut() -> F) -> Result<Option<T>, StoreError>
where
    F: Future<Output = Result<Option<T>, StoreError>>,
{
    let begun = tokio::time::Instant::now();
    loop {
        let taken = attempt().await?;
        if taken.is_some() || begun.elapsed() > RELEASED_AFTER {
            return Ok(taken);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What an import was begun as.
pub fn job_of(record: &ImportRecord) -> anyhow::Result<Job> {
    let details = record.details.as_deref().with_context(|| {
        format!(
            "import {} is of an older version, which could not go on: run it anew",
            record.id
        )
    })?;
    serde_json::from_str(details).with_context(|| format!("the record of import {}", record.id))
}

/// Goes on after the rows that are there.
pub async fn go_on(
    job: &Job,
    import: Import,
    record: &ImportRecord,
    dns: Option<&DnsSettings>,
    clock: &Clock,
    stop: &CancellationToken,
    listener: &mut dyn Listener,
) -> anyhow::Result<Done> {
    let (inputs, options) = (job.inputs(), job.options()?);
    let sources = tokio::task::spawn_blocking(move || open_all(&inputs, &options))
        .await
        .context("the files could not be opened")??;
    let place = |kind, asked: &Option<PathBuf>| RowFile::of_job(kind, asked.as_deref(), &job.folder);
    let id = import.id();
    let beside = Beside {
        checking: Checking::new(&job.wishes.checks, dns)?,
        rejects: place(&REJECTS, &job.rejects).go_on(id, record.rejects_octets)?,
        remarks: place(&REMARKS, &job.remarks).go_on(id, record.remarks_octets)?,
    };
    running::to_the_end(job, sources, import, beside, clock, stop, listener).await
}

/// Goes on with every import whose process is gone, as long as its files are there, until the token is cancelled.
/// `dns`: whom to ask for those that check domains.
pub async fn run(
    store: Store,
    dns: Option<DnsSettings>,
    clock: Clock,
    node: AtWork,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Imports that cannot be gone on with here, and when they last moved: they are not tried again before they move.
    let mut left_alone: HashMap<ImportId, Timestamp> = HashMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let quiet = store.quiet_imports(clock.now().minus(QUIET));
        let quiet = match store.while_it_answers(quiet).await {
            Err(error) if error.is_transient() => continue,
            quiet => quiet?,
        };
        for record in quiet {
            let _under_way = node.begin();
            if stop.is_cancelled()
                || !node.may_take()
                || left_alone.get(&record.id) == Some(&record.updated_at)
            {
                continue;
            }
            let tried = try_one(&store, &record, dns.as_ref(), &clock, &stop);
            if let Err(error) = while_it_answers(&store, tried).await {
                tracing::warn!("import {} does not go on here: {error:#}", record.id);
                if !running::passes_by_itself(&error) {
                    left_alone.insert(record.id, record.updated_at);
                }
            }
        }
    }
}

async fn try_one(
    store: &Store,
    record: &ImportRecord,
    dns: Option<&DnsSettings>,
    clock: &Clock,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let job = job_of(record)?;
    let checked = job.clone();
    tokio::task::spawn_blocking(move || checked.check_files())
        .await
        .context("the files could not be looked at")??;
    let Some((import, record)) = Import::resume(store, record, None, clock.now()).await? else {
        return Ok(());
    };
    let (id, rows) = (import.id(), import.counts().rows);
    tracing::info!("import {id} goes on after {rows} rows");
    let (never, mut nobody) = (CancellationToken::new(), Nobody);
    let outcome = tokio::select! {
        outcome = go_on(&job, import, &record, dns, clock, &never, &mut nobody) => outcome,
        // Dropped as it is: it still counts as running, and goes on with the next start.
        () = stop.cancelled() => return Ok(()),
    };
    let done = outcome?;
    tracing::info!("import {id} is finished: {} rows", done.counts.rows);
    Ok(())
}
