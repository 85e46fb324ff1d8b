//! Mail servers that we did not write take a campaign: Postfix, Exim and OpenSMTPD, over TLS and with a login. What
//! lies in their mailboxes afterwards is, octet for octet, what was rendered.

use serde_json::json;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_tests::MailServerKind::{Exim, OpenSmtpd, Postfix};
use tidings_tests::{
    App, Encryption, MailServer, MailServerKind, PASSWORD, Rendering, Show, assert_ledger_adds_up,
    on_both_engines,
};

/// What servers put before a message. Everything behind it is the message.
const PREPENDED: [&str; 4] = ["return-path", "x-original-to", "delivered-to", "received"];

const HTML: &str = "<html><body><p>Grüße an {{name}} 🎉</p>\n<pre>\n{{story}}\n</pre>\n.\n..\n.dot\n\
    <p><a href=\"{{unsubscribe_url}}\">Abmelden</a></p></body></html>\n";
const TEXT: &str = "Grüße an {{name}} 🎉\n\n{{{story}}}\n\n.\n..\n.dot\nFrom here\n\n{{unsubscribe_url}}\n";

/// What has been damaged on its way through mail servers before.
fn stories() -> Vec<String> {
    vec![
        "nothing out of the ordinary".to_owned(),
        ".\n..\n...\n.a line that begins with a dot\n.".to_owned(),
        "From the beginning of a line\n>From the beginning of another\nFrom: a field\nBcc: eve@example.net"
            .to_owned(),
        "Grüße, 你好, 🎉\nzweite Zeile mit Umlauten: äöüß ÄÖÜ".to_owned(),
        "blanks at the end   \n\ttabs\t\n\n\n\nempty lines".to_owned(),
        format!("{}\n{}", "x".repeat(990), ".".repeat(990)),
        "long".repeat(2_000),
        "größer".repeat(2_000),
        format!(".{}", "dots and words ".repeat(300)),
        "= =20 =3D =\n--\n--=_\n".to_owned(),
    ]
}

/// The address and the name of every recipient with a mailbox.
fn recipients() -> Vec<(String, String)> {
    let names = ["Ann", "Änne Müßig", "O'Neil, Ann (\"the boss\")", "🎉 Zoë", ""];
    let domains = ["example.org", "example.net"];
    (0..60)
        .map(|i| {
            (
                format!("reader{i}@{}", domains[i % 2]),
                names[i % names.len()].to_owned(),
            )
        })
        .collect()
}

/// Nobody there has a mailbox of this name.
const STRANGER: &str = "stranger@example.org";

/// Code, enhanced code and words.
type Refusal = (u16, Option<&'static str>, &'static str);

const POSTFIX_REFUSES: Refusal = (
    550,
    Some("5.1.1"),
    "<stranger@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
);
const EXIM_REFUSES: Refusal = (550, None, "no mailbox of this name here");
const OPENSMTPD_REFUSES: Refusal = (
    524,
    Some("5.2.4"),
    "Mailing list expansion problem: <stranger@example.org>",
);

fn import(app: &App, recipients: &[(String, String)]) {
    let stories = stories();
    let quote = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let mut rows = String::from("email,name,story\n");
    for (i, (address, name)) in recipients.iter().enumerate() {
        let story = &stories[i % stories.len()];
        rows.push_str(&format!("{address},{},{}\n", quote(name), quote(story)));
    }
    app.import_csv("readers", &rows);
}

fn campaign(app: &App) -> i64 {
    let (html, text) = (app.write("nasty.html", HTML), app.write("nasty.txt", TEXT));
    let (html, text) = (html.to_string_lossy(), text.to_string_lossy());
    app.run(["template", "add", "nasty", "--html", &html, "--text", &text])
        .succeeded();
    let create = [
        "--json", "campaign", "create", "--name", "Nasty", "--list", "readers",
    ];
    let from = [
        "--template",
        "nasty",
        "--from",
        "Müller, Söhne & Co <news@example.com>",
    ];
    let subject = ["--subject", "Grüße – für {{name}}"];
    let created = app
        .run([&create[..], &from, &subject].concat())
        .succeeded()
        .json();
    created["id"].as_i64().unwrap()
}

