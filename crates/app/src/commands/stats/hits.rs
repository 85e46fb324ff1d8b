//! `tidings stats hits` and `tidings stats reclassify-hits`.

use crate::context::Context;
use crate::output;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::{HitKind, HitVerdict};
use tidings_store::Store;
use tidings_store::hits::HitNames;

/// `stats hits`
#[derive(Args, Debug)]
pub struct HitsArgs {
    /// Of one campaign only.
    #[arg(long)]
    campaign: Option<CampaignId>,
    /// What the rows stand for.
    #[arg(long, value_enum, default_value_t = By::Verdict)]
    by: By,
}

/// `stats reclassify-hits`
#[derive(Args, Debug)]
pub struct ReclassifyArgs {
    /// Of one campaign only.
    #[arg(long)]
    campaign: Option<CampaignId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum By {
    /// A link of a campaign.
    Link,
    Day,
    Verdict,
}

/// How many, by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Numbers {
    human: i64,
    unknown: i64,
    privacy_proxy: i64,
    scanner: i64,
}

impl Numbers {
    fn add(&mut self, verdict: HitVerdict, n: i64) {
        *match verdict {
            HitVerdict::Human => &mut self.human,
            HitVerdict::Unknown => &mut self.unknown,
            HitVerdict::PrivacyProxy => &mut self.privacy_proxy,
            HitVerdict::Scanner => &mut self.scanner,
        } += n;
    }

    fn all(self) -> i64 {
        self.human + self.unknown + self.privacy_proxy + self.scanner
    }
}

/// What recipients did: the truth lies between what persons did for certain and everything.
#[derive(Debug, Serialize)]
struct Done {
    /// Recipients, by the most human of what each did.
    recipients: Numbers,
    /// Every time, anonymous ones too.
    hits: Numbers,
    /// Of the recipients whose message was accepted: human only, and everything. Nothing if none was.
    least_rate: Option<f64>,
    greatest_rate: Option<f64>,
}

/// Hits that have something in common.
#[derive(Debug, Default, Serialize)]
struct Row {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// What stands in the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    opens: Numbers,
    clicks: Numbers,
}

#[derive(Debug, Serialize)]
struct Figures {
    accepted: i64,
    opens: Done,
    clicks: Done,
    /// Hits of the link that nobody sees.
    trapped: i64,
    /// Hits that came in a crowd, of all campaigns, and are not judged and counted yet.
    waiting: i64,
    by: By,
    rows: Vec<Row>,
}

/// Prints opens and clicks.
pub async fn show(args: HitsArgs, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    if let Some(id) = args.campaign {
        store.get_campaign(id).await?;
    }
    let figures = figures(&store, args.campaign, args.by).await?;
    if context.json {
        return output::json(&figures);
    }
    for (name, done) in [("opens", &figures.opens), ("clicks", &figures.clicks)] {
        output::line(format!("{name:<7} {}", in_words(done, figures.accepted)))?;
    }
    if figures.waiting > 0 {
        output::line(format!(
            "{} hits wait to be judged and counted, which a server with pages does",
            figures.waiting
        ))?;
    }
    output::line("")?;
    output::line(format!(
        "{:<32} {:>10} {:>10} {:>10} {:>10}",
        "hits", "opens", "of people", "clicks", "of people"
    ))?;
    for row in &figures.rows {
        let name = row
            .url
            .as_ref()
            .map_or(row.key.clone(), |url| format!("{} {url}", row.key));
        output::line(format!(
            "{name:<32} {:>10} {:>10} {:>10} {:>10}",
            row.opens.all(),
            row.opens.human,
            row.clicks.all(),
            row.clicks.human
        ))?;
    }
    Ok(())
}

fn in_words(done: &Done, accepted: i64) -> String {
    let (least, most) = (done.recipients.human, done.recipients.all());
    let rates = match (done.least_rate, done.greatest_rate) {
        (Some(least), Some(greatest)) => {
            format!(" ({:.1} % to {:.1} %)", 100.0 * least, 100.0 * greatest)
        }
        _ => String::new(),
    };
    format!("by {least} to {most} of {accepted} recipients{rates}")
}

