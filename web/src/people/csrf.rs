//! Whether a change comes from a page of ours: it brings the session's token along, in the form field `csrf` or the header
//! `X-CSRF-Token`, and the browser does not say that another site sent it. A form with a file has it as its first part, so that
//! nothing else need be read to find it.

use super::Visitor;
use crate::routes::body::{BodyFault, LONGEST_CONTENT, whole_of};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use actix_web::web::{self, Bytes};
use futures_util::{StreamExt, stream};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long the beginning of a form with a file may be waited for, each time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It may be made.
    Ours,
    /// It may not.
    Others,
    /// Nobody knows, because its form is longer than any of ours.
    TooLong,
}

impl From<bool> for Origin {
    fn from(is_ours: bool) -> Origin {
        if is_ours { Origin::Ours } else { Origin::Others }
    }
}

/// Whether this change may be made. Reads a form's body, and puts it back.
pub(crate) async fn origin(visitor: &Visitor, request: &mut ServiceRequest) -> Origin {
    let Some(expected) = &visitor.csrf else {
        return Origin::Ours;
    };
    if !is_from_our_site(request.headers()) {
        return Origin::Others;
    }
    let in_header = request
        .headers()
        .get("X-CSRF-Token")
        .and_then(|value| value.to_str().ok());
    if let Some(brought) = in_header {
        return is_same(brought, expected).into();
    }
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if let Some(boundary) = kind.and_then(|kind| multer::parse_boundary(kind).ok()) {
        return begins_with(&first_part(&boundary, expected), request)
            .await
            .into();
    }
    if !kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        return Origin::Others;
    }
    let Ok(payload) = request.extract::<web::Payload>().await else {
        return Origin::Others;
    };
    let body = match whole_of(payload, LONGEST_CONTENT).await {
        Ok(body) => Bytes::from(body),
        Err(BodyFault::Unusable(StatusCode::PAYLOAD_TOO_LARGE)) => return Origin::TooLong,
        Err(BodyFault::Unusable(_) | BodyFault::TooLate) => return Origin::Others,
    };
    let is_right =
        url::form_urlencoded::parse(&body).any(|(name, value)| name == "csrf" && is_same(&value, expected));
    let whole = stream::once(async move { Ok::<Bytes, actix_web::error::PayloadError>(body) });
    request.set_payload(Payload::Stream {
        payload: Box::pin(whole),
    });
    is_right.into()
}

/// How a form with a file must begin (RFC 7578; browsers write the parts in the order of the fields).
fn first_part(boundary: &str, token: &str) -> String {
    format!("--{boundary}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--{boundary}")
}

/// Whether the body begins like this. What was read is put back, and the rest is not read.
async fn begins_with(expected: &str, request: &mut ServiceRequest) -> bool {
    let Ok(mut payload) = request.extract::<web::Payload>().await else {
        return false;
    };
    let mut head = Vec::new();
    while head.len() < expected.len() {
        match tokio::time::timeout(PATIENCE, payload.next()).await {
            Ok(Some(Ok(octets))) => head.extend_from_slice(&octets),
            _ => return false,
        }
    }
    let is_right: bool = head[..expected.len()].ct_eq(expected.as_bytes()).into();
    let head = stream::once(async move { Ok(Bytes::from(head)) });
    request.set_payload(Payload::Stream {
        payload: Box::pin(head.chain(payload)),
    });
    is_right
}

fn is_same(brought: &str, expected: &str) -> bool {
    brought.as_bytes().ct_eq(expected.as_bytes()).into()
}

/// What the browser says about the page that asked (Fetch Metadata; the Fetch standard's Origin field for older ones).
pub(crate) fn is_from_our_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("Sec-Fetch-Site") {
        return matches!(site, "same-origin" | "none");
    }
    match (text(ORIGIN.as_str()), text(HOST.as_str())) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, of)| of == host),
        (Some(_), None) => false,
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn other_sites_are_known_by_what_the_browser_says() {
        for (fields, expected) in [
            (&[][..], true),
            (&[("Sec-Fetch-Site", "same-origin")], true),
            (&[("Sec-Fetch-Site", "cross-site")], false),
            (&[("Sec-Fetch-Site", "same-site")], false),
            (&[("Host", "a.test"), ("Origin", "https://a.test")], true),
            (&[("Host", "a.test"), ("Origin", "https://b.test")], false),
            (&[("Host", "a.test"), ("Origin", "null")], false),
        ] {
            let request = fields.iter().fold(TestRequest::post(), |request, field| {
                request.insert_header(*field)
            });
            let request = request.to_http_request();
            assert_eq!(is_from_our_site(request.headers()), expected, "{fields:?}");
        }
    }
}
