//! Messages written for these tests, one for each family.

mod families;
mod faults;
mod notifications;
mod refusals;

use super::*;
use crate::verdict::Class;

fn read(text: &str) -> Report {
    classify(Rules::standard(), text.as_bytes())
}

/// Address, class, reason and status of each recipient.
fn told(report: &Report) -> Vec<(&str, Class, &str, String)> {
    let status = |recipient: &Recipient| {
        recipient
            .status
            .map(|status| status.to_string())
            .unwrap_or_default()
    };
    report
        .recipients
        .iter()
        .map(|one| {
            (
                one.address.as_str(),
                one.verdict.class,
                one.verdict.reason,
                status(one),
            )
        })
        .collect()
}

/// A report of three parts, with these statuses.
fn standard(text: &str, statuses: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nTo: bounce@news.example.com\nSubject: Undelivered Mail Returned to Sender\n\
         MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b1\n\n\
         --b1\nContent-Type: text/plain\n\n{text}\n--b1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n{statuses}\n\
         --b1\nContent-Type: message/rfc822\n\nFrom: news@example.com\nTo: ann@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\
         Message-ID: <1.2@news.example.com>\n\nhello\n--b1--\n"
    )
}

/// A report without parts.
fn plain(from: &str, subject: &str, text: &str) -> String {
    format!("From: {from}\nTo: bounce@news.example.com\nSubject: {subject}\n\n{text}\n")
}
