//! One message for each family of reports.

use super::*;
use crate::verdict::Class::{Block, Hard, Soft};

const DAEMON: &str = "Mail Delivery System <MAILER-DAEMON@mx.example.net>";
const ORIGINAL: &str = "Return-Path: <news@example.com>\nReceived: from a by b\nFrom: news@example.com\nTo: ann@example.org\nSubject: News\nMessage-ID: <1.2@news.example.com>\n\nhello";

#[test]
fn a_standard_report_is_read_with_the_message_it_is_about() {
    let report = read(&standard(
        "no words",
        "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.0.0\nRemote-MTA: dns; mx.example.org\nDiagnostic-Code: smtp; 550 5.1.1 <ann@example.org>:\n  User unknown\n",
    ));
    assert_eq!(report.kind, Kind::Bounce);
    assert_eq!(
        told(&report),
        [("ann@example.org", Hard, "userunknown", "5.1.1".to_owned())]
    );
    assert_eq!(report.recipients[0].code, Some(550));
    assert_eq!(report.recipients[0].host.as_deref(), Some("mx.example.org"));
    assert_eq!(report.recipients[0].rule, "no-such-mailbox");
    assert_eq!(report.reporting_host.as_deref(), Some("mx.example.net"));
    assert_eq!(
        report.original.message_id.as_deref(),
        Some("1.2@news.example.com")
    );
    assert_eq!(report.original.subject.as_deref(), Some("Grüße"));
}

#[test]
fn each_recipient_of_a_report_has_its_own_verdict() {
    let report = read(&standard(
        "no words",
        "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n\n\
         Original-Recipient: rfc822; ben@example.org\nFinal-Recipient: rfc822; b@other.example.org\nAction: delayed\nStatus: 4.4.1\n\
         Final-Recipient: rfc822; cid@example.org\nAction: failed\nDiagnostic-Code: smtp; 552 5.2.2 mailbox is full\n\n\
         Final-Recipient: rfc822; dan@example.org\nAction: delivered\nStatus: 2.0.0\n",
    ));
    let expected = [
        ("ann@example.org", Hard, "userunknown", "5.1.1".to_owned()),
        ("ben@example.org", Soft, "networkerror", "4.4.1".to_owned()),
        ("cid@example.org", Soft, "mailboxfull", "5.2.2".to_owned()),
    ];
    assert_eq!(told(&report), expected);
}

#[test]
fn a_late_message_is_soft_and_a_delivered_one_is_no_bounce() {
    let late = read(&standard(
        "late",
        "Final-Recipient: rfc822; ann@example.org\nAction: delayed\nStatus: 4.1.1\nDiagnostic-Code: smtp; 450 4.1.1 user unknown\n",
    ));
    assert_eq!(
        told(&late),
        [("ann@example.org", Soft, "userunknown", "4.1.1".to_owned())]
    );
    let done = read(&standard(
        "done",
        "Final-Recipient: rfc822; ann@example.org\nAction: relayed\nStatus: 2.1.9\n",
    ));
    assert_eq!((done.kind, done.recipients.len()), (Kind::Other, 0));
}

