//! Images: what stands in their place when they are not loaded, by which way they come, and how heavy they are.

use super::{Asked, Check, Finding, LinkAnswer, Outcome, Page};

/// An image that is slow to load on a phone, in octets.
const HEAVY: u64 = 1_000_000;

pub(super) fn check(page: &Page) -> Vec<Finding> {
    let mut found = Vec::new();
    for image in &page.images {
        let src = image.src.trim();
        if src.is_empty() {
            found.push(Finding::amber(
                Check::Images,
                "An image has no address.",
                "write its src, or take it out",
            ));
            continue;
        }
        if image.alt.is_none() {
            let finding = Finding::amber(
                Check::Images,
                "An image has no alt: whoever does not load or see it does not know what it says.",
                "write alt=\"what it shows\", or alt=\"\" if it is decoration alone",
            );
            found.push(finding.at(src));
        }
        if src.starts_with("http:") {
            let finding = Finding::amber(
                Check::Images,
                "An image comes by http: others can read and change it, and some mail programs do not show it.",
                "let it be loaded by https",
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
    use crate::preflight::{Answer, Level};

    #[test]
    fn images_say_what_they_show_and_come_safely() {
        let level = |html: &str| check(&Page::read(html))[0].level;
        assert_eq!(level("<p>Hello</p>"), Level::Ok);
        assert_eq!(
            level("<img src=\"https://a.test/a.png\" alt=\"A boat\">"),
            Level::Ok
        );
        assert_eq!(level("<img src=\"https://a.test/a.png\" alt>"), Level::Ok);
        assert_eq!(level("<img src=\"https://a.test/a.png\">"), Level::Amber);
        assert_eq!(level("<img src=\"http://a.test/a.png\" alt=\"\">"), Level::Amber);
        assert_eq!(level("<img alt=\"A boat\">"), Level::Amber);
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
