//! Mail servers hand over what came back, by SMTP and LMTP: each report is durable when it is answered, and nobody can use
//! the listener for anything else.

use crate::feedback::{after_a_campaign, suppression};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tidings_tests::reports::{Report, complaint, unsubscribe_mail};
use tidings_tests::script::{Acceptance, Reply, Rule, Script};
use tidings_tests::{
    App, Authority, Encryption, MailClient, MailServer, PASSWORD, Server, free_port, on_both_engines,
    wait_until,
};

/// Has `tidings serve` listen for reports, with these further lines of configuration.
fn listening(app: &App, more: &str) -> (Server, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    configure(app, &address.to_string(), more);
    (app.serve(), address)
}

fn configure(app: &App, listen: &str, more: &str) {
    app.configure(|settings| settings.more = sections(listen, more));
}

fn sections(listen: &str, more: &str) -> String {
    format!(
        "[mail]\nreturn_path_domain = \"bounce.example.com\"\n\n[[intake.smtp]]\nlisten = \"{listen}\"\n{more}\n"
    )
}

/// A campaign whose return paths are at the bounce domain.
fn campaign(app: &App) -> Vec<Acceptance> {
    configure(app, "127.0.0.1:0", "");
    let (_, accepted) = after_a_campaign(app);
    for acceptance in &accepted {
        assert!(
            acceptance.sender.ends_with("@bounce.example.com"),
            "{acceptance:?}"
        );
    }
    accepted
}

/// What came in, the newest first.
#[track_caller]
fn events(app: &App) -> Vec<serde_json::Value> {
    app.run(["bounce", "list", "--limit", "10000", "--format", "jsonl"])
        .succeeded()
        .json_lines()
}

/// Why a reader is suppressed; null if he is not.
fn reason(app: &App, reader: &str) -> serde_json::Value {
    suppression(app, reader)["reason"].clone()
}

on_both_engines!(a_report_is_durable_when_it_is_answered_and_counts_once, |app| {
    let accepted = campaign(app);
    let (server, address) = listening(app, "");
    let report = Report::no_such_mailbox(&accepted[0]);
    let mut client = MailClient::connect(address);
    assert!(
        client.greeting.starts_with("220 bounce.example.com"),
        "{}",
        client.greeting
    );
    // Hosts on the way may fold the case of an address.
    let folded = report.return_path.to_uppercase();
    for recipient in [&folded, &report.return_path, &folded] {
        let reply = client.hand_over(recipient, &report.text());
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    server.process.kill_9();
    assert_eq!(reason(app, "reader1@example.org"), "hard_bounce");
    let counted = |done: &str| events(app).iter().filter(|event| event["done"] == done).count();
    assert_eq!(
        (counted("suppressed"), counted("known")),
        (1, 0),
        "{:?}",
        events(app)
    );
});

on_both_engines!(complaints_and_unsubscribes_are_taken_too, |app| {
    let accepted = campaign(app);
    let (server, address) = listening(app, "complaints = [\"fbl@example.com\"]");
    let mut client = MailClient::connect(address);
    let reply = client.hand_over("fbl@example.com", &complaint(&accepted[0], "abuse"));
    assert!(reply.starts_with("250"), "{reply}");
    let leaving = unsubscribe_mail(&accepted[1]);
    let (_, rest) = leaving.split_once("To: ").unwrap();
    let reply = client.hand_over(rest.lines().next().unwrap(), &leaving);
    assert!(reply.starts_with("250"), "{reply}");
    let reply = client.hand_over(
        "postmaster@bounce.example.com",
        "Subject: hello\r\n\r\nIs anybody there?\r\n",
    );
    assert!(reply.starts_with("250"), "{reply}");
    server.process.kill_9();
    assert_eq!(reason(app, "reader1@example.org"), "complaint");
    let again = app.campaign("readers");
    let show = app.send(again);
    assert_eq!(show.planned(), 1, "{show}");
});

on_both_engines!(nobody_else_gets_mail_and_nothing_is_relayed, |app| {
    let accepted = campaign(app);
    let (_server, address) = listening(app, "");
    let genuine = Report::no_such_mailbox(&accepted[0]);
    let (local, domain) = genuine.return_path.split_once('@').unwrap();
    let last = if local.ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{last}@{domain}", &local[..local.len() - 1]);
    let mut client = MailClient::connect(address);
    for (recipient, refusal) in [
        (forged.as_str(), "550 5.1.1"),
        ("news@bounce.example.com", "550 5.1.1"),
        ("reader1@example.org", "550 5.7.1"),
        ("reader1%example.org@bounce.example.com", "550 5.1.1"),
        (&format!("{local}@example.org"), "550 5.7.1"),
    ] {
        let reply = client.hand_over(recipient, &genuine.text());
        assert!(reply.starts_with(refusal), "{recipient}: {reply}");
    }
    let reply = client.hand_over(&genuine.return_path, &genuine.text());
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(events(app).len(), 1);
});

on_both_engines!(a_second_message_cannot_be_smuggled_in, |app| {
    let accepted = campaign(app);
    let (_server, address) = listening(app, "");
    let [first, second] = [0, 1].map(|reader| Report::no_such_mailbox(&accepted[reader]));
    for end in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r\r\n"] {
        let hidden = format!(
            "{end}MAIL FROM:<>\r\nRCPT TO:<{}>\r\nDATA\r\n{}",
            second.return_path,
            second.text()
        );
        let text = first.text() + &hidden;
        let mut client = MailClient::connect(address);
        let reply = client.hand_over(&first.return_path, &text);
        assert!(reply.starts_with("250"), "{end:?}: {reply}");
        assert!(client.say("QUIT").starts_with("221"), "{end:?}");
    }
    assert_eq!(reason(app, "reader1@example.org"), "hard_bounce");
    assert_eq!(reason(app, "reader2@example.org"), serde_json::Value::Null);
});

