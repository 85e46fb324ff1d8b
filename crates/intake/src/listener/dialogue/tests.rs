use super::*;
use crate::listener::Recipients;
use crate::listener::clients::{Client, Clients};
use crate::listener::settings::{ListenerSettings, Place};
use crate::listener::tests::{bounce_address, forged_address, keys, unsubscribe_address};
use crate::listener::tls::Identity;
use std::path::PathBuf;

/// A client that talks to a dialogue and notes the replies.
struct Peer {
    dialogue: Dialogue,
    kept: Vec<Received>,
    /// Whether messages can be kept.
    keeps: bool,
    is_closed: bool,
}

fn settings() -> ListenerSettings {
    ListenerSettings {
        place: Place::Socket(PathBuf::from("/nowhere")),
        protocol: Protocol::Smtp,
        name: "mx.example.com".to_owned(),
        recipients: Recipients {
            domains: vec!["bounce.example.com".to_owned()],
            complaints: vec!["fbl@example.com".to_owned()],
        },
        identity: None,
        tls_required: false,
        bounds: Bounds {
            message_size: 100_000,
            ..Bounds::default()
        },
    }
}

impl Peer {
    fn of(settings: ListenerSettings) -> Peer {
        let guest = Clients::new(&settings.bounds).enter(Client::Local).unwrap();
        let house = Arc::new(House {
            settings,
            keys: keys(),
            room: Room::new(),
        });
        Peer {
            dialogue: Dialogue::new(house, guest),
            kept: Vec::new(),
            keeps: true,
            is_closed: false,
        }
    }

    /// One that has said EHLO.
    fn greeted() -> Peer {
        let mut peer = Peer::of(settings());
        peer.say("EHLO client.example.org");
        peer
    }

    /// Hands octets over and returns the replies.
    fn feed(&mut self, octets: &[u8]) -> String {
        let (mut rest, mut out) = (octets, Vec::new());
        loop {
            match self.dialogue.feed(&mut rest, &mut out) {
                Step::Read => break,
                Step::Keep(received) => {
                    self.dialogue
                        .answer_kept(received.recipients.len(), self.keeps, &mut out);
                    self.kept.push(received);
                }
                Step::StartTls => {
                    self.dialogue.begin_encrypted();
                    break;
                }
                Step::Close => {
                    self.is_closed = true;
                    break;
                }
            }
        }
        String::from_utf8(out).unwrap()
    }

    /// Says these lines and returns the replies.
    fn say(&mut self, lines: &str) -> String {
        let wire = format!("{}\r\n", lines.replace('\n', "\r\n"));
        self.feed(wire.as_bytes())
    }

    /// Says these lines; what is answered must begin like this, line by line.
    #[track_caller]
    fn hears(&mut self, lines: &str, expected: &[&str]) {
        let said = self.say(lines);
        let heard: Vec<&str> = said.lines().collect();
        let fits = heard.len() == expected.len()
            && heard
                .iter()
                .zip(expected)
                .all(|(heard, begins)| heard.starts_with(begins));
        assert!(fits, "to {lines:?}: {heard:?} instead of {expected:?}");
    }
}

/// A whole session, of commands that all come at once.
fn session() -> String {
    format!(
        "EHLO client.example.org\r\nMAIL FROM:<> SIZE=40 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<{}>\r\nDATA\r\n\
         Subject: a\r\n\r\n..dot\r\n.\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<{}>\r\nRCPT TO:<fbl@example.com>\r\n\
         DATA\r\nstop\r\n.\r\nQUIT\r\n",
        bounce_address(),
        unsubscribe_address(),
    )
}

