use super::*;
use crate::reply::read;

fn by(rules: &Rules, text: &str) -> (String, Class, &'static str) {
    let decision = read(rules, text).decision;
    (
        decision.rule.to_owned(),
        decision.verdict.class,
        decision.verdict.reason,
    )
}

/// A text for each rule with words, which only that rule decides.
const ONE_FOR_EACH: &[(&str, &str)] = &[
    ("relay-denied", "554 5.7.1 <ann@example.com>: Relay access denied"),
    ("greylisted", "451 4.7.1 Greylisted, come back in five minutes"),
    (
        "authentication-of-the-message",
        "550 5.7.1 The DMARC policy of example.org forbids this",
    ),
    ("reverse-dns", "550 Your host has no PTR record"),
    ("starttls", "550 5.7.10 Encryption required by the recipient"),
    ("login-wanted", "530 5.7.0 Authentication required"),
    ("too-many", "421 Too many concurrent sessions from your host"),
    ("too-fast", "450 4.2.1 You are sending too fast, slow down"),
    ("mailbox-full", "552 5.2.2 The mailbox of ann@example.com is full"),
    (
        "message-too-large-for-recipient",
        "552 5.2.3 message size exceeds what this user may get",
    ),
    (
        "header-or-attachment-too-large",
        "552 the number of attachments is above the limit",
    ),
    (
        "message-too-large",
        "552 5.3.4 Message too large, 10485760 octets are allowed",
    ),
    (
        "moved",
        "551 5.1.6 The user has moved, the new address is ben@example.org",
    ),
    ("group", "You may not write to Google Groups"),
    ("takes-no-mail", "556 5.1.10 example.com has a null MX"),
    ("sender-refused", "553 5.1.8 Sender address rejected"),
    ("name-server-unsure", "Host not found, try again"),
    ("no-such-domain", "550 Host unknown"),
    (
        "unknown-after-the-message",
        "host mx.example.com said: 550 Unknown user (in reply to end of DATA command)",
    ),
    ("no-such-mailbox", "550 5.1.1 <ann@example.com>... User unknown"),
    ("suspended", "550 5.2.1 This account is disabled"),
    (
        "filtered-by-recipient",
        "550 refused due to the recipient's preferences: rejected by the recipient",
    ),
    ("virus", "550 5.7.0 Malware found"),
    ("breaks-a-standard", "550 5.6.0 Bare LF is not RFC 5322"),
    ("spam", "554 5.7.1 This looks like spam"),
    ("bad-reputation", "554 5.7.1 poor reputation"),
    ("on-a-list", "554 5.7.1 blocked using bl.example.net"),
    ("bad-content", "554 5.6.1 prohibited attachment"),
    ("policy", "550 5.7.1 against our policy"),
    (
        "recipient-refused",
        "550 5.4.1 Recipient address rejected: Access denied",
    ),
    ("words-of-refusal", "550 message rejected"),
    ("configured-loop", "mail for example.com loops back to myself"),
    ("loop", "554 5.4.6 Too many hops"),
    ("too-long", "Message expired after 5 days in the queue"),
    ("no-connection", "connect to mx.example.com: Connection refused"),
    ("system-full", "452 4.3.1 Insufficient system storage"),
    ("program-failed", "Command died with status 75"),
    ("protocol", "503 5.5.1 Bad sequence of commands"),
    ("system-fault", "451 4.3.0 Temporary failure in our house"),
    ("person-away", "I am on vacation"),
    ("full-by-status", "550 5.2.2 no"),
    ("status-mailbox", "550 5.1.1 no"),
    ("status-domain", "550 5.1.2 no"),
    ("status-null-mx", "556 5.1.10 no"),
    ("status-moved", "551 5.1.6 no"),
    ("status-sender", "553 5.1.7 no"),
    ("status-disabled", "550 5.2.1 no"),
    ("status-too-large-for-recipient", "552 5.2.3 no"),
    ("status-list", "550 5.2.4 no"),
    ("status-too-large", "552 5.3.4 no"),
    ("status-system-full", "452 4.3.1 no"),
    ("status-system", "451 4.3.2 no"),
    ("status-unroutable", "550 5.4.4 no"),
    ("status-expired", "451 4.4.7 no"),
    ("status-loop", "550 5.4.6 no"),
    ("status-network", "451 4.4.1 no"),
    ("status-too-many-recipients", "452 4.5.3 no"),
    ("status-protocol", "550 5.5.2 no"),
    ("status-content", "554 5.6.3 no"),
    ("status-authentication", "550 5.7.26 no"),
    ("status-reverse-dns", "550 5.7.25 no"),
    ("status-rate", "421 4.7.28 no"),
    ("status-login", "535 5.7.8 no"),
    ("status-policy", "550 5.7.1 no"),
    ("code-storage", "552 no"),
    ("code-not-available", "421 no"),
    ("code-login", "535 no"),
    ("code-command", "502 no"),
    (
        "connection-refused",
        "host mx.example.com said: 550 Rejected (in reply to EHLO command)",
    ),
    (
        "sender-refused-at-mail",
        "host mx.example.com said: 550 Access denied (in reply to MAIL FROM command)",
    ),
    ("status-of-the-mailbox", "550 5.2.0 no"),
    (
        "code-at-greeting",
        "host mx.example.com refused to talk to me: 554 no",
    ),
    (
        "code-at-mail",
        "host mx.example.com said: 550 no (in reply to MAIL FROM command)",
    ),
    (
        "code-after-the-message",
        "host mx.example.com said: 550 no (in reply to end of DATA command)",
    ),
    ("code-mailbox", "550 no"),
    ("code-domain-takes-no-mail", "521 no"),
    ("code-refused", "554 no"),
];

