//! For load balancers and monitors.

use crate::site::Site;
use actix_web::{HttpResponse, web};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// 200 if the database answers, else 503.
pub(crate) async fn health(site: web::Data<Site>) -> HttpResponse {
    let store = site.store.clone();
    let answer = tokio::time::timeout(PATIENCE, site.ask(async move { store.ping().await })).await;
    let (mut response, word) = match answer {
        Ok(Ok(())) => (HttpResponse::Ok(), "ok"),
        Ok(Err(error)) => {
            tracing::warn!("health: the database does not answer: {error}");
            (HttpResponse::ServiceUnavailable(), "failing")
        }
        Err(_) => (HttpResponse::ServiceUnavailable(), "slow"),
    };
    response
        .insert_header(("Cache-Control", "no-store"))
        .json(json!({ "database": word }))
}
