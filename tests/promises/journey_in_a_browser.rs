//! The whole way of a marketer, in a real browser and without the command line: from the first start over an import, a
//! newsletter and its pre-flight list to what became of it.

use crate::dashboard::serve;
use crate::sign_in::PASSWORD;
use crate::unsubscribe;
use std::fmt::Write;
use std::net::SocketAddr;
use tidings_tests::reports::Report;
use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, Browser, MailClient, Theme, free_port, on_both_engines};

/// How many rows the file has, beside one that is not good.
const READERS: usize = 40;

/// A file as somebody brings it along, in a semicolon-separated list with one bad row.
fn a_file(app: &App) -> std::path::PathBuf {
    let mut csv = "Name;E-Mail;City\n".to_owned();
    for n in 1..=READERS {
        writeln!(csv, "Reader {n};reader{n}@example.org;Town {n}").unwrap();
    }
    csv.push_str("Nobody;not an address;Nowhere\n");
    app.write("readers.csv", &csv)
}

/// Ada does, by the link of the first start.
pub fn makes_the_first_account(browser: &Browser, first: &str) {
    browser.goto(first);
    browser.sees("You are the first here");
    browser.fill("E-mail address", "ada@example.com");
    browser.fill("Your name", "Ada Example");
    browser.fill("Password", PASSWORD);
    browser.click("Create the account");
    browser.sees("Ada Example");
}

fn comes_in(browser: &Browser, first: &str, dashboard: &str) {
    makes_the_first_account(browser, first);
    browser.click("Sign out");
    browser.goto(dashboard);
    browser.fill("E-mail address", "ada@example.com");
    browser.fill("Password", PASSWORD);
    browser.click("Sign in");
    browser.sees("Ada Example");
}

fn imports(browser: &Browser, app: &App, dashboard: &str) {
    browser.goto(&format!("{dashboard}imports/new"));
    browser.fill("Name of the new list", "Harbour friends");
    browser.fill("Where the consent comes from", "open day in May");
    browser.choose_file("File", &a_file(app));
    browser.click("Upload");
    browser.sees("Step 2 of 3");
    browser.sees("Reader 1");
    browser.click("Try it");
    browser.sees("Step 3 of 3");
    browser.sees("not an address");
    browser.click("Import");
    browser.sees("What became of the rows");
    browser.sees("finished");
    browser.sees("Rejected rows as CSV");
}

/// Returns the campaign's page.
fn writes(browser: &Browser, dashboard: &str) -> String {
    browser.goto(&format!("{dashboard}campaigns/new"));
    browser.fill("Name of the campaign", "Spring letter");
    browser.click_at("input[name=list]");
    browser.fill("From: name", "Harbour Review");
    browser.fill("From: address", "news@example.com");
    browser.fill("Subject", "What is new, {{default name \"friend\"}}?");
    browser.fill("Preheader", "The boats are in the water again");
    browser.click_at("button[value='begin:letter']");
    browser.sees("Written here");
    browser.click("Make the draft");
    browser.sees("Pre-flight list");
    browser.address()
}

/// Has the list made, and takes on what is amber; only then can the campaign get its time.
fn schedules(browser: &Browser, campaign: &str) {
    browser.goto(&format!("{campaign}/schedule"));
    browser.sees("It cannot be scheduled yet");
    browser.click("To the pre-flight list");
    browser.click("Run the list");
    browser.sees("Run it again");
    let open = "return document.querySelectorAll('.findings .act > button').length";
    let mut left = browser.script(open).as_i64().unwrap();
    while left > 0 {
        browser.click_at(".findings .act > button");
        browser.fill("Why it may go out like this", "seen, and meant so");
        browser.click("Take it on");
        browser.sees("taken on");
        let now = browser.script(open).as_i64().unwrap();
        assert!(now < left, "{left} findings are still open");
        left = now;
    }
    browser.goto(campaign);
    browser.click("Schedule");
    browser.sees("Greatest lateness");
    browser.click_at("input[value=now]");
    browser.click_at("form .actions button.primary");
    browser.sees("Spring letter");
}

/// A mail server tells by a message of its own that a reader whose mail was accepted is not there.
fn a_bounce_arrives(app: &App, reports: SocketAddr, reader: &str) {
    let accepted = app.relay.accepted();
    let about = accepted.iter().find(|one| one.recipient == reader).unwrap();
    let report = Report::no_such_mailbox(about);
    let reply = MailClient::connect(reports).hand_over(&report.return_path, &report.text());
    assert!(reply.starts_with("250"), "{reply}");
}

on_both_engines!(a_marketer_needs_no_command_line, |app| {
    let gone = Rule::rcpt(Reply::new(550, "5.1.1", "=no such user")).to(Who::address("reader1@example.org"));
    app.relay
        .follow(Script::accepting().keep_content(1024 * 1024).rule(gone));
    let reports = SocketAddr::from(([127, 0, 0, 1], free_port()));
    app.configure(|it| {
        it.more = format!(
            "[mail]\nreturn_path_domain = \"bounce.example.com\"\n\n[limits.campaign]\nrate = \"2/s\"\n\n\
             [[intake.smtp]]\nlisten = \"{reports}\"\n"
        );
    });
    let served = serve(app);
    let dashboard = format!("{}/", served.url.trim_end_matches('/'));
    let browser = Browser::open();
    comes_in(&browser, &served.first_sign_in().unwrap(), &dashboard);
    imports(&browser, app, &dashboard);
    let campaign = writes(&browser, &dashboard);
    schedules(&browser, &campaign);

    browser.goto(&campaign);
    browser.sees("sending");
    browser.click("Pause");
    browser.sees("paused");
    browser.click("Resume");
    browser.sees("sending");
    browser.sees("finished");

    browser.goto(&format!("{dashboard}bounces"));
    browser.sees("550 5.1.1");
    browser.goto(&format!("{dashboard}suppressions"));
    browser.sees("reader1@example.org");
    browser.goto(&format!("{dashboard}recipients?address=reader1@example.org"));
    browser.sees("5.1.1");

    a_bounce_arrives(app, reports, "reader3@example.org");
    browser.goto(&format!("{dashboard}bounces"));
    browser.sees("Reported lately");
    browser.click_at("td[data-label=What] a");
    browser.sees("reader3@example.org");
    browser.click("reader3@example.org");
    browser.sees("Not mailed: hard bounce");
    browser.sees("open day in May");

    let reader = Browser::open_with(390, Theme::Dark);
    reader.goto(&unsubscribe::link(app, &served, "reader2@example.org"));
    reader.click("Confirm");
    reader.sees("You are unsubscribed");
    browser.goto(&format!("{dashboard}recipients?address=reader2@example.org"));
    browser.sees("unsubscribed");

    browser.goto(&format!("{campaign}/deliveries"));
    browser.sees("The whole ledger");
    let csv = browser.script(&format!(
        "return fetch('{campaign}/deliveries.csv').then(answer => answer.text())"
    ));
    let csv = csv.as_str().unwrap();
    assert_eq!(csv.lines().count(), READERS + 1, "{csv}");
    let accepted = csv.lines().filter(|line| line.contains("accepted")).count();
    assert_eq!(accepted, READERS - 1, "{csv}");
    assert_eq!(app.relay.accepted_by_recipient().len(), READERS - 1);
    // A preview of what is half written says so by its status.
    let mut complaints = browser.complaints();
    complaints.retain(|line| !line.contains("/preview - Failed to load resource"));
    assert_eq!(complaints, Vec::<String>::new());
});
