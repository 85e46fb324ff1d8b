//! `/suppressions/import`: a file of addresses, or of hashes, as `tidings suppression import` takes it.

use crate::figures::numbers::count;
use crate::people::Visitor;
use crate::routes::imports::upload::status_of;
use crate::routes::problem::{not_found, see_other};
use crate::routes::uploading::receive;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tidings_campaign::suppression::is_reason;
use tidings_import::{Purpose, Suppressing};

/// The reason where a person names none.
const IMPORTED: &str = "imported";

#[derive(Default, Serialize)]
struct SuppressingPage {
    name: String,
    is_open: bool,
    word: &'static str,
    level: &'static str,
    problem: Option<String>,
    counts: Vec<Counted>,
    rejects: Vec<String>,
}

#[derive(Serialize)]
struct Counted {
    what: &'static str,
    n: String,
}

/// `POST /suppressions/import`
pub(crate) async fn import(
    site: web::Data<Site>,
    visitor: Visitor,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let uploaded = match receive(&site, &request, body, (&visitor.by.who, Purpose::Suppressions)).await {
        Ok(uploaded) => uploaded,
        Err(fault) => return refused(&site, &visitor, status_of(&fault), fault.to_string()),
    };
    let reason = match uploaded.field("reason") {
        "" => IMPORTED.to_owned(),
        reason => reason.to_owned(),
    };
    if !is_reason(&reason) {
        let problem = "Nothing was suppressed: a reason is a word of lower-case letters, digits and underscores, at most 40.";
        return refused(
            &site,
            &visitor,
            StatusCode::UNPROCESSABLE_ENTITY,
            problem.to_owned(),
        );
    }
    let about = (uploaded.name.clone(), reason);
    match site
        .importer
        .suppress(uploaded.incoming, about, visitor.by.clone())
        .await
    {
        Ok(number) => see_other(&format!("/suppressions/import/{number}")),
        Err(error) => {
            let problem = format!("Nothing was suppressed. {}", sentence(format!("{error:#}")));
            refused(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, problem)
        }
    }
}

/// What is wrong with the file is one already.
fn sentence(text: String) -> String {
    match text.ends_with('.') {
        true => text,
        false => format!("It was not possible: {text}."),
    }
}

fn refused(site: &Site, visitor: &Visitor, status: StatusCode, problem: String) -> HttpResponse {
    let page = SuppressingPage {
        word: "not done",
        level: "bad",
        problem: Some(problem),
        ..SuppressingPage::default()
    };
    answer(site, visitor, status, &page)
}

fn answer(site: &Site, visitor: &Visitor, status: StatusCode, page: &SuppressingPage) -> HttpResponse {
    let frame = Page::new("suppressing", "Import of suppressions")
        .under("/lists")
        .shown_to(visitor);
    let frame = if page.is_open { frame.live() } else { frame };
    frame.answer(site, status, page)
}

/// `GET /suppressions/import/{number}`
pub(crate) async fn show(site: web::Data<Site>, visitor: Visitor, number: web::Path<String>) -> HttpResponse {
    let run = number
        .parse()
        .ok()
        .and_then(|number| site.importer.suppressing(number));
    match run.filter(|run| run.owner == visitor.by.who) {
        Some(run) => answer(&site, &visitor, StatusCode::OK, &view(run)),
        None => not_found(site, visitor).await,
    }
}

fn view(run: Suppressing) -> SuppressingPage {
    let number = |n: u64| count(i64::try_from(n).unwrap_or(i64::MAX));
    let (word, level, problem) = match run.ended {
        None => ("running", "info", None),
        Some(Ok(())) => ("finished", "good", None),
        Some(Err(why)) => (
            "stopped",
            "bad",
            Some(format!("{why}. Import the file again to go on.")),
        ),
    };
    let known = run.counts.known();
    let by_hash = run
        .recipients
        .map(|n| ("recipients that have one of these hashes", n));
    let counts = [
        ("rows", run.counts.rows),
        ("suppressed now", run.counts.added),
        ("were suppressed already", known),
        ("rejected", run.counts.rejected),
    ];
    SuppressingPage {
        name: run.name,
        is_open: level == "info",
        word,
        level,
        problem,
        counts: counts
            .into_iter()
            .chain(by_hash)
            .map(|(what, n)| Counted { what, n: number(n) })
            .collect(),
        rejects: run.counts.shown,
    }
}
