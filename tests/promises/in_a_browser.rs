//! What people do, done in a real browser: they read, click and type, and every page can be used by keyboard, without seeing it
//! well, in both themes and on a phone.

use crate::unsubscribe::{after_a_campaign, link};
use tidings_tests::{App, Browser, Theme, on_both_engines};

/// Looks at these pages on a phone and on a laptop, in both themes.
#[track_caller]
fn anybody_can_use(pages: &[String]) {
    for (width, theme) in [
        (390, Theme::Light),
        (390, Theme::Dark),
        (1440, Theme::Light),
        (1440, Theme::Dark),
    ] {
        let browser = Browser::open_with(width, theme);
        for page in pages {
            browser.goto(page);
            let obstacles = browser.obstacles();
            assert!(obstacles.is_empty(), "{page} {width} {theme:?}: {obstacles:#?}");
            let complaints = browser.complaints();
            assert!(complaints.is_empty(), "{page} {width} {theme:?}: {complaints:#?}");
        }
    }
}

/// How often a reader got mail of another campaign, which is sent without the server.
fn mails_of_another_campaign(app: &App, reader: &str) -> usize {
    let before = app
        .relay
        .accepted_by_recipient()
        .get(reader)
        .copied()
        .unwrap_or_default();
    let campaign = app.campaign("readers");
    app.send(campaign);
    app.relay
        .accepted_by_recipient()
        .get(reader)
        .copied()
        .unwrap_or_default()
        - before
}

on_both_engines!(a_reader_unsubscribes_and_comes_back_by_clicking, |app| {
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    let browser = Browser::open_with(390, Theme::Light);
    browser.goto(&link);
    browser.sees("What would you like to do?");
    browser.click("Confirm");
    browser.sees("You are unsubscribed");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.click("Take it back");
    browser.sees("Everything is as it was before");
    drop(browser);
    served.process.kill_9();
    assert_eq!(mails_of_another_campaign(app, "reader1@example.org"), 1);
});

#[test]
fn anybody_can_use_the_pages_that_recipients_reach() {
    let app = App::start(tidings_tests::Engine::Sqlite);
    let served = after_a_campaign(&app);
    let link = link(&app, &served, "reader1@example.org");
    anybody_can_use(&[link.clone(), format!("{link}x")]);
}
