//! A campaign as `campaign show` prints it, and as the commands that wait for one look at it.

use crate::context::Context;
use crate::output;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState, UnknownPolicy};
use tidings_campaign::message::attachment::media_type;
use tidings_campaign::tracking::{Tracking, Utm};
use tidings_feedback::thresholds::Thresholds;
use tidings_store::Store;
use tidings_store::campaign_files::FileSummary;
use tidings_store::campaigns::Campaign;

/// A campaign as `campaign show` tells it.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// Its id.
    pub id: CampaignId,
    /// For people.
    pub name: String,
    /// Where it stands.
    pub state: CampaignState,
    /// What happens to deliveries whose answer was lost.
    unknown_policy: UnknownPolicy,
    /// Why, if that needs a word.
    pub reason: Option<String>,
    /// How many deliveries were planned when it started.
    pub planned: i64,
    /// How many of them are in each state.
    pub deliveries: serde_json::Map<String, serde_json::Value>,
    #[serde(flatten)]
    outcomes: Outcomes,
    /// When retention removed the single deliveries; nothing while they are there.
    deliveries_removed_at: Option<String>,
    /// Attempts that ended, per second.
    pub rate: f64,
    /// Until all that is open has gone out at this rate.
    pub eta_seconds: Option<f64>,
    /// What keeps it from going faster.
    pub binding_limit: Option<String>,
    /// When it starts or was to start, in UTC.
    scheduled_at: Option<String>,
    /// The same as the person wrote it, with the zone that was meant.
    scheduled_local: Option<String>,
    scheduled_zone: Option<String>,
    /// Over how long its messages are spread.
    spread_seconds: Option<u64>,
    /// How many of the deferred deliveries were not refused, but wait for a limit.
    waiting_for_limits: Vec<Waiting>,
    pool: Option<String>,
    max_sessions: Option<i64>,
    /// The campaign whose deliveries in `parent_states` it is about.
    parent: Option<CampaignId>,
    parent_states: Vec<DeliveryState>,
    files: Vec<ShownFile>,
    /// The attribute that names a recipient's own file.
    attach_from: Option<String>,
    thresholds: ShownThresholds,
    /// What becomes of its links; nothing as long as its lists or the configuration may say it.
    tracking: Option<Tracking>,
    /// What is added to their addresses.
    utm: Utm,
    /// The subject's Handlebars text.
    subject: String,
    /// The preheader's, if it has one of its own.
    preheader: Option<String>,
    /// What it says: `its own`, or `template NAME`.
    content: String,
}

/// When it pauses by itself: shares as they are written in the configuration.
#[derive(Debug, Serialize)]
struct ShownThresholds {
    hard_bounces: String,
    complaints: String,
    after: u64,
}

impl From<Thresholds> for ShownThresholds {
    fn from(thresholds: Thresholds) -> ShownThresholds {
        ShownThresholds {
            hard_bounces: thresholds.hard_bounces.to_string(),
            complaints: thresholds.complaints.to_string(),
            after: thresholds.after,
        }
    }
}

/// A file that goes with every message.
#[derive(Debug, Serialize)]
struct ShownFile {
    file_name: String,
    media_type: String,
    octets: i64,
    /// Its name behind `cid:`, if the HTML shows it.
    cid: Option<String>,
}

/// Deliveries that wait for a limit.
#[derive(Debug, Serialize)]
struct Waiting {
    limit: String,
    n: i64,
}

/// The counts once more, beside the others (`planned` there is how many there are in all).
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Outcomes {
    leased: i64,
    on_wire: i64,
    accepted: i64,
    deferred: i64,
    rejected: i64,
    expired: i64,
    withheld: i64,
    unknown: i64,
}

impl From<FileSummary> for ShownFile {
    fn from(file: FileSummary) -> ShownFile {
        ShownFile {
            media_type: media_type(&file.file_name),
            file_name: file.file_name,
            octets: file.size,
            cid: file.content_id,
        }
    }
}

