//! What a request says about who made it.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, USER_AGENT};
use ipnet::IpNet;
use std::net::IpAddr;
use tidings_feedback::hits::LONGEST_AGENT;
use tidings_feedback::rules::cut;

/// The visitor's address: the peer's, unless that is a proxy of ours; then the last address of X-Forwarded-For that is not.
pub(crate) fn address(request: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(&address));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let mut nearest = peer;
    // Each proxy adds the address that it saw at the end; what stands before the last stranger was written by him.
    let fields: Vec<_> = request.headers().get_all("X-Forwarded-For").collect();
    let hops = fields
        .iter()
        .rev()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.rsplit(','));
    for hop in hops {
        let Some(address) = forwarded(hop.trim()) else {
            break;
        };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    Some(nearest)
}

/// An address of X-Forwarded-For: some proxies add the port.
fn forwarded(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse::<IpAddr>()
        .ok()
        .or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|at| at.ip()))?;
    Some(address.to_canonical())
}

/// What the program calls itself, as far as it is kept.
pub(crate) fn user_agent(headers: &HeaderMap) -> String {
    let value = headers.get(USER_AGENT).map(|value| value.as_bytes());
    let text = String::from_utf8_lossy(value.unwrap_or_default());
    cut(&text, LONGEST_AGENT).to_owned()
}

/// In which fields programs say that they fetch beforehand.
static PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// Whether the program says that it fetches before anybody wants it.
pub(crate) fn is_prefetch(headers: &HeaderMap) -> bool {
    PURPOSES.iter().any(|name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|text| {
            let text = text.to_ascii_lowercase();
            text.contains("prefetch") || text.contains("preview") || text.contains("prerender")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut request = TestRequest::get().peer_addr(format!("{peer}:1234").parse().unwrap());
        for value in forwarded {
            request = request.append_header(("X-Forwarded-For", *value));
        }
        let trusted = ["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        address(&request.to_http_request(), &trusted).unwrap().to_string()
    }

    #[test]
    fn only_our_own_proxies_say_who_the_visitor_is() {
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What a visitor writes himself stands before his own address.
            ("127.0.0.1", &["17.0.0.1, 198.51.100.7"], "198.51.100.7"),
            (
                "127.0.0.1",
                &["17.0.0.1", "198.51.100.7, 10.0.0.5"],
                "198.51.100.7",
            ),
            ("127.0.0.1", &["198.51.100.7:5555"], "198.51.100.7"),
            ("127.0.0.1", &["[2001:db8::7]:5555"], "2001:db8::7"),
            ("127.0.0.1", &["17.0.0.1, unknown"], "127.0.0.1"),
        ] {
            assert_eq!(seen(peer, forwarded), expected, "{forwarded:?} by {peer}");
        }
    }

    #[test]
    fn prefetching_programs_say_so() {
        for (name, value, expected) in [
            ("Sec-Purpose", "prefetch;anonymous-client-ip", true),
            ("Purpose", "prefetch", true),
            ("X-Moz", "Prefetch", true),
            ("Accept", "prefetch", false),
        ] {
            let request = TestRequest::get().insert_header((name, value)).to_http_request();
            assert_eq!(is_prefetch(request.headers()), expected, "{name}");
        }
    }
}