on_both_engines!(what_is_too_big_is_refused_and_the_session_goes_on, |app| {
    let accepted = campaign(app);
    let (_server, address) = listening(app, "max_message_size = 65536");
    let report = Report::no_such_mailbox(&accepted[0]);
    let mut client = MailClient::connect(address);
    assert!(client.say("EHLO mx.example.net").contains("SIZE 65536"));
    assert!(client.say("MAIL FROM:<> SIZE=65537").starts_with("552 5.3.4"));
    let much = report.text() + &"filler\r\n".repeat(100_000);
    let reply = client.hand_over(&report.return_path, &much);
    assert!(reply.starts_with("552 5.3.4"), "{reply}");
    assert!(events(app).is_empty());
    let reply = client.hand_over(&report.return_path, &report.text());
    assert!(reply.starts_with("250"), "{reply}");
});

on_both_engines!(commands_may_come_all_at_once, |app| {
    let accepted = campaign(app);
    let (_server, address) = listening(app, "");
    let mut client = MailClient::connect(address);
    let mut wire = "EHLO mx.example.net\r\n".to_owned();
    for acceptance in &accepted {
        let report = Report::no_such_mailbox(acceptance);
        wire += &format!(
            "MAIL FROM:<>\r\nRCPT TO:<{}>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n{}.\r\n",
            report.return_path,
            report.text()
        );
    }
    client.write((wire + "QUIT\r\n").as_bytes());
    let replies: Vec<String> = std::iter::repeat_with(|| client.hear()).take(18).collect();
    let codes: Vec<&str> = replies.iter().map(|reply| reply.get(..3).unwrap_or("")).collect();
    let of_message = ["250", "250", "550", "354", "250"];
    let expected = [&["250"][..], &of_message, &of_message, &of_message, &["221", ""]].concat();
    assert_eq!(codes, expected, "{replies:?}");
    assert_eq!(events(app).len(), 3);
});

on_both_engines!(reports_are_taken_over_tls, |app| {
    let accepted = campaign(app);
    let authority = Authority::new("The authority of a test");
    let issued = authority.issue(&["127.0.0.1"]);
    let certificate = app.write("certificate.pem", &issued.certificate);
    let key = app.write("key.pem", &issued.key);
    let more = format!("certificate_file = {certificate:?}\nkey_file = {key:?}\ntls = \"required\"\n");
    let (_server, address) = listening(app, &more);
    let report = Report::no_such_mailbox(&accepted[0]);

    let mut client = MailClient::connect(address);
    let reply = client.hand_over(&report.return_path, &report.text());
    assert!(reply.starts_with("530 5.7.0"), "{reply}");
    assert!(client.say("EHLO mx.example.net").contains("STARTTLS"));
    // What somebody in between puts behind the command is not taken for the client's.
    client.write(b"STARTTLS\r\nEHLO mallory\r\n");
    assert!(client.hear().starts_with("220"));
    let mut client = client.encrypt(&authority.pem);
    assert!(
        client.say("MAIL FROM:<>").starts_with("503"),
        "what was said before counts"
    );
    assert!(!client.say("EHLO mx.example.net").contains("STARTTLS"));
    let reply = client.hand_over(&report.return_path, &report.text());
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    assert_eq!(events(app).len(), 1);
});