impl fmt::Display for ShownFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShownFile {
            file_name,
            media_type,
            octets,
            cid,
        } = self;
        match cid {
            Some(cid) => write!(
                f,
                "inline: {file_name} as cid:{cid} ({media_type}, {octets} octets)"
            ),
            None => write!(f, "attached: {file_name} ({media_type}, {octets} octets)"),
        }
    }
}

impl Shown {
    /// How many deliveries the relay accepted.
    pub fn accepted(&self) -> i64 {
        self.outcomes.accepted
    }

    /// Reads the counters of a campaign.
    pub async fn read(store: &Store, id: CampaignId, context: &Context) -> anyhow::Result<Shown> {
        let campaign = store.get_campaign(id).await?;
        Shown::of(store, &campaign, context).await
    }

    /// As it stands now.
    pub async fn of(store: &Store, campaign: &Campaign, context: &Context) -> anyhow::Result<Shown> {
        let now = context.clock.now();
        let counts: std::collections::HashMap<_, _> =
            store.delivery_counts(campaign.id).await?.into_iter().collect();
        let count = |state| counts.get(&state).copied().unwrap_or_default();
        let range = store
            .count_leased(campaign.id, now)
            .await?
            .min(count(DeliveryState::Planned));
        let outcomes = Outcomes {
            leased: count(DeliveryState::Leased) + range,
            on_wire: count(DeliveryState::OnWire),
            accepted: count(DeliveryState::Accepted),
            deferred: count(DeliveryState::Deferred),
            rejected: count(DeliveryState::Rejected),
            expired: count(DeliveryState::Expired),
            withheld: count(DeliveryState::Withheld),
            unknown: count(DeliveryState::Unknown),
        };
        let planned = count(DeliveryState::Planned) - range;
        let status = store
            .send_status(campaign.id, now.minus(Duration::from_secs(5)))
            .await?
            .unwrap_or_default();
        let sending = campaign.state == CampaignState::Sending;
        let mut deliveries = serde_json::Map::new();
        deliveries.insert("planned".to_owned(), planned.into());
        if let serde_json::Value::Object(others) = serde_json::to_value(outcomes)? {
            deliveries.extend(others);
        }
        let waiting = match outcomes.deferred {
            0 => Vec::new(),
            _ => store.count_aside(campaign.id).await?,
        };
        let (own_thresholds, _) = store.campaign_thresholds(campaign.id).await?;
        let (parent, parent_states) = campaign.parent.clone().unzip();
        let rate = if sending { status.rate_per_second } else { 0.0 };
        // Without a local time it was "now".
        let local = campaign
            .schedule
            .as_ref()
            .filter(|schedule| !schedule.local.is_empty());
        Ok(Shown {
            id: campaign.id,
            name: campaign.name.clone(),
            state: campaign.state,
            unknown_policy: campaign.unknown_policy,
            reason: campaign.state_reason.clone(),
            planned: campaign.planned,
            deliveries,
            outcomes,
            deliveries_removed_at: campaign.deliveries_removed_at.map(|at| at.to_string()),
            rate,
            eta_seconds: status.eta_seconds.filter(|_| sending),
            binding_limit: status.binding_limit.filter(|_| sending),
            scheduled_at: campaign.schedule.as_ref().map(|schedule| schedule.at.to_string()),
            scheduled_local: local.map(|schedule| schedule.local.clone()),
            scheduled_zone: local.map(|schedule| schedule.zone.clone()),
            spread_seconds: campaign.spread.map(|span| span.as_secs()),
            waiting_for_limits: waiting
                .into_iter()
                .map(|(limit, n)| Waiting { limit, n })
                .collect(),
            pool: campaign.pool.clone(),
            max_sessions: campaign.max_sessions,
            parent,
            parent_states: parent_states.unwrap_or_default(),
            files: store
                .list_files(campaign.id)
                .await?
                .into_iter()
                .map(ShownFile::from)
                .collect(),
            attach_from: campaign.attach_from.clone(),
            thresholds: own_thresholds.over(context.config.feedback.thresholds).into(),
            tracking: campaign.tracking,
            subject: campaign.subject.clone(),
            preheader: campaign.preheader.clone(),
            content: match store.own_content(campaign.id).await?.len() {
                0 => format!("template {}", campaign.template),
                _ => "its own".to_owned(),
            },
            utm: campaign.utm.clone(),
        })
    }

