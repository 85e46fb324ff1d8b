//! The task that owns a mailbox: connect, read what is there, wait for more; and again after every fault.

use super::fault::ImapFault;
use super::mailbox::{Found, Mailbox};
use super::opening::open;
use super::pause::Pauses;
use super::settings::ImapSettings;
use crate::{Intake, IntakeError, Mail};
use futures_util::future::try_join_all;
use std::time::Duration;
use tidings_store::feedback::Way;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// What is under way when the process is to end may be done within this time.
const GRACE: Duration = Duration::from_millis(700);
/// What comes in a burst is read together.
const BURST: Duration = Duration::from_millis(50);

/// Reads a mailbox until `stop`, whatever happens to the server meanwhile.
pub async fn run(intake: Intake, settings: ImapSettings, stop: CancellationToken) {
    let mut pauses = Pauses::default();
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let fault = tokio::select! {
            watched = watch(&intake, &settings, &stop) => match watched {
                Ok(()) | Err(ImapFault::NotKept(IntakeError::Stopped)) => return,
                Err(fault) => fault,
            },
            () = overdue(&stop) => return,
        };
        let pause = pauses.next(begun.elapsed(), chance());
        let seconds = pause.as_secs_f64();
        tracing::warn!(
            "mailbox {}: {fault}; it is tried again in {seconds:.0} s",
            settings.name()
        );
        stop.run_until_cancelled(sleep(pause)).await;
    }
}

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(GRACE).await;
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let mut octet = [128];
    // Without chance the pauses are even, and that is all.
    let _ = getrandom::fill(&mut octet);
    f64::from(octet[0]) / 255.0
}

/// Goes on until the process is to end or there is a fault.
async fn watch(intake: &Intake, settings: &ImapSettings, stop: &CancellationToken) -> Result<(), ImapFault> {
    let Some(opened) = stop.run_until_cancelled(open(settings)).await else {
        return Ok(());
    };
    let mut mailbox = opened?;
    tracing::info!("mailbox {}: connected", settings.name());
    loop {
        read(&mut mailbox, intake, stop).await?;
        let Some(waited) = stop.run_until_cancelled(mailbox.wait(settings.poll)).await else {
            return Ok(());
        };
        waited?;
        sleep(BURST).await;
    }
}

/// Reads everything that is still to be read.
async fn read(mailbox: &mut Mailbox, intake: &Intake, stop: &CancellationToken) -> Result<(), ImapFault> {
    let undone = mailbox.undone().await?;
    for batch in mailbox.batches(&undone).await? {
        if stop.is_cancelled() {
            return Ok(());
        }
        let found = mailbox.read(&batch).await?;
        keep_and_file(found, mailbox, intake).await?;
    }
    Ok(())
}

async fn keep_and_file(found: Vec<Found>, mailbox: &mut Mailbox, intake: &Intake) -> Result<(), ImapFault> {
    let keeping = found.into_iter().map(|Found { uid, octets }| async move {
        let mail = Mail {
            way: Way::Imap,
            recipients: Vec::new(),
            octets,
        };
        let is_understood = intake.take_mail(mail).await?;
        Ok::<_, IntakeError>((uid, is_understood))
    });
    let kept = try_join_all(keeping).await?;
    let of = |understood: bool| -> Vec<_> {
        let kept = kept
            .iter()
            .filter(|(_, is_understood)| *is_understood == understood);
        kept.map(|(uid, _)| *uid).collect()
    };
    mailbox.file(&of(true)).await?;
    mailbox.set_aside(&of(false)).await
}