on_both_engines!(sessions_rates_and_errors_are_bounded, |app| {
    let accepted = campaign(app);
    let (_server, address) = listening(
        app,
        "max_sessions = 3\nmax_sessions_per_client = 2\nmax_messages_per_minute = 2\nmax_errors = 3\nidle_timeout = \"3s\"",
    );
    let mut first = MailClient::connect(address);
    let second = MailClient::connect(address);
    let third = MailClient::connect(address);
    assert!(third.greeting.starts_with("421 4.3.2"), "{}", third.greeting);
    drop(second);
    wait_until("there is room again", 10, || {
        MailClient::connect(address).greeting.starts_with("220")
    });

    let report = Report::no_such_mailbox(&accepted[0]);
    for _ in 0..2 {
        let reply = first.hand_over(&report.return_path, &report.text());
        assert!(reply.starts_with("250"), "{reply}");
    }
    let reply = first.hand_over(&report.return_path, &report.text());
    assert!(reply.starts_with("450 4.7.1"), "{reply}");
    let replies = ["what", "what", "what"].map(|line| first.say(line));
    assert!(
        replies[1].starts_with("500") && replies[2].starts_with("421"),
        "{replies:?}"
    );
    assert_eq!(first.hear(), "", "the session is over");

    let begun = Instant::now();
    let mut idle = MailClient::connect(address);
    idle.write(b"NOO");
    assert!(idle.hear().starts_with("421 4.4.2"));
    assert!(begun.elapsed() > Duration::from_millis(2900));
});

on_both_engines!(a_stop_ends_sessions_at_once_and_keeps_what_was_answered, |app| {
    let accepted = campaign(app);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lmtp.sock");
    configure(app, &format!("unix:{}", socket.display()), "protocol = \"lmtp\"");
    let server = app.serve();
    let report = Report::no_such_mailbox(&accepted[0]);
    let mut client = MailClient::connect_to_socket(&socket);
    assert!(client.say("EHLO mx.example.net").starts_with("500"));
    for line in ["LHLO mx.example.net", "MAIL FROM:<>", "RCPT TO:<postmaster>"] {
        assert!(client.say(line).starts_with("250"), "{line}");
    }
    assert!(
        client
            .say(&format!("RCPT TO:<{}>", report.return_path))
            .starts_with("250")
    );
    assert!(client.say("DATA").starts_with("354"));
    client.write(report.text().as_bytes());
    assert!(
        client.say(".").starts_with("250"),
        "one answer for each recipient"
    );
    assert!(client.hear().starts_with("250"), "one answer for each recipient");

    server.process.sigterm();
    assert!(client.hear().starts_with("421 4.3.2"));
    // Long before the session would have been idle for too long.
    server.process.wait(App::PATIENCE).succeeded();
    assert!(!socket.exists(), "the socket is left behind");
    assert_eq!(reason(app, "reader1@example.org"), "hard_bounce");
});

on_both_engines!(a_socket_left_behind_is_not_in_the_way, |app| {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lmtp.sock");
    configure(app, &format!("unix:{}", socket.display()), "protocol = \"lmtp\"");
    app.serve().process.kill_9();
    assert!(socket.exists());
    let _server = app.serve();
    assert!(MailClient::connect_to_socket(&socket).greeting.starts_with("220"));
});

on_both_engines!(a_place_or_certificate_that_cannot_be_used_is_named, |app| {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    configure(app, &address, "");
    app.run(["serve"])
        .failed_with(1)
        .says(&["[[intake.smtp]]", "cannot listen on", &address]);

    let (certificate, key) = (app.write("certificate.pem", "none"), app.write("key.pem", "none"));
    let more = format!("certificate_file = {certificate:?}\nkey_file = {key:?}");
    configure(app, "127.0.0.1:0", &more);
    let checked = app.run(["check"]).failed_with(1);
    for part in ["intake 127.0.0.1:0", "certificate.pem", "BEGIN CERTIFICATE"] {
        assert!(checked.stdout.contains(part), "{part} is missing in:\n{checked}");
    }
    app.run(["serve"]).failed_with(1).says(&["certificate.pem"]);
});