    /// Prints it for people.
    pub fn print(&self) -> anyhow::Result<()> {
        output::line(format!("campaign {}: {} ({})", self.id, self.name, self.state))?;
        if let Some(reason) = &self.reason {
            output::line(format!("  {reason}"))?;
        }
        if let (Some(at), true) = (&self.scheduled_at, self.planned == 0) {
            let local = match (&self.scheduled_local, &self.scheduled_zone) {
                (Some(local), Some(zone)) => format!("{local} {zone}, which is {at}"),
                _ => at.clone(),
            };
            output::line(format!("  its time: {local}"))?;
        }
        if let Some(parent) = self.parent {
            let states: Vec<_> = self.parent_states.iter().map(|state| state.as_str()).collect();
            let states = states.join(" or ");
            output::line(format!(
                "  to those whose delivery of campaign {parent} was {states}"
            ))?;
        }
        output::line(format!("  content: {}", self.content))?;
        for file in &self.files {
            output::line(format!("  {file}"))?;
        }
        if let Some(tracking) = self.tracking {
            output::line(format!("  tracking: {}", tracking.as_str()))?;
        }
        if let Some(attribute) = &self.attach_from {
            output::line(format!(
                "  attached: each recipient's own file, named by the attribute {attribute}"
            ))?;
        }
        for (state, n) in &self.deliveries {
            if n.as_i64() != Some(0) {
                output::line(format!("  {state:<10} {n:>10}"))?;
            }
        }
        output::line(format!("  of {} deliveries", self.planned))?;
        if let Some(at) = &self.deliveries_removed_at {
            output::line(format!(
                "  the single deliveries were removed by retention on {at}; the figures stay"
            ))?;
        }
        for Waiting { limit, n } in &self.waiting_for_limits {
            output::line(format!(
                "  {n} of the deferred were not refused: they wait for a limit ({limit})"
            ))?;
        }
        if self.state == CampaignState::Sending {
            let eta = self
                .eta_seconds
                .map_or(String::new(), |eta| format!(", about {eta:.0} s to go"));
            output::line(format!("  {:.0} a second{eta}", self.rate))?;
        }
        if let Some(limit) = &self.binding_limit {
            output::line(format!("  limited by: {limit}"))?;
        }
        if self.outcomes.unknown > 0 {
            let (n, id) = (self.outcomes.unknown, self.id);
            let next = match self.unknown_policy {
                UnknownPolicy::Hold => format!(
                    "They wait for your decision: `tidings campaign settle {id} --resend-unknown` sends them again, \
                     --skip-unknown leaves them."
                ),
                UnknownPolicy::Resend => "They go out again.".to_owned(),
                UnknownPolicy::Skip => "They are not sent again.".to_owned(),
            };
            output::line(format!(
                "  {n} unknown: put on the wire, and the answer was lost. Look at them with `tidings campaign \
                 deliveries {id} --state unknown`. {next}"
            ))?;
        }
        Ok(())
    }

    /// One line about how far it is.
    pub fn progress(&self) -> String {
        let done = self.planned
            - self
                .deliveries
                .get("planned")
                .and_then(serde_json::Value::as_i64)
                .unwrap_or(0)
            - self.outcomes.leased
            - self.outcomes.on_wire
            - self.outcomes.deferred;
        let mut text = format!(
            "{done} of {} done: {} accepted, {} rejected, {} deferred, {} withheld, {} unknown; {:.0}/s",
            self.planned,
            self.outcomes.accepted,
            self.outcomes.rejected,
            self.outcomes.deferred,
            self.outcomes.withheld,
            self.outcomes.unknown,
            self.rate
        );
        if let Some(limit) = &self.binding_limit {
            text.push_str("; limited by ");
            text.push_str(limit);
        }
        text
    }
}
