//! Files that are made while they are taken.

use crate::site::Trouble;
use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::Bytes;
use futures_util::Stream;

/// A CSV file under this name, which must need no quoting.
pub(crate) fn csv(name: &str, body: impl Stream<Item = Result<Bytes, Trouble>> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(Box::pin(body))
}
