//! `/suppressions`: addresses that must not be mailed.

mod export;
pub(crate) mod import;

pub(crate) use export::export;

use super::bounces::{recipient_href, words};
use super::lists::{Tab, tabs};
use super::problem::{failed, see_other};
use crate::figures::numbers::moment;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::suppression::is_reason;
use tidings_import::UploadFault;
use tidings_store::people::Role;
use tidings_store::suppressions::{Suppression, SuppressionSearch};
use tidings_store::{Store, StoreError};
use url::form_urlencoded::Serializer;

/// Suppressions of one page.
const SHOWN: usize = 25;
/// Letters of a search at most.
const LONGEST: usize = 200;
/// Letters of an evidence at most.
const LONGEST_EVIDENCE: usize = 300;
/// The reason where a person names none.
const BY_HAND: &str = "by_hand";

/// `?q=…&reason=…&after=…`
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    after: String,
}

/// The form that suppresses.
#[derive(Deserialize)]
pub(crate) struct Addition {
    address: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    evidence: String,
    /// `recipient`, if it is that of the recipient's page.
    #[serde(default)]
    from: String,
}

/// The form that lifts.
#[derive(Deserialize)]
pub(crate) struct Lifting {
    address: String,
}

#[derive(Default, Serialize)]
struct SuppressionsPage {
    tabs: Option<[Tab; 2]>,
    q: String,
    reason: String,
    /// Something is looked for.
    is_search: bool,
    may_change: bool,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
    /// What was written into the form.
    new_address: String,
    new_reason: String,
    new_evidence: String,
    address_fault: Option<String>,
    reason_fault: Option<&'static str>,
    evidence_fault: Option<&'static str>,
    /// Octets of a file at most, and what is said of a larger one.
    largest: u64,
    too_large: String,
}

#[derive(Serialize)]
struct Row {
    address: String,
    href: String,
    reason: String,
    evidence: String,
    since: String,
}

/// `GET /suppressions`
pub(crate) async fn suppressions(
    site: web::Data<Site>,
    visitor: Visitor,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let page = SuppressionsPage {
        new_reason: BY_HAND.to_owned(),
        ..SuppressionsPage::default()
    };
    show(&site, &visitor, StatusCode::OK, asked.into_inner(), page).await
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    asked: Asked,
    mut page: SuppressionsPage,
) -> HttpResponse {
    let q: String = asked.q.trim().chars().take(LONGEST).collect();
    let reason = Some(asked.reason)
        .filter(|word| is_reason(word))
        .unwrap_or_default();
    let search = SuppressionSearch {
        beginning: q.to_lowercase(),
        reason: reason.clone(),
        after: asked.after.chars().take(2 * LONGEST).collect(),
        limit: SHOWN as i64,
    };
    let found = match site.ask(find(site.store.clone(), search)).await {
        Ok(found) => found,
        Err(trouble) => return failed(site, &trouble),
    };
    let last = found.last().filter(|_| found.len() == SHOWN);
    page.next = last.map(|last| href(&q, &reason, &last.who));
    page.first = (!asked.after.is_empty()).then(|| href(&q, &reason, ""));
    page.tabs = Some(tabs("/suppressions"));
    page.is_search = !q.is_empty() || !reason.is_empty();
    page.largest = site.importer.uploads().largest;
    page.too_large = UploadFault::TooLarge(page.largest).to_string();
    page.may_change = visitor.role >= Role::Editor;
    page.rows = found.into_iter().map(row).collect();
    (page.q, page.reason) = (q, reason);
    Page::new("suppressions", "Suppressions")
        .under("/lists")
        .shown_to(visitor)
        .answer(site, status, &page)
}

/// Who is suppressed by the hash of the address alone is found by the whole address.
async fn find(store: Store, search: SuppressionSearch) -> Result<Vec<Suppression>, StoreError> {
    let mut found = store.find_suppressions(&search).await?;
    if let (true, Ok(address)) = (found.is_empty(), EmailAddress::parse(&search.beginning)) {
        let by_hash = store.find_suppression(&address).await?;
        let fits = |row: &Suppression| search.reason.is_empty() || row.reason == search.reason;
        found.extend(by_hash.filter(fits).map(|row| Suppression {
            who: address.key(),
            ..row
        }));
    }
    Ok(found)
}

fn row(found: Suppression) -> Row {
    Row {
        href: recipient_href(&found.who),
        address: found.who,
        reason: words(&found.reason),
        evidence: found.evidence,
        since: moment(found.created_at),
    }
}

fn href(q: &str, reason: &str, after: &str) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in [("q", q), ("reason", reason), ("after", after)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => "/suppressions".to_owned(),
        query => format!("/suppressions?{query}"),
    }
}

/// `POST /suppressions`: one address more.
pub(crate) async fn add(site: web::Data<Site>, visitor: Visitor, form: web::Form<Addition>) -> HttpResponse {
    let form = form.into_inner();
    let mut page = SuppressionsPage {
        new_address: form.address.trim().to_owned(),
        new_reason: form.reason.trim().to_owned(),
        new_evidence: form.evidence.trim().to_owned(),
        ..SuppressionsPage::default()
    };
    if page.new_reason.is_empty() {
        BY_HAND.clone_into(&mut page.new_reason);
    }
    let parsed = EmailAddress::parse(&page.new_address);
    page.address_fault = parsed.as_ref().err().map(|error| format!("The address {error}."));
    page.reason_fault = (!is_reason(&page.new_reason))
        .then_some("A reason is a word of lower-case letters, digits and underscores, at most 40.");
    page.evidence_fault = (page.new_evidence.chars().count() > LONGEST_EVIDENCE)
        .then_some("That is too long: write at most 300 characters.");
    let is_right = page.reason_fault.or(page.evidence_fault).is_none();
    let (true, Ok(address)) = (is_right, parsed) else {
        return show(
            &site,
            &visitor,
            StatusCode::UNPROCESSABLE_ENTITY,
            Asked::default(),
            page,
        )
        .await;
    };
    let back = back(&form.from, &address);
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let (reason, evidence) = (page.new_reason, page.new_evidence);
    let added = site.ask(async move { store.suppress_by(&address, (&reason, &evidence), &by, now).await });
    match added.await {
        Ok(_) => see_other(&back),
        Err(trouble) => failed(&site, &trouble),
    }
}

/// `POST /suppressions/lift`: the address may be mailed again. What is not suppressed stays as it is.
pub(crate) async fn lift(site: web::Data<Site>, visitor: Visitor, form: web::Form<Lifting>) -> HttpResponse {
    let Ok(address) = EmailAddress::parse(&form.address) else {
        return see_other("/suppressions");
    };
    // The address is on the page of suppressions no more; the recipient's remembers it.
    let back = recipient_href(address.as_str());
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let lifted = site.ask(async move { store.lift_suppression_by(&address, &by, now).await });
    match lifted.await {
        Ok(_) => see_other(&back),
        Err(trouble) => failed(&site, &trouble),
    }
}

/// Where the form was.
fn back(from: &str, address: &EmailAddress) -> String {
    match from {
        "recipient" => recipient_href(address.as_str()),
        _ => href(&address.key(), "", ""),
    }
}
