//! Which addresses are anybody's, so that a list of links cannot be used to look around in the operator's network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Url;

/// Where links and images of public pages are; elsewhere nobody is asked, so that nobody's ports are looked at.
const PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// Whether an address is one of the public internet: none of a private network, of this machine, of a link, for groups,
/// documentation or tests (the registries of RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a, b, c) == (192, 0, 0))
}

/// An IPv4 address inside of an IPv6 address: mapped, compatible, by NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let words = address.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match words {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => of(high, low),
        _ => None,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    let second = address.segments()[1];
    // What is allotted at all is 2000::/3; of that, documentation, Teredo and benchmarks are not.
    (0x2000..0x4000).contains(&first)
        && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
        && !(first == 0x3fff && second < 0x1000)
}

/// Whether an address is one of this instance, which is reached at `public_url`: what merely begins with the same letters is not.
pub fn is_ours(address: &str, public_url: &str) -> bool {
    address
        .strip_prefix(public_url.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// Whether a name is one of use inside alone: a single word, or below a name that is kept for that (RFC 6761, RFC 6762, RFC 8375).
pub fn is_inside(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let Some((_, last)) = name.rsplit_once('.') else {
        return true;
    };
    ["localhost", "local", "internal", "test", "invalid", "onion"].contains(&last)
        || name.ends_with(".home.arpa")
}

/// Why an address is not asked, if it is not. What a name leads to is asked about again where it is resolved.
pub fn why_not_asked(url: &Url, allow_private: bool) -> Option<String> {
    let host = url.host()?;
    if super::links::is_example(&host) {
        return Some("its domain is reserved for examples".to_owned());
    }
    if allow_private {
        return None;
    }
    let is_private = match host {
        url::Host::Ipv4(address) => !is_public(address.into()),
        url::Host::Ipv6(address) => !is_public(address.into()),
        url::Host::Domain(name) => is_inside(name),
    };
    if is_private {
        return Some("it is inside of a private network".to_owned());
    }
    let port = url.port_or_known_default().unwrap_or_default();
    (!PORTS.contains(&port)).then(|| format!("port {port} is not one of web pages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_begins_like_our_address_is_not_ours() {
        let ours = |address: &str| is_ours(address, "https://news.example.com");
        for address in ["", "/u/abc", "?a=b", "#a"] {
            assert!(ours(&format!("https://news.example.com{address}")), "{address}");
        }
        for address in [
            ".evil.net",
            ".evil.net/u/",
            ":8080/",
            "@evil.net/",
            "s/",
            "\\.evil.net",
        ] {
            assert!(!ours(&format!("https://news.example.com{address}")), "{address}");
        }
        assert!(!ours("http://news.example.com/u/abc"));
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a01:203",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn nobodys_ports_are_looked_at() {
        let why = |url: &str, private| why_not_asked(&Url::parse(url).unwrap(), private);
        assert_eq!(why("https://tidings.dev/", false), None);
        assert_eq!(why("https://tidings.dev:8443/", false), None);
        for url in [
            "https://tidings.dev:22/",
            "http://127.0.0.1/",
            "http://localhost/",
            "http://[::1]/",
            "http://printer/",
        ] {
            assert!(why(url, false).is_some(), "{url}");
            assert_eq!(why(url, true), None, "{url}");
        }
        assert!(why("https://www.example.org/", true).is_some());
    }
}
