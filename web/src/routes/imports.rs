//! `/imports`: what was imported, by whom, from which files, and what became of the rows.

mod columns;
mod rejects;
pub(crate) mod steer;
pub(crate) mod trial;
pub(crate) mod upload;
mod view;
pub(crate) mod wizard;

pub(crate) use rejects::{kept, rejects};

use super::problem::{failed, not_found};
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_campaign::ids::ImportId;
use tidings_store::imports::{ImportLock, ImportRecord, ImportState};
use tidings_store::people::Role;
use tidings_store::{Store, StoreError};
use view::{Files, ImportPage, Row};

/// Imports that are listed, the newest.
const NEWEST: u32 = 100;

#[derive(Serialize)]
struct ImportsPage {
    rows: Vec<Row>,
    /// There may be more.
    is_full: bool,
    may_change: bool,
}

/// `GET /imports`
pub(crate) async fn imports(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    let store = site.store.clone();
    let read = site.ask(async move {
        let mut records = Vec::new();
        for record in store.imports(NEWEST).await? {
            let state = state(&store, &record).await?;
            records.push((record, state));
        }
        Ok(records)
    });
    let records = match read.await {
        Ok(records) => records,
        Err(trouble) => return failed(&site, &trouble),
    };
    let page = ImportsPage {
        may_change: visitor.role >= Role::Editor,
        is_full: records.len() == NEWEST as usize,
        rows: records
            .into_iter()
            .map(|(record, state)| Row::new(record, state))
            .collect(),
    };
    Page::new("imports", "Imports")
        .under("/imports")
        .shown_to(&visitor)
        .answer(&site, StatusCode::OK, &page)
}

/// `GET /imports/{id}`
pub(crate) async fn import(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let Ok(id) = id.parse() else {
        return not_found(site, visitor).await;
    };
    show(site, visitor, ImportId(id), StatusCode::OK, None).await
}

/// `problem`: why what was asked for was not done.
async fn show(
    site: web::Data<Site>,
    visitor: Visitor,
    id: ImportId,
    status: StatusCode,
    problem: Option<String>,
) -> HttpResponse {
    let store = site.store.clone();
    let read = site.ask(async move {
        let Some(record) = store.find_import(id).await? else {
            return Ok(None);
        };
        let state = state(&store, &record).await?;
        Ok(Some((record, state)))
    });
    let (record, state) = match read.await {
        Ok(Some(found)) => found,
        Ok(None) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let files = Files {
        rejects: rejects::file_of(&record).is_some_and(|path| path.is_file()),
        kept: rejects::kept_of(&site, &record).is_some_and(|path| path.is_file()),
    };
    let page = ImportPage::new(record, state, files, visitor.role >= Role::Editor).with_problem(problem);
    let frame = Page::new("import", "Import").under("/imports").shown_to(&visitor);
    let frame = if page.is_open { frame.live() } else { frame };
    frame.answer(&site, status, &page)
}

/// The state in a word; other than the record says if no process works on it.
async fn state(store: &Store, record: &ImportRecord) -> Result<&'static str, StoreError> {
    let cut_off = match record.state {
        ImportState::Running => "interrupted",
        ImportState::Undoing => "half undone",
        state => return Ok(state.as_str()),
    };
    Ok(match ImportLock::is_held(store, record.id).await? {
        true => record.state.as_str(),
        false => cut_off,
    })
}
