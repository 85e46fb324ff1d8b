//! In a real browser: every page can be used without seeing it well, in both themes and on a phone.

mod clicking;
mod keyboard;

use crate::dashboard::{Served, serve};
use crate::import_wizard;
use crate::preferences;
use crate::preflight;
use crate::second_factor::{Device, step_now};
use crate::sign_in::{PASSWORD, administrator};
use crate::sign_up;
use crate::unsubscribe::{after_a_campaign, link};
use tidings_tests::{App, Browser, Engine, Theme};

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
fn anybody_can_use_the_pages_for_signing_up() {
    let app = App::start(Engine::Sqlite);
    let served = sign_up::opened(&app, "");
    sign_up::post(&served, "email=ann%40example.org");
    let link = sign_up::link(&app, &served, "ann@example.org");
    anybody_can_use(&[format!("{}/s/1", served.url), link]);
}
