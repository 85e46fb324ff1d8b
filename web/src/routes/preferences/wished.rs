//! What is sent by the forms of the page.

use crate::routes::body::{FORM, essence, whole_of};
use crate::routes::unsubscribe::Refused;
use actix_web::http::header::HeaderMap;
use actix_web::web;
use std::collections::HashMap;
use tidings_campaign::ids::ListId;

/// Twenty attributes at their longest, percent-encoded.
const BODY_OCTETS: usize = 128 * 1024;
/// Lists that one form may name.
const MOST_LISTS: usize = 1_000;

/// What is wished.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wished {
    /// Of the lists that were offered, to be on these.
    Lists { offered: Vec<ListId>, on: Vec<ListId> },
    /// Name and attributes, by the names of their fields. A box that is not ticked sends nothing.
    Profile(HashMap<String, String>),
    /// Another address.
    Address(String),
    /// Everything that is stored.
    Download,
    /// To be forgotten; whether that was asked once more.
    Erase { is_sure: bool },
}

impl Wished {
    /// Nothing if it is no form of ours.
    pub(super) async fn read(headers: &HeaderMap, body: web::Payload) -> Result<Option<Wished>, Refused> {
        if !essence(headers).eq_ignore_ascii_case(FORM) {
            return Err(Refused::NotAForm);
        }
        Ok(Wished::of(&whole_of(body, BODY_OCTETS).await?))
    }

    fn of(form: &[u8]) -> Option<Wished> {
        let (mut offered, mut on, mut fields) = (Vec::new(), Vec::new(), HashMap::new());
        for (name, value) in url::form_urlencoded::parse(form) {
            match &*name {
                "offered" if offered.len() < MOST_LISTS => offered.extend(value.parse::<ListId>()),
                "list" if on.len() < MOST_LISTS => on.extend(value.parse::<ListId>()),
                _ => drop(fields.insert(name.into_owned(), value.into_owned())),
            }
        }
        match fields.get("section").map(String::as_str) {
            Some("lists") => Some(Wished::Lists { offered, on }),
            Some("profile") => Some(Wished::Profile(fields)),
            Some("address") => fields.remove("address").map(Wished::Address),
            Some("download") => Some(Wished::Download),
            Some("erase") => Some(Wished::Erase {
                is_sure: fields.get("sure").is_some_and(|word| word == "yes"),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_what_was_offered_and_what_was_ticked() {
        let lists = |ids: &[i64]| ids.iter().map(|id| ListId(*id)).collect::<Vec<_>>();
        assert_eq!(
            Wished::of(b"section=lists&offered=1&list=1&offered=2&offered=x"),
            Some(Wished::Lists {
                offered: lists(&[1, 2]),
                on: lists(&[1])
            })
        );
        assert_eq!(
            Wished::of(b"section=erase"),
            Some(Wished::Erase { is_sure: false })
        );
        assert_eq!(
            Wished::of(b"section=erase&sure=yes"),
            Some(Wished::Erase { is_sure: true })
        );
        for nothing in [
            "",
            "section=",
            "sure=yes",
            "section=address",
            "List-Unsubscribe=One-Click",
        ] {
            assert_eq!(Wished::of(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
