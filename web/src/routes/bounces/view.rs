//! The page of bounces. Pure.

use super::{PERIODS, SHOWN};
use crate::figures::chart::{Chart, Series};
use crate::figures::numbers::{count, moment, none, share};
use crate::figures::reason::reason_in_words;
use serde::Serialize;
use std::collections::HashMap;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;
use tidings_feedback::thresholds::ComplaintLine;
use tidings_store::bounces::{BounceBreakdown, By, Figures};
use tidings_store::feedback::ListedEvent;
use tidings_store::stats::CampaignSummary;
use tidings_store::suppressions::Suppression;
use url::form_urlencoded::Serializer;

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) by: By,
    pub(super) campaign: Option<CampaignId>,
    pub(super) days: i64,
    /// Suppressions for this reason; for any if empty.
    pub(super) reason: String,
    /// Suppressions from before this moment and address.
    pub(super) before: Option<(Timestamp, String)>,
}

/// What was read.
pub(super) struct Read {
    pub(super) by_day: BounceBreakdown,
    pub(super) rows: Vec<Figures>,
    pub(super) campaigns: Vec<CampaignSummary>,
    /// The newest of what was reported.
    pub(super) events: Vec<ListedEvent>,
    pub(super) suppressed: Vec<Suppression>,
}

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct BouncesPage {
    by: &'static str,
    campaigns: Vec<Choice>,
    periods: Vec<Choice>,
    tabs: Vec<Tab>,
    key_name: &'static str,
    bounced: Told,
    complaints: Told,
    complaints_level: &'static str,
    complaints_line: String,
    unsubscribes: Told,
    deferred: String,
    charts: Vec<Titled>,
    rows: Vec<Row>,
    /// Where the messages of the chosen campaign are that bounced.
    messages: Option<[String; 2]>,
    reported: Vec<Reported>,
    reason: String,
    reasons: Vec<Tab>,
    suppressed: Vec<Suppressed>,
    newest: Option<String>,
    older: Option<String>,
}

/// What can be chosen in a form.
#[derive(Debug, Serialize)]
struct Choice {
    value: i64,
    label: String,
    is_here: bool,
}

#[derive(Debug, Serialize)]
struct Tab {
    label: String,
    href: String,
    is_here: bool,
}

/// A number and its share.
#[derive(Debug, Serialize)]
struct Told {
    n: String,
    share: String,
}

#[derive(Debug, Serialize)]
struct Titled {
    title: &'static str,
    chart: Chart,
}

/// What bounced of one class, reason, provider or relay.
#[derive(Debug, Serialize)]
struct Row {
    key: String,
    /// The page of a campaign's bounces alone.
    href: Option<String>,
    bounced: String,
    /// Of all that bounced.
    share: String,
    /// Thousandths of the greatest row.
    width: i64,
    hard: String,
    soft: String,
    block: String,
    complaints: String,
}

/// What a report said, and of which message.
#[derive(Debug, Serialize)]
struct Reported {
    at: String,
    address: String,
    href: String,
    kind: String,
    message: Option<Message>,
    meaning: String,
    said: String,
    done: String,
}

/// A message in the ledger.
#[derive(Debug, Serialize)]
struct Message {
    campaign: i64,
    href: String,
}

#[derive(Debug, Serialize)]
struct Suppressed {
    address: String,
    href: String,
    reason: String,
    evidence: String,
    since: String,
}

/// The tabs, with what heads their first column.
const TABS: [(By, &str, &str, &str); 5] = [
    (By::Class, "class", "By class", "Class"),
    (By::Reason, "reason", "By reason", "Reason"),
    (By::Provider, "provider", "By provider", "Provider"),
    (By::Relay, "relay", "By relay", "Relay"),
    (By::Campaign, "campaign", "By campaign", "Campaign"),
];

/// Reasons of suppressions that can be chosen; those of imports have words of their own.
const REASONS: [(&str, &str); 5] = [
    ("", "All"),
    ("hard_bounce", "Hard bounce"),
    ("soft_bounces", "Soft bounces"),
    ("complaint", "Complaint"),
    ("by_hand", "By hand"),
];

