//! The page of a campaign's deliveries. Pure.

use crate::figures::numbers::{count, moment, none};
use serde::Serialize;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;
use tidings_store::deliveries::ListedDelivery;
use tidings_store::ledger_pages::{ADDRESSES, DeliveriesFound, DeliverySearch};
use tidings_store::stats::CampaignSummary;
use url::form_urlencoded::Serializer;

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct DeliveriesPage {
    id: i64,
    name: String,
    q: String,
    state: &'static str,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    /// Nothing has been planned yet.
    is_empty: bool,
    /// When retention removed them.
    removed: Option<String>,
    /// More addresses begin so than are looked at.
    cut: Option<String>,
    /// How far the ledger was looked through in vain, if it was not to its end.
    in_vain: Option<String>,
    range: String,
    first: Option<String>,
    next: Option<String>,
    csv: String,
    json_lines: String,
}

#[derive(Debug, Serialize)]
struct Tab {
    label: String,
    n: String,
    href: String,
    is_here: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    seq: String,
    /// Empty if the recipient is gone.
    address: String,
    href: String,
    state: String,
    /// The name of the state's colour.
    colour: &'static str,
    attempts: String,
    relay: String,
    at: String,
    said: String,
}

impl DeliveriesPage {
    /// `q`: what was looked for, as it was written.
    pub(super) fn new(
        summary: &CampaignSummary,
        q: &str,
        search: &DeliverySearch,
        found: DeliveriesFound,
    ) -> DeliveriesPage {
        let path = format!("/campaigns/{}/deliveries", summary.id);
        let state = search.state.map_or("", DeliveryState::as_str);
        let page = |state: &str, after: Option<i64>| with(&path, q, state, after);
        let export = |kind: &str| with(&format!("{path}.{kind}"), "", state, None);
        let next = found.next.map(|seq| seq.0);
        let rows: Vec<Row> = found.deliveries.iter().map(row).collect();
        DeliveriesPage {
            id: summary.id.0,
            name: summary.name.clone(),
            q: q.to_owned(),
            state,
            tabs: tabs(summary, search.state, |state| page(state, None)),
            is_empty: summary.planned == 0,
            removed: summary.deliveries_removed_at.map(moment),
            cut: found.is_cut.then(|| count(ADDRESSES)),
            in_vain: next.filter(|_| rows.is_empty()).map(count),
            range: match (rows.first(), rows.last()) {
                (Some(first), Some(last)) => format!("{} to {}", first.seq, last.seq),
                _ => String::new(),
            },
            first: (search.after > 0).then(|| page(state, None)),
            next: next.map(|after| page(state, Some(after))),
            csv: export("csv"),
            json_lines: export("jsonl"),
            rows,
        }
    }
}

