//! What people do, done in a real browser: they read, click and type, and every page can be used by keyboard, without seeing it
//! well, in both themes and on a phone.

use crate::dashboard::{Served, serve};
use crate::import_wizard;
use crate::preferences;
use crate::preflight;
use crate::second_factor::{Device, step_now};
use crate::sign_in::{PASSWORD, administrator};
use crate::sign_up;
use crate::unsubscribe::{after_a_campaign, link};
use tidings_tests::{App, Browser, Engine, Theme, on_both_engines, wait_until};

/// Signs an administrator in.
#[track_caller]
fn sign_in(browser: &Browser, served: &Served, email: &str) {
    browser.goto(&served.url);
    browser.fill("E-mail address", email);
    browser.fill("Password", PASSWORD);
    browser.click("Sign in");
    browser.sees("Sign out");
}

/// Looks at these pages on a phone and on a laptop, in both themes.
#[track_caller]
fn anybody_can_use(pages: &[String]) {
    anybody_can_use_as(None, pages);
}

/// The same as somebody who has signed in to this server.
#[track_caller]
fn anybody_can_use_as(who: Option<(&Served, &str)>, pages: &[String]) {
    for (width, theme) in [
        (390, Theme::Light),
        (390, Theme::Dark),
        (1440, Theme::Light),
        (1440, Theme::Dark),
    ] {
        let browser = Browser::open_with(width, theme);
        if let Some((served, email)) = who {
            sign_in(&browser, served, email);
        }
        for page in pages {
            browser.goto(page);
            let obstacles = browser.obstacles();
            assert!(obstacles.is_empty(), "{page} {width} {theme:?}: {obstacles:#?}");
            let mut complaints = browser.complaints();
            // A preview of what is not written yet says so by its status.
            complaints.retain(|line| !line.contains("/preview - Failed to load resource"));
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
    let app = App::start(Engine::Sqlite);
    let served = after_a_campaign(&app);
    let link = link(&app, &served, "reader1@example.org");
    app.run(["list", "archive", "readers", "--on"]).succeeded();
    let archive = format!("{}/archive/1", served.url);
    let issue = format!("{archive}/1");
    anybody_can_use(&[link.clone(), format!("{link}x"), archive, issue]);
}

#[test]
fn anybody_can_use_the_page_of_their_preferences() {
    let app = App::start(Engine::Sqlite);
    let served = preferences::after_a_campaign(&app);
    let link = preferences::preferences(&app, &served, "bob@example.org");
    anybody_can_use(&[link.clone(), format!("{link}x")]);
}

/// A dashboard that has something to show: one campaign that is over.
fn dashboard_after_a_campaign() -> (App, Served, i64) {
    let app = App::start(Engine::Sqlite);
    app.import("readers", 40);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let served = serve(&app);
    (app, served, campaign)
}

#[test]
fn anybody_can_use_the_dashboard() {
    let (app, served, campaign) = dashboard_after_a_campaign();
    let email = administrator(&app, &served);
    app.run(["suppression", "add", "reader2@example.org"]).succeeded();
    // A pre-flight list with something of each kind.
    let draft = app.campaign("readers");
    preflight::made_by(&served, &app, draft);
    for starter in ["letter", "digest"] {
        app.run(["template", "add", "seasons", "--starter", starter])
            .succeeded();
    }
    let upload = import_wizard::an_upload(&served, &email);
    let paths = [
        "/imports/new".to_owned(),
        format!("{upload}/trial"),
        upload,
        "/lists/1".to_owned(),
        "/suppressions/import/1".to_owned(),
        "/account".to_owned(),
        "/settings/relays".to_owned(),
        "/settings/relays/new".to_owned(),
        "/settings/relays/edit?name=primary".to_owned(),
        "/settings/limits".to_owned(),
        "/settings/domains".to_owned(),
        "/settings/tracking".to_owned(),
        "/settings/thresholds".to_owned(),
        "/settings/people".to_owned(),
        "/settings/tokens".to_owned(),
        "/settings/audit".to_owned(),
        "/nodes".to_owned(),
        "/nowhere".to_owned(),
        "/".to_owned(),
        "/campaigns".to_owned(),
        "/campaigns?q=nothing".to_owned(),
        format!("/campaigns/{campaign}"),
        format!("/campaigns/{campaign}/deliveries"),
        format!("/campaigns/{draft}"),
        format!("/campaigns/{draft}/deliveries"),
        format!("/campaigns/{draft}/edit"),
        format!("/campaigns/{draft}/schedule"),
        format!("/campaigns/{draft}/pre-flight"),
        "/calendar".to_owned(),
        "/campaigns/new?template=spring".to_owned(),
        format!("/campaigns/{campaign}/edit"),
        format!("/campaigns/{campaign}/test"),
        format!("/campaigns/{campaign}/click-map"),
        "/bounces".to_owned(),
        "/bounces?by=reason&days=7&reason=by_hand".to_owned(),
        "/bounces?by=campaign".to_owned(),
        format!("/bounces?campaign={campaign}"),
        "/lists".to_owned(),
        "/suppressions".to_owned(),
        "/suppressions?q=nobody".to_owned(),
        "/imports".to_owned(),
        "/imports/1".to_owned(),
        "/recipients".to_owned(),
        "/recipients?address=reader".to_owned(),
        "/recipients?address=nobody@example.org".to_owned(),
        "/recipients?address=%3Cscript%3E".to_owned(),
        "/recipients?address=reader1@example.org".to_owned(),
        "/recipients?address=reader2@example.org".to_owned(),
        "/templates".to_owned(),
        "/templates?q=nothing".to_owned(),
        "/templates/seasons".to_owned(),
        "/templates/seasons/versions/1".to_owned(),
    ];
    let pages = paths.map(|path| format!("{}{path}", served.url));
    anybody_can_use_as(Some((&served, &email)), &pages);
}

#[test]
fn anybody_can_come_in() {
    let app = App::start(Engine::Sqlite);
    let served = serve(&app);
    let first = served.first_sign_in().unwrap();
    anybody_can_use(&[
        first,
        format!("{}/sign-in", served.url),
        format!("{}/enter/x", served.url),
    ]);
}

#[test]
fn anybody_can_add_a_device_for_their_sign_in_and_use_it() {
    for (width, theme) in [(390, Theme::Dark), (1440, Theme::Light)] {
        let app = App::start(Engine::Sqlite);
        let served = serve(&app);
        let email = administrator(&app, &served);
        let browser = Browser::open_with(width, theme);
        let anybody_can_use_it = || assert_eq!(browser.obstacles(), Vec::<String>::new());
        sign_in(&browser, &served, &email);
        browser.goto(&format!("{}/account", served.url));
        browser.fill("Confirm with your password", PASSWORD);
        browser.click("Set it up");
        browser.sees("Or type this key");
        browser.fill("The code that it shows", "12345");
        browser.click("Turn it on");
        browser.sees("not the code of now");
        anybody_can_use_it();
        let page = browser.script("return document.documentElement.innerHTML;");
        let device = Device::of(page.as_str().unwrap());
        browser.fill("The code that it shows", &device.shows(step_now()));
        browser.click("Turn it on");
        browser.sees("Keep these recovery codes");
        anybody_can_use_it();
        browser.click("I have kept them");
        browser.click("Sign out");
        browser.fill("E-mail address", &email);
        browser.fill("Password", PASSWORD);
        browser.click("Sign in");
        browser.sees("The six digits that your device shows now");
        anybody_can_use_it();
        browser.fill("Code", "12345");
        browser.click("Sign in");
        browser.sees("Your code");
        anybody_can_use_it();
    }
}

#[test]
fn anybody_can_mend_a_setting_that_is_not_taken() {
    let app = App::start(Engine::Sqlite);
    let served = serve(&app);
    let email = administrator(&app, &served);
    for (width, theme) in [(390, Theme::Light), (1440, Theme::Dark)] {
        let browser = Browser::open_with(width, theme);
        sign_in(&browser, &served, &email);
        browser.goto(&format!("{}/settings/relays/edit?name=primary", served.url));
        browser.fill("Sessions at once", "0");
        browser.click("Save");
        browser.click_at("input[aria-invalid=true]");
        assert_eq!(browser.obstacles(), Vec::<String>::new());
    }
}

#[test]
fn anybody_can_use_an_empty_dashboard() {
    let app = App::start(Engine::Sqlite);
    let served = serve(&app);
    let email = administrator(&app, &served);
    let pages = [
        "/",
        "/campaigns",
        "/campaigns/new",
        "/calendar",
        "/templates",
        "/recipients",
        "/bounces",
        "/lists",
        "/suppressions",
        "/imports",
        "/imports/new",
        "/nodes",
    ]
    .map(|path| format!("{}{path}", served.url));
    anybody_can_use_as(Some((&served, &email)), &pages);
}

#[test]
fn a_search_answers_while_one_types_and_charts_are_drawn() {
    let (app, served, campaign) = dashboard_after_a_campaign();
    let browser = Browser::open();
    sign_in(&browser, &served, &administrator(&app, &served));
    browser.goto(&format!("{}/campaigns", served.url));
    browser.fill("Name", "autumn");
    browser.sees("Nothing found");
    browser.fill("Name", "spring");
    browser.sees("Spring news");
    browser.click("Spring news");
    browser.sees("Rate over time");
    assert!(browser.address().ends_with(&format!("/campaigns/{campaign}")));
    let drawn = "return document.querySelectorAll('.chart.drawn canvas').length";
    wait_until("the chart is drawn", 10, || browser.script(drawn) == 1);
    browser.goto(&served.url);
    browser.sees("live");
    wait_until("the rate is drawn", 10, || browser.script(drawn) == 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

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

#[test]
fn the_menu_of_a_phone_opens_without_a_script() {
    let (app, served, _) = dashboard_after_a_campaign();
    let browser = Browser::open_with(390, Theme::Dark);
    sign_in(&browser, &served, &administrator(&app, &served));
    browser.goto(&served.url);
    browser.click_at(".menu summary");
    browser.click_at(".menu a[href='/recipients']");
    browser.sees("Look somebody up");
}

#[test]
fn the_first_person_comes_in_by_the_link_of_the_first_start_and_invites_another() {
    let app = App::start(Engine::Sqlite);
    let served = serve(&app);
    let browser = Browser::open();
    browser.goto(&served.first_sign_in().unwrap());
    browser.sees("You are the first here");
    browser.fill("E-mail address", "ada@example.com");
    browser.fill("Your name", "Ada Example");
    browser.fill("Password", PASSWORD);
    browser.click("Create the account");
    browser.sees("Ada Example");
    browser.click("Settings");
    browser.click("People");
    browser.fill("E-mail address", "bob@example.com");
    browser.fill("Name", "Bob Example");
    browser.choose("What they may do", "viewer: looks at everything but the settings");
    browser.click("Make a link");
    browser.sees("Hand this link to bob@example.com");
    let link = browser.script("return document.querySelector('.alert code').textContent");
    browser.click("Audit log");
    browser.sees("invited a person");
    browser.click("Sign out");
    browser.sees("Sign in to Tidings");

    browser.goto(link.as_str().unwrap());
    browser.fill("Password", "short");
    browser.click("Set the password");
    browser.sees("at least 10 characters");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.fill("Password", PASSWORD);
    browser.click("Set the password");
    browser.sees("viewer");
    assert!(!browser.text().contains("Settings"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_slow_campaign_is_paused_and_resumed_and_its_deliveries_are_seen_by_clicking() {
    let app = App::start(Engine::Sqlite);
    app.import("readers", 60);
    let campaign = app.campaign_with("readers", &["--rate", "1/s"]);
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
    let served = serve(&app);
    wait_until("it is sent", 30, || app.show(campaign).state() == "sending");
    let browser = Browser::open();
    sign_in(&browser, &served, &administrator(&app, &served));
    browser.goto(&format!("{}/campaigns/{campaign}", served.url));
    browser.click("Pause");
    browser.sees("paused");
    browser.click("Resume");
    browser.sees("sending");
    browser.click("Cancel…");
    browser.sees("Cancel this campaign for good?");
    browser.click("Keep it");
    browser.click("Deliveries");
    browser.sees("reader1@example.org");
    browser.fill("Address", "reader33");
    wait_until("the others are gone", 10, || {
        let text = browser.text();
        text.contains("reader33@example.org") && !text.contains("reader1@example.org")
    });
    browser.click("reader33@example.org");
    browser.sees("What was sent");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

on_both_engines!(a_reader_signs_up_and_confirms_by_clicking, |app| {
    let served = sign_up::opened(app, "");
    let browser = Browser::open_with(390, Theme::Light);
    browser.goto(&format!("{}/s/1", served.url));
    browser.fill("Your e-mail address", "ann@example.org");
    browser.fill("Your city", "Springfield");
    browser.click("Subscribe");
    browser.sees("Please look into your mailbox");
    browser.goto(&sign_up::link(app, &served, "ann@example.org"));
    browser.click("Yes, subscribe me");
    browser.sees("You are subscribed");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    assert_eq!(
        sign_up::standing(app, "ann@example.org").as_deref(),
        Some("confirmed")
    );
});

#[test]
fn anybody_can_use_the_pages_for_signing_up() {
    let app = App::start(Engine::Sqlite);
    let served = sign_up::opened(&app, "");
    sign_up::post(&served, "email=ann%40example.org");
    let link = sign_up::link(&app, &served, "ann@example.org");
    anybody_can_use(&[format!("{}/s/1", served.url), link]);
}

#[test]
fn a_template_is_looked_at_and_marked_while_it_is_written() {
    let app = App::start(Engine::Sqlite);
    let served = serve(&app);
    let email = administrator(&app, &served);
    app.run(["template", "add", "seasons", "--starter", "letter"])
        .succeeded();
    let browser = Browser::open();
    sign_in(&browser, &served, &email);
    browser.goto(&format!("{}/templates/seasons", served.url));
    browser.sees("to somebody made up");
    browser.fill("Subject", "Hello {{#if}}");
    browser.sees("the subject, line 1");
    browser.fill("Subject", "Hello {{name}}");
    browser.sees("Hello Ann Example · to somebody made up");
    // However much is typed before a pause, the server is asked once.
    browser.script(
        "window.asked = 0; document.addEventListener('submit', () => { window.asked += 1; }); \
         const { fetch } = window; window.fetch = (...what) => { window.asked += 1; return fetch(...what); }; \
         const field = document.getElementById('subject'); \
         for (const word of ['Dear', 'Dear {{name}}']) { field.value = word; \
         field.dispatchEvent(new Event('input', { bubbles: true })); }",
    );
    browser.sees("Dear Ann Example · to somebody made up");
    assert_eq!(browser.script("return window.asked"), 1);
    browser.fill("Subject", "Hello {{name}}");
    browser.sees("Hello Ann Example · to somebody made up");
    browser.click("Save");
    browser.sees("Saved.");
    browser.sees("2, as it is now");
}
