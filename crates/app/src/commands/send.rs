//! `tidings campaign send`: one campaign in the foreground, without a server.

use crate::commands::progress::Progress;
use crate::commands::shown::Shown;
use crate::config::public_url;
use crate::context::Context;
use crate::in_force::InForce;
use crate::lifecycle;
use crate::node::ThisNode;
use crate::output;
use anyhow::bail;
use serde::Serialize;
use std::time::Instant;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState};
use tidings_campaign::schedule::{Due, due};
use tidings_campaign::time::Timestamp;
use tidings_sender::guard::{self, Witness};
use tidings_sender::lock::{LockError, SenderLock};
use tidings_sender::planner;
use tidings_sender::run::Identity;
use tidings_sender::sender::{self, Scope, SenderSettings};
use tidings_store::Store;
use tidings_store::campaigns::Campaign;
use tokio_util::sync::CancellationToken;

#[derive(Serialize)]
struct Sent {
    #[serde(flatten)]
    shown: Shown,
    /// From the command's start to its end, planning included.
    seconds: f64,
    /// Attempts of this run that ended, per second of sending.
    messages_per_second: f64,
    plan_seconds: f64,
}

/// Sends the campaign until it is finished, paused, or told to stop by a signal.
pub async fn run(id: CampaignId, context: &Context, store: Store) -> anyhow::Result<()> {
    let began = Instant::now();
    // Before anything else: a command that is refused changes nothing.
    let lock = take_lock(id, &store)?;
    let node = ThisNode::new(context, &store, &["send".to_owned()]).await?;
    let store = node.store().clone();
    // Before the campaign is looked at: the guard may hold it.
    let witness = guard::look(&store, &context.data).await?;
    let campaign = store.get_campaign(id).await?;
    check_sendable(&campaign, context.clock.now())?;
    let identity = context.identity(&store).await?;
    let keys = identity.keys.clone();
    let in_force = InForce::of(context)?;
    in_force.heed_sighup()?;
    require_relay(context)?;
    let settings = sender_settings(context, &in_force, identity, witness, &node);
    let stop = lifecycle::stop_on_signals()?;
    if matches!(campaign.state, CampaignState::Draft | CampaignState::Scheduled) {
        start(&store, &campaign, &settings.identity, context).await?;
    }
    let plan_seconds = began.elapsed().as_secs_f64();
    let before = attempts(&store, id).await?;
    let sending = Instant::now();
    let told = CancellationToken::new();
    let progress = report_progress(store.clone(), id, context, told.clone());
    let work = async {
        let outcome = sender::run(
            store.clone(),
            context.clock.clone(),
            settings,
            lock,
            Scope::One(id),
            stop.clone(),
        )
        .await;
        told.cancel();
        outcome
    };
    let keys = lifecycle::keep_keys_fresh(store.clone(), keys, context.clock.clone(), told.clone());
    let (outcome, (), (), ()) = tokio::join!(work, progress, keys, node.run(&stop, &told));
    node.end().await;
    outcome?;
    let shown = Shown::read(&store, id, context).await?;
    let span = sending.elapsed().as_secs_f64();
    let sent = Sent {
        messages_per_second: (attempts(&store, id).await? - before) as f64 / span.max(0.001),
        seconds: began.elapsed().as_secs_f64(),
        plan_seconds,
        shown,
    };
    store.close().await;
    if context.json {
        return output::json(&sent);
    }
    output::line(sent.shown.progress())?;
    if let Some(reason) = &sent.shown.reason {
        output::line(reason)?;
    }
    output::line(format!(
        "campaign {id} is {}; {:.1} s, {:.0} messages a second",
        sent.shown.state, sent.seconds, sent.messages_per_second
    ))
}

fn take_lock(id: CampaignId, store: &Store) -> anyhow::Result<SenderLock> {
    SenderLock::take(store).map_err(|error| match error {
        LockError::AlreadySending(_) => anyhow::anyhow!(
            "{error}; if it is a server, let that send the campaign: tidings campaign schedule {id} --now"
        ),
        other => other.into(),
    })
}

async fn start(
    store: &Store,
    campaign: &Campaign,
    identity: &Identity,
    context: &Context,
) -> anyhow::Result<()> {
    if let Some(schedule) = &campaign.schedule
        && let Due::TooLate(_) = due(schedule.at, campaign.greatest_lateness, context.clock.now())
    {
        bail!(
            "its time, {}, was missed by more than it may be: schedule it again",
            schedule.at
        );
    }
    planner::start(store, campaign, identity, &context.clock).await?;
    Ok(())
}

/// Attempts that ended so far: what was withheld or cancelled was none.
async fn attempts(store: &Store, id: CampaignId) -> anyhow::Result<i64> {
    let outcomes = [
        DeliveryState::Accepted,
        DeliveryState::Deferred,
        DeliveryState::Rejected,
        DeliveryState::Expired,
        DeliveryState::Unknown,
    ]
    .map(DeliveryState::as_str);
    let counts = store.breakdown(Some(id)).await?;
    let ended = counts
        .iter()
        .filter(|row| outcomes.contains(&row.outcome.as_str()));
    Ok(ended.map(|row| row.n).sum())
}

async fn report_progress(store: Store, id: CampaignId, context: &Context, done: CancellationToken) {
    let mut progress = Progress::new();
    while done.run_until_cancelled(progress.time()).await.is_some() {
        match Shown::read(&store, id, context).await {
            Ok(shown) => progress.tell(|| shown.progress()),
            Err(_) => progress.later(),
        }
    }
}

/// Refuses to send where there is no relay.
pub fn require_relay(context: &Context) -> anyhow::Result<()> {
    anyhow::ensure!(
        context.config.routing.has_relay(),
        "no relay is configured: write [[relay]] with name = \"…\" and url = \"smtps://user@smtp.example.com:465\" \
         into tidings.toml",
    );
    Ok(())
}

/// What the configuration says to a sender.
pub fn sender_settings(
    context: &Context,
    in_force: &InForce,
    identity: Identity,
    witness: Witness,
    node: &ThisNode,
) -> SenderSettings {
    if let Some(doubt) = public_url::doubt(&identity.public_url) {
        tracing::warn!("{doubt}");
    }
    SenderSettings {
        routing: in_force.routing(),
        judging: in_force.judging(),
        identity,
        retry: context.config.retry,
        dns: context.config.dns.clone(),
        lease: context.config.sending.lease,
        witness,
        data: context.data.clone(),
        owner: node.owner.clone(),
        node: node.at_work.clone(),
        deadline: context.config.sending.deadline,
    }
}

/// The campaign if it can be sent now; else why not.
fn check_sendable(campaign: &Campaign, now: Timestamp) -> anyhow::Result<()> {
    match (campaign.state, &campaign.schedule) {
        (CampaignState::Draft | CampaignState::Sending | CampaignState::Finished, _) => Ok(()),
        (CampaignState::Scheduled, Some(schedule)) if schedule.at > now => {
            bail!(
                "campaign {} is scheduled for {}: it is not time yet",
                campaign.id,
                schedule.at
            )
        }
        (CampaignState::Scheduled, _) => Ok(()),
        (CampaignState::Paused | CampaignState::Held, _) => {
            let reason = campaign
                .state_reason
                .as_deref()
                .map(|why| format!(" ({why})"))
                .unwrap_or_default();
            bail!(
                "campaign {0} is {1}{reason}: let it go on with `tidings campaign resume {0}`",
                campaign.id,
                campaign.state
            )
        }
        (CampaignState::Cancelled, _) => bail!("campaign {} is cancelled", campaign.id),
    }
}
