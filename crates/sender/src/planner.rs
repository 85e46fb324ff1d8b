//! Starting campaigns: freezing the newsletter, planning the deliveries, and doing so when the time has come.

use crate::away::Away;
use crate::retry::Retry;
use crate::run::{CampaignRun, CannotRun, Identity, factory, own_files};
use std::time::Duration;
use tidings_campaign::message::MessageFactory;
use tidings_campaign::schedule::{Due, Missed, due};
use tidings_campaign::template::Newsletter;
use tidings_campaign::time::Clock;
use tidings_store::at_work::AtWork;
use tidings_store::campaigns::Campaign;
use tidings_store::deliveries::Frozen;
use tidings_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Why a campaign is held that was scheduled from the dashboard and has changed since. What changed is not known.
const CHANGED: &str = "it has been changed since its pre-flight list; run the list again and schedule it";

/// What a campaign says as things stand now, tried out: every text compiles, every file is there.
pub async fn check_content(
    store: &Store,
    campaign: &Campaign,
    identity: &Identity,
) -> Result<Newsletter, CannotRun> {
    let (newsletter, _) = tried_out(store, campaign, identity).await?;
    Ok(newsletter)
}

/// The campaign as it would be sent if it started now, as fast as it goes: to be looked at, not to be recorded.
pub async fn as_it_stands(
    store: &Store,
    mut campaign: Campaign,
    identity: &Identity,
    retry: Retry,
) -> Result<CampaignRun, CannotRun> {
    let content = check_content(store, &campaign, identity).await?;
    let content = serde_json::to_string(&content).map_err(|error| CannotRun::Content(error.to_string()))?;
    campaign.content = Some(content);
    // The campaign's own rate is not what is tried.
    campaign.rate = None;
    CampaignRun::prepare(store, &campaign, identity, retry).await
}

async fn tried_out(
    store: &Store,
    campaign: &Campaign,
    identity: &Identity,
) -> Result<(Newsletter, MessageFactory), CannotRun> {
    let newsletter = store.newsletter_of(campaign).await?;
    let factory = factory(store, campaign, &newsletter, identity).await?;
    own_files(campaign, identity).await?;
    Ok((newsletter, factory))
}

/// Plans a campaign and sets it sending. Returns how many deliveries are planned.
pub async fn start(
    store: &Store,
    campaign: &Campaign,
    identity: &Identity,
    clock: &Clock,
) -> Result<i64, CannotRun> {
    let tried_out = tried_out(store, campaign, identity).await?;
    plan(store, campaign, &tried_out, clock).await
}

/// The same of a campaign whose time has come: held if it is not any more what its pre-flight list was made of.
async fn start_cleared(
    store: &Store,
    campaign: &Campaign,
    identity: &Identity,
    clock: &Clock,
) -> Result<i64, CannotRun> {
    let trying = async {
        match tried_out(store, campaign, identity).await {
            Err(CannotRun::Store(error)) => Err(error),
            outcome => Ok(outcome),
        }
    };
    let tried_out = store.within(TRYING, trying).await??;
    if let Some(cleared) = &campaign.cleared {
        let now = store.fingerprint_with(campaign.clone(), Some(&tried_out.0));
        if store.within(TRYING, now).await? != *cleared {
            return Err(CannotRun::Content(CHANGED.to_owned()));
        }
    }
    plan(store, campaign, &tried_out, clock).await
}

async fn plan(
    store: &Store,
    campaign: &Campaign,
    (newsletter, factory): &(Newsletter, MessageFactory),
    clock: &Clock,
) -> Result<i64, CannotRun> {
    let content = serde_json::to_string(newsletter).map_err(|error| CannotRun::Content(error.to_string()))?;
    let frozen = Frozen {
        content: &content,
        tracking: factory.tracking(),
        utm: Some(factory.utm()),
        links: factory.links(),
        revision: Some(campaign.revision),
        scheduled_at: campaign.schedule.as_ref().map(|schedule| schedule.at),
    };
    let planned = store.start_campaign(campaign.id, frozen, clock.now());
    Ok(store.within(PLANNING, planned).await?)
}

/// How long the database may take to say what is due, or to hold it.
const ANSWER: Duration = Duration::from_secs(10);
/// How long trying a newsletter out may take, large files of it included.
const TRYING: Duration = Duration::from_secs(120);
/// How long the database may take to plan: ten million take a while.
const PLANNING: Duration = Duration::from_secs(1_800);

/// Starts every scheduled campaign when its time has come, or holds it if its time was missed by too much. Any number of processes
/// may do so: one of them starts it.
pub async fn run(
    store: Store,
    clock: Clock,
    identity: Identity,
    node: AtWork,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    let mut news = node.news();
    let mut away = Away::new("campaigns cannot be started");
    let mut tick = interval(Duration::from_millis(500));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
            () = news.come() => {}
        }
        let _under_way = node.begin();
        if !node.may_take() {
            continue;
        }
        match start_due(&store, &clock, &identity).await {
            Ok(()) => away.worked(),
            Err(error) if error.is_transient() => away.failed(&error),
            Err(error) => return Err(error),
        }
    }
}

async fn start_due(store: &Store, clock: &Clock, identity: &Identity) -> Result<(), StoreError> {
    let due_campaigns = store.due_campaigns(clock.now());
    for campaign in store.within(ANSWER, due_campaigns).await? {
        let Some(schedule) = &campaign.schedule else {
            continue;
        };
        let outcome = match due(schedule.at, campaign.greatest_lateness, clock.now()) {
            Due::NotYet => continue,
            Due::Now => start_cleared(store, &campaign, identity, clock).await,
            Due::TooLate(late) => {
                let greatest = campaign.greatest_lateness;
                Err(CannotRun::Content(Missed { late, greatest }.to_string()))
            }
        };
        match outcome {
            Ok(planned) => tracing::info!(campaign = campaign.id.0, planned, "started"),
            Err(CannotRun::Content(why)) => {
                tracing::error!(campaign = campaign.id.0, "it does not start: {why}");
                store
                    .within(ANSWER, store.hold_scheduled(&campaign, &why))
                    .await?;
            }
            // Somebody else started or changed it in this moment: the next look sees what it is now.
            Err(CannotRun::Store(
                StoreError::NotAllowed(_) | StoreError::WrittenMeanwhile(_) | StoreError::NotFound { .. },
            )) => {}
            Err(CannotRun::Store(error)) => return Err(error),
        }
    }
    Ok(())
}
