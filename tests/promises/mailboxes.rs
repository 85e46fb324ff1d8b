//! What comes back into a mailbox or a Maildir is taken once, filed only when it is kept for good, and what is not for us is
//! left alone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidings_tests::Encryption::{Implicit, StartTls};
use tidings_tests::{App, Encryption, ImapServer, PASSWORD, Server, Yardstick, on_both_engines, wait_until};

/// A person's answer.
const ANSWER: &str = "From: Ann <ann@example.org>\nTo: news@example.com\nSubject: Re: Spring news\n\
    Message-ID: <answer@example.org>\n\nI liked this one. Who wrote it?\n";

/// Sends a campaign to so many, and makes each a report that says that the address does not exist.
fn bounces(app: &App, n: usize) -> Vec<String> {
    app.import("readers", n);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let accepted = app.relay.accepted();
    assert_eq!(accepted.len(), n);
    accepted
        .iter()
        .map(|mail| report(&mail.sender, &mail.recipient, mail.message_id.as_deref().unwrap()))
        .collect()
}

fn report(sender: &str, recipient: &str, message_id: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\nTo: {sender}\nSubject: Undelivered Mail Returned to Sender\n\
         Message-ID: <report-{recipient}>\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n\
         --b\nContent-Type: text/plain\n\nThis is the mail system at mx.example.org. Your message could not be delivered.\n\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n\
         Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: user unknown\n\n\
         --b\nContent-Type: message/rfc822\n\nFrom: news@example.com\nTo: {recipient}\nMessage-ID: {message_id}\n\
         Subject: Spring news\n\nDear reader\n\n--b--\n"
    )
}

/// Reads this mailbox; `more`: further lines of its section.
fn configure(app: &App, server: &ImapServer, encryption: Encryption, password: &str, more: &str) {
    let password = app.write("imap.password", password);
    app.configure(|settings| {
        settings.more = format!(
            "[mail]\nreturn_path_domain = \"bounce.example.com\"\n\
             [[intake.imap]]\nurl = \"{}\"\npassword_file = \"{}\"\nca_file = \"{}\"\n{more}\n",
            server.url(encryption, "INBOX"),
            password.display(),
            server.authority().display(),
        );
    });
}

fn count(app: &App, what: &str) -> i64 {
    app.database.number(&format!("SELECT COUNT(*) FROM {what}"))
}

/// Bounces that were counted, and addresses that are suppressed for them.
#[track_caller]
fn assert_counted(app: &App, bounces: usize) {
    let counted = count(
        app,
        "feedback_events WHERE kind = 'bounce' AND done IN ('counted', 'suppressed')",
    );
    assert_eq!(counted, bounces as i64, "bounces that were counted");
    assert_eq!(count(app, "suppressions"), bounces as i64, "suppressions");
}

/// Whether so many were moved, and nothing is left. Dovecot copies all of them first, and removes them then.
fn are_filed(server: &ImapServer, n: usize) -> bool {
    are_filed_but(server, n, 0)
}

/// The same if so many stay.
fn are_filed_but(server: &ImapServer, n: usize, stay: usize) -> bool {
    server.folder("Tidings").len() == n && server.inbox().len() == stay
}

#[track_caller]
fn stop(server: Server) -> String {
    let (told, yardstick) = (Instant::now(), Yardstick::begin());
    server.process.sigterm();
    let output = server.process.wait(App::PATIENCE).succeeded();
    let (took, excuse) = (told.elapsed(), yardstick.end().excuse());
    assert!(
        took < Duration::from_secs(5) + excuse,
        "it took {took:?} to end; the machine excuses {excuse:?}"
    );
    // How long a statement takes is the machine's affair.
    let said = output.stderr.lines();
    let said: Vec<&str> = said.filter(|line| !line.contains("slow statement")).collect();
    said.join("\n")
}

