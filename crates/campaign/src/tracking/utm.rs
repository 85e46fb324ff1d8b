//! UTM parameters: what web statistics read from an address, to know which campaign brought a visitor.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt;
use url::form_urlencoded;

/// The longest value, in octets.
const MAX_VALUE: usize = 200;

/// What RFC 3986 calls unreserved stays as it is.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is added to the addresses of a campaign's links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Utm {
    /// `utm_source`: where visitors come from, such as `newsletter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `utm_medium`: by which means, such as `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// `utm_campaign`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// `utm_content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// `utm_term`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
}

impl fmt::Display for Utm {
    /// As it is added to an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.added_to("").trim_start_matches('?'))
    }
}

/// What is no value of a UTM parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UtmError {
    /// Nothing would be counted under it.
    #[error("it is empty: leave the option out")]
    Empty,
    /// More than [`MAX_VALUE`].
    #[error("it has {0} octets, at most {MAX_VALUE} are allowed")]
    TooLong(usize),
    /// A line break or the like.
    #[error("it is one line, without line breaks and other control characters")]
    Control,
}

impl Utm {
    /// Takes a value as it is typed.
    pub fn value(text: &str) -> Result<String, UtmError> {
        let text = text.trim();
        match text.len() {
            0 => Err(UtmError::Empty),
            n if n > MAX_VALUE => Err(UtmError::TooLong(n)),
            _ if text.contains(char::is_control) => Err(UtmError::Control),
            _ => Ok(text.to_owned()),
        }
    }

    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        self.parameters().next().is_none()
    }

    /// Each parameter of its own, or else of `other`.
    pub fn or(self, other: Utm) -> Utm {
        Utm {
            source: self.source.or(other.source),
            medium: self.medium.or(other.medium),
            campaign: self.campaign.or(other.campaign),
            content: self.content.or(other.content),
            term: self.term.or(other.term),
        }
    }

    fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("utm_source", &self.source),
            ("utm_medium", &self.medium),
            ("utm_campaign", &self.campaign),
            ("utm_content", &self.content),
            ("utm_term", &self.term),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// The address with the parameters behind its query and before its fragment. Every octet of it stays, and one that
    /// it has already is not added.
    pub fn added_to(&self, url: &str) -> String {
        let (before, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        let query = before.split_once('?').map(|(_, query)| query);
        let mut out = before.to_owned();
        let mut separator = match query {
            None => "?",
            Some(query) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        for (name, value) in self.parameters() {
            if query.is_some_and(|query| has(query, name)) {
                continue;
            }
            out.push_str(separator);
            out.push_str(name);
            out.push('=');
            out.extend(utf8_percent_encode(value, VALUE));
            separator = "&";
        }
        out.push_str(fragment);
        out
    }
}

fn has(query: &str, name: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(known, _)| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_an_address_keeps_every_octet() {
        let utm = Utm {
            source: Some("news & more".to_owned()),
            campaign: Some("frühling".to_owned()),
            ..Utm::default()
        };
        const OURS: &str = "utm_source=news%20%26%20more&utm_campaign=fr%C3%BChling";
        for (url, expected) in [
            ("https://a.example", format!("https://a.example?{OURS}")),
            ("https://a.example/", format!("https://a.example/?{OURS}")),
            ("https://a.example/?", format!("https://a.example/?{OURS}")),
            ("https://a.example/?a&", format!("https://a.example/?a&{OURS}")),
            (
                "https://A.example:443/../x?q=a+b%2f%zz&q=;#f?g=1#h",
                format!("https://A.example:443/../x?q=a+b%2f%zz&q=;&{OURS}#f?g=1#h"),
            ),
            (
                "https://a.example/#/route",
                format!("https://a.example/?{OURS}#/route"),
            ),
            (
                "https://a.example/?utm_source=own",
                "https://a.example/?utm_source=own&utm_campaign=fr%C3%BChling".to_owned(),
            ),
            (
                "https://a.example/?UTM_Source=&utm%5Fcampaign=own#x",
                "https://a.example/?UTM_Source=&utm%5Fcampaign=own#x".to_owned(),
            ),
        ] {
            assert_eq!(utm.added_to(url), expected, "{url}");
            assert_eq!(utm.added_to(&expected), expected, "twice: {url}");
            assert_eq!(Utm::default().added_to(url), url);
        }
    }

    #[test]
    fn a_value_is_one_short_line() {
        assert_eq!(Utm::value(" email "), Ok("email".to_owned()));
        assert_eq!(Utm::value(" "), Err(UtmError::Empty));
        assert_eq!(Utm::value("a\nb"), Err(UtmError::Control));
        assert_eq!(Utm::value(&"x".repeat(201)), Err(UtmError::TooLong(201)));
    }

    #[test]
    fn what_is_not_said_is_said_by_the_next() {
        let value = |text: &str| Some(text.to_owned());
        let own = Utm {
            source: value("own"),
            ..Utm::default()
        };
        let list = Utm {
            source: value("list"),
            medium: value("email"),
            ..Utm::default()
        };
        let both = own.or(list);
        assert_eq!((both.source, both.medium), (value("own"), value("email")));
        assert_eq!(both.term, None);
    }

    #[test]
    fn it_is_kept_as_json_without_what_is_not_given() {
        let utm = Utm {
            medium: Some("email".to_owned()),
            ..Utm::default()
        };
        let json = serde_json::to_string(&utm).unwrap();
        assert_eq!(json, "{\"medium\":\"email\"}");
        assert_eq!(serde_json::from_str::<Utm>(&json).unwrap(), utm);
    }
}
