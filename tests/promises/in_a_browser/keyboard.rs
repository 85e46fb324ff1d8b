//! Everything can be done by keyboard.

use super::*;
use tidings_tests::wait_until;

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";
/// What the focus is on, as a person reads it.
const FOCUSED: &str = "const at = document.activeElement; \
    return (at.labels?.[0]?.textContent ?? at.textContent).trim();";

/// Goes on by Tab until the focus is on what has these words, and is seen there.
#[track_caller]
fn tab_to(browser: &Browser, words: &str) {
    for _ in 0..80 {
        browser.press(TAB);
        if browser.script(FOCUSED) == words {
            let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle");
            assert_ne!(outline, "none", "nobody sees that the focus is on {words}");
            return;
        }
    }
    panic!("Tab does not lead to {words}: {}", browser.text());
}

#[test]
fn the_keyboard_is_enough() {
    let app = App::start(Engine::Sqlite);
    app.import("readers", 120);
    let campaign = app.campaign_with("readers", &["--rate", "1/s"]).to_string();
    app.run(["campaign", "schedule", &campaign, "--now"]).succeeded();
    let served = serve(&app);
    let email = administrator(&app, &served);
    let browser = Browser::open();
    browser.goto(&served.url);
    tab_to(&browser, "E-mail address");
    browser.press(&email);
    tab_to(&browser, "Password");
    browser.press(&format!("{PASSWORD}{ENTER}"));
    browser.sees("Sign out");
    tab_to(&browser, "Campaigns");
    browser.press(ENTER);
    browser.sees("Spring news");
    tab_to(&browser, "Skip to the content");
    browser.press(ENTER);
    tab_to(&browser, "Spring news");
    browser.press(ENTER);
    browser.sees("sending");
    tab_to(&browser, "Pause");
    browser.press(ENTER);
    browser.sees("paused");
    // The page follows what happens, and the focus stays where it is.
    tab_to(&browser, "Resume");
    browser.script("window.before = document.getElementById('main')");
    wait_until("the page is made anew", 60, || {
        browser.script("return window.before !== document.getElementById('main')") == true
    });
    wait_until("the focus is there again", 10, || {
        browser.script(FOCUSED) == "Resume"
    });
    tab_to(&browser, "Cancel…");
    browser.press(ENTER);
    browser.sees("Cancel this campaign for good?");
    browser.press(ESCAPE);
    let is_open = "return document.querySelector(':popover-open') !== null";
    wait_until("the question is gone", 10, || browser.script(is_open) == false);
    assert_eq!(browser.script(FOCUSED), "Cancel…");
    browser.press(ENTER);
    tab_to(&browser, "Cancel it for good");
    browser.press(ENTER);
    browser.sees("cancelled");
}
