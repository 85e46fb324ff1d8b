//! Who may reach what, and what browsers are told about it.

use crate::site::Site;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderName, HeaderValue};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, HttpResponse, web};
use std::net::IpAddr;

/// Refuses dashboard requests under a foreign host name: a page elsewhere could point its own name at this
/// machine and read the dashboard through its visitor's browser (DNS rebinding).
pub(crate) async fn known_host_only(
    site: web::Data<Site>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if is_known_host(host, &site.public_host) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let refusal = HttpResponse::MisdirectedRequest()
        .content_type("text/plain; charset=utf-8")
        .body("The dashboard answers only under localhost, a loopback address or the host of public_url.\n");
    Ok(request.into_response(refusal))
}

/// Sees to it that the keys are known that the tokens of a request name.
pub(crate) async fn meet_keys(
    site: web::Data<Site>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    site.meet_keys(request.path()).await;
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Whether a Host field names this host; `name` without a port.
pub(crate) fn is_host(host: &str, name: &str) -> bool {
    !name.is_empty() && host_name(host).eq_ignore_ascii_case(name)
}

/// `host`: the value of a Host field. `public_host`: without a port.
fn is_known_host(host: &str, public_host: &str) -> bool {
    let name = host_name(host);
    let loopback = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    loopback || name.eq_ignore_ascii_case("localhost") || is_host(host, public_host)
}

/// The name or address in `name`, `name:port`, `[v6]` or `[v6]:port`.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or("", |(address, _)| address);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// The host of `https://host:port/path`; empty if there is none.
pub(crate) fn host_of_url(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host_name(authority.rsplit('@').next().unwrap_or_default())
}

/// What holds for every page that is not for everybody.
const COMMON: [(&str, &str); 6] = [
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

fn common_headers() -> DefaultHeaders {
    COMMON
        .into_iter()
        .fold(DefaultHeaders::new(), DefaultHeaders::add)
}

/// For the dashboard. Every page has a form: that to sign out. Some have a frame: the preview of a newsletter.
pub(crate) fn dashboard_headers() -> DefaultHeaders {
    common_headers().add((
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
         frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ))
}

const PUBLIC_POLICY: (&str, &str) = (
    "Content-Security-Policy",
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);

/// For the pages that recipients reach.
pub(crate) fn public_headers() -> DefaultHeaders {
    common_headers().add(PUBLIC_POLICY)
}

/// The same for a single answer, where others of the same route need none.
pub(crate) fn add_public_headers(answer: &mut HttpResponse) {
    for (name, value) in COMMON.into_iter().chain([PUBLIC_POLICY]) {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name of ours");
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// For the archive, which anybody may read, find and keep for a while.
pub(crate) fn archive_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Cache-Control", "public, max-age=300"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add((
            "Content-Security-Policy",
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_and_the_public_host_are_known() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:80",
            "news.example.com:443",
        ] {
            assert!(is_known_host(host, "news.example.com"), "{host}");
        }
        for host in [
            "",
            "evil.test",
            "localhost.evil.test",
            "10.0.0.1",
            "[fe80::1]:80",
            "[::1",
        ] {
            assert!(!is_known_host(host, "news.example.com"), "{host}");
        }
        assert!(!is_known_host("", ""));
    }

    #[test]
    fn the_host_of_a_url_is_found() {
        assert_eq!(host_of_url("https://news.example.com/path"), "news.example.com");
        assert_eq!(host_of_url("http://u@127.0.0.1:8080"), "127.0.0.1");
        assert_eq!(host_of_url("http://[::1]:8080/"), "::1");
        assert_eq!(host_of_url("news.example.com"), "");
    }
}