/// An address of ours with what is asked for.
fn with(path: &str, q: &str, state: &str, after: Option<i64>) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in [("q", q), ("state", state)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    if let Some(after) = after {
        query.append_pair("after", &after.to_string());
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// One for all, and one for each state in which there is one. By the counters.
fn tabs(summary: &CampaignSummary, here: Option<DeliveryState>, page: impl Fn(&str) -> String) -> Vec<Tab> {
    let all = Tab {
        label: "all".to_owned(),
        n: count(summary.planned),
        href: page(""),
        is_here: here.is_none(),
    };
    let states = DeliveryState::ALL.into_iter().filter_map(|state| {
        let (n, is_here) = (summary.count(state), here == Some(state));
        (n > 0 || is_here).then(|| Tab {
            label: words(state.as_str()),
            n: count(n.max(0)),
            href: page(state.as_str()),
            is_here,
        })
    });
    std::iter::once(all).chain(states).collect()
}

fn words(state: &str) -> String {
    state.replace('_', " ")
}

fn row(delivery: &ListedDelivery) -> Row {
    let state = DeliveryState::parse(&delivery.state);
    // What waits says when it goes out again, the rest when it was settled.
    let at = match (delivery.due_at, delivery.settled_at) {
        (Some(due), _) if state == Some(DeliveryState::Deferred) => {
            format!("due {}", moment(Timestamp(due)))
        }
        (_, at) => at.map_or_else(none, |at| moment(Timestamp(at))),
    };
    Row {
        seq: count(delivery.seq),
        href: with_address(&delivery.address),
        address: delivery.address.clone(),
        state: words(&delivery.state),
        colour: colour(state),
        attempts: count(delivery.attempts),
        relay: delivery.relay.clone().unwrap_or_else(none),
        at,
        said: said(delivery),
    }
}

fn with_address(address: &str) -> String {
    let query = Serializer::new(String::new())
        .append_pair("address", address)
        .finish();
    format!("/recipients?{query}")
}

/// As in the bar of the ledger.
fn colour(state: Option<DeliveryState>) -> &'static str {
    match state {
        Some(DeliveryState::Leased | DeliveryState::OnWire) => "underway",
        Some(state) => state.as_str(),
        None => "",
    }
}

/// The relay's reply; of what it did not say anything about, why it stands there.
fn said(delivery: &ListedDelivery) -> String {
    let Some(reply) = &delivery.reply else {
        return delivery.why().or(delivery.cause.clone()).unwrap_or_default();
    };
    let code = delivery.code.map(|code| code.to_string());
    let parts = [code.as_deref(), delivery.enhanced.as_deref(), Some(reply)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::campaign::tests::summary;
    use tidings_campaign::ids::Seq;

    fn delivery(state: &str) -> ListedDelivery {
        ListedDelivery {
            seq: 1200,
            address: "ann+x@example.org".into(),
            state: state.into(),
            attempts: 2,
            relay: None,
            code: Some(550),
            enhanced: Some("5.1.1".into()),
            reply: Some("no such user".into()),
            class: None,
            cause: None,
            reason: None,
            settled_at: Some(0),
            due_at: Some(60_000_000),
            session: None,
            duration_us: None,
        }
    }

    #[test]
    fn a_row_says_what_became_of_a_delivery() {
        let refused = row(&delivery("rejected"));
        assert_eq!(refused.said, "550 5.1.1 no such user");
        assert_eq!(refused.at, "1970-01-01 00:00:00 UTC");
        assert_eq!(refused.href, "/recipients?address=ann%2Bx%40example.org");
        assert_eq!(row(&delivery("deferred")).at, "due 1970-01-01 00:01:00 UTC");
        let waits = ListedDelivery {
            reply: None,
            cause: Some("limit".into()),
            reason: Some("provider gmail: 1/s".into()),
            ..delivery("deferred")
        };
        assert_eq!(
            row(&waits).said,
            "not refused: waits for a limit (provider gmail: 1/s)"
        );
    }

    #[test]
    fn pages_go_on_after_the_last_one_and_keep_what_is_looked_for() {
        let summary = summary(9, &[(DeliveryState::Rejected, 2)]);
        let search = DeliverySearch {
            state: Some(DeliveryState::Rejected),
            begins: "a&b".into(),
            after: 3,
            limit: 50,
        };
        let found = DeliveriesFound {
            deliveries: vec![delivery("rejected")],
            next: Some(Seq(1200)),
            is_cut: false,
        };
        let page = DeliveriesPage::new(&summary, "A&b", &search, found);
        assert_eq!(
            page.next.as_deref(),
            Some("/campaigns/7/deliveries?q=A%26b&state=rejected&after=1200")
        );
        assert_eq!(
            page.first.as_deref(),
            Some("/campaigns/7/deliveries?q=A%26b&state=rejected")
        );
        assert_eq!(page.csv, "/campaigns/7/deliveries.csv?state=rejected");
        let tabs: Vec<_> = page
            .tabs
            .iter()
            .map(|tab| (tab.label.as_str(), tab.is_here))
            .collect();
        assert_eq!(tabs, [("all", false), ("rejected", true)]);
    }
}