on_both_engines!(
    whatever_is_killed_whenever_no_report_is_lost_or_counted_twice,
    |app| {
        configure(app, "127.0.0.1:0", "");
        app.relay
            .follow(Script::accepting().keep_content(64 * 1024 * 1024));
        app.import("readers", 400);
        let id = app.campaign("readers");
        app.send(id);
        let reports: Vec<Report> = app.relay.accepted().iter().map(Report::no_such_mailbox).collect();
        assert_eq!(reports.len(), 400);

        let (server, address) = listening(app, "");
        let answered = std::thread::scope(|scope| {
            let sessions: Vec<_> = reports
                .chunks(100)
                .map(|share| {
                    scope.spawn(move || {
                        let mut client = MailClient::connect(address);
                        share
                            .iter()
                            .take_while(|report| {
                                client
                                    .hand_over(&report.return_path, &report.text())
                                    .starts_with("250")
                            })
                            .count()
                    })
                })
                .collect();
            let come_in = || app.database.number("SELECT COUNT(*) FROM feedback_events");
            wait_until("some have come in", 30, || come_in() > 20);
            server.process.kill_9();
            sessions
                .into_iter()
                .map(|session| session.join().unwrap())
                .collect::<Vec<_>>()
        });
        let kept: std::collections::HashSet<String> = events(app)
            .iter()
            .map(|event| event["address"].as_str().unwrap().to_owned())
            .collect();
        for (share, answered) in reports.chunks(100).zip(&answered) {
            for report in &share[..*answered] {
                assert!(
                    kept.contains(&report.recipient),
                    "{} was answered",
                    report.recipient
                );
            }
        }
        assert!(
            answered.iter().sum::<usize>() < 400,
            "all had come in before the kill"
        );

        let (_server, address) = listening(app, "");
        let mut client = MailClient::connect(address);
        for report in &reports {
            let reply = client.hand_over(&report.return_path, &report.text());
            assert!(reply.starts_with("250"), "{reply}");
        }
        let all = events(app);
        assert_eq!(all.len(), 400);
        assert!(all.iter().all(|event| event["done"] == "suppressed"), "{all:?}");
    }
);

/// Sends through Postfix to a receiver that refuses the recipient; Postfix's own bounce must come back to us.
fn postfix_hands_its_bounce_over(app: &App, listen: &str, more: &str, transport: &str) {
    let gone = Rule::rcpt(Reply::new(550, "5.1.1", "no such user here"));
    app.relay.follow(Script::accepting().rule(gone));
    let postfix = MailServer::handing_over(&[
        (
            "gone.example.org",
            &format!("smtp:[127.0.0.1]:{}", app.relay.address().port()),
        ),
        ("bounce.example.com", transport),
    ]);
    let password = app.write("password", PASSWORD);
    app.configure(|settings| {
        settings.url = Some(postfix.url(Encryption::StartTls));
        let ours = sections(listen, more);
        settings.more = format!(
            "password_file = {password:?}\nca_file = {:?}\n\n{ours}",
            postfix.authority()
        );
    });
    let _server = app.serve();
    app.import_csv(
        "readers",
        "email,name,city\nann@gone.example.org,Ann,Springfield\n",
    );
    let id = app.campaign("readers");
    // The running server sends it.
    app.run(["campaign", "schedule", &id.to_string(), "--now"])
        .succeeded();
    wait_until("the bounce has come back", 60, || !events(app).is_empty());
    let all = events(app);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["matched_by"], "return_path", "{all:?}");
    assert_eq!(reason(app, "ann@gone.example.org"), "hard_bounce");
    postfix.wait_until_delivered();
}

on_both_engines!(postfix_hands_over_a_bounce_by_smtp, |app| {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    postfix_hands_its_bounce_over(app, &listen, "", &format!("smtp:[127.0.0.1]:{port}"));
});

on_both_engines!(postfix_hands_over_a_bounce_by_lmtp, |app| {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    // Postfix has a user of its own, who must reach the socket.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket: PathBuf = folder.path().join("lmtp.sock");
    let place = format!("unix:{}", socket.display());
    postfix_hands_its_bounce_over(app, &place, "protocol = \"lmtp\"", &format!("lmtp:{place}"));
});
