//! The pages' templates, embedded in the program: `partials/` has the components, `pages/` one file for each page.

use crate::assets;
use handlebars::{Handlebars, handlebars_helper};
use serde::Serialize;

macro_rules! templates {
    ($($name:literal: $file:literal,)*) => {
        [$(($name, include_str!(concat!("../assets/", $file, ".hbs")))),*]
    };
}

const TEMPLATES: &[(&str, &str)] = &templates! {
    "page": "partials/page",
    "sections": "partials/sections",
    "card": "partials/card",
    "bar": "partials/bar",
    "state": "partials/state",
    "badge": "partials/badge",
    "spark": "partials/spark",
    "chart": "partials/chart",
    "meter": "partials/meter",
    "range": "partials/range",
    "field": "partials/field",
    "alert": "partials/alert",
    "empty": "partials/empty",
    "tabs": "partials/tabs",
    "pager": "partials/pager",
    "dialog": "partials/dialog",
    "campaign_card": "partials/campaign_card",
    "now": "pages/now",
    "campaigns": "pages/campaigns",
    "campaign": "pages/campaign",
    "recipient": "pages/recipient",
    "problem": "pages/problem",
    "notice": "notice",
    "archive": "archive",
    "feed": "feed",
    "public": "public",
};

pub(crate) struct Pages(Handlebars<'static>);

// `{{asset "style.css"}}`: where that file is.
handlebars_helper!(asset: |name: str| {
    assets::path(name).expect("embedded templates name embedded files")
});

impl Pages {
    pub(crate) fn new() -> Self {
        let mut pages = Handlebars::new();
        pages.register_helper("asset", Box::new(asset));
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