async fn figures(store: &Store, campaign: Option<CampaignId>, by: By) -> anyhow::Result<Figures> {
    let accepted = accepted(store, campaign).await?;
    let mut recipients: HashMap<HitKind, Numbers> = HashMap::new();
    for count in store.hit_recipient_counts(campaign).await? {
        recipients
            .entry(count.kind)
            .or_default()
            .add(count.verdict, count.n);
    }
    let mut hits: HashMap<HitKind, Numbers> = HashMap::new();
    let mut trapped = 0;
    let mut rows: BTreeMap<(CampaignId, i64), Row> = BTreeMap::new();
    for count in store.hit_counts(campaign).await? {
        let Some(kind) = HitKind::of(count.target) else {
            trapped += count.n;
            continue;
        };
        hits.entry(kind).or_default().add(count.verdict, count.n);
        let (place, key) = match (by, count.target) {
            (By::Link, HitTarget::Link(number)) => {
                let key = match campaign {
                    Some(_) => number.to_string(),
                    None => format!("{}/{number}", count.campaign),
                };
                ((count.campaign, count.target.number()), key)
            }
            (By::Link, _) => continue,
            (By::Day, _) => {
                let day = Timestamp::from_seconds(count.day * 86_400).to_string();
                ((CampaignId(0), count.day), day[..10].to_owned())
            }
            (By::Verdict, _) => {
                let verdict = count.verdict;
                ((CampaignId(0), -verdict.number()), verdict.as_str().to_owned())
            }
        };
        let row = rows.entry(place).or_default();
        row.key = key;
        let numbers = match kind {
            HitKind::Open => &mut row.opens,
            HitKind::Click => &mut row.clicks,
        };
        numbers.add(count.verdict, count.n);
    }
    if by == By::Link {
        name_links(store, campaign, &mut rows).await?;
    }
    let mut done = |kind| {
        let recipients = recipients.remove(&kind).unwrap_or_default();
        let rate = |n: i64| (accepted > 0).then(|| n as f64 / accepted as f64);
        Done {
            recipients,
            hits: hits.remove(&kind).unwrap_or_default(),
            least_rate: rate(recipients.human),
            greatest_rate: rate(recipients.all()),
        }
    };
    Ok(Figures {
        accepted,
        opens: done(HitKind::Open),
        clicks: done(HitKind::Click),
        trapped,
        waiting: store.count_waiting_hits().await?,
        by,
        rows: rows.into_values().collect(),
    })
}

/// How many messages relays took.
async fn accepted(store: &Store, campaign: Option<CampaignId>) -> anyhow::Result<i64> {
    let campaigns = match campaign {
        Some(id) => vec![id],
        None => store
            .list_campaigns(&[])
            .await?
            .iter()
            .map(|campaign| campaign.id)
            .collect(),
    };
    let mut accepted = 0;
    for campaign in campaigns {
        let counts = store.delivery_counts(campaign).await?;
        accepted += counts
            .iter()
            .filter(|(state, _)| *state == DeliveryState::Accepted)
            .map(|(_, n)| n)
            .sum::<i64>();
    }
    Ok(accepted)
}

/// Says where links lead; of a campaign, those too that nobody followed.
async fn name_links(
    store: &Store,
    campaign: Option<CampaignId>,
    rows: &mut BTreeMap<(CampaignId, i64), Row>,
) -> anyhow::Result<()> {
    let mut campaigns: Vec<CampaignId> = rows.keys().map(|(campaign, _)| *campaign).collect();
    campaigns.extend(campaign);
    campaigns.dedup();
    for id in campaigns {
        for link in store.links_of(id).await? {
            let place = (id, i64::from(link.number));
            if campaign.is_some() {
                let row = rows.entry(place).or_default();
                row.key = link.number.to_string();
            }
            if let Some(row) = rows.get_mut(&place) {
                row.url = Some(link.url);
                row.text = Some(link.text);
            }
        }
    }
    Ok(())
}

/// Judges what is kept again, batch by batch; a server may go on meanwhile.
pub async fn reclassify(args: ReclassifyArgs, context: &Context) -> anyhow::Result<()> {
    let rules = context.config.tracking.rules()?;
    let store = context.existing_store().await?;
    if let Some(id) = args.campaign {
        store.get_campaign(id).await?;
    }
    let mut names = HitNames::new(&rules);
    // What waits is judged by these rules too, and not by those of yesterday.
    while store
        .fold_waiting_hits(&mut names, context.config.tracking.keep_hits)
        .await?
        > 0
    {}
    let (mut hits, mut changed) = (0, 0);
    let mut after = None;
    loop {
        let done = store.rejudge_hits(args.campaign, after, &mut names).await?;
        hits += done.hits;
        changed += done.changed;
        after = done.next;
        if after.is_none() {
            break;
        }
    }
    if context.json {
        return output::json(&serde_json::json!({ "hits": hits, "changed": changed }));
    }
    output::line(format!("{hits} hits judged again, {changed} of them otherwise"))
}
