//! Recipients, looked for by how their addresses begin; and the page of one address: what was sent, what came back, and why it
//! is or is not mailed.

use super::bounces::{ledger_href, recipient_href};
use super::problem::failed;
use crate::figures::numbers::{count, moment};
use crate::figures::reason::reason_in_words;
use crate::people::Visitor;
use crate::shell;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::time::Timestamp;
use tidings_store::feedback::ListedEvent;
use tidings_store::people::Role;
use tidings_store::recipient_record::{FoundRecipient, ListStanding, RecipientDelivery, RecipientRecord};
use tidings_store::suppressions::Suppression;

/// Deliveries and events that are shown.
const SHOWN: i64 = 100;
/// Recipients that are shown of those whose addresses begin as it was written.
const FOUND: i64 = 50;
/// The longest beginning, in octets: no address is longer (RFC 5321 section 4.5.3.1.3).
const LONGEST: usize = 254;

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
    /// A whole address was written, whether somebody has it or not.
    is_address: bool,
    /// Those whose addresses begin so, where it is nobody's whole address.
    beginning: Vec<Match>,
    /// How many of them are shown, if there are more.
    cut: Option<String>,
    name: String,
    suppression: Option<SuppressionView>,
    paused_until: Option<String>,
    lifted: Vec<SuppressionView>,
    lists: Vec<ListView>,
    attributes: Vec<[String; 2]>,
    deliveries: Vec<DeliveryView>,
    /// When deliveries of old campaigns were last removed.
    deliveries_removed: Option<String>,
    events: Vec<EventView>,
}

#[derive(Serialize)]
struct Match {
    address: String,
    href: String,
    name: String,
}

#[derive(Serialize)]
struct ListView {
    list: String,
    standing: String,
    since: String,
    consent: String,
    /// The import that it comes from.
    import: Option<i64>,
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
    seq: i64,
    /// Where it stands in the ledger.
    href: String,
    state: String,
    at: String,
    said: String,
}

#[derive(Serialize)]
struct EventView {
    at: String,
    /// The campaign whose message it is about, if that is known, and where that stands in the ledger.
    campaign: Option<i64>,
    href: Option<String>,
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
    let looked_up = match EmailAddress::parse(&page.address) {
        Ok(address) => look_up(&site, &mut page, &address).await,
        Err(_) if may_begin_an_address(&page.address) => look_for(&site, &mut page).await,
        Err(error) => {
            page.problem = Some(format!("The address {error}."));
            return framed(StatusCode::BAD_REQUEST, &page);
        }
    };
    page.may_change = visitor.role >= Role::Editor;
    match looked_up {
        Ok(()) => framed(StatusCode::OK, &page),
        Err(trouble) => failed(&site, &trouble),
    }
}

/// Puts into the page what is known of an address; of one that nobody has, who has one that begins so.
async fn look_up(site: &Site, page: &mut Page, address: &EmailAddress) -> Result<(), Trouble> {
    let (store, wanted) = (site.store.clone(), address.clone());
    let record = site.ask(async move { store.recipient_record(&wanted, SHOWN).await });
    page.fill(record.await?);
    page.is_address = true;
    if page.found {
        return Ok(());
    }
    page.problem = Some("Nobody with this address was imported.".to_owned());
    find(site, page).await
}

/// Puts those into the page whose addresses begin so.
async fn look_for(site: &Site, page: &mut Page) -> Result<(), Trouble> {
    find(site, page).await?;
    if page.beginning.is_empty() {
        page.problem = Some("Nobody has an address that begins so.".to_owned());
    }
    Ok(())
}

async fn find(site: &Site, page: &mut Page) -> Result<(), Trouble> {
    let (store, beginning) = (site.store.clone(), page.address.to_lowercase());
    let found = site.ask(async move { store.recipients_beginning(&beginning, FOUND + 1).await });
    let mut found = found.await?;
    let shown = usize::try_from(FOUND).unwrap_or_default();
    page.cut = (found.len() > shown).then(|| count(FOUND));
    found.truncate(shown);
    page.beginning = found.into_iter().map(one_found).collect();
    Ok(())
}

