//! The pages that say why there is no page.

use super::body::TOO_LONG;
use crate::figures::numbers::moment;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_campaign::time::Timestamp;

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
pub(crate) async fn not_found(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    no_such_page(&site, &visitor)
}

/// What the address names is not there.
pub(crate) fn no_such_page(site: &Site, visitor: &Visitor) -> HttpResponse {
    let text = "There is no such page or campaign here.";
    Page::new("problem", "Not found")
        .shown_to(visitor)
        .answer(site, StatusCode::NOT_FOUND, &Problem { text })
}

/// What the address names was there.
pub(crate) fn removed(site: &Site, visitor: &Visitor, at: Timestamp) -> HttpResponse {
    let text = format!(
        "The single deliveries of this campaign were removed by retention on {}. The figures are on the campaign's page.",
        moment(at)
    );
    Page::new("problem", "Not kept any more")
        .shown_to(visitor)
        .answer(site, StatusCode::GONE, &Problem { text: &text })
}

/// A link that lets nobody in.
pub(crate) fn broken_link(site: &Site) -> HttpResponse {
    let text = "This link has been used, or its time is over. `tidings user reset ADDRESS` makes a new one; while nobody can \
        sign in yet, each start of `tidings serve` prints one.";
    Page::new("problem", "This link does not work").answer(site, StatusCode::NOT_FOUND, &Problem { text })
}

/// The visitor's role does not allow it.
pub(crate) fn not_allowed(site: &Site, visitor: &Visitor) -> HttpResponse {
    let text = "Your role does not allow this. An administrator can change that.";
    Page::new("problem", "Not allowed").shown_to(visitor).answer(
        site,
        StatusCode::FORBIDDEN,
        &Problem { text },
    )
}

/// A change that does not come from a page of ours, or from one of an earlier session.
pub(crate) fn not_from_us(site: &Site, visitor: &Visitor) -> HttpResponse {
    let text = "Nothing was changed: the form was of an earlier session, or of another site. Open the page again and repeat it.";
    Page::new("problem", "Not done")
        .shown_to(visitor)
        .answer(site, StatusCode::FORBIDDEN, &Problem { text })
}

/// A form that is longer than any of ours.
pub(crate) fn too_long(site: &Site, visitor: &Visitor) -> HttpResponse {
    Page::new("problem", "Not done").shown_to(visitor).answer(
        site,
        StatusCode::PAYLOAD_TOO_LARGE,
        &Problem { text: TOO_LONG },
    )
}

/// Leads to a page of ours, which is to be got (RFC 9110 section 15.4.4).
pub(crate) fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}
