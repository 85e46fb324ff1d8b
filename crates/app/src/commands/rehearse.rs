//! `tidings rehearse`: the whole campaign rendered and sent into a sink on loopback; the ledger stays untouched.

use crate::context::Context;
use crate::output;
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tidings_campaign::eligibility::may_mail;
use tidings_campaign::ids::{CampaignId, LeaseId, RecipientId, Seq};
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::provider;
use tidings_campaign::time::Timestamp;
use tidings_scripted_relay::{Script, ScriptedRelay};
use tidings_sender::dispatch::Dispatcher;
use tidings_sender::job::{Cargo, DeliveryInHand, Job};
use tidings_sender::limits::{Limit, LimitSettings};
use tidings_sender::planner;
use tidings_sender::recorder::Recorder;
use tidings_sender::rehearsal::rehearse;
use tidings_sender::relay::RelaySettings;
use tidings_sender::run::CampaignRun;
use tidings_store::Store;
use tidings_store::leases::{Lease, LeaseKind};
use tidings_store::ledger::{Held, Outcome};
use tokio::sync::watch;

/// Render and send a whole campaign into a built-in sink: how long it takes, how large the messages are, and which
/// recipients fail. Nothing is recorded, nobody is mailed.
#[derive(Args, Clone, Copy, Debug)]
pub struct RehearseArgs {
    /// The campaign's id.
    id: CampaignId,
}

#[derive(Debug, Default, Serialize)]
struct Rehearsed {
    id: i64,
    recipients: u64,
    sent: u64,
    failed: u64,
    refused: u64,
    seconds: f64,
    messages_per_second: f64,
    smallest: u64,
    mean: u64,
    largest: u64,
    /// The first of them.
    failures: Vec<Failure>,
}

#[derive(Clone, Debug, Serialize)]
struct Failure {
    recipient: String,
    reason: String,
}

/// Failures shown at most; all of them are counted.
const SHOWN: usize = 20;
const SESSIONS: usize = 20;

#[derive(Default)]
struct Sizes {
    smallest: AtomicU64,
    largest: AtomicU64,
    sum: AtomicU64,
    n: AtomicU64,
}

/// Rehearses the campaign.
pub async fn run(args: RehearseArgs, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    let began = Instant::now();
    let run = Arc::new(prepare(args.id, context, &store).await?);
    let sizes = Arc::new(Sizes {
        smallest: AtomicU64::new(u64::MAX),
        ..Sizes::default()
    });
    let seen = Arc::clone(&sizes);
    let script = Script::sink().watch(move |acceptance| {
        let size = acceptance.size as u64;
        seen.smallest.fetch_min(size, Ordering::Relaxed);
        seen.largest.fetch_max(size, Ordering::Relaxed);
        seen.sum.fetch_add(size, Ordering::Relaxed);
        seen.n.fetch_add(1, Ordering::Relaxed);
    });
    let sink = ScriptedRelay::start(script, ([127, 0, 0, 1], 0).into())
        .await
        .context("the built-in sink")?;
    let failed: Arc<Mutex<Vec<(Seq, String)>>> = Arc::default();
    let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let (recorder, recording) = watch_outcomes(Arc::clone(&failed), Arc::clone(&counts));
    let dispatcher = Dispatcher::new(LimitSettings::default(), Vec::new(), &context.clock);
    let relay = RelaySettings::on_loopback("rehearsal", sink.addr(), SESSIONS);
    let (_, judging) = watch::channel(Arc::new(context.config.feedback.judging()?));
    let mut sessions = rehearse(
        &dispatcher,
        relay,
        recorder.clone(),
        &judging,
        context.clock.clone(),
    );
    dispatcher.begin(run.id, None, &run.sender_domain, Limit::default())?;
    let recipients = feed(&store, &run, &recorder, &dispatcher, context.clock.now()).await?;
    wait_for(recipients, &sizes, &counts).await;
    dispatcher.close();
    while sessions.join_next().await.is_some() {}
    drop((run, recorder, dispatcher));
    recording.await??;
    sink.stop().await;
    let failed = std::mem::take(&mut *failed.lock().unwrap_or_else(PoisonError::into_inner));
    let rehearsed = Rehearsed {
        id: args.id.0,
        recipients,
        failed: counts.0.load(Ordering::Relaxed),
        refused: counts.1.load(Ordering::Relaxed),
        failures: name_failures(&store, failed).await?,
        ..sizes.summary(began)
    };
    report(&rehearsed, context)
}

async fn prepare(id: CampaignId, context: &Context, store: &Store) -> anyhow::Result<CampaignRun> {
    let campaign = store.get_campaign(id).await?;
    let identity = context.identity(store).await?;
    Ok(planner::as_it_stands(store, campaign, &identity, context.config.retry).await?)
}

type Recording = tokio::task::JoinHandle<Result<(), tidings_store::StoreError>>;

