//! How links are written, before anybody follows them.

use super::{Check, Finding, Page, Sender, reach};
use url::{Host, Url};

pub(super) fn check(page: &Page, sender: &Sender) -> Vec<Finding> {
    let mut found: Vec<Finding> = page
        .links
        .iter()
        .filter(|link| !reach::is_ours(&link.href, &sender.public_url))
        .filter_map(|link| {
            let finding = fault(Kind::Link, &link.href, sender.allow_private_links)?;
            Some((finding, link))
        })
        .map(|(finding, link)| finding.at(named(&link.href, &link.label)))
        .collect();
    if found.is_empty() {
        found.push(Finding::ok(
            Check::Links,
            format!(
                "{} links, none of them empty, unsafe or private.",
                page.links.len()
            ),
        ));
    }
    found
}

fn named(href: &str, label: &str) -> String {
    match (href.trim().is_empty(), label.trim().is_empty()) {
        (true, true) => "a link without words".to_owned(),
        (true, false) => format!("“{}”", label.trim()),
        _ => href.to_owned(),
    }
}

/// What an address is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Link,
    Image,
}

impl Kind {
    const fn check(self) -> Check {
        match self {
            Kind::Link => Check::Links,
            Kind::Image => Check::Images,
        }
    }

    /// At the beginning of a sentence, and inside of one.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Link => ("A link", "a link"),
            Kind::Image => ("An image", "an image"),
        }
    }
}

/// What is wrong with an address as it is written.
pub(super) fn fault(kind: Kind, href: &str, allow_private: bool) -> Option<Finding> {
    let red = |sentence: &str, advice: &str| Some(Finding::red(kind.check(), sentence, advice));
    let amber = |sentence: &str, advice: &str| Some(Finding::amber(kind.check(), sentence, advice));
    let (beginning, inside) = kind.words();
    let href = href.trim();
    if href.is_empty() || href == "#" {
        return match kind {
            Kind::Link => amber(
                "A link leads nowhere: its address is empty.",
                "write where it leads, or take it out",
            ),
            Kind::Image => amber("An image has no address.", "write its src, or take it out"),
        };
    }
    if href.contains("{{") || href.contains("}}") {
        return red(
            &format!("The address of {inside} has braces of a template in it."),
            "look for a brace that is missing",
        );
    }
    // A place on the same page.
    if kind == Kind::Link && href.starts_with('#') {
        return None;
    }
    let url = match Url::parse(href) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return red(
                &format!(
                    "The address of {inside} has no beginning such as https://: in a mail it leads nowhere."
                ),
                "write the whole address",
            );
        }
        Err(error) => {
            return red(
                &format!("The address of {inside} cannot be read: {error}."),
                "write it as a browser shows it",
            );
        }
    };
    match url.scheme() {
        "mailto" | "tel" | "sms" if kind == Kind::Link => return None,
        "http" | "https" => {}
        scheme => {
            return red(
                &format!("{beginning} begins with {scheme}:, which mail programs do not follow."),
                "write an address that begins with https://",
            );
        }
    }
    let host = url.host()?;
    if !allow_private && is_private(&host) {
        return red(
            &format!("{beginning} leads into a private network or to the reader's own computer."),
            "write the public address; if all readers are inside, set allow_private_addresses in section [preflight]",
        );
    }
    if is_example(&host) {
        return amber(
            &format!("{beginning} leads to a domain that is reserved for examples."),
            "write your own address",
        );
    }
    if url.scheme() == "http" {
        return match kind {
            Kind::Link => amber(
                "A link goes by http, which others can read and change.",
                "write https:// if the page has it",
            ),
            Kind::Image => amber(
                "An image comes by http: others can read and change it, and some mail programs do not show it.",
                "let it be loaded by https",
            ),
        };
    }
    None
}

fn is_private(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => !reach::is_public((*address).into()),
        Host::Ipv6(address) => !reach::is_public((*address).into()),
        Host::Domain(name) => reach::is_inside(name),
    }
}

/// RFC 2606 section 3, and the top-level domain of its section 2.
pub(super) fn is_example(host: &Host<&str>) -> bool {
    let Host::Domain(name) = host else {
        return false;
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    ["example.com", "example.net", "example.org", "example"]
        .iter()
        .any(|reserved| {
            name.strip_suffix(reserved)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    fn level(href: &str) -> Level {
        fault(Kind::Link, href, false).map_or(Level::Ok, |finding| finding.level)
    }

    #[test]
    fn what_cannot_be_followed_is_red_and_what_should_not_be_is_amber() {
        for (href, expected) in [
            ("https://tidings.dev/a?b=c", Level::Ok),
            ("mailto:ann@example.org", Level::Ok),
            ("#top", Level::Ok),
            ("", Level::Amber),
            ("#", Level::Amber),
            ("http://tidings.dev/", Level::Amber),
            ("https://www.example.org/dawn", Level::Amber),
            ("https://shop.test.example/", Level::Amber),
            ("https://notexample.com/", Level::Ok),
            ("www.tidings.dev", Level::Red),
            ("https://{{host}}/", Level::Red),
            ("javascript:alert(1)", Level::Red),
            ("http://localhost:8080/", Level::Red),
            ("https://192.168.1.7/", Level::Red),
            ("https://[::1]/", Level::Red),
            ("https://intranet/", Level::Red),
        ] {
            assert_eq!(level(href), expected, "{href}");
        }
        assert_eq!(fault(Kind::Link, "https://192.168.1.7/", true), None);
    }
}
