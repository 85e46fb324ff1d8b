//! `GET /`: what happens now, and what needs a person; and the events that keep it fresh.

mod attention;
mod meter;
pub(crate) mod view;

use super::problem::failed;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::convert::Infallible;
use tidings_store::StoreError;

/// What has been done of the first steps.
#[derive(Serialize)]
struct Steps {
    has_recipients: bool,
    has_template: bool,
}

/// `GET /`. It shows the newest snapshot; only an empty instance asks the database.
pub(crate) async fn now(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    let snapshot = site.live.snapshots.borrow().clone();
    let page = Page::new("now", "Now").under("/").live().shown_to(&visitor);
    if !snapshot.now.is_empty() {
        return page.answer(&site, StatusCode::OK, &snapshot.now);
    }
    let store = site.store.clone();
    let steps = site.ask(async move {
        Ok::<_, StoreError>(Steps {
            has_recipients: !store.imports(1).await?.is_empty(),
            has_template: !store.list_templates().await?.is_empty(),
        })
    });
    #[derive(Serialize)]
    struct Empty<'a> {
        #[serde(flatten)]
        now: &'a view::NowView,
        steps: Steps,
    }
    match steps.await {
        Ok(steps) => page.answer(
            &site,
            StatusCode::OK,
            &Empty {
                now: &snapshot.now,
                steps,
            },
        ),
        Err(trouble) => failed(&site, &trouble),
    }
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
