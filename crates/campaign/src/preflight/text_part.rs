//! Whether there is a text for those who read no HTML, and anything to read at all.

use super::{Check, Finding, Page};

/// Words below which a newsletter with images says nothing to whoever does not load them.
const FEWEST_WORDS: usize = 12;

pub(super) fn check(text: &str, page: &Page) -> Finding {
    let words = |text: &str| {
        text.split_whitespace()
            .filter(|word| word.contains(char::is_alphanumeric))
            .count()
    };
    if words(text) == 0 {
        return Finding::amber(
            Check::TextPart,
            "The text part is empty: whoever reads no HTML sees nothing, and filters take such mail for spam.",
            "write a text, or leave it out, so that it is made from the HTML",
        );
    }
    if words(&page.text) < FEWEST_WORDS && !page.images.is_empty() {
        return Finding::amber(
            Check::TextPart,
            "The newsletter is made of images alone: many readers do not load them, and filters take such mail for spam.",
            "write as text what the images say",
        );
    }
    Finding::ok(
        Check::TextPart,
        format!("The text part has {} words.", words(text)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    #[test]
    fn there_is_something_to_read_without_images_and_without_html() {
        let read = Page::read;
        assert_eq!(check(" \r\n-- ", &read("<p>Hello</p>")).level, Level::Amber);
        assert_eq!(check("Hello", &read("<p>Hello</p>")).level, Level::Ok);
        let images =
            "<img src=\"https://example.com/a.png\" alt=\"All\"><p><a href=\"/u\">Unsubscribe</a></p>";
        assert_eq!(check("All", &read(images)).level, Level::Amber);
        let both = format!("{images}<p>{}</p>", "word ".repeat(20));
        assert_eq!(check("All", &read(&both)).level, Level::Ok);
    }
}