#[test]
fn reports_are_taken_wherever_the_reads_fall() {
    let session = session();
    let mut all = None;
    for piece in [1, 2, 3, 7, 64, session.len()] {
        let mut peer = Peer::of(settings());
        let heard: String = session
            .as_bytes()
            .chunks(piece)
            .map(|chunk| peer.feed(chunk))
            .collect();
        assert!(peer.is_closed);
        let [first, second] = &peer.kept[..] else {
            panic!("{} messages", peer.kept.len())
        };
        assert_eq!(first.recipients, [bounce_address()]);
        assert_eq!(first.octets, b"Subject: a\r\n\r\n.dot\r\n");
        assert_eq!(
            second.recipients,
            [unsubscribe_address(), "fbl@example.com".to_owned()]
        );
        assert_eq!(second.octets, b"stop\r\n");
        assert_eq!(*all.get_or_insert(heard.clone()), heard, "pieces of {piece}");
    }
}

#[test]
fn what_is_announced_is_what_is_offered() {
    let said = Peer::of(settings()).say("EHLO client.example.org");
    assert_eq!(
        said,
        "250-mx.example.com\r\n250-PIPELINING\r\n250-SIZE 100000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n\
         250-SMTPUTF8\r\n250 LIMITS RCPTMAX=100\r\n"
    );
    let mut peer = Peer::greeted();
    for parameter in ["BODY=BINARYMIME", "RET=HDRS", "ENVID=1", "AUTH=<>", "REQUIRETLS"] {
        peer.hears(&format!("MAIL FROM:<> {parameter}"), &["555 5.5.4"]);
    }
    peer.hears("MAIL FROM:<>", &["250 2.1.0"]);
    peer.hears(
        &format!("RCPT TO:<{}> NOTIFY=NEVER", bounce_address()),
        &["555 5.5.4"],
    );
    for command in [
        "BDAT 3 LAST",
        "AUTH PLAIN",
        "EXPN all",
        "ETRN example.org",
        "STARTTLS",
    ] {
        peer.hears(command, &["502 5.5.1"]);
    }
    peer.hears("NOOP\nVRFY ann\nHELP\nRSET", &["250", "252 2.5", "214", "250"]);
}

#[test]
fn commands_out_of_order_are_refused_and_do_no_harm() {
    let mut peer = Peer::of(settings());
    peer.hears("MAIL FROM:<>", &["503"]);
    peer.hears("HELO client", &["250 mx"]);
    peer.hears(
        "RCPT TO:<x@example.org>\nDATA\nMAIL FROM:<>\nMAIL FROM:<>\nDATA",
        &["503", "503", "250", "503", "503"],
    );
    peer.hears(
        "LHLO client\nwhat\n\nMAIL FROM:ann\nMAIL FROM:<a b>",
        &["500", "500", "500", "501", "553"],
    );
    peer.hears(
        &format!("RCPT TO:<{}>\nDATA\n.", bounce_address()),
        &["250", "354", "250 2.0.0"],
    );
    assert_eq!(peer.kept.len(), 1);
    peer.hears("DATA", &["503"]);
}

#[test]
fn only_who_holds_a_token_gets_mail() {
    let mut peer = Peer::greeted();
    let forged = forged_address();
    peer.hears(
        &format!("MAIL FROM:<ann@example.org>\nRCPT TO:<{forged}>\nRCPT TO:<ann@example.org>\nRCPT TO:<>"),
        &["250", "550 5.1.1", "550 5.7.1", "553"],
    );
    peer.hears(
        &format!("DATA\nRCPT TO:<{}>\nDATA\nx\n.", bounce_address().to_uppercase()),
        &["503 5.5.1", "250 2.1.5", "354", "250 2.0.0"],
    );
    assert_eq!(peer.kept[0].recipients, [bounce_address().to_uppercase()]);
}

#[test]
fn postmaster_is_reached_and_not_much_is_kept_of_it() {
    let mut peer = Peer::greeted();
    let much = "a line of twenty-one\n".repeat(4000);
    peer.hears(
        &format!("MAIL FROM:<>\nRCPT TO:<Postmaster>\nRCPT TO:<abuse@bounce.example.com>\nDATA\n{much}."),
        &["250", "250", "250", "354", "250"],
    );
    assert_eq!(
        peer.kept[0].recipients,
        ["postmaster", "abuse@bounce.example.com"]
    );
    assert_eq!(peer.kept[0].octets.len(), OFFICE_KEPT);
    peer.hears(
        &format!(
            "MAIL FROM:<>\nRCPT TO:<postmaster>\nRCPT TO:<{}>\nDATA\n{much}.",
            bounce_address()
        ),
        &["250", "250", "250", "354", "250"],
    );
    assert!(peer.kept[1].octets.len() > OFFICE_KEPT);
}

