//! What servers do that Dovecot does not.

use super::fault::ImapFault;
use super::mailbox::Mailbox;
use super::opening::open;
use super::{FolderName, ImapSettings, Proof, TlsMode, TokenSource, Trust, WhenDone};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const GREETING: &str = "* OK hello\r\n";
const OFFERS: (&str, &str) = ("CAPABILITY", "* CAPABILITY IMAP4rev1\r\nT OK\r\n");
const LOGIN: (&str, &str) = ("LOGIN \"ann\" \"a\\\\b\\\"c\"", "T OK in\r\n");
const SELECT: &str = "SELECT \"INBOX\"";

/// Opens a mailbox of a server that says this first, and to each command the answer beside it (`T`: the command's tag).
async fn opened(
    tls: TlsMode,
    greeting: &'static str,
    answers: &'static [(&'static str, &'static str)],
) -> Result<Mailbox, ImapFault> {
    let password = Proof::Password(SecretString::from("a\\b\"c"));
    opened_with(password, tls, greeting, answers).await
}

/// The same with another proof.
async fn opened_with(
    proof: Proof,
    tls: TlsMode,
    greeting: &'static str,
    answers: &'static [(&'static str, &'static str)],
) -> Result<Mailbox, ImapFault> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(greeting.as_bytes()).await.unwrap();
        let mut tag = String::new();
        for (expected, answer) in answers {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let line = line.trim_end();
            match line.split_once(' ') {
                Some((of, command)) => {
                    assert_eq!(command, *expected);
                    tag = format!("{of} ");
                }
                // More of the command before.
                None => assert_eq!(line, *expected),
            }
            let answer = answer.replace("T ", &tag);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        // Nothing more comes, and the connection stays.
        std::future::pending::<()>().await;
    });
    let settings = ImapSettings {
        host: "127.0.0.1".to_owned(),
        port,
        tls,
        trust: Trust::default(),
        user: "ann".to_owned(),
        proof,
        folder: FolderName::inbox(),
        done: WhenDone::Flag,
        poll: ImapSettings::POLL,
    };
    open(&settings).await
}

#[track_caller]
fn assert_told(opened: Result<Mailbox, ImapFault>, parts: &[&str]) {
    let told = opened.err().expect("a fault").to_string();
    for part in parts {
        assert!(told.contains(part), "`{part}` is missing in: {told}");
    }
    assert!(!told.contains("a\\b") && told.len() < 600, "{told}");
}

#[tokio::test]
async fn what_is_no_imap_server_is_told_readable_and_short() {
    let page = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    assert_told(
        opened(TlsMode::Never, page, &[]).await,
        &[
            "not an IMAP answer to the greeting (`HTTP/1.1 400",
            "host and port",
        ],
    );
    assert_told(
        opened(TlsMode::Never, "* BYE too many of you\r\n", &[]).await,
        &["ended the connection at the greeting: `too many of you`"],
    );
}

#[tokio::test]
async fn without_the_encryption_that_was_asked_for_nothing_is_said() {
    assert_told(
        opened(TlsMode::StartTls, GREETING, &[OFFERS]).await,
        &["does not offer STARTTLS", "imaps://"],
    );
    assert_told(
        opened(TlsMode::StartTls, "* PREAUTH come in\r\n", &[]).await,
        &["does not offer STARTTLS"],
    );
}