#[test]
fn prose_is_understood_whoever_wrote_it() {
    let cases = [
        // The address at the beginning of a line, with a colon.
        (
            "failure notice",
            "Hi. I was not able to deliver your message to the following addresses.\n\n<ann@example.org>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 no such user\n\n--- Below this line is a copy of the message.\n\n",
            Hard,
            "userunknown",
        ),
        // The address alone on an indented line.
        (
            "Mail delivery failed: returning message to sender",
            "A message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:\n\n  ann@example.org\n    host mx.example.org [192.0.2.1]: 552 mailbox is full\n\n------ This is a copy of the message ------\n\n",
            Soft,
            "mailboxfull",
        ),
        // A transcript.
        (
            "Returned mail: see transcript",
            "   ----- Transcript of session follows -----\n... while talking to mx.example.org.:\n>>> RCPT To:<ann@example.org>\n<<< 550 5.7.1 Relaying denied\n550 5.7.1 <ann@example.org>... Relaying denied\n\n   ----- Original message follows -----\n\n",
            Block,
            "norelaying",
        ),
        // A list below a sentence, with a date behind the address.
        (
            "Undeliverable: News",
            "Your message\n\n  To:      list@example.net\n  Subject: News\n\ndid not reach the following recipient(s):\n\nann@example.org on Fri, 2 Jan 2026 11:08:59 -0700\n    The recipient name is not recognized: unknown recipient\n\n",
            Hard,
            "userunknown",
        ),
        // A label.
        (
            "Undeliverable Mail",
            "Invalid final delivery userid: ann@example.org\n\nOriginal message follows.\n\n",
            Hard,
            "userunknown",
        ),
        // A sentence.
        (
            "Delivery failure",
            "Your mail to <ann@example.org> could not be delivered because its content looks like spam.\n\n",
            Block,
            "spamdetected",
        ),
        // Other languages.
        (
            "Unzustellbar: News",
            "Ihre Nachricht konnte nicht zugestellt werden:\n\n<ann@example.org>: Empfänger unbekannt\n\n",
            Hard,
            "userunknown",
        ),
        (
            "配信失敗のお知らせ",
            "<ann@example.org>: 宛先の利用者は存在しません\n\n",
            Hard,
            "userunknown",
        ),
    ];
    for (subject, text, class, reason) in cases {
        let report = read(&plain(DAEMON, subject, &format!("{text}{ORIGINAL}")));
        assert_eq!(report.kind, Kind::Bounce, "{subject}");
        let told: Vec<_> = told(&report)
            .into_iter()
            .map(|(address, class, reason, _)| (address, class, reason))
            .collect();
        assert_eq!(told, [("ann@example.org", class, reason)], "{subject}");
        assert_eq!(
            report.original.message_id.as_deref(),
            Some("1.2@news.example.com"),
            "{subject}"
        );
    }
}

#[test]
fn a_field_of_the_header_names_those_that_failed() {
    let text = format!(
        "X-Failed-Recipients: ann@example.org, ben@example.org\n{}",
        plain(DAEMON, "Mail delivery failed", "It did not work: user unknown")
    );
    let report = read(&text);
    let addresses: Vec<_> = report.recipients.iter().map(|one| one.address.as_str()).collect();
    assert_eq!(addresses, ["ann@example.org", "ben@example.org"]);
}

#[test]
fn a_name_without_a_domain_is_one_of_the_reporting_server() {
    let text = plain(
        "MAILER-DAEMON@example.org",
        "Mail Delivery Problem",
        "Your mail to the following recipients could not be delivered:\n\nann\n",
    );
    assert_eq!(told(&read(&text))[0].0, "ann@example.org");
}

#[test]
fn a_status_within_the_text_is_read_too() {
    let text = plain(
        DAEMON,
        "Delivery Status Notification (Failure)",
        "Technical report:\n\nReporting-MTA: dns; mx.example.net\n\nAction: failed\nFinal-Recipient: rfc822; ann@example.org\nStatus: 5.1.1\n",
    );
    assert_eq!(
        told(&read(&text)),
        [("ann@example.org", Hard, "userunknown", "5.1.1".to_owned())]
    );
}

#[test]
fn encodings_hide_nothing() {
    // "<ann@example.org>: mailbox is full"
    for (encoding, body) in [
        ("base64", "PGFubkBleGFtcGxlLm9yZz46IG1haWxib3ggaXMgZnVsbA=="),
        ("quoted-printable", "<ann=40example.org>: mailb=\nox is full"),
    ] {
        let text = format!(
            "From: {DAEMON}\nSubject: =?utf-8?b?VW5kZWxpdmVyZWQgTWFpbA==?=\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: {encoding}\n\n{body}\n"
        );
        let report = read(&text);
        assert_eq!(
            told(&report),
            [("ann@example.org", Soft, "mailboxfull", String::new())],
            "{encoding}"
        );
    }
    let page = format!(
        "From: {DAEMON}\nSubject: Undeliverable\nContent-Type: text/html\n\n<p>Could not be delivered:</p><p>ann@example.org</p><p>user&nbsp;unknown</p>\n"
    );
    assert_eq!(
        told(&read(&page)),
        [("ann@example.org", Hard, "userunknown", String::new())]
    );
}

#[test]
fn a_report_within_a_message_is_found() {
    let inner = standard(
        "x",
        "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n",
    )
    .replace("b1", "b2");
    let text = format!(
        "From: postmaster@gate.example.net\nSubject: Delivery Status Notification\nContent-Type: multipart/mixed; boundary=b0\n\n--b0\nContent-Type: message/rfc822\n\n{inner}\n--b0--\n"
    );
    assert_eq!(
        told(&read(&text)),
        [("ann@example.org", Hard, "userunknown", "5.1.1".to_owned())]
    );
}

