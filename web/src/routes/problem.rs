//! The pages that say why there is no page.

use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;

#[derive(Serialize)]
struct Problem<'a> {
    text: &'a str,
}

/// The database does not answer.
pub(crate) fn failed(site: &Site, trouble: &Trouble) -> HttpResponse {
    tracing::error!("a page of the dashboard failed: {trouble}");
    let text = "The database does not answer. The program's log says why.";
    Page::new("problem", "Not now").answer(site, StatusCode::SERVICE_UNAVAILABLE, &Problem { text })
}

/// Every address that leads nowhere.
pub(crate) async fn not_found(site: web::Data<Site>) -> HttpResponse {
    let text = "There is no such page or campaign here.";
    Page::new("problem", "Not found").answer(&site, StatusCode::NOT_FOUND, &Problem { text })
}
