//! Bodies of posts from strangers: bounded in size and time.

use actix_web::error::{InternalError, UrlencodedError};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::{HttpResponse, web};
use futures_util::StreamExt;
use std::time::Duration;
use tidings_campaign::template::MAX_TEMPLATE;

/// A one-click body has 26 octets; as multipart a few hundred; a comment at its longest has 6,000; a sign-up with ten fields of
/// 200 characters about 12,000.
const MOST_OCTETS: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
/// Whoever sends a longer body sends so many octets in a second at least.
const SLOWEST: u64 = 128 * 1024;

/// Octets of a form with content at most: HTML and text as long as a template may be, of which a form writes most letters in
/// other scripts as three octets for each, and the other fields.
pub(crate) const LONGEST_CONTENT: usize = 3 * 2 * MAX_TEMPLATE + 500_000;
/// Octets of any other form at most.
pub(crate) const LONGEST_FORM: usize = 64 * 1024;

/// What is said of a longer one.
pub(crate) const TOO_LONG: &str = "Nothing was changed: what was sent is too long. A template has at most a million octets of HTML and \
    as many of text; go back, and shorten it or put less of it in at once.";

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Why a body cannot be taken.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// It broke off or is too long.
    Unusable(StatusCode),
    /// It did not come in time.
    TooLate,
}

/// The type without its parameters. None at all is a form: some senders leave an empty body untyped.
pub(crate) fn essence(headers: &HeaderMap) -> &str {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return FORM;
    };
    let value = value.to_str().unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// The body to its end.
pub(crate) async fn whole(body: web::Payload) -> Result<Vec<u8>, BodyFault> {
    whole_of(body, MOST_OCTETS).await
}

/// The same of a longer one.
pub(crate) async fn whole_of(body: web::Payload, most_octets: usize) -> Result<Vec<u8>, BodyFault> {
    let patience = PATIENCE + Duration::from_secs(most_octets as u64 / SLOWEST);
    match tokio::time::timeout(patience, gathered(body, most_octets)).await {
        Ok(octets) => octets.map_err(BodyFault::Unusable),
        Err(_) => Err(BodyFault::TooLate),
    }
}

async fn gathered(mut body: web::Payload, most_octets: usize) -> Result<Vec<u8>, StatusCode> {
    let mut octets = Vec::new();
    let mut passed_over = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
        // Of one that is too long, as much again is read and forgotten, so that a browser hears the answer.
        match octets.len() > most_octets {
            false => octets.extend_from_slice(&chunk),
            true => passed_over += chunk.len(),
        }
        if passed_over > most_octets {
            break;
        }
    }
    if octets.len() > most_octets {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Ok(octets)
}

/// Forms of so many octets at most. One that is longer is told so.
pub(crate) fn forms(most_octets: usize) -> web::FormConfig {
    web::FormConfig::default()
        .limit(most_octets)
        .error_handler(|error, _| match error {
            UrlencodedError::Overflow { .. } => {
                let answer = HttpResponse::PayloadTooLarge()
                    .content_type("text/plain; charset=utf-8")
                    .body(TOO_LONG);
                InternalError::from_response(error, answer).into()
            }
            error => error.into(),
        })
}