impl BouncesPage {
    /// `since`: the midnight at which the period begins.
    pub(super) fn new(wanted: &Wanted, read: Read, since: Timestamp) -> BouncesPage {
        let total = &read.by_day.total;
        let line = total.complaint_line(total);
        let tab = TABS.iter().find(|tab| tab.0 == wanted.by).unwrap_or(&TABS[0]);
        BouncesPage {
            by: tab.1,
            key_name: tab.3,
            tabs: TABS.iter().map(|tab| tab_of(wanted, tab)).collect(),
            campaigns: read.campaigns.iter().map(|one| choice(wanted, one)).collect(),
            periods: PERIODS.map(|days| period(wanted, days)).into(),
            bounced: Told {
                n: count(total.bounced()),
                share: share(total.bounced(), total.accepted + total.rejected + total.expired),
            },
            complaints: Told {
                n: count(total.complaints),
                share: share(total.complaints, total.accepted),
            },
            complaints_line: line.to_string(),
            complaints_level: match line {
                ComplaintLine::Good => "good",
                ComplaintLine::Raised => "warn",
                ComplaintLine::Harmful => "bad",
            },
            unsubscribes: Told {
                n: count(total.unsubscribes),
                share: share(total.unsubscribes, total.accepted),
            },
            deferred: count(total.deferred),
            charts: charts(&read.by_day, since, wanted.days),
            messages: wanted.campaign.map(messages),
            reported: read.events.into_iter().map(reported).collect(),
            rows: match wanted.by {
                By::Campaign => rows(read.rows, wanted.by)
                    .into_iter()
                    .map(|row| of_campaign(row, wanted, &read.campaigns))
                    .collect(),
                _ => rows(read.rows, wanted.by),
            },
            reasons: reasons(wanted),
            newest: wanted.before.is_some().then(|| Link::of(wanted).href()),
            older: older(wanted, &read.suppressed),
            reason: words(&wanted.reason),
            suppressed: read.suppressed.into_iter().map(suppressed).collect(),
        }
    }
}

fn choice(wanted: &Wanted, campaign: &CampaignSummary) -> Choice {
    Choice {
        value: campaign.id.0,
        label: campaign.name.clone(),
        is_here: wanted.campaign == Some(campaign.id),
    }
}

fn period(wanted: &Wanted, days: i64) -> Choice {
    Choice {
        value: days,
        label: format!("the last {days} days"),
        is_here: wanted.days == days,
    }
}

