//! Images: what stands in their place when they are not loaded, by which way they come, and how heavy they are.

use super::links::{Kind, fault};
use super::{Asked, Check, Finding, LinkAnswer, Outcome, Page, Sender, reach};

/// An image that is slow to load on a phone, in octets.
const HEAVY: u64 = 1_000_000;

pub(super) fn check(page: &Page, sender: &Sender) -> Vec<Finding> {
    let mut found = Vec::new();
    for image in &page.images {
        let src = image.src.trim();
        // What this instance shows is where it is, be that a private network.
        let allow_private = sender.allow_private_links || reach::is_ours(src, &sender.public_url);
        let fault = match goes_with_the_message(src) {
            true => None,
            false => fault(Kind::Image, src, allow_private),
        };
        if src.is_empty() {
            found.extend(fault);
            continue;
        }
        found.extend(fault.map(|finding| finding.at(src)));
        if image.alt.is_none() {
            let finding = Finding::amber(
                Check::Images,
                "An image has no alt: whoever does not load or see it does not know what it says.",
                "write alt=\"what it shows\", or alt=\"\" if it is decoration alone",
            );
            found.push(finding.at(src));
        }
    }
    if found.is_empty() {
        let sentence = match page.images.len() {
            0 => "There are no images.".to_owned(),
            n => format!("{n} images, each with an alternative text."),
        };
        found.push(Finding::ok(Check::Images, sentence));
    }
    found
}

/// Whether nothing is asked for it: it is a part of the message, or stands in its HTML.
fn goes_with_the_message(src: &str) -> bool {
    ["cid:", "data:"].iter().any(|scheme| {
        src.get(..scheme.len())
            .is_some_and(|beginning| beginning.eq_ignore_ascii_case(scheme))
    })
}

/// What is known of their weight: of those that go with the messages, and of those that said it.
pub(super) fn check_weight(files: &[(String, usize)], answers: &Asked<Vec<LinkAnswer>>) -> Vec<Finding> {
    let files = files.iter().map(|(name, size)| (name.as_str(), *size as u64));
    let asked = match answers {
        Asked::Found(answers) => answers.as_slice(),
        Asked::NotAsked(_) | Asked::NoAnswer(_) => &[],
    };
    let asked = asked
        .iter()
        .filter(|one| one.is_image)
        .filter_map(|one| match &one.outcome {
            Outcome::Answered(answer) => Some((one.url.as_str(), answer.size?)),
            _ => None,
        });
    files
        .chain(asked)
        .filter(|(_, size)| *size > HEAVY)
        .map(|(name, size)| {
            Finding::amber(
                Check::Images,
                format!("An image has {} KB, which is slow on a phone.", size / 1024),
                "make it smaller: twice the width at which it is shown is enough",
            )
            .at(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::tests::sender;
    use crate::preflight::{Answer, Level};

    #[test]
    fn images_say_what_they_show_and_come_safely() {
        let level = |html: &str| check(&Page::read(html), &sender())[0].level;
        assert_eq!(level("<p>Hello</p>"), Level::Ok);
        assert_eq!(
            level("<img src=\"https://tidings.dev/a.png\" alt=\"A boat\">"),
            Level::Ok
        );
        assert_eq!(level("<img src=\"https://tidings.dev/a.png\" alt>"), Level::Ok);
        assert_eq!(level("<img src=\"https://tidings.dev/a.png\">"), Level::Amber);
        assert_eq!(
            level("<img src=\"http://tidings.dev/a.png\" alt=\"\">"),
            Level::Amber
        );
        assert_eq!(level("<img alt=\"A boat\">"), Level::Amber);
    }

    #[test]
    fn an_image_is_where_a_mail_program_can_load_it() {
        for (src, expected) in [
            ("https://tidings.dev/a.png", Level::Ok),
            ("cid:logo.png", Level::Ok),
            ("CID:logo.png", Level::Ok),
            ("data:image/gif;base64,R0lGODlhAQABAAAAACw=", Level::Ok),
            ("logo.png", Level::Red),
            ("/logo.png", Level::Red),
            ("file:///C:/logo.png", Level::Red),
            ("mailto:ann@example.org", Level::Red),
            ("https://192.168.1.7/logo.png", Level::Red),
            ("https://intranet/logo.png", Level::Red),
            ("https://{{host}}/logo.png", Level::Red),
            ("https://www.example.org/logo.png", Level::Amber),
            ("http://tidings.dev/logo.png", Level::Amber),
            ("HTTP://tidings.dev/logo.png", Level::Amber),
            ("#", Level::Amber),
        ] {
            let page = Page::read(&format!("<img src=\"{src}\" alt=\"A boat\">"));
            let found = check(&page, &sender());
            assert_eq!(
                (found.len(), found[0].level, found[0].check),
                (1, expected, Check::Images),
                "{src}"
            );
        }
        // What this instance shows itself.
        let inside = Sender {
            public_url: "https://intranet".to_owned(),
            ..sender()
        };
        let page = Page::read("<img src=\"https://intranet/logo.png\" alt=\"A boat\">");
        assert_eq!(check(&page, &inside)[0].level, Level::Ok);
    }

    #[test]
    fn heavy_images_are_named() {
        let heavy = LinkAnswer {
            url: "https://a.test/heavy.png".to_owned(),
            is_image: true,
            outcome: Outcome::Answered(Answer {
                status: 200,
                redirects: 0,
                size: Some(HEAVY + 1),
            }),
        };
        let files = [("small.png".to_owned(), 10), ("large.png".to_owned(), 2_000_000)];
        let found = check_weight(&files, &Asked::Found(vec![heavy]));
        let places: Vec<_> = found
            .iter()
            .map(|finding| finding.place.clone().unwrap())
            .collect();
        assert_eq!(places, ["large.png", "https://a.test/heavy.png"]);
    }
}
