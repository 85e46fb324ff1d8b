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
    "preview": "partials/preview",
    "editor": "partials/editor",
    "preview_frame": "preview_frame",
    "upload_progress": "partials/upload_progress",
    "list_choice": "partials/list_choice",
    "row_counts": "partials/row_counts",
    "campaign_card": "partials/campaign_card",
    "settings_head": "partials/settings_head",
    "setting": "partials/setting",
    "setting_form": "partials/setting_form",
    "removal": "partials/removal",
    "now": "pages/now",
    "campaigns": "pages/campaigns",
    "campaign": "pages/campaign",
    "schedule": "pages/schedule",
    "calendar": "pages/calendar",
    "preflight": "pages/preflight",
    "click_map": "pages/click_map",
    "writing": "pages/writing",
    "campaign_test": "pages/campaign_test",
    "deliveries": "pages/deliveries",
    "recipient": "pages/recipient",
    "bounces": "pages/bounces",
    "lists": "pages/lists",
    "suppressions": "pages/suppressions",
    "imports": "pages/imports",
    "import": "pages/import",
    "templates": "pages/templates",
    "template": "pages/template",
    "template_version": "pages/template_version",
    "import_new": "pages/import_new",
    "import_columns": "pages/import_columns",
    "import_trial": "pages/import_trial",
    "list": "pages/list",
    "suppressing": "pages/suppressing",
    "problem": "pages/problem",
    "sign_in": "pages/sign_in",
    "code": "pages/code",
    "enter": "pages/enter",
    "nodes": "pages/nodes",
    "account": "pages/account",
    "device": "pages/device",
    "recovery_codes": "pages/recovery_codes",
    "settings_relays": "pages/settings_relays",
    "settings_relay": "pages/settings_relay",
    "settings_parts": "pages/settings_parts",
    "settings_domains": "pages/settings_domains",
    "settings_nothing": "pages/settings_nothing",
    "people": "pages/people",
    "tokens": "pages/tokens",
    "audit": "pages/audit",
    "archive": "archive",
    "feed": "feed",
    "public_page": "public_page",
    "public": "public",
    "sign_up_fields": "sign_up_fields",
    "sign_up_form": "sign_up_form",
    "letter": "letter",
    "preferences": "preferences",
};

// `{{{prose text}}}`: a sentence in which commands stand between backticks, escaped, with the commands as code.
handlebars_helper!(prose: |text: str| in_html(text));

fn in_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    let mut parts = text.split('`').peekable();
    let mut is_code = false;
    while let Some(part) = parts.next() {
        let escaped = handlebars::html_escape(part);
        match is_code {
            // A last backtick without a partner is only a backtick.
            true if parts.peek().is_none() => html.extend(["`", &escaped]),
            true => html.extend(["<code>", &escaped, "</code>"]),
            false => html.push_str(&escaped),
        }
        is_code = !is_code;
    }
    html
}

pub(crate) struct Pages(Handlebars<'static>);

// `{{asset "style.css"}}`: where that file is.
handlebars_helper!(asset: |name: str| {
    assets::path(name).expect("embedded templates name embedded files")
});

impl Pages {
    pub(crate) fn new() -> Self {
        let mut pages = Handlebars::new();
        pages.register_helper("asset", Box::new(asset));
        pages.register_helper("prose", Box::new(prose));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_a_sentence_become_code_and_nothing_becomes_markup() {
        assert_eq!(
            in_html("look at `a <b>`, then <i>"),
            "look at <code>a &lt;b&gt;</code>, then &lt;i&gt;"
        );
        assert_eq!(in_html("a lone ` is kept"), "a lone ` is kept");
        assert_eq!(in_html(""), "");
    }
}