fn tab_of(wanted: &Wanted, (by, word, label, _): &(By, &'static str, &str, &str)) -> Tab {
    let link = Link {
        by: word,
        ..Link::of(wanted)
    };
    Tab {
        label: (*label).to_owned(),
        href: link.href(),
        is_here: wanted.by == *by,
    }
}

fn reasons(wanted: &Wanted) -> Vec<Tab> {
    let known = REASONS.iter().any(|(word, _)| *word == wanted.reason);
    let other = (!known).then(|| (wanted.reason.as_str(), words(&wanted.reason)));
    let all = REASONS.iter().map(|(word, label)| (*word, (*label).to_owned()));
    let tab = |(word, label): (&str, String)| {
        let link = Link {
            reason: word,
            ..Link::of(wanted)
        };
        Tab {
            label,
            href: format!("{}#suppressed", link.href()),
            is_here: wanted.reason == word,
        }
    };
    all.chain(other).map(tab).collect()
}

/// One chart for bounces and one for complaints, which are too few to be seen beside the others.
fn charts(by_day: &BounceBreakdown, since: Timestamp, days: i64) -> Vec<Titled> {
    let of_day: HashMap<&str, &Figures> = by_day.rows.iter().map(|row| (row.key.as_str(), row)).collect();
    let first = since.0 / 1_000_000;
    let seconds: Vec<i64> = (0..days).map(|day| first + day * 86_400).collect();
    let dates: Vec<_> = seconds.iter().map(|second| date(*second)).collect();
    let values = |of: fn(&Figures) -> i64| -> Vec<f64> {
        let value = |date: &String| of_day.get(date.as_str()).map_or(0, |figures| of(figures)) as f64;
        dates.iter().map(value).collect()
    };
    let slots = dates.len();
    let drawn = |title, key, label, of: fn(&Figures) -> i64| {
        let series = Series {
            key,
            label,
            values: values(of),
        };
        let what = format!("{title} by day, the last {days} days");
        let ends = [dates.first(), dates.last()].map(|date| date.map_or("", String::as_str));
        Titled {
            title,
            chart: Chart::new(what, &seconds, slots, &[series]).between(ends[0], ends[1]),
        }
    };
    let total = &by_day.total;
    let mut charts = Vec::new();
    if total.bounced() > 0 {
        charts.push(drawn("Bounces", "rejected", "bounces", Figures::bounced));
    }
    if total.complaints > 0 {
        charts.push(drawn("Complaints", "deferred", "complaints", |row| {
            row.complaints
        }));
    }
    charts
}

/// `2026-11-26`
fn date(second: i64) -> String {
    Timestamp::from_seconds(second).to_string()[..10].to_owned()
}

/// What bounced or was complained about, the most first.
fn rows(mut figures: Vec<Figures>, by: By) -> Vec<Row> {
    figures.retain(|row| row.bounced() > 0 || row.complaints > 0);
    figures.sort_by_key(|row| (-row.bounced(), -row.complaints));
    let most = figures.first().map_or(1, |row| row.bounced().max(1));
    let whole: i64 = figures.iter().map(Figures::bounced).sum();
    let row = |row: Figures| Row {
        href: None,
        bounced: count(row.bounced()),
        share: share(row.bounced(), whole),
        width: row.bounced() * 1000 / most,
        hard: count(row.hard),
        soft: count(row.soft),
        block: count(row.block),
        complaints: count(row.complaints),
        key: if row.key.is_empty() {
            none()
        } else if by == By::Reason {
            reason_in_words(&row.key)
        } else {
            words(&row.key)
        },
    };
    figures.into_iter().map(row).collect()
}

/// The messages of a campaign that were refused for good, and those that were for too long.
fn messages(campaign: CampaignId) -> [String; 2] {
    [DeliveryState::Rejected, DeliveryState::Expired]
        .map(|state| format!("/campaigns/{campaign}/deliveries?state={}", state.as_str()))
}

/// The row of a campaign has its name, and leads to its bounces alone.
fn of_campaign(row: Row, wanted: &Wanted, campaigns: &[CampaignSummary]) -> Row {
    let Ok(id) = row.key.parse::<CampaignId>() else {
        return row;
    };
    let known = campaigns.iter().find(|campaign| campaign.id == id);
    let alone = Link {
        by: TABS[0].1,
        campaign: Some(id),
        ..Link::of(wanted)
    };
    Row {
        key: known.map_or_else(|| format!("campaign {id}"), |campaign| campaign.name.clone()),
        href: Some(alone.href()),
        ..row
    }
}

fn reported(event: ListedEvent) -> Reported {
    let address = match event.told_address.as_str() {
        "" => event.address_key,
        told => told.to_owned(),
    };
    Reported {
        at: moment(Timestamp(event.happened_at)),
        href: recipient_href(&address),
        address,
        kind: words(&event.kind),
        message: event.campaign_id.zip(event.seq).map(|(campaign, seq)| Message {
            campaign,
            href: ledger_href(campaign, seq),
        }),
        meaning: format!("{}, {}", event.class, reason_in_words(&event.reason)),
        said: event.text,
        done: words(&event.done),
    }
}

/// The page of a campaign's deliveries on which this one is the first.
pub(in crate::routes) fn ledger_href(campaign: i64, seq: i64) -> String {
    format!("/campaigns/{campaign}/deliveries?after={}", seq - 1)
}

fn suppressed(row: Suppression) -> Suppressed {
    Suppressed {
        href: recipient_href(&row.who),
        address: row.who,
        reason: words(&row.reason),
        evidence: row.evidence,
        since: moment(row.created_at),
    }
}

/// Where the page of an address is.
pub(in crate::routes) fn recipient_href(address: &str) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("address", address);
    format!("/recipients?{}", query.finish())
}

/// Where there are older suppressions, if this page is full.
fn older(wanted: &Wanted, shown: &[Suppression]) -> Option<String> {
    let last = shown.last().filter(|_| shown.len() as i64 == SHOWN)?;
    let link = Link {
        before: Some((last.created_at, &last.who)),
        ..Link::of(wanted)
    };
    Some(format!("{}#suppressed", link.href()))
}

/// As people write it: `mailbox full`.
pub(in crate::routes) fn words(word: &str) -> String {
    word.replace('_', " ")
}

/// The same page, with something else chosen.
struct Link<'a> {
    by: &'a str,
    campaign: Option<CampaignId>,
    days: i64,
    reason: &'a str,
    before: Option<(Timestamp, &'a str)>,
}