on_both_engines!(
    a_bounce_in_a_mailbox_is_counted_and_filed_and_one_that_comes_later_within_seconds,
    |app| {
        let server = ImapServer::start();
        // Only IDLE can be as fast as what is asked for here.
        configure(app, &server, Implicit, PASSWORD, "poll = \"25m\"");
        let bounces = bounces(app, 3);
        server.deliver(&bounces[0]);
        server.deliver(ANSWER);
        let serving = app.serve();
        wait_until("the first is filed", 30, || are_filed_but(&server, 1, 1));
        assert_counted(app, 1);
        let is_marked = |name: &String| name.ends_with(":2,a");
        wait_until("the answer is marked", 30, || {
            server.inbox().iter().all(is_marked)
        });
        assert_eq!(server.inbox().len(), 1, "{:?}", server.inbox());

        server.deliver(&bounces[1]);
        wait_until("the second is filed", 20, || are_filed_but(&server, 2, 1));
        server.deliver(&bounces[2]);
        wait_until("the third is filed", 20, || are_filed_but(&server, 3, 1));
        assert_counted(app, 3);
        assert_eq!(server.inbox().len(), 1, "{:?}", server.inbox());
        let said = stop(serving);
        assert!(!said.contains("WARN"), "{said}");
        wait_until("Dovecot counts", 10, || server.bodies_read() == 4);
        assert_eq!(count(app, "arrivals WHERE way = 'imap'"), 4);
    }
);

on_both_engines!(
    what_was_kept_and_not_filed_when_the_process_was_killed_counts_once_and_is_filed,
    |app| {
        let server = ImapServer::start();
        configure(app, &server, StartTls, PASSWORD, "");
        let bounces = bounces(app, 30);
        bounces.iter().for_each(|bounce| server.deliver(bounce));
        server.forbid_folder("Tidings", true);
        let serving = app.serve();
        wait_until("all are kept, and the refusal is told", 60, || {
            count(app, "arrivals") == 30 && serving.process.stderr_so_far().contains("done_folder")
        });
        serving.process.kill_9();
        assert_eq!(server.inbox().len(), 30, "{:?}", server.inbox());
        assert_counted(app, 30);

        server.forbid_folder("Tidings", false);
        let serving = app.serve();
        wait_until("all are filed", 30, || are_filed(&server, 30));
        assert_eq!(count(app, "arrivals"), 30);
        assert_counted(app, 30);
        stop(serving);
    }
);

on_both_engines!(
    messages_that_stay_in_their_folder_are_marked_and_never_read_again,
    |app| {
        let server = ImapServer::start();
        configure(app, &server, StartTls, PASSWORD, "done = \"flag\"");
        let bounces = bounces(app, 5);
        bounces.iter().for_each(|bounce| server.deliver(bounce));
        server.deliver(ANSWER);
        let marked = |mark: &str| server.inbox().iter().filter(|name| name.ends_with(mark)).count();
        let serving = app.serve();
        wait_until("all are marked", 30, || {
            marked(":2,Sa") == 5 && marked(":2,a") == 1
        });
        stop(serving);
        assert_counted(app, 5);
        wait_until("Dovecot counts", 10, || server.bodies_read() == 6);

        let serving = app.serve();
        wait_until("it has looked again", 30, || {
            server.log().matches("Login: user=").count() == 2
        });
        server.deliver(&bounces[0].replace("report-", "again-"));
        wait_until("a new one is marked", 30, || marked(":2,Sa") == 6);
        stop(serving);
        wait_until("Dovecot counts", 10, || server.bodies_read() == 7);
        // Told twice, by two reports.
        assert_counted(app, 5);
    }
);

on_both_engines!(a_wrong_password_is_told_in_words_and_not_shown, |app| {
    let server = ImapServer::start();
    configure(app, &server, Implicit, "open sesame", "");
    let checked = app.run(["check"]).failed_with(1);
    for part in [
        "mailbox INBOX of news at 127.0.0.1",
        "refuses the user `news`",
        "password",
    ] {
        assert!(checked.stdout.contains(part), "`{part}` is missing\n{checked}");
    }
    let serving = app.serve();
    wait_until("it is told", 30, || {
        serving.process.stderr_so_far().contains("refuses the user")
    });
    // It waits longer each time, and so does Dovecot.
    let tries = || {
        serving
            .process
            .stderr_so_far()
            .matches("refuses the user")
            .count()
    };
    wait_until("it is tried again", 60, || tries() == 2);
    let said = stop(serving);
    for text in [&said, &checked.stdout, &checked.stderr] {
        assert!(!text.contains("sesame"), "{text}");
    }
    assert_eq!(server.bodies_read(), 0);
});

