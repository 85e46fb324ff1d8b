//! `/nodes`: the processes that work on the database, what they do, and letting one take nothing more.

mod view;

use crate::people::Visitor;
use crate::routes::problem::{failed, see_other};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tidings_store::StoreError;

/// Which node is meant.
#[derive(Deserialize)]
pub(crate) struct Meant {
    owner: String,
}

/// `GET /nodes`
pub(crate) async fn nodes(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, None).await
}

async fn show(site: &Site, visitor: &Visitor, problem: Option<String>) -> HttpResponse {
    let (store, now) = (site.store.clone(), site.clock.now());
    let nodes = match site.ask(async move { store.nodes(now).await }).await {
        Ok(nodes) => nodes,
        Err(trouble) => return failed(site, &trouble),
    };
    let status = match problem {
        Some(_) => StatusCode::CONFLICT,
        None => StatusCode::OK,
    };
    let view = view::view(nodes, visitor.role, now, problem);
    Page::new("nodes", "Nodes")
        .under("/")
        .live()
        .shown_to(visitor)
        .answer(site, status, &view)
}

/// `POST /nodes/drain`
pub(crate) async fn drain(site: web::Data<Site>, visitor: Visitor, node: web::Form<Meant>) -> HttpResponse {
    ask(&site, &visitor, &node.owner, true).await
}

/// `POST /nodes/resume`
pub(crate) async fn resume(site: web::Data<Site>, visitor: Visitor, node: web::Form<Meant>) -> HttpResponse {
    ask(&site, &visitor, &node.owner, false).await
}

async fn ask(site: &Site, visitor: &Visitor, owner: &str, drain: bool) -> HttpResponse {
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let owner = owner.to_owned();
    let asked = site.ask(async move { store.drain_node(&owner, drain, &by, now).await });
    match asked.await {
        Ok(_) => see_other("/nodes"),
        Err(Trouble::Store(StoreError::NotFound { .. })) => {
            let problem = "That node has ended meanwhile.".to_owned();
            show(site, visitor, Some(problem)).await
        }
        Err(trouble) => failed(site, &trouble),
    }
}
