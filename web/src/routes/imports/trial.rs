//! `/imports/uploads/{id}/trial`: what an import would do, and the import itself.

use super::columns::Faults;
use super::view::{Counted, counts, number};
use super::wizard;
use crate::people::Visitor;
use crate::routes::problem::{not_found, see_other};
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_import::{Begun, Trial, TrialState, Upload};

#[derive(Serialize)]
struct TrialPage {
    id: String,
    name: String,
    list: String,
    is_open: bool,
    word: &'static str,
    level: &'static str,
    problem: Option<String>,
    can_import: bool,
    rows: String,
    counts: Vec<Counted>,
    found: Vec<FoundView>,
    rejects: Vec<RejectView>,
    rejected: String,
}

#[derive(Serialize)]
struct FoundView {
    what: &'static str,
    n: String,
}

#[derive(Serialize)]
struct RejectView {
    line: String,
    reason: String,
    row: String,
}

/// `GET /imports/uploads/{id}/trial`. A trial that was forgotten, perhaps because the program was started again, begins anew.
pub(crate) async fn trial(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let Some(upload) = wizard::find(&site, &visitor, &id).await else {
        return not_found(site, visitor).await;
    };
    if upload.fault.is_some() {
        return see_other(&format!("/imports/uploads/{}", upload.id));
    }
    let trial = site.importer.trial(&upload.id).unwrap_or_else(|| {
        site.importer.try_out(&upload);
        Trial::default()
    });
    show(&site, &visitor, StatusCode::OK, upload, trial, None)
}

fn show(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    upload: Upload,
    trial: Trial,
    problem: Option<String>,
) -> HttpResponse {
    let title = upload.name.clone();
    let page = view(upload, trial, problem);
    let frame = Page::new("import_trial", &title)
        .under("/imports")
        .shown_to(visitor);
    let frame = if page.is_open { frame.live() } else { frame };
    frame.answer(site, status, &page)
}

fn view(upload: Upload, trial: Trial, problem: Option<String>) -> TrialPage {
    let (word, level, failure) = match trial.state {
        TrialState::Waiting => ("waiting", "info", None),
        TrialState::Running => ("reading", "info", None),
        TrialState::Done => ("read to its end", "good", None),
        TrialState::Failed(why) => ("failed", "bad", Some(why)),
    };
    TrialPage {
        id: upload.id.to_string(),
        name: upload.name,
        list: upload.list,
        is_open: level == "info",
        can_import: level == "good",
        word,
        level,
        problem: problem.or(failure),
        rows: number(trial.counts.rows),
        counts: counts(&trial.counts),
        found: trial
            .found
            .lines()
            .into_iter()
            .map(|(n, what)| FoundView { what, n: number(n) })
            .collect(),
        rejected: number(trial.counts.rejected),
        rejects: trial
            .rejects
            .into_iter()
            .map(|reject| RejectView {
                line: number(reject.line),
                reason: reject.reason,
                row: reject.row,
            })
            .collect(),
    }
}

/// `POST /imports/uploads/{id}/import`
pub(crate) async fn import(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let Some(upload) = wizard::find(&site, &visitor, &id).await else {
        return not_found(site, visitor).await;
    };
    let problem = match site.importer.begin(upload.clone(), visitor.by.clone()).await {
        Ok(Begun::New(import)) => return see_other(&format!("/imports/{import}")),
        Ok(Begun::Same(import)) => format!(
            "The same file is being imported into this list in the same way already, or that was stopped: it is import {import}."
        ),
        Err(error) => format!("Nothing was imported: {error:#}."),
    };
    wizard::show(
        &site,
        &visitor,
        StatusCode::CONFLICT,
        upload,
        Faults::other(problem),
    )
    .await
}
