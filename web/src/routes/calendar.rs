//! `GET /calendar`: what started and what is to start, month by month.

mod view;

use super::problem::failed;
use crate::figures::zones;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use view::{CalendarPage, Month};

/// `?month=2026-12&zone=Europe/Berlin`
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    month: String,
    zone: String,
}

/// `GET /calendar`
pub(crate) async fn calendar(
    site: web::Data<Site>,
    visitor: Visitor,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let store = site.store.clone();
    let last = match site.ask(async move { store.last_zone().await }).await {
        Ok(last) => last,
        Err(trouble) => return failed(&site, &trouble),
    };
    let wished = Some(asked.zone.trim()).filter(|zone| !zone.is_empty());
    let (zone, tz) = zones::named(wished.or(last.as_deref()).unwrap_or("UTC"));
    let today = tz.to_datetime(site.clock.now().to_jiff()).date();
    let month = Month::parse(&asked.month).unwrap_or_else(|| Month::of(today));
    let (from, before) = month.span(&tz);
    let store = site.store.clone();
    let entries = match site.ask(async move { store.calendar(from, before).await }).await {
        Ok(entries) => entries,
        Err(trouble) => return failed(&site, &trouble),
    };
    let page = CalendarPage::new(month, today, (zone, &tz), &entries);
    Page::new("calendar", "Calendar")
        .under("/calendar")
        .shown_to(&visitor)
        .answer(&site, StatusCode::OK, &page)
}
