//! What an editor does with an import: `POST /imports/{id}/…`. What cannot be done is said on the import's page.

use crate::people::Visitor;
use crate::routes::problem::{failed, not_found, see_other};
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use tidings_campaign::ids::ImportId;

fn parse(id: &str) -> Option<ImportId> {
    id.parse().ok().map(ImportId)
}

/// `POST /imports/{id}/stop`: before its next batch, in whatever process it runs.
pub(crate) async fn stop(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let Some(id) = parse(&id) else {
        return not_found(site, visitor).await;
    };
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let stopped = site.ask(async move { store.stop_import(id, &by, now).await });
    match stopped.await {
        Ok(true) => see_other(&format!("/imports/{id}")),
        Ok(false) => refused(&site, visitor, id, "It is not running any more.").await,
        Err(trouble) => failed(&site, &trouble),
    }
}

/// `POST /imports/{id}/go-on`
pub(crate) async fn go_on(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let Some(id) = parse(&id) else {
        return not_found(site, visitor).await;
    };
    match site.importer.go_on(id, visitor.by.clone()).await {
        Ok(()) => see_other(&format!("/imports/{id}")),
        Err(error) => refused(&site, visitor, id, &format!("It does not go on: {error:#}.")).await,
    }
}

/// `POST /imports/{id}/undo`
pub(crate) async fn undo(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let Some(id) = parse(&id) else {
        return not_found(site, visitor).await;
    };
    match site.importer.take_back(id, visitor.by.clone()).await {
        Ok(()) => see_other(&format!("/imports/{id}")),
        Err(error) => refused(&site, visitor, id, &format!("It is not taken back: {error:#}.")).await,
    }
}

async fn refused(site: &web::Data<Site>, visitor: Visitor, id: ImportId, problem: &str) -> HttpResponse {
    super::show(
        site.clone(),
        visitor,
        id,
        StatusCode::CONFLICT,
        Some(problem.to_owned()),
    )
    .await
}