#[test]
fn a_complaint_is_no_bounce() {
    let report = |kind: &str, field: &str| {
        read(&format!(
            "From: fbl@example.org\nSubject: FW: News\nContent-Type: multipart/report; report-type=feedback-report; boundary=b1\n\n--b1\n\nan email abuse report\n\
             --b1\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nVersion: 1\n{field}\n--b1\nContent-Type: message/rfc822\n\nFrom: news@example.com\nTo: ann@example.org\nMessage-ID: <1.2@news.example.com>\nSubject: News\n\nhello\n--b1--\n"
        ))
    };
    let abuse = report("abuse", "Original-Rcpt-To: <ben@example.org>");
    assert_eq!(
        (abuse.kind, abuse.feedback_type.as_deref()),
        (Kind::Complaint, Some("abuse"))
    );
    assert_eq!(
        told(&abuse),
        [("ben@example.org", Class::Complaint, "feedback", String::new())]
    );
    assert_eq!(abuse.original.message_id.as_deref(), Some("1.2@news.example.com"));
    assert_eq!(told(&report("fraud", ""))[0].0, "ann@example.org");
    assert_eq!(report("not-spam", "").kind, Kind::Other);
}

#[test]
fn an_answer_by_a_machine_is_no_bounce() {
    for text in [
        "From: ann@example.org\nSubject: Automatic reply: News\n\nI am back on Monday.\n",
        "From: ann@example.org\nSubject: Re: News\nX-Autoreply: yes\n\nI am back on Monday.\n",
        "From: ann@example.org\nSubject: Re: News\nAuto-Submitted: auto-replied (vacation)\n\nI am back on Monday.\n",
        "From: ann@example.org\nSubject: =?utf-8?q?Abwesenheitsnotiz?=\n\nIch bin im Urlaub.\n",
    ] {
        assert_eq!(read(text).kind, Kind::Autoreply, "{text}");
    }
}

#[test]
fn what_people_and_programs_otherwise_write_is_other() {
    for text in [
        "From: ann@example.org\nTo: news@example.com\nSubject: Re: News\n\nThank you! My neighbour ben@example.org could not open it, it does not exist there.\n",
        "From: ann@example.org\nSubject: Read: News\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b1\n\n--b1\n\nread\n--b1\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; ann@example.org\nDisposition: manual-action/MDN-sent-manually; displayed\n--b1--\n",
        "From: guard@example.org\nSubject: Please confirm that you are human\n\nClick on the link, or your mail to ann@example.org will not be delivered.\n",
    ] {
        let report = read(text);
        assert_eq!((report.kind, report.recipients.len()), (Kind::Other, 0), "{text}");
    }
}

#[test]
fn line_ends_make_no_difference() {
    let text = standard(
        "no words",
        "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550\n  no such user\n",
    );
    let expected = read(&text);
    assert_eq!(read(&text.replace('\n', "\r\n")), expected);
    assert_eq!(read(&text.replace('\n', "\r")), expected);
}

#[test]
fn to_whom_a_message_was_written_is_not_who_failed() {
    let report = read(
        "From: System Administrator <postmaster@example.net>\nSubject: Undeliverable: News\n\nYour message\n\n\
         \u{20} To:      all-readers@example.com\n  Subject: News\n  Sent:    Fri, 4 Oct 2024 17:10:56 -0400\n\n\
         did not reach the following recipient(s):\n\nann@example.org on Fri, 4 Oct 2024 17:12:28 -0400\n\
         \u{20}   The recipient name is not recognized\n",
    );
    let addresses: Vec<_> = report.recipients.iter().map(|one| one.address.as_str()).collect();
    assert_eq!(addresses, ["ann@example.org"]);
}

#[test]
fn a_junk_mail_report_of_microsoft_tells_its_recipient_in_the_returned_header() {
    let report = read(
        "From: staff@hotmail.example.net\nTo: fbl@example.com\nSubject: complaint about message from 192.0.2.1\n\
         MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n\
         --x\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: ann@example.org\nFrom: news@example.com\n\
         To: somebody@example.org\nSubject: News\nMessage-ID: <1@example.com>\n\nhello\n\n--x--\n",
    );
    assert_eq!(report.kind, Kind::Complaint);
    assert_eq!(report.recipients[0].address, "ann@example.org");
}
