//! Files that are made while they are taken.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::Bytes;
use futures_util::Stream;
use std::error::Error;

/// The media type of CSV.
pub(crate) const CSV: &str = "text/csv; charset=utf-8";

/// A file of this type under this name, which must need no quoting. A fault cuts the connection off, so that nobody takes a part
/// for the whole.
pub(crate) fn file<E: Into<Box<dyn Error>> + 'static>(
    name: &str,
    media_type: &'static str,
    body: impl Stream<Item = Result<Bytes, E>> + 'static,
) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(Box::pin(body))
}
