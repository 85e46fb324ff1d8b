//! Addresses as they stand in HTML, and as browsers ask for them.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

/// The longest address that is tracked, in octets.
pub(crate) const MAX_URL: usize = 4_096;

/// What cannot stand in a header field, and what browsers encode before they ask. Characters beyond ASCII always are.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// Whether an attribute's value surely leads to the web, whatever is merged into it: its beginning is written out.
pub(crate) fn leads_to_the_web(value: &str) -> bool {
    let begins = |scheme: &str| {
        let start = value.trim_start().as_bytes().get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    begins("http://") || begins("https://")
}

/// The address that an attribute's value means: entities are characters, line breaks and blanks around it are nothing.
/// What is not ASCII is encoded; all other octets stay.
pub(crate) fn address(value: &str) -> String {
    let decoded = html_escape::decode_html_entities(value);
    let one_line: String = decoded
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n' | '\0'))
        .collect();
    utf8_percent_encode(one_line.trim(), UNSAFE).to_string()
}

/// Whether a link to this address can be tracked: a browser finds a host in it, and it is not too long.
pub(crate) fn is_trackable(url: &str) -> bool {
    url.len() <= MAX_URL && leads_to_the_web(url) && Url::parse(url).is_ok_and(|url| url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_with_http_leads_to_the_web() {
        for value in ["http://a.example", "HTTPS://{{host}}", " \n https://a.example"] {
            assert!(leads_to_the_web(value), "{value}");
        }
        for value in [
            "",
            "#top",
            "mailto:a@example.org",
            "tel:1",
            "sms:1",
            "cid:a",
            "data:text/plain,https://",
            "//a.example",
            "/a",
            "{{unsubscribe_url}}",
            "{{#if a}}https://a.example{{/if}}",
            "javascript:1",
            "http:/",
            "ähttps://",
        ] {
            assert!(!leads_to_the_web(value), "{value}");
        }
    }

    #[test]
    fn an_address_is_what_a_browser_would_ask_for() {
        for (value, url) in [
            ("https://a.example/?a=1&amp;b=2#x", "https://a.example/?a=1&b=2#x"),
            (" https://a.example/a\n  b ", "https://a.example/a%20%20b"),
            ("https://a.example/%C3%BC%2f+", "https://a.example/%C3%BC%2f+"),
            ("https://a.example/ü", "https://a.example/%C3%BC"),
            ("https://a.example/&#13;&#10;X: 1\0", "https://a.example/X:%201"),
        ] {
            assert_eq!(address(value), url);
            assert!(is_trackable(url));
        }
        for url in [
            "https://",
            "https://a b/",
            &format!("https://a.example/{}", "x".repeat(5000)),
        ] {
            assert!(!is_trackable(url), "{url}");
        }
    }
}