#[tokio::test]
async fn a_server_that_takes_no_password_gets_none() {
    const OFFERS: (&str, &str) = ("CAPABILITY", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nT OK\r\n");
    assert_told(
        opened(TlsMode::Never, GREETING, &[OFFERS]).await,
        &["takes no password over this connection"],
    );
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_when_it_is_announced() {
    const LONG: (&str, &str) = (SELECT, "* 1 FETCH (BODY[] {10000000}\r\nand so on");
    assert_told(
        opened(TlsMode::Never, GREETING, &[OFFERS, LOGIN, OFFERS, LONG]).await,
        &["the answer to SELECT is longer than any should be"],
    );
}

#[tokio::test]
async fn a_folder_that_may_only_be_read_is_told() {
    const READ_ONLY: (&str, &str) = (SELECT, "* 0 EXISTS\r\nT OK [READ-ONLY] look\r\n");
    assert_told(
        opened(TlsMode::Never, GREETING, &[OFFERS, LOGIN, OFFERS, READ_ONLY]).await,
        &["may only be read"],
    );
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_searched_is_not_taken_for_an_empty_one() {
    const SELECTED: (&str, &str) = (SELECT, "* 2 EXISTS\r\nT OK [READ-WRITE] done\r\n");
    const SEARCH: (&str, &str) = (
        "UID SEARCH 1:2 UNDELETED UNSEEN",
        "T NO [SERVERBUG] the index is broken\r\n",
    );
    let mut mailbox = opened(
        TlsMode::Never,
        GREETING,
        &[OFFERS, LOGIN, OFFERS, SELECTED, SEARCH],
    )
    .await
    .unwrap();
    let fault = mailbox.undone().await.unwrap_err().to_string();
    assert!(
        fault.contains("SEARCH answered `[SERVERBUG] the index is broken`"),
        "{fault}"
    );
}

#[tokio::test]
async fn a_message_that_the_server_cannot_give_does_not_stop_the_others() {
    const SELECTED: (&str, &str) = (SELECT, "* 2 EXISTS\r\nT OK [READ-WRITE] done\r\n");
    const BOTH: (&str, &str) = ("UID FETCH 7,8 (BODY.PEEK[]<0.8388608>)", "T NO cannot\r\n");
    const FIRST: (&str, &str) = ("UID FETCH 7 (BODY.PEEK[]<0.8388608>)", "T NO cannot\r\n");
    const SECOND: (&str, &str) = (
        "UID FETCH 8 (BODY.PEEK[]<0.8388608>)",
        "* 2 FETCH (UID 8 BODY[]<0> {5}\r\nhello)\r\nT OK\r\n",
    );
    const SEARCH: (&str, &str) = ("UID SEARCH 1:2 UNDELETED UNSEEN", "* SEARCH 8 7\r\nT OK\r\n");
    let mut mailbox = opened(
        TlsMode::Never,
        GREETING,
        &[OFFERS, LOGIN, OFFERS, SELECTED, BOTH, FIRST, SECOND, SEARCH],
    )
    .await
    .unwrap();
    let found = mailbox.read(&[7, 8]).await.unwrap();
    let found: Vec<_> = found.iter().map(|found| (found.uid, &found.octets[..])).collect();
    assert_eq!(found, [(8, &b"hello"[..])]);
    assert_eq!(mailbox.undone().await.unwrap(), [8], "it is asked for again");
}

#[tokio::test]
async fn a_token_goes_out_by_xoauth2_and_a_refusal_is_told() {
    const OFFERS: (&str, &str) = ("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\nT OK\r\n");
    const AUTHENTICATE: (&str, &str) = ("AUTHENTICATE XOAUTH2", "+ \r\n");
    // user=ann, auth=Bearer ya29.abc
    const PROOF: &str = "dXNlcj1hbm4BYXV0aD1CZWFyZXIgeWEyOS5hYmMBAQ==";
    const SELECTED: (&str, &str) = (SELECT, "* 2 EXISTS\r\nT OK [READ-WRITE] done\r\n");
    let token = || Proof::Token(TokenSource::Command("echo ya29.abc".to_owned()));
    opened_with(
        token(),
        TlsMode::Never,
        GREETING,
        &[OFFERS, AUTHENTICATE, (PROOF, "T OK in\r\n"), OFFERS, SELECTED],
    )
    .await
    .unwrap();
    // The server tells why in Base64 first, and waits for an empty line.
    let refused = opened_with(
        token(),
        TlsMode::Never,
        GREETING,
        &[
            OFFERS,
            AUTHENTICATE,
            (PROOF, "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n"),
            ("", "T NO expired\r\n"),
        ],
    );
    assert_told(refused.await, &["refuses the user `ann` (`expired`)", "token"]);
    assert_told(
        opened_with(
            token(),
            TlsMode::Never,
            GREETING,
            &[("CAPABILITY", "* CAPABILITY IMAP4rev1\r\nT OK\r\n")],
        )
        .await,
        &["does not offer XOAUTH2"],
    );
}
