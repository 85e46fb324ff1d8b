//! The open pixel and the tracked links. What is answered has been recorded before, unless that would take too long.

mod ahead;

use crate::access::add_public_headers;
use crate::hits::{Destination, Hits, address, is_prefetch, location, user_agent};
use crate::public;
use crate::public::catalogue::Texts;
use crate::site::{Site, Trouble};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use tidings_campaign::token::{HitTarget, HitToken, KeyRing, TokenError};
use tidings_feedback::hits::Network;
use tidings_store::hits::NewHit;

pub(crate) use ahead::HitsAhead;
use ahead::Worker;

/// One transparent pixel.
const GIF: &[u8; 43] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\
    \x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

// Names and values that need not be checked, and copied, for each answer.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const IMAGE_GIF: HeaderValue = HeaderValue::from_static("image/gif");

/// Our addresses have no query but the address of a link that is of one message alone; programs on the way may add a little.
const LONGEST_QUERY: usize = 16 * 1024;

/// What is asked for by an address of a hit.
#[derive(Clone, Copy)]
enum Asked {
    /// `/o/{token}.gif`
    Pixel,
    /// `/c/{token}`
    Link,
}

impl Asked {
    const fn beginning(self) -> &'static str {
        match self {
            Asked::Pixel => "/o/",
            Asked::Link => "/c/",
        }
    }
}

/// Whether a request is a hit's.
fn asked(request: &ServiceRequest) -> Option<Asked> {
    let path = request.match_info().as_str();
    [Asked::Pixel, Asked::Link]
        .into_iter()
        .find(|asked| path.starts_with(asked.beginning()))
}

async fn answer(worker: &Worker, request: &HttpRequest, asked: Asked) -> HttpResponse {
    if let Some(refusal) = refuse(&worker.site, request) {
        return refusal;
    }
    // What stands for the token.
    let part = &request.match_info().as_str()[asked.beginning().len()..];
    match asked {
        Asked::Pixel => pixel(worker, request, part).await,
        Asked::Link => link(worker, request, part).await,
    }
}

/// A broken token gets the picture too: nobody has to see that it is broken.
async fn pixel(worker: &Worker, request: &HttpRequest, part: &str) -> HttpResponse {
    let Worker { site, hits, waiters } = worker;
    let token = match part.strip_suffix(".gif") {
        Some(part) => token(site, request, |keys| HitToken::verify(part, keys)).await,
        None => None,
    };
    let status = match token.filter(|token| token.target == HitTarget::Pixel) {
        Some(token) => {
            hits.record(hit(site, hits, request, token), waiters).await;
            StatusCode::OK
        }
        None => StatusCode::NOT_FOUND,
    };
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, NO_STORE))
        .insert_header((CONTENT_TYPE, IMAGE_GIF))
        .body(&GIF[..])
}

/// Leads to the campaign's own link, and nowhere else.
async fn link(worker: &Worker, request: &HttpRequest, part: &str) -> HttpResponse {
    let Worker { site, hits, waiters } = worker;
    let led = match to(request) {
        Some(to) => Ok(leading_to(site, request, part, &to).await),
        None => remembered(site, hits, request, part).await,
    };
    match led {
        Ok(Some((token, destination))) => {
            hits.record(hit(site, hits, request, token), waiters).await;
            lead(site, request, destination)
        }
        Ok(None) => notice(site, request, StatusCode::NOT_FOUND, |texts| {
            (&texts.broken_title, &texts.broken_or_gone)
        }),
        Err(trouble) => {
            tracing::error!("where a link leads cannot be read: {trouble}");
            notice(site, request, StatusCode::SERVICE_UNAVAILABLE, |texts| {
                (&texts.busy_title, &texts.busy)
            })
        }
    }
}

/// A link of the campaign, or the trap.
async fn remembered(
    site: &Site,
    hits: &Hits,
    request: &HttpRequest,
    part: &str,
) -> Result<Option<(HitToken, Destination)>, Trouble> {
    let Some(token) = token(site, request, |keys| HitToken::verify(part, keys)).await else {
        return Ok(None);
    };
    let destination = hits.destinations.find(site, token.campaign, token.target).await?;
    Ok(destination.map(|destination| (token, destination)))
}

/// A link whose address is of one message alone: it stands beside the token, which signs it too.
async fn leading_to(
    site: &Site,
    request: &HttpRequest,
    part: &str,
    to: &str,
) -> Option<(HitToken, Destination)> {
    let token = token(site, request, |keys| HitToken::verify_leading_to(part, to, keys)).await?;
    Some((token, Destination::Link(location(to)?)))
}

/// Checks a token; if its key is not known here, once more after the keys were read again.
async fn token(
    site: &Site,
    request: &HttpRequest,
    verify: impl Fn(&KeyRing) -> Result<HitToken, TokenError>,
) -> Option<HitToken> {
    let mut token = verify(&site.keys);
    if token == Err(TokenError::UnknownKey) {
        site.meet_keys(request.path()).await;
        token = verify(&site.keys);
    }
    token.ok()
}

/// The address that stands in the query, without its percent-encoding.
fn to(request: &HttpRequest) -> Option<String> {
    let mut fields = request.query_string().split('&');
    let to = fields.find_map(|field| field.strip_prefix("to="))?;
    let to = percent_encoding::percent_decode_str(to).decode_utf8().ok()?;
    Some(to.into_owned())
}

fn lead(site: &Site, request: &HttpRequest, destination: Destination) -> HttpResponse {
    match destination {
        Destination::Link(location) => HttpResponse::Found()
            .insert_header((LOCATION, location))
            .insert_header((CACHE_CONTROL, NO_STORE))
            .insert_header((REFERRER_POLICY, NO_REFERRER))
            .finish(),
        Destination::Trap => notice(site, request, StatusCode::OK, |texts| {
            (&texts.trap_title, &texts.trap)
        }),
    }
}

/// What is asked in another way, or with too many words.
fn refuse(site: &Site, request: &HttpRequest) -> Option<HttpResponse> {
    let status = match *request.method() {
        Method::GET | Method::HEAD if request.query_string().len() > LONGEST_QUERY => {
            return Some(notice(site, request, StatusCode::URI_TOO_LONG, |texts| {
                (&texts.too_long_title, &texts.too_long)
            }));
        }
        Method::GET | Method::HEAD => return None,
        Method::OPTIONS => StatusCode::NO_CONTENT,
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    let allowed = (ALLOW, "GET, HEAD, OPTIONS");
    Some(HttpResponse::build(status).insert_header(allowed).finish())
}

fn hit(site: &Site, hits: &Hits, request: &HttpRequest, token: HitToken) -> NewHit {
    NewHit {
        campaign: token.campaign,
        recipient: token.recipient,
        target: token.target,
        at: site.clock.now(),
        is_head: request.method() == Method::HEAD,
        is_prefetch: is_prefetch(request.headers()),
        agent: user_agent(request.headers()),
        network: address(request, &hits.trusted_proxies).map(Network::of),
    }
}

/// A short page in the language of the browser: for these no database is asked, because machines come here more than people.
fn notice(
    site: &Site,
    request: &HttpRequest,
    status: StatusCode,
    said: impl Fn(&Texts) -> (&String, &String),
) -> HttpResponse {
    let translation = public::accepted(site, request);
    let (title, text) = said(&translation.texts);
    shown(public::notice(site, request, translation, (status, title, text)))
}

fn shown(mut page: HttpResponse) -> HttpResponse {
    add_public_headers(&mut page);
    page
}
