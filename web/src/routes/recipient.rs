//! The page of one address: what was sent, what came back, and why it is or is not mailed.

use super::problem::failed;
use crate::figures::numbers::moment;
use crate::people::Visitor;
use crate::shell;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::time::Timestamp;
use tidings_store::feedback::ListedEvent;
use tidings_store::people::Role;
use tidings_store::recipient_record::{RecipientDelivery, RecipientRecord};
use tidings_store::suppressions::Suppression;

/// Deliveries and events that are shown.
const SHOWN: i64 = 100;

/// `?address=…`
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    address: String,
}

#[derive(Default, Serialize)]
struct Page {
    address: String,
    problem: Option<String>,
    /// The address can be suppressed, or its suppression lifted.
    may_change: bool,
    found: bool,
    name: String,
    suppression: Option<SuppressionView>,
    paused_until: Option<String>,
    lifted: Vec<SuppressionView>,
    lists: Vec<[String; 3]>,
    attributes: Vec<[String; 2]>,
    deliveries: Vec<DeliveryView>,
    /// When deliveries of old campaigns were last removed.
    deliveries_removed: Option<String>,
    events: Vec<EventView>,
}

#[derive(Serialize)]
struct SuppressionView {
    reason: String,
    evidence: String,
    since: String,
    lifted: String,
}

#[derive(Serialize)]
struct DeliveryView {
    campaign_id: i64,
    campaign: String,
    state: String,
    at: String,
    said: String,
}

#[derive(Serialize)]
struct EventView {
    at: String,
    kind: String,
    way: String,
    meaning: String,
    said: String,
    matched_by: String,
    done: String,
    arrival: i64,
}

/// `GET /recipients?address=…`. Its form, which only asks, leads to itself.
pub(crate) async fn recipient(
    site: web::Data<Site>,
    visitor: Visitor,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let framed = |status, page: &Page| {
        shell::Page::new("recipient", "Recipients")
            .under("/recipients")
            .shown_to(&visitor)
            .answer(&site, status, page)
    };
    let mut page = Page {
        address: asked.address.trim().to_owned(),
        ..Page::default()
    };
    if page.address.is_empty() {
        return framed(StatusCode::OK, &page);
    }
    let address = match EmailAddress::parse(&page.address) {
        Ok(address) => address,
        Err(error) => {
            page.problem = Some(format!("The address {error}."));
            return framed(StatusCode::BAD_REQUEST, &page);
        }
    };
    let store = site.store.clone();
    let wanted = address.clone();
    match site
        .ask(async move { store.recipient_record(&wanted, SHOWN).await })
        .await
    {
        Ok(record) => {
            page.may_change = visitor.role >= Role::Editor;
            page.fill(record);
            if !page.found {
                page.problem = Some("Nobody with this address was imported.".to_owned());
            }
            framed(StatusCode::OK, &page)
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

impl Page {
    fn fill(&mut self, record: RecipientRecord) {
        if let Some(recipient) = record.recipient {
            self.found = true;
            self.name = recipient.name;
            self.attributes = recipient
                .attributes
                .into_iter()
                .map(|(name, value)| {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    [name, text]
                })
                .collect();
        }
        self.suppression = record.suppression.map(|found| suppression(found, String::new()));
        self.paused_until = record.paused_until.map(moment);
        self.lifted = record
            .lifted
            .into_iter()
            .map(|(found, at)| suppression(found, moment(at)))
            .collect();
        self.lists = record
            .lists
            .into_iter()
            .map(|list| [list.list, list.state, time(list.since)])
            .collect();
        self.deliveries = record.deliveries.into_iter().map(delivery).collect();
        self.deliveries_removed = record.deliveries_removed_at.map(moment);
        self.events = record.events.into_iter().map(event).collect();
    }
}

fn time(micros: i64) -> String {
    moment(Timestamp(micros))
}

fn suppression(found: Suppression, lifted: String) -> SuppressionView {
    SuppressionView {
        reason: found.reason.replace('_', " "),
        evidence: found.evidence,
        since: moment(found.created_at),
        lifted,
    }
}

fn delivery(row: RecipientDelivery) -> DeliveryView {
    DeliveryView {
        campaign_id: row.campaign_id,
        campaign: row.campaign,
        state: row.state,
        at: row.settled_at.map(time).unwrap_or_default(),
        said: row.reply.or(row.reason).unwrap_or_default(),
    }
}

fn event(row: ListedEvent) -> EventView {
    EventView {
        at: time(row.happened_at),
        kind: row.kind,
        way: row.way,
        meaning: format!("{}, {} (rule {})", row.class, row.reason, row.rule),
        said: row.text,
        matched_by: row.matched_by.replace('_', " "),
        done: row.done,
        arrival: row.arrival_id,
    }
}
