//! `GET /lists`: all lists of recipients, and what holds for them.

use super::problem::failed;
use crate::figures::numbers::count;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_campaign::tracking::Tracking;
use tidings_store::lists::List;

#[derive(Serialize)]
struct ListsPage {
    tabs: [Tab; 2],
    lists: Vec<ListView>,
}

/// A tab of the section.
#[derive(Serialize)]
pub(super) struct Tab {
    label: &'static str,
    href: &'static str,
    is_here: bool,
}

#[derive(Serialize)]
struct ListView {
    name: String,
    confirmed: String,
    tracking: &'static str,
    /// Where its archive is, if it is open.
    archive: Option<String>,
}

/// The tabs of the section.
pub(super) fn tabs(here: &str) -> [Tab; 2] {
    [("Lists", "/lists"), ("Suppressions", "/suppressions")].map(|(label, href)| Tab {
        label,
        href,
        is_here: href == here,
    })
}

/// `GET /lists`
pub(crate) async fn lists(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    let store = site.store.clone();
    let lists = match site.ask(async move { store.lists().await }).await {
        Ok(lists) => lists,
        Err(trouble) => return failed(&site, &trouble),
    };
    let page = ListsPage {
        tabs: tabs("/lists"),
        lists: lists.into_iter().map(view).collect(),
    };
    Page::new("lists", "Lists")
        .under("/lists")
        .shown_to(&visitor)
        .answer(&site, StatusCode::OK, &page)
}

fn view(list: List) -> ListView {
    ListView {
        confirmed: count(list.confirmed),
        tracking: list.tracking.map_or("as configured", Tracking::as_str),
        archive: list.archived.then(|| format!("/archive/{}", list.id)),
        name: list.name,
    }
}
