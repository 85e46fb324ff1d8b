//! Whoever unsubscribes by the link of a message gets no more mail, at once and for good.

use crate::dashboard::{Served, browser, get, serve};
use tidings_tests::script::Script;
use tidings_tests::{App, on_both_engines};

/// A campaign that three readers got, and the server behind its links.
fn after_a_campaign(app: &App) -> Served {
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    serve(app)
}

/// The address in the message's List-Unsubscribe field, on the server of the test.
fn link(app: &App, served: &Served, reader: &str) -> String {
    let message = app.relay.contents_for(reader).pop().unwrap();
    let header = message
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .replace("\r\n ", " ")
        .replace("\r\n\t", " ");
    let field = header
        .lines()
        .find(|line| line.starts_with("List-Unsubscribe:"))
        .unwrap();
    assert!(
        header.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
        "{header}"
    );
    let link = field
        .split(['<', '>'])
        .find(|part| part.starts_with("https:"))
        .unwrap();
    link.replace("https://news.example.com", &served.url)
}

/// One-click as a mail program does it.
fn one_click(link: &str) -> u16 {
    let answer = browser()
        .post(link)
        .content_type("application/x-www-form-urlencoded")
        .send("List-Unsubscribe=One-Click")
        .unwrap();
    assert!(answer.headers().get("set-cookie").is_none());
    answer.status().as_u16()
}

/// Sends one more campaign, without the server, and says how many mails the first reader has got by then.
fn mails_to_reader1_after_another_campaign(app: &App) -> usize {
    let campaign = app.campaign("readers");
    app.send(campaign);
    let by_recipient = app.relay.accepted_by_recipient();
    assert_eq!(by_recipient["reader2@example.org"], 2);
    by_recipient["reader1@example.org"]
}

on_both_engines!(one_click_is_durable_when_it_is_answered, |app| {
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    assert_eq!((one_click(&link), one_click(&link)), (200, 200));
    served.process.kill_9();
    assert_eq!(mails_to_reader1_after_another_campaign(app), 1);
});

on_both_engines!(looking_at_the_link_unsubscribes_nobody, |app| {
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    let (status, page) = get(&link);
    assert_eq!((status, page.matches("<button").count()), (200, 1));
    browser().head(&link).call().unwrap();
    served.process.kill_9();
    assert_eq!(mails_to_reader1_after_another_campaign(app), 2);
});

on_both_engines!(a_changed_link_unsubscribes_nobody, |app| {
    let served = after_a_campaign(app);
    let mut link = link(app, &served, "reader1@example.org");
    let last = if link.pop() == Some('0') { '1' } else { '0' };
    link.push(last);
    assert_eq!((get(&link).0, one_click(&link)), (404, 404));
    served.process.kill_9();
    assert_eq!(mails_to_reader1_after_another_campaign(app), 2);
});

on_both_engines!(an_import_does_not_lift_an_unsubscribe, |app| {
    let served = after_a_campaign(app);
    assert_eq!(one_click(&link(app, &served, "reader1@example.org")), 200);
    served.process.kill_9();
    app.import("readers", 3);
    assert_eq!(mails_to_reader1_after_another_campaign(app), 1);
});

on_both_engines!(unsubscribes_show_on_the_dashboard, |app| {
    let served = after_a_campaign(app);
    assert_eq!(one_click(&link(app, &served, "reader1@example.org")), 200);
    tidings_tests::wait_until("the page counts the unsubscribe", 10, || {
        get(&served.url).1.contains("<dd data-n=\"unsubscribed\">1</dd>")
    });
});
