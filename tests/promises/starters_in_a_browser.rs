//! The starter newsletters on the narrowest phones and on a laptop, in both themes, as a browser shows them.

use std::path::PathBuf;
use tidings_tests::{App, Browser, Engine, Theme};

/// Every starter as one recipient gets it, in files.
fn rendered(app: &App) -> Vec<(String, PathBuf)> {
    app.import("readers", 1);
    let starters = app.run(["--json", "template", "starters"]).succeeded().json();
    let render = |starter: &serde_json::Value| {
        let name = starter["name"].as_str().unwrap();
        app.run(["template", "add", name, "--starter", name]).succeeded();
        let html = app
            .run(["template", "render", name, "--recipient", "reader1@example.org"])
            .succeeded()
            .stdout;
        (name.to_owned(), app.write(&format!("{name}.html"), &html))
    };
    starters.as_array().unwrap().iter().map(render).collect()
}

#[test]
fn no_starter_is_wider_than_a_narrow_phone_or_a_laptop_in_either_theme() {
    let app = App::start(Engine::Sqlite);
    let pages = rendered(&app);
    assert!(pages.len() >= 5, "{pages:?}");
    for width in [320, 1440] {
        for theme in [Theme::Light, Theme::Dark] {
            let browser = Browser::open_with(width, theme);
            for (name, page) in &pages {
                browser.goto(&format!("file://{}", page.display()));
                // A phone would show a page that is too wide as a smaller one.
                let shown = browser.script("return window.innerWidth;");
                assert_eq!(shown, width, "{name} is not shown at {width} px, {theme:?}");
                let wide = browser.script(
                    "return document.documentElement.scrollWidth - document.documentElement.clientWidth;",
                );
                assert_eq!(wide, 0, "{name} overflows at {width} px, {theme:?}");
                let dark = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches;");
                assert_eq!(dark, theme == Theme::Dark, "{name}, {theme:?}");
            }
        }
    }
}