#[test]
fn each_rule_decides_what_it_is_there_for() {
    let rules = Rules::standard();
    for (name, text) in ONE_FOR_EACH {
        let read = read(rules, text);
        assert_eq!(read.decision.rule, *name, "{text}");
    }
    for rule in &rules.rules {
        assert!(
            ONE_FOR_EACH.iter().any(|(name, _)| *name == rule.name),
            "no text for the rule {}",
            rule.name
        );
    }
}

/// What receivers write in their own way, and what they say by it.
const DIALECTS: &[(&str, &str)] = &[
    (
        "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact ben@example.org to clarify.) (BL)",
        "blocked",
    ),
    (
        "550 5.1.0 <news@example.com> sender rejected. AUP#CDRBL",
        "blocked",
    ),
    ("550-5.1.0 MailFrom domain is listed in Spamhaus", "blocked"),
    (
        "Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list",
        "blocked",
    ),
    (
        "501 <news@example.com>... no access from mail server [192.0.2.1] which is an open relay",
        "blocked",
    ),
    (
        "554 email rejected due to security policies - MCSpamSignature.sa.1.1",
        "spamdetected",
    ),
    (
        "530 5.7.57 Client was not authenticated to send anonymous mail during MAIL FROM",
        "securityerror",
    ),
    ("550 5.4.310 DNS domain example.org does not exist", "hostunknown"),
    (
        "ann@example.com <ben@example.org>: malformed address: <ben@example.org> may not follow ann@example.com",
        "syntaxerror",
    ),
    ("501 5.0.0 EHLO requires domain address", "syntaxerror"),
];

#[test]
fn dialects_are_understood() {
    for (text, reason) in DIALECTS {
        assert_eq!(
            read(Rules::standard(), text).decision.verdict.reason,
            *reason,
            "{text}"
        );
    }
}

#[test]
fn who_was_not_named_yet_was_not_refused() {
    let at =
        |command: &str| format!("host mx.example.org said: 550 no such user (in reply to {command} command)");
    for (command, class, reason) in [
        ("EHLO", Class::Block, "blocked"),
        ("MAIL FROM", Class::Block, "rejected"),
        ("RCPT TO", Class::Hard, "userunknown"),
        ("end of DATA", Class::Hard, "filtered"),
    ] {
        let verdict = read(Rules::standard(), &at(command)).decision.verdict;
        assert_eq!((verdict.class, verdict.reason), (class, reason), "{command}");
    }
}

#[test]
fn what_a_mail_server_wrote_around_a_reply_decides_nothing() {
    let text = "host mx.example.org[192.0.2.1] said: 554 5.7.9 Message not accepted for policy reasons (in reply to end of DATA command)";
    assert_eq!(read(Rules::standard(), text).decision.rule, "policy");
}

#[test]
fn what_nobody_told_is_soft() {
    assert_eq!(
        by(Rules::standard(), "zzz"),
        ("none".to_owned(), Class::Soft, "undefined")
    );
}

#[test]
fn a_name_in_an_address_decides_nothing() {
    let (_, _, reason) = by(
        Rules::standard(),
        "550 5.1.1 <spam.virus.blocked@example.com> User unknown",
    );
    assert_eq!(reason, "userunknown");
}

#[test]
fn rules_of_the_operator_go_first() {
    let rules = Rules::with(
        "[[rule]]\nname = \"ours\"\nreason = \"suspend\"\nwords = [\"user * unknown\"]\nunless = [\"really\"]\nstatus = [\"5.1.*\"]\ncodes = [\"550-553\"]\nclass = \"block\"\n",
    )
    .unwrap();
    assert_eq!(
        by(&rules, "550 5.1.1 user is unknown"),
        ("ours".to_owned(), Class::Block, "suspend")
    );
    for other in [
        "550 5.1.1 user is really unknown",
        "554 5.1.1 user is unknown",
        "550 5.2.0 user is unknown",
    ] {
        assert_ne!(by(&rules, other).0, "ours", "{other}");
    }
}

#[test]
fn a_rule_that_cannot_be_used_is_named_with_what_to_do() {
    for (text, part) in [
        ("[[rules]]\n", "rules"),
        (
            "[[rule]]\nname = \"a\"\nreason = \"gone\"\nwords = [\"x\"]",
            "userunknown",
        ),
        (
            "[[rule]]\nname = \"a\"\nreason = \"blocked\"",
            "words, status or codes",
        ),
        (
            "[[rule]]\nname = \"a\"\nreason = \"blocked\"\nwords = [\"*\"]",
            "has no words",
        ),
        (
            "[[rule]]\nname = \"a\"\nreason = \"blocked\"\nstatus = [\"5.1\"]",
            "5.1.1",
        ),
        (
            "[[rule]]\nname = \"a\"\nreason = \"blocked\"\ncodes = [\"5xx\"]",
            "400-499",
        ),
        (
            "[[rule]]\nname = \"a\"\nreason = \"blocked\"\ncodes = [\"550\"]\n[[rule]]\nname = \"a\"\nreason = \"blocked\"\ncodes = [\"550\"]",
            "rename one",
        ),
    ] {
        let error = Rules::with(text).unwrap_err().to_string();
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}