fn configure(app: &App, server: &MailServer, encryption: Encryption, auth: &str, password: &str) {
    let password_file = app.write("password", password);
    app.configure(|settings| {
        settings.url = Some(server.url(encryption));
        settings.max_sessions = 4;
        settings.more = format!(
            "password_file = \"{}\"\nauth = \"{auth}\"\nca_file = \"{}\"\n",
            password_file.display(),
            server.authority().display(),
        );
    });
}

/// The message without what the server put before it, with the ends of lines as they were on the wire.
#[track_caller]
fn as_sent(mail: &[u8]) -> Vec<u8> {
    let mut rest = mail;
    while PREPENDED.iter().any(|name| begins_with_field(rest, name)) {
        rest = behind_field(rest);
    }
    assert!(
        !rest.contains(&b'\r'),
        "the server keeps lines that end with LF alone"
    );
    rest.split_inclusive(|octet| *octet == b'\n')
        .flat_map(|line| match line.strip_suffix(b"\n") {
            Some(line) => [line, b"\r\n"].concat(),
            None => line.to_vec(),
        })
        .collect()
}

fn begins_with_field(mail: &[u8], name: &str) -> bool {
    let n = name.len();
    mail.len() > n && mail[..n].eq_ignore_ascii_case(name.as_bytes()) && mail[n] == b':'
}

/// What follows the first field with all its lines.
fn behind_field(mail: &[u8]) -> &[u8] {
    let mut lines = mail.split_inclusive(|octet| *octet == b'\n');
    let mut length = lines.next().map_or(0, <[u8]>::len);
    for line in lines.take_while(|line| line.starts_with(b" ") || line.starts_with(b"\t")) {
        length += line.len();
    }
    &mail[length..]
}

/// When a message says that it was made.
#[track_caller]
fn date_of(message: &[u8]) -> Timestamp {
    let header = String::from_utf8_lossy(message);
    let date = header.lines().find_map(|line| line.strip_prefix("Date: "));
    let date = jiff::fmt::rfc2822::parse(date.expect("a message has a Date")).unwrap();
    Timestamp::from_seconds(date.timestamp().as_second())
}

#[track_caller]
fn assert_same(address: &str, arrived: &[u8], rendered: &[u8]) {
    if arrived != rendered {
        let at = arrived.iter().zip(rendered).take_while(|(a, b)| a == b).count();
        let around = |octets: &[u8]| {
            let end = octets.len().min(at + 100);
            String::from_utf8_lossy(&octets[at.saturating_sub(100).min(end)..end]).into_owned()
        };
        panic!(
            "the mail of {address} differs at octet {at}:\narrived:  {:?}\nrendered: {:?}",
            around(arrived),
            around(rendered)
        );
    }
}

/// Everybody has the one message that was rendered for him, and nobody else has any.
#[track_caller]
fn assert_mailboxes_hold_what_was_rendered(
    server: &MailServer,
    rendering: &Rendering,
    recipients: &[(String, String)],
    began: Timestamp,
) {
    server.wait_until_delivered();
    let ended = Clock::System.now();
    for (address, _) in recipients {
        let mails = server.mailbox(address);
        assert_eq!(mails.len(), 1, "mails in the mailbox of {address}");
        let arrived = as_sent(&mails[0]);
        let date = date_of(&arrived);
        assert!(
            (began.seconds()..=ended.seconds()).contains(&date.seconds()),
            "{date:?}"
        );
        assert_same(address, &arrived, &rendering.message(address, date));
    }
    assert_eq!(server.mail_count(), recipients.len(), "mails in all mailboxes");
}

fn mailboxes(recipients: &[(String, String)]) -> Vec<&str> {
    recipients.iter().map(|(address, _)| address.as_str()).collect()
}

