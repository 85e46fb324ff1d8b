//! Whether readers see how to leave. The headers for it are written into every message; they are not looked at here.

use super::{Check, Finding, Page, Sender};

pub(super) fn check(page: &Page, text: &str, sender: &Sender) -> Vec<Finding> {
    // Where recipients unsubscribe, and where they choose what they get.
    let ways = [
        format!("{}/u/", sender.public_url),
        format!("{}/p/", sender.public_url),
    ];
    let leads_out = |href: &str| ways.iter().any(|way| href.starts_with(way.as_str()));
    let links: Vec<_> = page.links.iter().filter(|link| leads_out(&link.href)).collect();
    let mut found = Vec::new();
    if !links
        .iter()
        .any(|link| link.is_visible && !link.label.trim().is_empty())
    {
        let sentence = match links.is_empty() {
            true => "The HTML has no link to unsubscribe.",
            false => "The link to unsubscribe is hidden in the HTML, or has no words that could be clicked.",
        };
        found.push(Finding::red(
            Check::Unsubscribe,
            sentence,
            "write <a href=\"{{unsubscribe_url}}\">Unsubscribe</a> where everybody sees it",
        ));
    }
    if !ways.iter().any(|way| text.contains(way.as_str())) {
        found.push(Finding::red(
            Check::Unsubscribe,
            "The text part has no address to unsubscribe at.",
            "write {{unsubscribe_url}} into it",
        ));
    }
    if found.is_empty() {
        found.push(Finding::ok(
            Check::Unsubscribe,
            "HTML and text have a link to unsubscribe; the headers for one click are written by themselves.",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;
    use crate::preflight::tests::sender;

    fn levels(html: &str, text: &str) -> Vec<Level> {
        let found = check(&Page::read(html), text, &sender());
        found.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn the_way_out_is_to_be_seen_in_both_parts() {
        let link = "https://news.example.com/u/abc";
        let seen = format!("<a href=\"{link}\">Unsubscribe</a>");
        assert_eq!(levels(&seen, link), [Level::Ok]);
        assert_eq!(levels(&seen, ""), [Level::Red]);
        assert_eq!(levels("<p>Hello</p>", ""), [Level::Red, Level::Red]);
        let hidden = format!("<div style=\"DISPLAY: none\">{seen}</div>");
        assert_eq!(levels(&hidden, link), [Level::Red]);
        assert_eq!(levels(&format!("<a href=\"{link}\"> </a>"), link), [Level::Red]);
        let image = format!("<a href=\"{link}\"><img src=\"x.png\" alt=\"Unsubscribe\"></a>");
        assert_eq!(levels(&image, link), [Level::Ok]);
        assert_eq!(levels(&seen.replace("/u/", "/p/"), link), [Level::Ok]);
    }
}