#[test]
fn a_message_has_a_hundred_recipients_at_most() {
    let mut peer = Peer::greeted();
    peer.say("MAIL FROM:<>");
    let rcpt = format!("RCPT TO:<{}>", bounce_address());
    for _ in 0..Bounds::RECIPIENTS {
        peer.hears(&rcpt, &["250"]);
    }
    peer.hears(&rcpt, &["452 4.5.3"]);
    peer.hears("DATA\nx\n.", &["354", "250"]);
    assert_eq!(peer.kept[0].recipients.len(), Bounds::RECIPIENTS);
}

#[test]
fn a_message_that_is_too_big_is_refused_before_or_after_it_has_come() {
    let mut peer = Peer::greeted();
    peer.hears("MAIL FROM:<> SIZE=100001", &["552 5.3.4"]);
    let much = "x\n".repeat(60_000);
    let message = |much: &str| format!("MAIL FROM:<>\nRCPT TO:<{}>\nDATA\n{much}.", bounce_address());
    peer.hears(&message(&much), &["250", "250", "354", "552 5.3.4"]);
    peer.hears(&message("x\n"), &["250", "250", "354", "250"]);
    assert_eq!(peer.kept.len(), 1);
}

#[test]
fn what_could_not_be_kept_is_to_come_again() {
    let mut peer = Peer::greeted();
    peer.keeps = false;
    peer.hears(
        &format!("MAIL FROM:<>\nRCPT TO:<{}>\nDATA\n.", bounce_address()),
        &["250", "250", "354", "451 4.3.0"],
    );
    peer.hears("MAIL FROM:<>", &["250"]);
}

#[test]
fn a_second_message_cannot_be_smuggled_into_the_first() {
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r\r\n"] {
        let mut peer = Peer::greeted();
        let wire = format!(
            "MAIL FROM:<>\r\nRCPT TO:<{0}>\r\nDATA\r\nfirst{end}MAIL FROM:<>\r\nRCPT TO:<{0}>\r\nDATA\r\nsecond\r\n.\r\n",
            bounce_address()
        );
        let heard = peer.feed(wire.as_bytes());
        assert_eq!(heard.lines().count(), 4, "{end:?}: {heard}");
        assert_eq!(peer.kept.len(), 1, "{end:?}");
        assert!(peer.kept[0].octets.ends_with(b"second\r\n"));
    }
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let mut peer = Peer::of(ListenerSettings {
        protocol: Protocol::Lmtp,
        ..settings()
    });
    peer.hears("EHLO client\nHELO client", &["500", "500"]);
    assert!(peer.say("LHLO client").contains("250-PIPELINING\r\n"));
    let lines = format!(
        "MAIL FROM:<>\nRCPT TO:<{}>\nRCPT TO:<ann@example.org>\nRCPT TO:<{}>\nDATA\nx\n.",
        bounce_address(),
        unsubscribe_address()
    );
    peer.hears(&lines, &["250", "250", "550", "250", "354", "250", "250"]);
    peer.keeps = false;
    peer.hears(&lines, &["250", "250", "550", "250", "354", "451", "451"]);
    let much = lines.replace("\nx\n", &"\nx".repeat(60_000));
    let big = peer.say(&much.replace("\nx.", "\nx\n."));
    assert!(
        big.ends_with("552 5.3.4 message too big\r\n552 5.3.4 message too big\r\n"),
        "{big}"
    );
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["mx.example.com".to_owned()]).unwrap();
    Identity::from_pem(
        made.cert.pem().as_bytes(),
        made.signing_key.serialize_pem().as_bytes(),
    )
    .unwrap()
}

