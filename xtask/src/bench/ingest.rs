//! Bounces handed over to the listener, each durable and counted before its 250.

mod recorder;
mod session;

use super::installation::{Installation, relay};
use super::sink::{SESSIONS, Sink};
use super::{ROUNDS, median, spread};
use anyhow::ensure;
use recorder::{Recorder, Sent};
use session::Session;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Instant;

const REPORTS: usize = 20_000;

/// Our listener's rate beside that of `smtp-sink`, which keeps nothing, for the same reports by the same client.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    let sink = Sink::start()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut octets = 0;
    for round in 1..=ROUNDS {
        let (reports, rate) = ingest(binary, REPORTS)?;
        ours.push(rate);
        theirs.push(hand_over(&reports, sink.address())?);
        octets = reports.iter().map(|report| report.text.len()).sum::<usize>() / reports.len();
        eprintln!(
            "round {round}: tidings {:.0} reports/s, smtp-sink {:.0}",
            ours[round - 1],
            theirs[round - 1]
        );
    }
    let [sink, tidings] = [&theirs, &ours].map(|rates| median(rates.iter().copied()));
    Ok(format!(
        "{REPORTS} delivery status notifications of {octets} octets about as many deliveries, over {SESSIONS} sessions of a \
         client that waits for each answer; SQLite with synchronous=FULL. smtp-sink keeps nothing; ours has matched, counted \
         and committed each report, and suppressed its address, before it answers.\n\n\
         | | reports/s (median) | of each round | ratio |\n|---|---|---|---|\n\
         | smtp-sink | {sink:.0} | {} | 1.00 |\n\
         | tidings serve | {tidings:.0} | {} | {:.2} |\n",
        spread(&theirs),
        spread(&ours),
        tidings / sink,
    ))
}

/// A report and where it goes.
struct Report {
    to: String,
    text: String,
}

/// Sends a campaign to so many, hands over a bounce of each of its messages, and makes sure that all were kept. The reports, and the
/// rate at which they were taken.
fn ingest(binary: &Path, recipients: usize) -> anyhow::Result<(Vec<Report>, f64)> {
    let recorder = Recorder::start()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let sections = format!(
        "{}[mail]\nreturn_path_domain = \"bounce.example.com\"\n\n[web]\nlisten = \"127.0.0.1:0\"\n\n\
         [[intake.smtp]]\nlisten = \"{listener}\"\nmax_messages_per_minute = 0\n",
        relay(recorder.address(), SESSIONS)
    );
    let installation = Installation::new(binary, &sections)?;
    let campaign = installation.campaign(recipients)?;
    installation.run(&["campaign", "send", &campaign])?;
    let reports: Vec<Report> = recorder.sent().iter().map(report).collect();
    ensure!(
        reports.len() == recipients,
        "{} messages were sent",
        reports.len()
    );

    let (server, _) = installation.serve()?;
    let rate = hand_over(&reports, listener)?;
    // Killed without a chance to write anything: what was answered must be there.
    drop(server);
    let events = installation.run(&["bounce", "list", "--limit", &(2 * recipients).to_string()])?;
    let suppressed = events.as_array().map(|events| {
        events
            .iter()
            .filter(|event| event["done"] == "suppressed")
            .count()
    });
    ensure!(
        suppressed == Some(recipients),
        "of {recipients} reports {suppressed:?} were kept and acted upon"
    );
    Ok((reports, rate))
}

/// Reports a second, over [`SESSIONS`] sessions at once.
fn hand_over(reports: &[Report], to: SocketAddr) -> anyhow::Result<f64> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let sessions: Vec<_> = reports
            .chunks(reports.len().div_ceil(SESSIONS))
            .map(|share| {
                scope.spawn(move || {
                    let mut session = Session::open(to)?;
                    share
                        .iter()
                        .try_for_each(|report| session.hand_over(&report.to, &report.text))
                })
            })
            .collect();
        sessions
            .into_iter()
            .try_for_each(|session| session.join().expect("a session does not panic"))
    })?;
    Ok(reports.len() as f64 / begun.elapsed().as_secs_f64())
}

/// The bounce of a message, as Postfix writes it.
fn report(sent: &Sent) -> Report {
    let Sent {
        sender,
        recipient,
        header,
    } = sent;
    let text = format!(
        "From: MAILER-DAEMON@mx.example.net (Mail Delivery System)\r\nTo: {sender}\r\n\
         Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"bounce/mx.example.net\"\r\n\r\n\
         This is a MIME-encapsulated message.\r\n\r\n--bounce/mx.example.net\r\nContent-Type: text/plain\r\n\r\n\
         This is the mail system at host mx.example.net.\r\n\r\nYour message could not be delivered.\r\n\r\n\
         <{recipient}>: host mx.example.org[192.0.2.1] said: 550 5.1.1\r\n    no such user here (in reply to RCPT TO command)\r\n\r\n\
         --bounce/mx.example.net\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\
         Arrival-Date: Thu, 1 Oct 2026 10:00:00 +0000 (UTC)\r\n\r\nFinal-Recipient: rfc822; {recipient}\r\n\
         Original-Recipient: rfc822;{recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.org\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user here\r\n\r\n\
         --bounce/mx.example.net\r\nContent-Type: text/rfc822-headers\r\n\r\n{header}\r\n\
         --bounce/mx.example.net--\r\n"
    );
    Report {
        to: sender.clone(),
        text,
    }
}