impl<'a> Link<'a> {
    /// The first page of what was asked for.
    fn of(wanted: &'a Wanted) -> Link<'a> {
        let tab = TABS.iter().find(|tab| tab.0 == wanted.by).unwrap_or(&TABS[0]);
        Link {
            by: tab.1,
            campaign: wanted.campaign,
            days: wanted.days,
            reason: &wanted.reason,
            before: None,
        }
    }

    fn href(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("by", self.by);
        if let Some(campaign) = self.campaign {
            query.append_pair("campaign", &campaign.to_string());
        }
        query.append_pair("days", &self.days.to_string());
        if !self.reason.is_empty() {
            query.append_pair("reason", self.reason);
        }
        if let Some((at, key)) = self.before {
            query.append_pair("before", &format!("{},{key}", at.0));
        }
        format!("/bounces?{}", query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(key: &str, rejected: i64, complaints: i64) -> Figures {
        Figures {
            key: key.into(),
            accepted: 100,
            rejected,
            hard: rejected,
            complaints,
            ..Figures::default()
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            by: By::Reason,
            campaign: Some(CampaignId(7)),
            days: 7,
            reason: "list_cleaned".into(),
            before: None,
        }
    }

    fn page(suppressed: Vec<Suppression>) -> BouncesPage {
        let by_day = BounceBreakdown {
            rows: vec![figures("2026-11-24", 4, 1)],
            total: figures("", 4, 1),
        };
        let rows = vec![
            figures("", 1, 0),
            figures("mailbox_full", 3, 1),
            figures("fine", 0, 0),
        ];
        let read = Read {
            by_day,
            rows,
            campaigns: Vec::new(),
            events: Vec::new(),
            suppressed,
        };
        BouncesPage::new(&wanted(), read, Timestamp::from_seconds(1_795_392_000))
    }

    #[test]
    fn the_most_frequent_comes_first_and_what_did_not_bounce_not_at_all() {
        let page = page(Vec::new());
        let rows: Vec<_> = page
            .rows
            .iter()
            .map(|row| (row.key.as_str(), row.width))
            .collect();
        assert_eq!(rows, [("mailbox full", 1000), ("–", 333)]);
        assert_eq!(page.bounced.share, "3.8 %");
        assert_eq!(page.complaints_level, "bad");
    }

    #[test]
    fn the_rows_of_campaigns_lead_to_their_bounces_and_those_to_the_messages() {
        let wanted = Wanted {
            by: By::Campaign,
            campaign: None,
            reason: String::new(),
            ..wanted()
        };
        let row = rows(vec![figures("7", 2, 0)], By::Campaign).remove(0);
        let row = of_campaign(row, &wanted, &[]);
        assert_eq!(row.key, "campaign 7");
        assert_eq!(row.href.as_deref(), Some("/bounces?by=class&campaign=7&days=7"));
        let [refused, given_up] = page(Vec::new()).messages.unwrap();
        assert_eq!(refused, "/campaigns/7/deliveries?state=rejected");
        assert_eq!(given_up, "/campaigns/7/deliveries?state=expired");
        assert_eq!(ledger_href(7, 5), "/campaigns/7/deliveries?after=4");
    }

    #[test]
    fn days_without_bounces_are_in_the_chart() {
        let page = page(Vec::new());
        let chart = serde_json::to_value(&page.charts[0].chart).unwrap();
        let data = chart["data"].as_str().unwrap();
        assert!(
            data.ends_with(r#""y":[0.0,0.0,0.0,0.0,0.0,0.0,4.0]}]}"#) || data.contains("4.0"),
            "{data}"
        );
        assert_eq!(data.matches("0.0").count(), 6, "{data}");
    }

    #[test]
    fn links_keep_what_was_chosen() {
        let row = Suppression {
            who: "a+b@example.org".into(),
            reason: "list_cleaned".into(),
            evidence: String::new(),
            created_at: Timestamp(5),
        };
        let page = page(vec![row; 25]);
        assert_eq!(
            page.older.as_deref(),
            Some(
                "/bounces?by=reason&campaign=7&days=7&reason=list_cleaned&before=5%2Ca%2Bb%40example.org#suppressed"
            )
        );
        assert_eq!(page.suppressed[0].href, "/recipients?address=a%2Bb%40example.org");
        assert!(
            page.reasons.last().unwrap().is_here,
            "a word of an import has a tab too"
        );
        assert_eq!(page.newest, None);
    }
}
