//! `public_url`: it stands in headers of every message, so nothing may be in it that could end one.

use anyhow::{bail, ensure};
use url::{Host, Url};

/// The URL as it is used, without a slash at the end.
pub(super) fn check(text: &str) -> anyhow::Result<String> {
    let example = "write it as https://news.example.com";
    let shown = text.escape_debug();
    ensure!(
        !text.contains(|c: char| c.is_whitespace() || c.is_control()),
        "public_url = \"{shown}\" has a space or line break in it: {example}"
    );
    let Ok(url) = Url::parse(text) else {
        bail!("public_url = \"{shown}\" is not a URL: {example}");
    };
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.host().is_some(),
        "public_url = \"{shown}\" is not a web address: {example}"
    );
    ensure!(
        url.username().is_empty() && url.password().is_none(),
        "public_url has a user or password in it, and every recipient would see them: {example}"
    );
    ensure!(
        url.query().is_none() && url.fragment().is_none(),
        "public_url = \"{shown}\" has a ? or # in it, and nothing could be put after it: {example}"
    );
    // Angle brackets and quotes are escaped in the parsed form, names are in ASCII.
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// What is wrong with a checked URL that works all the same, on this machine at least.
pub fn doubt(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let here = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "http" && !here).then(|| {
        format!("public_url = \"{url}\" is not encrypted: mailbox providers show their unsubscribe button only for https (RFC 8058)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_a_header_is_refused() {
        for text in [
            " https://news.example.com",
            "https://news.example.com\r\nBcc: x",
            "https://news.exa mple.com",
            "https://ann:secret@news.example.com",
            "https://news.example.com/#top",
            "https://news.example.com/?a=b",
            "ftp://news.example.com",
            "news",
        ] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains("https://news.example.com"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(
            check("https://NEWS.example.com/a/").unwrap(),
            "https://news.example.com/a"
        );
        assert_eq!(
            check("https://bücher.test").unwrap(),
            "https://xn--bcher-kva.test"
        );
        assert_eq!(
            check("https://news.example.com/<a>").unwrap(),
            "https://news.example.com/%3Ca%3E"
        );
    }

    #[test]
    fn only_loopback_needs_no_encryption() {
        for text in [
            "https://news.example.com",
            "http://127.0.0.1:8025",
            "http://[::1]",
            "http://localhost",
        ] {
            assert_eq!(doubt(text), None);
        }
        assert!(doubt("http://news.example.com").is_some());
    }
}
