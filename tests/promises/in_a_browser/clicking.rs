//! What people do, done by reading, clicking and typing.

use super::*;
use crate::journey_in_a_browser::makes_the_first_account;
use tidings_tests::{on_both_engines, wait_until};

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
    makes_the_first_account(&browser, &served.first_sign_in().unwrap());
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
    app.import("readers", 95);
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
