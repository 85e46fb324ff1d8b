//! What was refused, and by whom, as reports tell it.

use super::*;
use crate::verdict::Class::{Block, Hard, Soft};

/// The verdict on the one recipient of a standard report.
fn verdict(text: &str, fields: &str) -> (Class, &'static str, String) {
    let statuses = format!("Final-Recipient: rfc822; ann@example.org\nAction: failed\n{fields}\n");
    let report = read(&standard(text, &statuses));
    let one = &report.recipients[0];
    (one.verdict.class, one.verdict.reason, one.rule.clone())
}

#[test]
fn who_connects_was_refused_before_anybody_was_named() {
    let text = "  ann@example.org\n    host mx.example.org [192.0.2.1]\n    SMTP error from remote mail server after EHLO news.example.com:\n    550 Rejected\n";
    let told = verdict(text, "Status: 5.0.0\nDiagnostic-Code: smtp; 550 Rejected");
    assert_eq!(told, (Block, "blocked", "connection-refused".to_owned()));
}

#[test]
fn the_same_words_are_about_the_sender_where_the_sender_was_refused() {
    for (command, class, reason) in [("MAIL FROM", Block, "rejected"), ("RCPT TO", Hard, "userunknown")] {
        let text = format!(
            "<ann@example.org>: host mx.example.org[192.0.2.1] said: 550 5.1.1 user\n    unknown (in reply to {command} command)"
        );
        let told = verdict(
            &text,
            "Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 user unknown",
        );
        assert_eq!((told.0, told.1), (class, reason), "{command}");
    }
}

#[test]
fn a_recipient_refused_in_a_pipeline_is_unknown_and_one_refused_after_the_message_filtered() {
    let talk = |answers: &str| format!("... while talking to mx.example.org.:\n>>> DATA\n{answers}");
    let fields = "Status: 5.2.1\nDiagnostic-Code: SMTP; 550 <ann@example.org>... User unknown";
    let pipelined = talk(
        "<<< 550 <ann@example.org>... User unknown\n550 5.1.1 <ann@example.org>... User unknown\n<<< 503 5.0.0 Need RCPT (recipient)",
    );
    assert_eq!(verdict(&pipelined, fields).1, "userunknown");
    let after = talk("<<< 550 <ann@example.org>... User unknown\n554 5.0.0 Service unavailable");
    assert_eq!(verdict(&after, fields).1, "filtered");
}

#[test]
fn a_status_may_say_in_its_comment_what_nothing_else_says() {
    let told = verdict(
        "It did not work.",
        "Status: 4.0.0 (mx.example.org: host name lookup failure)",
    );
    assert_eq!((told.0, told.1), (Soft, "networkerror"));
    let told = verdict(
        "It did not work.",
        "Status: 5.0.0 (permanent failure)\nDiagnostic-Code: smtp; 552 mailbox is full",
    );
    assert_eq!((told.0, told.1), (Soft, "mailboxfull"));
}

#[test]
fn a_mailbox_that_exists_and_takes_nothing_is_not_gone() {
    assert_eq!(verdict("x", "Status: 5.2.0").1, "filtered");
    assert_eq!(verdict("x", "Status: 5.2.0").0, Soft);
}

#[test]
fn an_address_that_is_an_encoded_word_is_taken_whole() {
    let address = "=?utf-8?B?YW5u?=@example.org";
    let report = read(&standard(
        "x",
        &format!("Final-Recipient: RFC822; {address}\nAction: failed\nStatus: 5.1.1\n"),
    ));
    assert_eq!(report.recipients[0].address, address);
}

#[test]
fn a_list_that_takes_mail_of_members_only_has_refused_the_sender() {
    let report = read(&plain(
        "lions-admin@lists.example.org",
        "You news@example.com are not member (lions ML)",
        "You are not a member of this mailing list <lions@lists.example.org>.\n\nTo learn about it, write to\n\n\tlions-request@lists.example.org\n",
    ));
    assert_eq!(report.kind, Kind::Bounce);
    assert_eq!(
        told(&report),
        [("lions@lists.example.org", Block, "rejected", String::new())]
    );
}
