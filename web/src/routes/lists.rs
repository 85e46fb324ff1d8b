//! `/lists`: all lists of recipients, and what holds for them; a list is made here.

pub(crate) mod page;

use super::problem::{failed, see_other};
use crate::figures::numbers::count;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_campaign::tracking::Tracking;
use tidings_store::lists::List;
use tidings_store::people::Role;

/// The longest name, in letters.
const LONGEST_NAME: usize = 200;

#[derive(Default, Serialize)]
struct ListsPage {
    tabs: Option<[Tab; 2]>,
    lists: Vec<ListView>,
    may_change: bool,
    new_name: String,
    name_fault: Option<&'static str>,
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
    id: i64,
    name: String,
    confirmed: String,
    tracking: &'static str,
    /// Where its archive is, if it is open.
    archive: Option<String>,
    is_open_for_sign_up: bool,
}

/// A list that can be chosen.
#[derive(Debug, Serialize)]
pub(super) struct ListName {
    name: String,
    pub(super) is_chosen: bool,
}

/// The form that makes a list.
#[derive(Deserialize)]
pub(crate) struct NewList {
    name: String,
}

/// The tabs of the section.
pub(super) fn tabs(here: &str) -> [Tab; 2] {
    [("Lists", "/lists"), ("Suppressions", "/suppressions")].map(|(label, href)| Tab {
        label,
        href,
        is_here: href == here,
    })
}

/// All lists, to be chosen from.
pub(super) async fn names(site: &Site, chosen: &str) -> Result<Vec<ListName>, Trouble> {
    let store = site.store.clone();
    let names = site.ask(async move { store.list_names().await }).await?;
    let name = |(_, name): (_, String)| ListName {
        is_chosen: name == chosen,
        name,
    };
    Ok(names.into_iter().map(name).collect())
}

/// Why a list cannot be called so.
pub(super) fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("Name the list.")
    } else if name.contains(char::is_control) || name.chars().count() > LONGEST_NAME {
        Some("The name of a list is one line of at most 200 letters.")
    } else {
        None
    }
}

/// `GET /lists`
pub(crate) async fn lists(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, StatusCode::OK, ListsPage::default()).await
}

async fn show(site: &Site, visitor: &Visitor, status: StatusCode, mut page: ListsPage) -> HttpResponse {
    let store = site.store.clone();
    let lists = match site.ask(async move { store.lists().await }).await {
        Ok(lists) => lists,
        Err(trouble) => return failed(site, &trouble),
    };
    page.tabs = Some(tabs("/lists"));
    page.may_change = visitor.role >= Role::Editor;
    page.lists = lists.into_iter().map(view).collect();
    Page::new("lists", "Lists")
        .under("/lists")
        .shown_to(visitor)
        .answer(site, status, &page)
}

fn view(list: List) -> ListView {
    ListView {
        id: list.id.0,
        confirmed: count(list.confirmed),
        tracking: list.tracking.map_or("as configured", Tracking::as_str),
        archive: list.archived.then(|| format!("/archive/{}", list.id)),
        is_open_for_sign_up: list.open_for_sign_up,
        name: list.name,
    }
}

/// `POST /lists`: a list more.
pub(crate) async fn make(site: web::Data<Site>, visitor: Visitor, form: web::Form<NewList>) -> HttpResponse {
    let name = form.name.trim().to_owned();
    let mut fault = name_fault(&name);
    if fault.is_none() {
        let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
        let wanted = name.clone();
        match site
            .ask(async move { store.make_list(&wanted, &by, now).await })
            .await
        {
            Ok(Some(id)) => return see_other(&format!("/lists/{id}")),
            Ok(None) => fault = Some("There is a list of this name."),
            Err(trouble) => return failed(&site, &trouble),
        }
    }
    let page = ListsPage {
        new_name: name,
        name_fault: fault,
        ..ListsPage::default()
    };
    show(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, page).await
}
