//! Who may post to a hook at all: by a secret in its address, by user and password, by a field of the header, by network.

use super::refused::Refused;
use actix_web::HttpRequest;
use data_encoding::BASE64;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// The shortest secret that may stand in an address, in letters: 128 bits in hexadecimal.
pub const SHORTEST_TOKEN: usize = 32;

/// What is asked of whoever posts; everything that is here must be right.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// The last part of the address.
    pub token: Option<SecretString>,
    /// User and password (RFC 7617).
    pub basic: Option<(String, SecretString)>,
    /// The name and value of a field of the header.
    pub header: Option<(String, SecretString)>,
    /// The networks that may post; all if there are none.
    pub networks: Vec<IpNet>,
    /// A proxy stands before us and writes who posts to the end of `X-Forwarded-For`.
    pub is_behind_proxy: bool,
}

impl Door {
    /// Whether anything secret is asked for.
    pub(super) fn has_secret(&self) -> bool {
        self.token.is_some() || self.basic.is_some() || self.header.is_some()
    }

    pub(super) fn let_in(&self, request: &HttpRequest) -> Result<(), Refused> {
        if !self.networks.is_empty() {
            let address = self.address(request);
            if !address.is_some_and(|address| self.networks.iter().any(|network| network.contains(&address)))
            {
                return Err(Refused::Forbidden(
                    "This webhook takes no posts from this network.",
                ));
            }
        }
        match (&self.token, request.match_info().get("token")) {
            (Some(token), Some(given)) if same(token.expose_secret(), given) => {}
            (Some(_), _) => {
                return Err(Refused::Forbidden(
                    "The secret at the end of the address is missing or wrong.",
                ));
            }
            (None, Some(_)) => return Err(Refused::Unknown),
            (None, None) => {}
        }
        if let Some((name, value)) = &self.header
            && !same(value.expose_secret(), field(request, name).unwrap_or_default())
        {
            return Err(Refused::Forbidden("A field of the header is missing or wrong."));
        }
        if let Some((user, password)) = &self.basic {
            let wanted = format!("{user}:{}", password.expose_secret());
            if !same(&wanted, &basic(request).unwrap_or_default()) {
                return Err(Refused::Credentials);
            }
        }
        Ok(())
    }

    /// Who posts.
    fn address(&self, request: &HttpRequest) -> Option<IpAddr> {
        if !self.is_behind_proxy {
            return Some(request.peer_addr()?.ip().to_canonical());
        }
        // What stands before the last one was written by whoever posts.
        let last = request
            .headers()
            .get_all("X-Forwarded-For")
            .last()?
            .to_str()
            .ok()?;
        let address: IpAddr = last.rsplit(',').next()?.trim().parse().ok()?;
        Some(address.to_canonical())
    }
}

pub(super) fn field<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

/// What stands in `Authorization: Basic`, decoded.
fn basic(request: &HttpRequest) -> Option<String> {
    let (scheme, value) = field(request, "Authorization")?.split_once(' ')?;
    let decoded = BASE64.decode(value.trim().as_bytes()).ok()?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| String::from_utf8(decoded).ok())?
}

/// Compares in a time that says neither where they differ nor how long the secret is.
fn same(secret: &str, given: &str) -> bool {
    Sha256::digest(secret).ct_eq(&Sha256::digest(given)).into()
}