/// Whether an address may begin so: signs that are in none are rather a mistake.
fn may_begin_an_address(text: &str) -> bool {
    let is_foreign = |sign: char| sign.is_whitespace() || sign.is_control() || "<>()[],;:\\\"".contains(sign);
    text.len() <= LONGEST && !text.contains(is_foreign)
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
        self.lists = record.lists.into_iter().map(list_view).collect();
        self.deliveries = record.deliveries.into_iter().map(delivery).collect();
        self.deliveries_removed = record.deliveries_removed_at.map(moment);
        self.events = record.events.into_iter().map(event).collect();
    }
}

fn time(micros: i64) -> String {
    moment(Timestamp(micros))
}

fn one_found(found: FoundRecipient) -> Match {
    Match {
        href: recipient_href(&found.address),
        address: found.address,
        name: found.name,
    }
}

fn list_view(row: ListStanding) -> ListView {
    ListView {
        consent: consent(&row),
        list: row.list,
        standing: row.state,
        since: time(row.since),
        import: row.import_id,
    }
}

/// Where it is known from that the recipient wants the list's mail: by own words before those of others.
fn consent(row: &ListStanding) -> String {
    let said = |words: &str| match words {
        "" => String::new(),
        words => format!(": “{words}”"),
    };
    let agreed = said(row.agreed_to.as_deref().unwrap_or_default());
    match (row.signed_up_at, &row.signed_up_by, &row.import_consent) {
        (Some(at), Some(form), _) if !form.is_empty() => {
            format!("signed up by the form “{form}”, confirmed {}{agreed}", time(at))
        }
        (Some(at), ..) => format!("signed up, confirmed {}{agreed}", time(at)),
        (None, ..) if !agreed.is_empty() => format!("joined by an own link{agreed}"),
        (None, _, Some(consent)) if !consent.is_empty() => consent.clone(),
        _ => "not stated".to_owned(),
    }
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
        seq: row.seq,
        href: ledger_href(row.campaign_id, row.seq),
        state: row.state,
        at: row.settled_at.map(time).unwrap_or_default(),
        said: row.reply.or(row.reason).unwrap_or_default(),
    }
}

fn event(row: ListedEvent) -> EventView {
    EventView {
        at: time(row.happened_at),
        href: row
            .campaign_id
            .zip(row.seq)
            .map(|(campaign, seq)| ledger_href(campaign, seq)),
        campaign: row.campaign_id,
        kind: row.kind,
        way: row.way,
        meaning: format!(
            "{}, {} (rule {})",
            row.class,
            reason_in_words(&row.reason),
            row.rule
        ),
        said: row.text,
        matched_by: row.matched_by.replace('_', " "),
        done: row.done,
        arrival: row.arrival_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_begin_an_address_is_looked_for_and_the_rest_is_a_mistake() {
        for text in ["ann", "ann@", "o'neil+x", "jörg@exa"] {
            assert!(may_begin_an_address(text), "{text}");
        }
        for text in ["<script>", "Ann Example", "a,b", "\"x", &"a".repeat(255)] {
            assert!(!may_begin_an_address(text), "{text}");
        }
    }

    #[test]
    fn consent_is_told_by_the_recipients_own_words_first() {
        let imported = ListStanding {
            list: "readers".into(),
            state: "confirmed".into(),
            since: 0,
            import_id: Some(3),
            import_consent: Some("open day in May".into()),
            signed_up_at: None,
            signed_up_by: None,
            agreed_to: None,
        };
        assert_eq!(consent(&imported), "open day in May");
        let joined = ListStanding {
            agreed_to: Some("News, please.".into()),
            ..imported.clone()
        };
        assert_eq!(consent(&joined), "joined by an own link: “News, please.”");
        let signed_up = ListStanding {
            signed_up_at: Some(0),
            signed_up_by: Some("footer".into()),
            ..joined
        };
        assert_eq!(
            consent(&signed_up),
            "signed up by the form “footer”, confirmed 1970-01-01 00:00:00 UTC: “News, please.”"
        );
        let silent = ListStanding {
            import_consent: None,
            ..imported
        };
        assert_eq!(consent(&silent), "not stated");
    }
}
