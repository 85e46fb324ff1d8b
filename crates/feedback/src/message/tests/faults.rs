//! Whatever comes, there is an answer, and it costs no more than the message is worth.

use super::*;
use std::time::{Duration, Instant};

/// A generator that gives the same numbers in each run (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

const SPLINTERS: [&[u8]; 19] = [
    b"--b1\n",
    b"\n\n",
    b"\r",
    b"\0",
    b"=?utf-8?b?",
    b"<",
    b">",
    b"@",
    b":",
    b";",
    b"550 5.1.1 ",
    b"\xff\xfe",
    b"\xe5\xae",
    b"Content-Type: message/rfc822\n\n",
    b"Final-Recipient: rfc822; ",
    b"Content-Transfer-Encoding: base64\n",
    b">>> DATA\n",
    b"<<< 550 ",
    b"{\"",
];

fn mutated(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut octets = seed.to_vec();
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(octets.len() + 1);
        match numbers.below(5) {
            0 => octets.truncate(at),
            1 => drop(octets.splice(at..at, SPLINTERS[numbers.below(SPLINTERS.len())].iter().copied())),
            2 => {
                let end = (at + numbers.below(40)).min(octets.len());
                octets.drain(at..end);
            }
            3 => {
                let end = (at + numbers.below(200)).min(octets.len());
                let copy = octets[at..end].to_vec();
                let to = numbers.below(octets.len() + 1);
                octets.splice(to..to, copy);
            }
            _ => {
                if let Some(octet) = octets.get_mut(at) {
                    *octet = numbers.below(256) as u8;
                }
            }
        }
    }
    octets
}

fn seeds() -> Vec<String> {
    let status = "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 <ann@example.org>: user unknown\n";
    vec![
        standard(
            "<ann@example.org>: host mx.example.org[192.0.2.1] said: 550 no such user",
            status,
        ),
        plain(
            "MAILER-DAEMON@example.net",
            "failure notice",
            "<ann@example.org>:\nRemote host said: 550 5.2.2 mailbox full\n--- Below this line is a copy of the message.\n\nReturn-Path: <x@example.com>\nReceived: from a\nTo: ann@example.org\nSubject: x\n\nhello",
        ),
        plain(
            "MAILER-DAEMON@example.net",
            "Returned mail",
            ">>> RCPT To:<ann@example.org>\n<<< 550 no\n>>> DATA\n<<< 503 Need RCPT\n550 <ann@example.org>... User unknown\n",
        ),
        plain(
            "no-reply@sns.example.net",
            "Notification",
            "{\"notificationType\":\"Bounce\",\"bounce\":{\"bounceType\":\"Permanent\",\"bouncedRecipients\":[{\"emailAddress\":\"ann@example.org\",\"diagnosticCode\":\"550 no\"}]},\"mail\":{\"source\":\"x@example.com\"}}\n",
        ),
        plain(
            "ann@example.org",
            "=?utf-8?q?Abwesend?=",
            "Ich bin im Urlaub, 不存在, переполнен",
        ),
    ]
}

#[test]
fn no_damage_makes_it_panic() {
    let (rules, seeds, mut numbers) = (Rules::standard(), seeds(), Numbers(0x9E37_79B9_7F4A_7C15));
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        for seed in &seeds {
            let octets = mutated(seed.as_bytes(), &mut numbers);
            classify(rules, &octets);
            crate::reply::read(rules, &String::from_utf8_lossy(&octets));
        }
    }
}

#[test]
fn a_message_cut_off_anywhere_is_read_as_far_as_it_goes() {
    for seed in seeds() {
        for end in 0..seed.len() {
            classify(Rules::standard(), &seed.as_bytes()[..end]);
        }
    }
}

#[test]
fn ten_thousand_recipients_are_each_read() {
    let statuses: String = (0..10_000)
        .map(|n| format!("Final-Recipient: rfc822; r{n}@example.org\nAction: failed\nStatus: 5.1.1\n\n"))
        .collect();
    let report = read(&standard("many", &statuses));
    assert_eq!(report.recipients.len(), 10_000);
    let listed: String = (0..10_000)
        .map(|n| format!("<r{n}@example.org>: user unknown\n"))
        .collect();
    let report = read(&plain("MAILER-DAEMON@example.net", "failure notice", &listed));
    assert!(report.recipients.len() > 1000, "{}", report.recipients.len());
}

#[test]
fn bombs_are_defused_in_a_moment() {
    let many = |what: &str, octets: usize| what.repeat(octets / what.len());
    let bombs = [
        many("x", 50_000_000),
        many("\n", 50_000_000),
        format!(
            "Content-Type: multipart/mixed; boundary=b\n\n{}",
            many("--b\n\nx\n", 50_000_000)
        ),
        many("Content-Type: message/rfc822\n\n", 50_000_000),
        (0..20_000)
            .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
            .collect(),
        format!(
            "Subject: undeliverable\nFrom: postmaster@example.net\n\n{}",
            many("<a@example.org> ", 8_000_000)
        ),
        format!(
            "Subject: undeliverable\nFrom: postmaster@example.net\n\n{}",
            many("user unknown <a@example.org>\n", 8_000_000)
        ),
        format!(
            "Subject: undeliverable\nFrom: postmaster@example.net\nTo: {}\n\nx",
            many("a@example.org, ", 8_000_000)
        ),
        format!(
            "Subject: x\n\n{{\"notificationType\":\"{}\",\"bounce\":{{\"bouncedRecipients\":[{}{{}}]}}}}",
            many("x", 100_000),
            many("{},", 100_000)
        ),
        format!("Subject: x\n\n{{\"notificationType\":{}", many("[", 200_000)),
        format!(
            "Subject: undeliverable\n\n{}",
            many(">>> DATA\n<<< 550 no\n", 8_000_000)
        ),
        format!(
            "X-Failed-Recipients: {}\nSubject: undeliverable\n\n{}",
            (0..20_000)
                .map(|n| format!("r{n}@example.org, "))
                .collect::<String>(),
            many("it did not work ", 250_000)
        ),
        many("@", 8_000_000),
        many("a: b\n", 50_000_000),
    ];
    for (at, bomb) in bombs.iter().enumerate() {
        let start = Instant::now();
        read(bomb);
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "bomb {at} took {:?}",
            start.elapsed()
        );
    }
}
