//! `/settings/audit`: who changed what.

use super::{SECTION, Tab, tabs};
use crate::figures::numbers::moment;
use crate::people::Visitor;
use crate::routes::problem::failed;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_campaign::time::Timestamp;
use tidings_store::audit::AuditEntry;

/// Entries of a page.
const SHOWN: i64 = 50;

#[derive(Serialize)]
struct AuditPage {
    tabs: Vec<Tab>,
    entries: Vec<EntryView>,
    older: Option<i64>,
}

#[derive(Serialize)]
struct EntryView {
    at: String,
    who: String,
    network: String,
    what: String,
    about: String,
    detail: String,
}

/// `?before=…`
#[derive(Deserialize)]
pub(crate) struct Asked {
    before: Option<i64>,
}

/// `GET /settings/audit`
pub(crate) async fn audit(site: web::Data<Site>, visitor: Visitor, asked: web::Query<Asked>) -> HttpResponse {
    let store = site.store.clone();
    let before = asked.before;
    let entries = match site
        .ask(async move { store.audit_log(before, SHOWN).await })
        .await
    {
        Ok(entries) => entries,
        Err(trouble) => return failed(&site, &trouble),
    };
    let is_full = entries.len() >= usize::try_from(SHOWN).expect("a small number");
    let older = entries.last().filter(|_| is_full).map(|entry| entry.id);
    let page = AuditPage {
        tabs: tabs("/settings/audit"),
        entries: entries.into_iter().map(view).collect(),
        older,
    };
    Page::new("audit", "Audit log")
        .under(SECTION)
        .shown_to(&visitor)
        .answer(&site, StatusCode::OK, &page)
}

fn view(entry: AuditEntry) -> EntryView {
    EntryView {
        at: moment(Timestamp(entry.at)),
        who: entry.who,
        network: entry.network,
        what: entry.what,
        about: entry.about,
        detail: entry.detail,
    }
}