/// Sends a campaign to everybody with a mailbox and to one without; `refusal`: what the server says of the latter.
#[track_caller]
fn assert_takes_a_campaign(app: &App, kind: MailServerKind, way: (Encryption, &str), refusal: Refusal) {
    let recipients = recipients();
    let server = MailServer::start(kind, &mailboxes(&recipients));
    configure(app, &server, way.0, way.1, PASSWORD);
    let stranger = (STRANGER.to_owned(), "Nobody".to_owned());
    import(app, &[&recipients[..30], &[stranger], &recipients[30..]].concat());
    let campaign = campaign(app);
    let rendering = Rendering::of(app, campaign);

    let began = Clock::System.now();
    let show = app.send(campaign);
    assert_eq!(show.state(), "finished", "{show}");
    assert_eq!(show.count("accepted"), recipients.len() as u64, "{show}");
    assert_ledger_adds_up(&show);
    assert_mailboxes_hold_what_was_rendered(&server, &rendering, &recipients, began);

    let rejected = app.deliveries(campaign, "rejected");
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    assert_eq!(rejected[0]["address"], STRANGER, "{rejected:?}");
    let (code, enhanced, words) = refusal;
    assert_eq!(rejected[0]["code"], code, "{rejected:?}");
    assert_eq!(rejected[0]["enhanced"], json!(enhanced), "{rejected:?}");
    assert_eq!(rejected[0]["reply"], words, "{rejected:?}");
}

/// Tries with a wrong password, then with the right one.
#[track_caller]
fn assert_a_wrong_password_harms_nobody(app: &App, kind: MailServerKind) {
    let recipients = recipients();
    let server = MailServer::start(kind, &mailboxes(&recipients));
    configure(app, &server, Encryption::StartTls, "plain", "guessed");
    import(app, &recipients);
    let campaign = campaign(app);
    let rendering = Rendering::of(app, campaign);

    let began = Clock::System.now();
    let mut sending = app.start_sending(campaign);
    tidings_tests::wait_until("the refusal is told", 30, || {
        sending.stderr_so_far().contains("535")
    });
    assert!(sending.is_running(), "it gave up\n{}", sending.stderr_so_far());
    sending.sigterm();
    sending.wait(App::PATIENCE);
    let show = app.show(campaign);
    assert_eq!(show.count("planned"), show.planned(), "{show}");
    assert_eq!(server.mail_count(), 0);

    configure(app, &server, Encryption::StartTls, "plain", PASSWORD);
    let show: Show = app.send(campaign);
    assert_eq!(show.count("accepted"), recipients.len() as u64, "{show}");
    for row in app.deliveries(campaign, "accepted") {
        assert_eq!(row["attempts"], 1, "{row}");
    }
    assert_mailboxes_hold_what_was_rendered(&server, &rendering, &recipients, began);
}

on_both_engines!(postfix_gets_every_octet_over_starttls_with_a_plain_login, |app| {
    assert_takes_a_campaign(app, Postfix, (Encryption::StartTls, "plain"), POSTFIX_REFUSES);
});

on_both_engines!(postfix_gets_every_octet_over_tls_with_a_login_login, |app| {
    assert_takes_a_campaign(app, Postfix, (Encryption::Implicit, "login"), POSTFIX_REFUSES);
});

on_both_engines!(exim_gets_every_octet_over_starttls_with_a_plain_login, |app| {
    assert_takes_a_campaign(app, Exim, (Encryption::StartTls, "plain"), EXIM_REFUSES);
});

on_both_engines!(exim_gets_every_octet_over_tls_with_a_login_login, |app| {
    assert_takes_a_campaign(app, Exim, (Encryption::Implicit, "login"), EXIM_REFUSES);
});

on_both_engines!(
    opensmtpd_gets_every_octet_over_starttls_with_a_plain_login,
    |app| {
        assert_takes_a_campaign(app, OpenSmtpd, (Encryption::StartTls, "plain"), OPENSMTPD_REFUSES);
    }
);

on_both_engines!(opensmtpd_gets_every_octet_over_tls_with_a_login_login, |app| {
    assert_takes_a_campaign(app, OpenSmtpd, (Encryption::Implicit, "login"), OPENSMTPD_REFUSES);
});

on_both_engines!(a_wrong_password_for_postfix_harms_nobody, |app| {
    assert_a_wrong_password_harms_nobody(app, Postfix);
});

on_both_engines!(a_wrong_password_for_exim_harms_nobody, |app| {
    assert_a_wrong_password_harms_nobody(app, Exim);
});

on_both_engines!(a_wrong_password_for_opensmtpd_harms_nobody, |app| {
    assert_a_wrong_password_harms_nobody(app, OpenSmtpd);
});