on_both_engines!(a_check_says_what_a_mailbox_offers_and_names_every_fault, |app| {
    let server = ImapServer::start();
    server.deliver(ANSWER);
    configure(app, &server, StartTls, PASSWORD, "");
    let checked = app.run(["check"]);
    for part in [
        "1 messages",
        "IDLE, MOVE, UIDPLUS, keywords",
        "Tidings is not there yet",
    ] {
        assert!(checked.stdout.contains(part), "`{part}` is missing\n{checked}");
    }
    assert_eq!(server.folder("Tidings").len() + server.bodies_read() as usize, 0);

    let password = app.write("imap.password", PASSWORD);
    let section = |url: String, more: String| {
        format!(
            "[[intake.imap]]\nurl = \"{url}\"\npassword_file = \"{}\"\n{more}\n",
            password.display()
        )
    };
    let trusted = format!("ca_file = \"{}\"", server.authority().display());
    let gone = app.folder().join("no-such-folder");
    app.configure(|settings| {
        settings.more = [
            section(server.url(Implicit, "INBOX"), String::new()),
            section(server.url(Implicit, "Nowhere"), trusted.clone()),
            section(
                server
                    .url(StartTls, "")
                    .replace("imap:", "imaps:")
                    .replace("?tls=required", ""),
                trusted.clone(),
            ),
            section("imaps://news@127.0.0.1:1/INBOX".to_owned(), trusted.clone()),
            format!("[[intake.maildir]]\npath = \"{}\"\n", gone.display()),
        ]
        .concat();
    });
    let checked = app.run(["check"]).failed_with(1);
    for part in [
        "set ca_file to the PEM file of its issuer",
        "SELECT answered",
        "write imap:// instead of imaps://",
        "127.0.0.1:1 refuses connections",
        "cannot read",
        "no-such-folder/new",
    ] {
        assert!(checked.stdout.contains(part), "`{part}` is missing\n{checked}");
    }
});

on_both_engines!(a_server_that_was_gone_is_read_when_it_is_back, |app| {
    let mut server = ImapServer::start();
    configure(app, &server, Implicit, PASSWORD, "");
    let bounces = bounces(app, 2);
    server.deliver(&bounces[0]);
    let serving = app.serve();
    wait_until("the first is filed", 30, || are_filed(&server, 1));
    server.go_down();
    wait_until("it is told", 30, || {
        serving.process.stderr_so_far().contains("refuses connections")
    });
    server.deliver(&bounces[1]);
    server.go_up();
    wait_until("the second is filed", 30, || are_filed(&server, 2));
    assert_counted(app, 2);
    stop(serving);
});

on_both_engines!(
    a_message_of_fifty_megabytes_is_understood_and_takes_little_memory,
    |app| {
        let server = ImapServer::start();
        configure(app, &server, Implicit, PASSWORD, "");
        let bounces = bounces(app, 2);
        let serving = app.serve();
        let before = peak_memory(&serving);
        let filling = "all work and no play makes a dull message\n".repeat(1_200_000);
        server.deliver(&bounces[0].replace("Dear reader\n", &filling));
        server.deliver(&bounces[1]);
        wait_until("both are filed", 60, || are_filed(&server, 2));
        assert_counted(app, 2);
        let grown = peak_memory(&serving) - before;
        assert!(grown < 80 * 1024, "{grown} KiB more");
        stop(serving);
    }
);

