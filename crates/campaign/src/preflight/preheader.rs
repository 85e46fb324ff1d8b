//! The line that inboxes show after the subject.

use super::{Check, Finding, Page};

pub(super) fn check(page: &Page) -> Finding {
    match &page.preheader {
        Some(line) => Finding::ok(Check::Preheader, "There is a preheader.").at(line.clone()),
        None => Finding::amber(
            Check::Preheader,
            "There is no preheader: inboxes show the first words of the newsletter after the subject, whatever they are.",
            "write {{#preheader}}one line{{/preheader}} at the beginning of the body",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    #[test]
    fn a_hidden_line_before_everything_else_is_a_preheader() {
        let hidden = "<div style=\"display:none;max-height:0\">One line&#847;&zwnj;&nbsp;</div>";
        let level = |html: String| check(&Page::read(&html)).level;
        assert_eq!(level(format!("<body>{hidden}<p>Hello</p></body>")), Level::Ok);
        assert_eq!(level(format!("<body><p>Hello</p>{hidden}</body>")), Level::Amber);
        assert_eq!(level("<p>Hello</p>".to_owned()), Level::Amber);
        assert_eq!(
            level("<div style=\"display:none\"> &nbsp;</div><p>Hello</p>".to_owned()),
            Level::Amber
        );
    }
}