#[test]
fn nothing_that_was_said_in_clear_text_counts_over_tls() {
    let mut peer = Peer::of(ListenerSettings {
        identity: Some(identity()),
        ..settings()
    });
    assert!(peer.say("EHLO client").ends_with("250 STARTTLS\r\n"));
    // What is injected behind the command is not read.
    peer.hears(
        "MAIL FROM:<>\nSTARTTLS\nEHLO mallory\nMAIL FROM:<>",
        &["250", "220"],
    );
    peer.hears("MAIL FROM:<>", &["503"]);
    assert!(!peer.say("EHLO client").contains("STARTTLS"));
    peer.hears("STARTTLS\nMAIL FROM:<>", &["502", "250"]);
}

#[test]
fn where_tls_is_required_mail_waits_for_it() {
    let mut peer = Peer::of(ListenerSettings {
        identity: Some(identity()),
        tls_required: true,
        ..settings()
    });
    peer.say("EHLO client");
    peer.hears("MAIL FROM:<>\nNOOP\nSTARTTLS", &["530 5.7.0", "250", "220"]);
    peer.hears("HELO client\nMAIL FROM:<>", &["250", "250"]);
}

#[test]
fn a_client_that_only_errs_or_talks_is_sent_away() {
    let bounds = Bounds {
        commands: 10,
        errors: 3,
        ..settings().bounds
    };
    let mut peer = Peer::of(ListenerSettings { bounds, ..settings() });
    peer.hears(
        "what\nwhat\nwhat\nwhat\nNOOP",
        &["500", "500", "500", "421 4.7.0"],
    );
    assert!(peer.is_closed);

    let mut peer = Peer::of(ListenerSettings { bounds, ..settings() });
    peer.say("HELO client");
    for _ in 0..5 {
        let message = format!("MAIL FROM:<>\nRCPT TO:<{}>\nDATA\n.", bounce_address());
        peer.hears(&message, &["250", "250", "354", "250"]);
    }
    let noops = "NOOP\n".repeat(10);
    assert!(
        peer.say(&noops)
            .ends_with("421 4.7.0 too many commands without a message\r\n")
    );
    assert!(peer.is_closed);
}

#[test]
fn a_client_that_is_too_fast_is_told_so() {
    let bounds = Bounds {
        messages_per_minute: 2,
        ..settings().bounds
    };
    let mut peer = Peer::of(ListenerSettings { bounds, ..settings() });
    peer.hears(
        "HELO c\nMAIL FROM:<>\nRSET\nMAIL FROM:<>\nRSET\nMAIL FROM:<>",
        &["250", "250", "250", "250", "250", "450 4.7.1"],
    );
}

#[test]
fn a_line_that_is_too_long_is_one_fault() {
    let mut peer = Peer::greeted();
    peer.hears(
        &format!("NOOP {}\nNOOP", "x".repeat(100_000)),
        &["500 5.5.6", "250"],
    );
}

#[test]
fn noise_is_answered_or_ends_the_session() {
    // A generator of the simplest kind: the same noise in each run.
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize
    };
    let session = session().into_bytes();
    for _ in 0..2000 {
        let mut wire = session.clone();
        for _ in 0..random() % 20 {
            let at = random() % wire.len();
            match random() % 3 {
                0 => wire[at] = random() as u8,
                1 => drop(wire.remove(at)),
                _ => wire.insert(at, b"\r\n<>.: \0\""[random() % 9]),
            }
        }
        let mut peer = Peer::of(settings());
        let mut said = Vec::new();
        for chunk in wire.chunks(1 + random() % 100) {
            if !peer.is_closed {
                said.extend(peer.feed(chunk).into_bytes());
            }
        }
        for line in said.split_inclusive(|octet| *octet == b'\n') {
            assert!(line.ends_with(b"\r\n") && line[..3].iter().all(u8::is_ascii_digit));
        }
        for received in &peer.kept {
            let token = received.recipients.iter().all(|address| {
                settings().recipients.judge(address, &keys()).is_ok() || address == "postmaster"
            });
            assert!(token, "{:?}", received.recipients);
        }
    }
}
