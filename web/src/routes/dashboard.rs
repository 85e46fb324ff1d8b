//! The dashboard's pages. They show the newest snapshot; only a campaign's own page asks the database.

use crate::pages::{ICON, Problem, SCRIPT, STYLE};
use crate::site::{Site, Trouble};
use crate::view::{BreakdownRow, CampaignView, Happened, breakdown_rows};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use serde::Serialize;
use std::convert::Infallible;
use tidings_campaign::ids::CampaignId;
use tidings_store::StoreError;

/// `GET /`
pub(crate) async fn first_page(site: web::Data<Site>) -> HttpResponse {
    #[derive(Serialize)]
    struct Page<'a, T> {
        title: &'a str,
        #[serde(flatten)]
        figures: &'a T,
    }
    let snapshot = site.live.snapshots.borrow().clone();
    site.page(
        StatusCode::OK,
        "dashboard",
        &Page {
            title: "Campaigns",
            figures: &snapshot.figures,
        },
    )
}

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
        .streaming(events)
}

/// `GET /campaigns/{id}`
pub(crate) async fn campaign(site: web::Data<Site>, id: web::Path<String>) -> HttpResponse {
    #[derive(Serialize)]
    struct Page<'a> {
        title: &'a str,
        campaign: CampaignView,
        rows: Vec<BreakdownRow>,
    }
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site).await;
    };
    let store = site.store.clone();
    let read = site.ask(async move {
        let Some(summary) = store.find_campaign_summary(id).await? else {
            return Ok(None);
        };
        let reports = store.reports_of(&[id]).await?;
        Ok::<_, StoreError>(Some((summary, store.breakdown(Some(id)).await?, reports)))
    });
    match read.await {
        Ok(Some((summary, parts, reports))) => {
            let mut happened = Happened::default();
            parts
                .iter()
                .for_each(|part| happened.add(&part.outcome, &part.class, part.n));
            reports
                .iter()
                .for_each(|said| happened.add(&said.kind, &said.class, said.n));
            let pulse = site.live.snapshots.borrow().pulses.get(&id).cloned();
            let page = Page {
                title: &summary.name,
                campaign: CampaignView::new(&summary, happened, &pulse.unwrap_or_default()),
                rows: breakdown_rows(parts),
            };
            site.page(StatusCode::OK, "campaign", &page)
        }
        Ok(None) => not_found(site).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

pub(super) fn failed(site: &Site, trouble: &Trouble) -> HttpResponse {
    tracing::error!("a page of the dashboard failed: {trouble}");
    let text = "The database does not answer. The program's log says why.";
    site.page(
        StatusCode::SERVICE_UNAVAILABLE,
        "problem",
        &Problem {
            title: "Not now",
            text,
        },
    )
}

/// Everything else.
pub(crate) async fn not_found(site: web::Data<Site>) -> HttpResponse {
    let text = "There is no such page or campaign here.";
    site.page(
        StatusCode::NOT_FOUND,
        "problem",
        &Problem {
            title: "Not found",
            text,
        },
    )
}

/// `GET /assets/style.css`
pub(crate) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(STYLE)
}

/// `GET /assets/live.js`
pub(crate) async fn script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(SCRIPT)
}

/// `GET /assets/icon.svg`
pub(crate) async fn icon() -> HttpResponse {
    HttpResponse::Ok().content_type("image/svg+xml").body(ICON)
}
