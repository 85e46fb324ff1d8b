//! What stands in the frame: the newsletter as a browser is to show it, lines of text, or what is wrong.

use super::Fault;
use crate::site::Site;
use data_encoding::BASE64;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tidings_campaign::message::attachment::media_type;

/// Whether it is shown as to somebody who likes pages dark, whatever the person before the screen likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Light,
    Dark,
}

/// A document for the frame.
pub(super) enum Frame {
    /// A whole document already.
    Newsletter(String),
    /// Something that we put a document around.
    Ours(Box<View>),
}

#[derive(Default, Serialize)]
pub(super) struct View {
    /// What the page around the frame is told.
    checked: String,
    /// A document, for a narrow frame within the frame.
    phone: Option<String>,
    lines: Option<String>,
    fault: Option<FaultView>,
}

#[derive(Serialize)]
struct FaultView {
    place: Option<String>,
    message: String,
    advice: &'static str,
}

/// The images that the HTML shows with `cid:`, as addresses that have the images in them.
#[derive(Default)]
pub(super) struct Images(BTreeMap<String, String>);

impl Images {
    /// Name behind `cid:`; the file's name and octets.
    pub(super) fn of(files: Vec<(String, (String, Vec<u8>))>) -> Images {
        let shown = files.into_iter().map(|(id, (file_name, octets))| {
            let (kind, octets) = (media_type(&file_name), BASE64.encode(&octets));
            (id, format!("data:{kind};base64,{octets}"))
        });
        Images(shown.collect())
    }
}

impl Frame {
    pub(super) fn phone(newsletter: String, checked: String) -> Frame {
        Frame::Ours(Box::new(View {
            checked,
            phone: Some(newsletter),
            ..View::default()
        }))
    }

    pub(super) fn lines(text: &str, checked: String) -> Frame {
        Frame::Ours(Box::new(View {
            checked,
            lines: Some(text.to_owned()),
            ..View::default()
        }))
    }

    pub(super) fn fault(fault: &Fault) -> Frame {
        let place = format!("{}, line {}, column {}", fault.template, fault.line, fault.column);
        Frame::Ours(Box::new(View {
            checked: serde_json::json!({ "error": fault }).to_string(),
            fault: Some(FaultView {
                place: (fault.line > 0).then_some(place),
                message: fault.message.clone(),
                advice: fault.advice,
            }),
            ..View::default()
        }))
    }

    pub(super) fn document(&self, site: &Site) -> String {
        match self {
            Frame::Newsletter(html) => html.clone(),
            Frame::Ours(view) => site.pages.render("preview_frame", view),
        }
    }
}

/// The newsletter's HTML in this scheme, with its images; its links open nothing, since a sandbox has no windows. `checked`: what
/// the page around the frame is told.
pub(super) fn newsletter(html: &str, scheme: Scheme, images: &Images, checked: &str) -> String {
    let html = crate::newsletters::show_images(html, |id| images.0.get(id).cloned());
    let html = in_scheme(&html, scheme);
    let at = after_head(&html);
    let word = match scheme {
        Scheme::Light => "light",
        Scheme::Dark => "dark",
    };
    let mut out = String::with_capacity(html.len() + checked.len() + 256);
    out.push_str(&html[..at]);
    write!(
        out,
        "<meta name=\"tidings-preview\" content=\"{}\"><base target=\"_blank\"><style>:root{{color-scheme:{word} !important}}</style>",
        handlebars::html_escape(checked)
    )
    .expect("writing to memory cannot fail");
    out.push_str(&html[at..]);
    out
}

/// Where something can be put in that comes first in the document's head: behind `<head>`, else behind `<html>`, else behind the
/// document's type, which must stay in front.
fn after_head(html: &str) -> usize {
    let lower = html.to_ascii_lowercase();
    let behind = |tag: &str| {
        let start = lower.match_indices(tag).find(|(at, _)| {
            let next = lower.as_bytes().get(at + tag.len());
            next.is_some_and(|octet| *octet == b'>' || octet.is_ascii_whitespace())
        });
        start.and_then(|(at, _)| lower[at..].find('>').map(|end| at + end + 1))
    };
    ["<head", "<html", "<!doctype"]
        .into_iter()
        .find_map(behind)
        .unwrap_or(0)
}

/// What holds for the wanted scheme holds always, and what holds for the other never.
fn in_scheme(html: &str, scheme: Scheme) -> String {
    const FEATURE: &str = "(prefers-color-scheme";
    let lower = html.to_ascii_lowercase();
    let mut out = String::with_capacity(html.len());
    let mut from = 0;
    for (at, _) in lower.match_indices(FEATURE) {
        let Some(end) = lower[at..].find(')').map(|end| at + end + 1) else {
            break;
        };
        let value = lower[at + FEATURE.len()..end - 1]
            .trim_start_matches([':', ' '])
            .trim();
        let is_wanted = match value {
            "dark" => scheme == Scheme::Dark,
            "light" => scheme == Scheme::Light,
            _ => continue,
        };
        out.push_str(&html[from..at]);
        out.push_str(if is_wanted {
            "(min-width:0)"
        } else {
            "(max-width:0)"
        });
        from = end;
    }
    out.push_str(&html[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_holds_whatever_the_visitor_likes() {
        let css = "@media (prefers-color-scheme: dark) { a {} } @media (Prefers-Color-Scheme:light) and (max-width: 9px) { b {} }";
        assert_eq!(
            in_scheme(css, Scheme::Dark),
            "@media (min-width:0) { a {} } @media (max-width:0) and (max-width: 9px) { b {} }"
        );
        assert_eq!(
            in_scheme(css, Scheme::Light),
            "@media (max-width:0) { a {} } @media (min-width:0) and (max-width: 9px) { b {} }"
        );
        let other = "(prefers-color-scheme) (prefers-color-scheme: dark";
        assert_eq!(in_scheme(other, Scheme::Dark), other);
    }

    #[test]
    fn what_is_ours_comes_first_in_the_head_and_never_before_the_type() {
        for (html, before) in [
            (
                "<!DOCTYPE html><html lang=en><HEAD class=\"x\"><title>",
                "<!DOCTYPE html><html lang=en><HEAD class=\"x\">",
            ),
            ("<!doctype html><html><header>x", "<!doctype html><html>"),
            ("<!doctype html>\n<p>x", "<!doctype html>"),
            ("<p>x", ""),
        ] {
            assert_eq!(&html[..after_head(html)], before);
        }
        let shown = newsletter(
            "<!doctype html><p>x",
            Scheme::Dark,
            &Images::default(),
            "{\"a\":1}",
        );
        assert_eq!(
            shown,
            "<!doctype html><meta name=\"tidings-preview\" content=\"{&quot;a&quot;:1}\"><base target=\"_blank\"><style>:root{color-scheme:dark !important}</style><p>x"
        );
    }

    #[test]
    fn images_come_along() {
        let logo = ("logo.png".to_owned(), ("logo.png".to_owned(), vec![1, 2, 3]));
        let images = Images::of(vec![logo]);
        let shown = newsletter(
            "<img src=\"cid:logo.png\"><img src=\"cid:x\">",
            Scheme::Light,
            &images,
            "",
        );
        assert!(
            shown.ends_with("<img src=\"data:image/png;base64,AQID\"><img src=\"cid:x\">"),
            "{shown}"
        );
    }
}