/// Counts what fails to render and what the sink refuses. `Seq` carries the recipient's id in a rehearsal.
fn watch_outcomes(
    failed: Arc<Mutex<Vec<(Seq, String)>>>,
    counts: Arc<(AtomicU64, AtomicU64)>,
) -> (Recorder, Recording) {
    Recorder::rehearse(move |settlement| {
        let (counter, reason) = match settlement.outcome {
            Outcome::Withheld { detail, .. } => (&counts.0, detail),
            Outcome::Rejected(reply, _) | Outcome::Deferred(reply, ..) | Outcome::Expired(reply, _) => {
                (&counts.1, format!("{} {}", reply.code, reply.text))
            }
            Outcome::Accepted(_) | Outcome::Unknown { .. } | Outcome::Returned | Outcome::PutAside { .. } => {
                return;
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() < SHOWN {
            failed.push((settlement.held.seq, reason));
        }
    })
}

async fn feed(
    store: &Store,
    run: &Arc<CampaignRun>,
    recorder: &Recorder,
    dispatcher: &Dispatcher,
    now: Timestamp,
) -> anyhow::Result<u64> {
    const PAGE: i64 = 1000;
    let lease = Lease {
        id: LeaseId(0),
        campaign: run.id,
        kind: LeaseKind::Range,
        first: Seq(0),
        last: Seq(0),
    };
    let ticket = tidings_sender::job::LeaseTicket::for_rehearsal(lease, recorder.clone());
    let mut after = RecipientId(0);
    let mut fed = 0;
    loop {
        let page = store.eligible_page(run.id, after, PAGE, now).await?;
        if page.is_empty() {
            return Ok(fed);
        }
        for candidate in page {
            let recipient = candidate
                .recipient
                .map_err(|why| anyhow::anyhow!("after recipient {after}: {why}"))?;
            after = recipient.id;
            let Ok(to) = may_mail(recipient, &candidate.standing, now) else {
                continue;
            };
            let held = Held {
                campaign: run.id,
                seq: Seq(to.recipient().id.0),
                lease: LeaseId(0),
                waiting: DeliveryState::Planned,
            };
            let job = Job {
                provider: provider::by_domain(to.recipient().address.domain()),
                cargo: Cargo::Delivery(DeliveryInHand {
                    held,
                    to,
                    asked_at: Instant::now(),
                    run: Arc::clone(run),
                    ticket: Arc::clone(&ticket),
                }),
                attempts: 0,
                first_attempt_at: None,
                broken: 0,
                attempt: None,
                passage: None,
            };
            dispatcher.bring(job).await;
            fed += 1;
        }
    }
}

async fn wait_for(recipients: u64, sizes: &Sizes, counts: &(AtomicU64, AtomicU64)) {
    let done = || {
        sizes.n.load(Ordering::Relaxed) + counts.0.load(Ordering::Relaxed) + counts.1.load(Ordering::Relaxed)
    };
    while done() < recipients {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

impl Sizes {
    fn summary(&self, began: Instant) -> Rehearsed {
        let sent = self.n.load(Ordering::Relaxed);
        let seconds = began.elapsed().as_secs_f64();
        Rehearsed {
            sent,
            seconds,
            messages_per_second: sent as f64 / seconds,
            smallest: if sent == 0 {
                0
            } else {
                self.smallest.load(Ordering::Relaxed)
            },
            mean: self.sum.load(Ordering::Relaxed).checked_div(sent).unwrap_or(0),
            largest: self.largest.load(Ordering::Relaxed),
            ..Rehearsed::default()
        }
    }
}

async fn name_failures(store: &Store, failed: Vec<(Seq, String)>) -> anyhow::Result<Vec<Failure>> {
    let ids: Vec<_> = failed.iter().map(|(seq, _)| RecipientId(seq.0)).collect();
    let recipients = store.recipients(&ids).await?;
    Ok(failed
        .into_iter()
        .map(|(seq, reason)| {
            let recipient = recipients.iter().find(|recipient| recipient.id.0 == seq.0);
            Failure {
                recipient: recipient.map_or(String::new(), |r| r.address.to_string()),
                reason,
            }
        })
        .collect())
}

fn report(rehearsed: &Rehearsed, context: &Context) -> anyhow::Result<()> {
    if context.json {
        return output::json(rehearsed);
    }
    output::line(format!(
        "{} recipients: {} sent into the sink, {} fail to render, {} refused; {:.1} s, {:.0} messages a second",
        rehearsed.recipients,
        rehearsed.sent,
        rehearsed.failed,
        rehearsed.refused,
        rehearsed.seconds,
        rehearsed.messages_per_second
    ))?;
    output::line(format!(
        "message sizes: {} to {} octets, {} on average",
        rehearsed.smallest, rehearsed.largest, rehearsed.mean
    ))?;
    for failure in &rehearsed.failures {
        output::line(format!("  {}: {}", failure.recipient, failure.reason))?;
    }
    Ok(())
}
