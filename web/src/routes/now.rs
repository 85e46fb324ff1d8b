//! `GET /`: what happens now, and what needs a person; and the events that keep it fresh.

mod attention;
mod meter;
pub(crate) mod view;

use super::problem::failed;
use crate::operator::Part;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::convert::Infallible;

/// What has been done of the first steps.
#[derive(Serialize)]
struct Steps {
    has_recipients: bool,
    has_relay: bool,
}

/// `GET /`. It shows the newest snapshot; only an empty instance asks the database.
pub(crate) async fn now(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    let snapshot = site.live.snapshots.borrow().clone();
    let page = Page::new("now", "Now").under("/").live().shown_to(&visitor);
    if !snapshot.now.is_empty() {
        return page.answer(&site, StatusCode::OK, &snapshot.now);
    }
    let store = site.store.clone();
    let imports = site.ask(async move { store.imports(1).await });
    #[derive(Serialize)]
    struct Empty<'a> {
        #[serde(flatten)]
        now: &'a view::NowView,
        steps: Steps,
    }
    let steps = match (imports.await, has_relay(&site).await) {
        (Ok(imports), Ok(has_relay)) => Steps {
            has_recipients: !imports.is_empty(),
            has_relay,
        },
        (Err(trouble), _) | (_, Err(trouble)) => return failed(&site, &trouble),
    };
    let now = &snapshot.now;
    page.answer(&site, StatusCode::OK, &Empty { now, steps })
}

/// Whether the configuration names a relay.
async fn has_relay(site: &Site) -> Result<bool, Trouble> {
    let Some(operator) = site.operator.clone() else {
        return Ok(false);
    };
    let shown = site.in_program(operator.shown()).await?;
    Ok(shown.parts.iter().any(|part| matches!(part.part, Part::Relay(_))))
}

/// Events of one stream. Then the browser opens another, so that whoever may not look any more is told so.
const EVENTS: usize = 30;

/// `GET /events`: a snapshot at once and after every look at the counters, until either side ends it.
pub(crate) async fn events(site: web::Data<Site>) -> HttpResponse {
    let Ok(place) = site.live.listeners.clone().try_acquire_owned() else {
        return HttpResponse::ServiceUnavailable()
            .insert_header(("Retry-After", "10"))
            .body("too many open dashboards\n");
    };
    let mut snapshots = site.live.snapshots.clone();
    snapshots.mark_changed();
    let events = stream::unfold((snapshots, place), |(mut snapshots, place)| async move {
        snapshots.changed().await.ok()?;
        let event = snapshots.borrow_and_update().event.clone();
        Some((Ok::<Bytes, Infallible>(event), (snapshots, place)))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(events.take(EVENTS))
}
