//! Who asks.

use crate::hits::visitor as connection;
use crate::people::Secret;
use crate::sign_up::network_of;
use crate::site::{Site, Trouble};
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HOST};
use actix_web::{FromRequest, HttpMessage, HttpRequest, error};
use std::future::{Ready, ready};
use tidings_store::audit::By;
use tidings_store::people::{Digest, Role, SESSION_ENDS_AFTER};

/// Somebody who is let in.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// As pages call them.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// What their changes bring along. None: a program with a token, whose every request carries it.
    pub(crate) csrf: Option<String>,
    /// Under what their changes are kept in the audit log.
    pub(crate) by: By,
    /// The person, and the session by which they are here; none of programs and guests.
    pub(crate) person: Option<(i64, Digest)>,
}

/// The cookie of a session where the browser came by https: the prefix keeps others from setting it (RFC 6265bis section 4.1.3.2).
const SECURE_COOKIE: &str = "__Host-tidings";
/// The same on this machine, without https.
const COOKIE: &str = "tidings";

/// The network address that a request came from, as far as it can be known.
pub(crate) fn network(site: &Site, request: &HttpRequest) -> String {
    connection::address(request, &site.trusted_proxies).map_or_else(String::new, |ip| ip.to_string())
}

/// The same for counting tries: a provider gives a customer many addresses of IPv6 at once.
pub(crate) fn counted_network(site: &Site, request: &HttpRequest) -> String {
    const PREFIX: u8 = 64;
    let address = connection::address(request, &site.trusted_proxies);
    address.map_or_else(String::new, |ip| network_of(ip, PREFIX))
}

/// Whether the browser came by https: then it is under the host of the public URL.
pub(crate) fn is_https(site: &Site, request: &HttpRequest) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    site.is_https && host.is_some_and(|host| crate::access::is_host(host, &site.public_host))
}

/// The cookie of a session.
pub(crate) fn cookie(secret: &Secret, is_https: bool) -> Cookie<'static> {
    let name = if is_https { SECURE_COOKIE } else { COOKIE };
    let lasts = i64::try_from(SESSION_ENDS_AFTER.as_secs()).expect("some days");
    Cookie::build(name, secret.expose().to_owned())
        .path("/")
        .http_only(true)
        .secure(is_https)
        .same_site(SameSite::Lax)
        .max_age(time::Duration::seconds(lasts))
        .finish()
}

/// What makes a browser forget that cookie.
pub(crate) fn no_cookie(is_https: bool) -> Cookie<'static> {
    let mut cookie = cookie(&Secret::brought("-").expect("a short text"), is_https);
    cookie.make_removal();
    cookie
}

/// Who makes this request; none if nobody who is let in.
pub(crate) async fn of(site: &Site, request: &HttpRequest) -> Result<Option<Visitor>, Trouble> {
    let network = network(site, request);
    if let Some(token) = bearer(request) {
        return of_program(site, token, network).await;
    }
    let name = if is_https(site, request) {
        SECURE_COOKIE
    } else {
        COOKIE
    };
    let brought = request
        .cookie(name)
        .and_then(|cookie| Secret::brought(cookie.value()));
    if let Some(secret) = brought {
        let (store, now, digest) = (site.store.clone(), site.clock.now(), secret.digest());
        if let Some(session) = site.ask(async move { store.session(digest, now).await }).await? {
            let by = By {
                who: session.person.email.clone(),
                network,
            };
            return Ok(Some(Visitor {
                name: session.person.name,
                role: session.person.role,
                csrf: Some(session.csrf),
                by,
                person: Some((session.person.id, digest)),
            }));
        }
    }
    Ok(site.door.guest(network))
}

async fn of_program(site: &Site, token: Secret, network: String) -> Result<Option<Visitor>, Trouble> {
    let (store, now, digest) = (site.store.clone(), site.clock.now(), token.digest());
    let token = site.ask(async move { store.token(digest, now).await }).await?;
    Ok(token.map(|token| Visitor {
        by: By {
            who: format!("token {}", token.name),
            network,
        },
        name: token.name,
        role: token.role,
        csrf: None,
        person: None,
    }))
}

fn bearer(request: &HttpRequest) -> Option<Secret> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Secret::brought(secret.trim()))
        .flatten()
}

impl crate::people::Door {
    fn guest(&self, network: String) -> Option<Visitor> {
        let (role, csrf) = self.guests.clone()?;
        Some(Visitor {
            name: "Guest".to_owned(),
            role,
            csrf: Some(csrf),
            by: By {
                who: "guest".to_owned(),
                network,
            },
            person: None,
        })
    }
}

impl FromRequest for Visitor {
    type Error = actix_web::Error;
    type Future = Ready<Result<Visitor, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = request.extensions().get::<Visitor>().cloned();
        ready(found.ok_or_else(|| error::ErrorUnauthorized("sign in first\n")))
    }
}
