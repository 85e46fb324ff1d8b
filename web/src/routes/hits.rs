//! The open pixel and the tracked links. What is answered has been recorded before, unless that would take too long.

use crate::access::add_public_headers;
use crate::hits::{Destination, Hits, address, is_prefetch, location, user_agent};
use crate::public;
use crate::public::catalogue::Texts;
use crate::site::{Site, Trouble};
use actix_web::http::header::{ALLOW, CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use tidings_campaign::token::{HitTarget, HitToken};
use tidings_feedback::hits::Network;
use tidings_store::hits::NewHit;

/// One transparent pixel.
const GIF: &[u8; 43] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\
    \x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

/// Our addresses have no query but the address of a link that is of one message alone; programs on the way may add a little.
const LONGEST_QUERY: usize = 16 * 1024;

/// `GET /o/{token}.gif` and HEAD. A broken token gets the picture too: nobody has to see that it is broken.
pub(crate) async fn pixel(
    site: web::Data<Site>,
    hits: web::Data<Hits>,
    request: HttpRequest,
) -> HttpResponse {
    if let Some(refusal) = refuse(&site, &request) {
        return refusal;
    }
    let token = part(&request)
        .strip_suffix(".gif")
        .and_then(|token| HitToken::verify(token, &site.keys).ok())
        .filter(|token| token.target == HitTarget::Pixel);
    let status = match token {
        Some(token) => {
            hits.record(hit(&site, &hits, &request, token)).await;
            StatusCode::OK
        }
        None => StatusCode::NOT_FOUND,
    };
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("image/gif")
        .body(&GIF[..])
}

/// `GET /c/{token}` and HEAD: leads to the campaign's own link, and nowhere else.
pub(crate) async fn link(site: web::Data<Site>, hits: web::Data<Hits>, request: HttpRequest) -> HttpResponse {
    if let Some(refusal) = refuse(&site, &request) {
        return refusal;
    }
    let asked = match to(&request) {
        Some(to) => leading_to(&site, &request, &to),
        None => remembered(&site, &hits, &request).await,
    };
    match asked {
        Ok(Some((token, destination))) => {
            hits.record(hit(&site, &hits, &request, token)).await;
            lead(&site, &request, destination)
        }
        Ok(None) => notice(&site, &request, StatusCode::NOT_FOUND, |texts| {
            (&texts.broken_title, &texts.broken_or_gone)
        }),
        Err(trouble) => {
            tracing::error!("where a link leads cannot be read: {trouble}");
            notice(&site, &request, StatusCode::SERVICE_UNAVAILABLE, |texts| {
                (&texts.busy_title, &texts.busy)
            })
        }
    }
}

/// What a link asks for.
type Asked = Result<Option<(HitToken, Destination)>, Trouble>;

/// A link of the campaign, or the trap.
async fn remembered(site: &Site, hits: &Hits, request: &HttpRequest) -> Asked {
    let Ok(token) = HitToken::verify(part(request), &site.keys) else {
        return Ok(None);
    };
    let destination = hits.destinations.find(site, token.campaign, token.target).await?;
    Ok(destination.map(|destination| (token, destination)))
}

/// A link whose address is of one message alone: it stands beside the token, which signs it too.
fn leading_to(site: &Site, request: &HttpRequest, to: &str) -> Asked {
    let token = HitToken::verify_leading_to(part(request), to, &site.keys).ok();
    Ok(token.and_then(|token| Some((token, Destination::Link(location(to)?)))))
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
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .finish(),
        Destination::Trap => notice(site, request, StatusCode::OK, |texts| {
            (&texts.trap_title, &texts.trap)
        }),
    }
}

/// The part of the path that stands for the token.
fn part(request: &HttpRequest) -> &str {
    request.match_info().unprocessed().trim_start_matches('/')
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
