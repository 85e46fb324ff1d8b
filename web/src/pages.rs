//! The pages' templates and other files, embedded in the program.

use handlebars::Handlebars;
use serde::Serialize;

pub(crate) const STYLE: &str = include_str!("../assets/style.css");
pub(crate) const SCRIPT: &str = include_str!("../assets/live.js");
pub(crate) const ICON: &str = include_str!("../assets/icon.svg");

const TEMPLATES: [(&str, &str); 16] = [
    ("page", include_str!("../assets/page.hbs")),
    ("rate", include_str!("../assets/rate.hbs")),
    ("card", include_str!("../assets/card.hbs")),
    ("dashboard", include_str!("../assets/dashboard.hbs")),
    ("campaign", include_str!("../assets/campaign.hbs")),
    ("recipient", include_str!("../assets/recipient.hbs")),
    ("problem", include_str!("../assets/problem.hbs")),
    ("notice", include_str!("../assets/notice.hbs")),
    ("archive", include_str!("../assets/archive.hbs")),
    ("feed", include_str!("../assets/feed.hbs")),
    ("public_page", include_str!("../assets/public_page.hbs")),
    ("public", include_str!("../assets/public.hbs")),
    ("sign_up_fields", include_str!("../assets/sign_up_fields.hbs")),
    ("sign_up_form", include_str!("../assets/sign_up_form.hbs")),
    ("letter", include_str!("../assets/letter.hbs")),
    ("preferences", include_str!("../assets/preferences.hbs")),
];

pub(crate) struct Pages(Handlebars<'static>);

impl Pages {
    pub(crate) fn new() -> Self {
        let mut pages = Handlebars::new();
        for (name, text) in TEMPLATES {
            pages
                .register_template_string(name, text)
                .expect("embedded templates are tested");
        }
        Pages(pages)
    }

    pub(crate) fn render(&self, name: &str, data: &impl Serialize) -> String {
        self.0
            .render(name, data)
            .expect("embedded templates render with any data")
    }
}

/// What `problem` shows.
#[derive(Serialize)]
pub(crate) struct Problem<'a> {
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
}