/// In KiB.
fn peak_memory(serving: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.process.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

on_both_engines!(a_server_that_offers_nothing_but_the_least_will_do, |app| {
    let server = ImapServer::start_with("imap_capability = IMAP4rev1 UIDPLUS");
    configure(
        app,
        &server,
        Implicit,
        PASSWORD,
        "poll = \"1s\"\ndone_folder = \"Rückläufer.R&D\"",
    );
    let bounces = bounces(app, 2);
    server.deliver(&bounces[0]);
    let serving = app.serve();
    // In modified UTF-7, as IMAP has it.
    let filed = || server.folder("R&APw-ckl&AOQ-ufer.R&-D").len();
    wait_until("the first is filed", 30, || {
        filed() == 1 && server.inbox().is_empty()
    });
    server.deliver(&bounces[1]);
    wait_until("the second is filed", 30, || {
        filed() == 2 && server.inbox().is_empty()
    });
    assert_counted(app, 2);
    stop(serving);
});

/// A Maildir in the data folder.
fn maildir(app: &App) -> PathBuf {
    let path = app.folder().join("bounces");
    for name in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(path.join(name)).unwrap();
    }
    app.configure(|settings| {
        settings.more = format!(
            "[mail]\nreturn_path_domain = \"bounce.example.com\"\n\
             [[intake.maildir]]\npath = \"{}\"\npoll = \"200ms\"\n",
            path.display()
        );
    });
    path
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

on_both_engines!(
    a_bounce_in_a_maildir_is_counted_once_and_moved_and_other_mail_stays_unread,
    |app| {
        let path = maildir(app);
        let (new, cur) = (path.join("new"), path.join("cur"));
        let bounces = bounces(app, 2);
        std::fs::write(new.join("1.bounce"), &bounces[0]).unwrap();
        std::fs::write(new.join("2.answer"), ANSWER).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", new.join("3.link")).unwrap();
        let serving = app.serve();
        wait_until("both are moved", 30, || {
            names(&cur) == ["1.bounce:2,S", "2.answer:2,"]
        });
        assert_counted(app, 1);

        // As if it had been killed between keeping and moving.
        std::fs::rename(cur.join("1.bounce:2,S"), new.join("1.bounce")).unwrap();
        std::fs::write(new.join("4.bounce"), &bounces[1]).unwrap();
        wait_until("both are moved", 30, || {
            names(&cur) == ["1.bounce:2,S", "2.answer:2,", "4.bounce:2,S"]
        });
        assert_counted(app, 2);
        assert_eq!(count(app, "arrivals WHERE way = 'maildir'"), 3);
        assert_eq!(names(&new), ["3.link"]);
        let said = stop(serving);
        assert_eq!(said.matches("3.link is passed over").count(), 1, "{said}");
    }
);

on_both_engines!(a_maildir_that_is_not_there_is_told_and_read_when_it_is, |app| {
    let path = maildir(app);
    let bounces = bounces(app, 1);
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    let serving = app.serve();
    wait_until("it is told", 30, || {
        serving.process.stderr_so_far().contains("bounces/new")
    });
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    std::fs::write(path.join("new/1.bounce"), &bounces[0]).unwrap();
    wait_until("it is moved", 30, || names(&path.join("cur")) == ["1.bounce:2,S"]);
    assert_counted(app, 1);
    stop(serving);
});

on_both_engines!(a_maildir_can_be_brought_by_hand, |app| {
    let path = maildir(app);
    let bounces = bounces(app, 2);
    std::fs::write(path.join("new/1.bounce"), &bounces[0]).unwrap();
    std::fs::write(path.join("new/2.bounce"), &bounces[1]).unwrap();
    let brought = app
        .run(["bounce", "ingest", &path.to_string_lossy()])
        .succeeded()
        .json();
    assert_eq!(brought["messages"], 2, "{brought}");
    assert_eq!(names(&path.join("cur")), ["1.bounce:2,S", "2.bounce:2,S"]);
    assert_counted(app, 2);
    app.run(["bounce", "ingest", &app.folder().to_string_lossy()])
        .failed_with(1)
        .says(&["new"]);
});
