//! What mail providers post finds its delivery, counts once, and changes nothing unless the provider itself posted it.

use crate::dashboard::{Served, browser, serve};
use data_encoding::{BASE64, HEXLOWER};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::sync::LazyLock;
use tidings_tests::script::{Acceptance, Script};
use tidings_tests::{App, on_both_engines};

const TOKEN: &str = "5b1c7d0e9f8a4b3c2d1e0f9a8b7c6d5e";
const SIGNING_KEY: &str = "key-of-mailgun";

/// SendGrid's key: the private half and, as SendGrid shows it, the public one.
static SENDGRID: LazyLock<(EcdsaKeyPair, String)> = LazyLock::new(|| {
    let pair = rcgen::KeyPair::generate().unwrap();
    let random = SystemRandom::new();
    let private = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pair.serialize_der(), &random);
    let pem = pair.public_key_pem();
    let public = pem.lines().filter(|line| !line.starts_with('-')).collect();
    (private.unwrap(), public)
});

/// What is posted to a hook.
#[derive(Clone)]
struct Posted {
    path: String,
    fields: Vec<(&'static str, String)>,
    body: String,
}

impl Posted {
    fn to(path: &str, body: &Value) -> Posted {
        Posted {
            path: path.to_owned(),
            fields: Vec::new(),
            body: body.to_string(),
        }
    }

    fn with(mut self, name: &'static str, value: String) -> Posted {
        self.fields.push((name, value));
        self
    }

    fn send(&self, served: &Served) -> u16 {
        let mut request = browser().post(format!("{}{}", served.url, self.path));
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        request
            .content_type("application/json")
            .send(&self.body)
            .unwrap()
            .status()
            .as_u16()
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn sendgrid(events: &Value) -> Posted {
    let time = now();
    let signed = format!("{time}{events}");
    let signature = SENDGRID.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    Posted::to("/hooks/sendgrid", events)
        .with("X-Twilio-Email-Event-Webhook-Timestamp", time.to_string())
        .with(
            "X-Twilio-Email-Event-Webhook-Signature",
            BASE64.encode(signature.as_ref()),
        )
}

fn mailgun(event: &Value) -> Posted {
    let (time, token) = (now(), "a-token-for-one-post");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING_KEY.as_bytes());
    let tag = hmac::sign(&key, format!("{time}{token}").as_bytes());
    let signature = json!({
        "timestamp": time.to_string(), "token": token, "signature": HEXLOWER.encode(tag.as_ref()),
    });
    let body = json!({ "signature": signature, "event-data": event });
    Posted::to(&format!("/hooks/mailgun/{TOKEN}"), &body)
}

fn postmark(event: &Value) -> Posted {
    let login = BASE64.encode(b"hook:secret");
    Posted::to("/hooks/postmark", event).with("Authorization", format!("Basic {login}"))
}

fn sparkpost(event: &Value) -> Posted {
    Posted::to(
        "/hooks/sparkpost",
        &json!([{ "msys": { "message_event": event } }]),
    )
    .with("X-Hook", "secret".to_owned())
}

fn mailjet(event: &Value) -> Posted {
    Posted::to(&format!("/hooks/mailjet/{TOKEN}"), event)
}

fn brevo(event: &Value) -> Posted {
    Posted::to("/hooks/brevo", event).with("Authorization", "Bearer secret".to_owned())
}

/// A hook of each provider, a campaign to six readers that the relay accepted, and the server.
fn after_a_campaign(app: &App) -> (Served, Vec<Acceptance>) {
    let secret = |name: &str, text: &str| app.write(name, text).display().to_string();
    let (password, bearer) = (
        secret("password", "secret\n"),
        secret("bearer", "Bearer secret\n"),
    );
    let (signing, token) = (secret("signing", SIGNING_KEY), secret("token", TOKEN));
    let public = &SENDGRID.1;
    let hooks = [
        format!("provider = \"sendgrid\"\npublic_key = \"{public}\""),
        format!("provider = \"mailgun\"\nsigning_key_file = \"{signing}\"\ntoken_file = \"{token}\""),
        format!("provider = \"postmark\"\nuser = \"hook\"\npassword_file = \"{password}\""),
        format!("provider = \"sparkpost\"\nheader = \"X-Hook\"\nheader_value_file = \"{password}\""),
        format!("provider = \"mailjet\"\ntoken_file = \"{token}\""),
        format!("provider = \"brevo\"\nheader = \"Authorization\"\nheader_value_file = \"{bearer}\""),
    ];
    app.configure(|settings| {
        for hook in &hooks {
            let name = hook.split('"').nth(1).unwrap();
            settings.more += &format!("[[intake.webhook]]\nname = \"{name}\"\n{hook}\n\n");
        }
    });
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import("readers", 6);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let mut accepted = app.relay.accepted();
    accepted.sort_by(|one, other| one.recipient.cmp(&other.recipient));
    assert_eq!(accepted.len(), 6);
    (serve(app), accepted)
}

/// The Message-ID of a message that the relay took.
fn message_id(about: &Acceptance) -> String {
    let content = String::from_utf8(about.content.clone().unwrap().to_vec()).unwrap();
    let line = content
        .lines()
        .find(|line| line.starts_with("Message-ID:"))
        .unwrap();
    line.trim_start_matches("Message-ID:").trim().to_owned()
}

/// A hard bounce about each of six messages, as the six providers post it.
fn bounces(accepted: &[Acceptance]) -> [Posted; 6] {
    let said = "550 5.1.1 no such user here";
    let to = |at: usize| accepted[at].recipient.clone();
    [
        sendgrid(
            &json!([{ "event": "bounce", "type": "bounce", "email": to(0), "sg_event_id": "e1",
            "smtp-id": message_id(&accepted[0]), "reason": said, "status": "5.1.1", "timestamp": now() }]),
        ),
        mailgun(
            &json!({ "event": "failed", "severity": "permanent", "reason": "bounce", "id": "m1",
            "timestamp": now(), "recipient": to(1),
            "message": { "headers": { "message-id": message_id(&accepted[1]).trim_matches(['<', '>']) } },
            "delivery-status": { "code": 550, "message": said } }),
        ),
        postmark(
            &json!({ "RecordType": "Bounce", "ID": 42, "Type": "HardBounce", "TypeCode": 1,
            "Email": to(2), "Details": said }),
        ),
        sparkpost(
            &json!({ "type": "bounce", "event_id": "s1", "bounce_class": "10", "rcpt_to": to(3),
            "msg_from": accepted[3].sender, "raw_reason": said, "error_code": "550" }),
        ),
        mailjet(
            &json!({ "event": "bounce", "time": now(), "email": to(4), "hard_bounce": true, "MessageID": 7,
            "error_related_to": "recipient", "error": "user unknown" }),
        ),
        brevo(
            &json!({ "event": "hard_bounce", "email": to(5), "message-id": message_id(&accepted[5]),
            "reason": said, "ts_event": now() }),
        ),
    ]
}

/// What `bounce list` says, the oldest first.
fn listed(app: &App) -> Vec<Value> {
    let mut events = app
        .run(["bounce", "list", "--format", "jsonl"])
        .succeeded()
        .json_lines();
    events.reverse();
    events
}

fn word(event: &Value, name: &str) -> String {
    event[name]
        .as_str()
        .unwrap_or_else(|| panic!("no `{name}` in {event}"))
        .to_owned()
}

/// Who is mailed by one more campaign.
fn mailed_next(app: &App) -> Vec<String> {
    let before = app.relay.accepted_count();
    let campaign = app.campaign("readers");
    app.send(campaign);
    let accepted = app.relay.accepted().split_off(before);
    let mut next: Vec<String> = accepted.into_iter().map(|one| one.recipient).collect();
    next.sort();
    next
}

on_both_engines!(a_bounce_that_a_provider_posts_suppresses_and_counts_once, |app| {
    let (served, accepted) = after_a_campaign(app);
    let bounces = bounces(&accepted);
    for _ in 0..2 {
        for bounce in &bounces {
            assert_eq!(bounce.send(&served), 200, "{}", bounce.path);
        }
    }
    served.process.kill_9();
    let events = listed(app);
    let told: Vec<_> = events
        .iter()
        .map(|event| (word(event, "way"), word(event, "matched_by")))
        .collect();
    let expected = [
        ("sendgrid", "message_id"),
        ("mailgun", "message_id"),
        ("postmark", "address"),
        ("sparkpost", "return_path"),
        ("mailjet", "address"),
        ("brevo", "message_id"),
    ];
    assert_eq!(told, expected.map(|(way, by)| (way.to_owned(), by.to_owned())));
    for event in &events {
        assert_eq!(
            (word(event, "class"), word(event, "done")),
            ("hard".to_owned(), "suppressed".to_owned()),
            "{event}"
        );
    }
    assert_eq!(mailed_next(app), [""; 0]);
});

on_both_engines!(a_post_by_anybody_else_changes_nothing, |app| {
    let (served, accepted) = after_a_campaign(app);
    for bounce in bounces(&accepted) {
        let is_in_path = bounce.path.ends_with(TOKEN);
        let mut wrong = Posted {
            fields: Vec::new(),
            ..bounce.clone()
        };
        if is_in_path {
            wrong.path = wrong.path.replace(TOKEN, &TOKEN.replace('5', "6"));
        }
        let refused = wrong.send(&served);
        assert!(matches!(refused, 401 | 403), "{} {refused}", bounce.path);
        let mut other = bounce.clone();
        for (_, value) in &mut other.fields {
            *value = value
                .replace("ecret", "ecreT")
                .replace("aG9vazpzZWNyZXQ=", "aG9vazp3cm9uZw==");
        }
        if other.path.contains("sendgrid") || other.path.contains("mailgun") {
            // What was signed is not what is posted.
            other.body = other
                .body
                .replace("reader", "reade\\u0072")
                .replace("a-token", "b-token");
        }
        if !bounce.path.contains("mailjet") {
            let refused = other.send(&served);
            assert!(matches!(refused, 401 | 403), "{} {refused}", bounce.path);
        }
    }
    served.process.kill_9();
    assert_eq!(listed(app), [Value::Null; 0]);
    assert_eq!(mailed_next(app).len(), 6);
});

on_both_engines!(
    complaints_and_unsubscribes_are_acted_upon_and_delays_are_not,
    |app| {
        let (served, accepted) = after_a_campaign(app);
        let to = |at: usize| accepted[at].recipient.clone();
        let batch = json!([
            { "event": "spamreport", "email": to(0), "sg_event_id": "c1", "smtp-id": message_id(&accepted[0]) },
            { "event": "group_unsubscribe", "email": to(1), "sg_event_id": "c2", "smtp-id": message_id(&accepted[1]) },
            { "event": "deferred", "email": to(2), "sg_event_id": "c3", "smtp-id": message_id(&accepted[2]),
              "response": "451 4.1.1 no such user here, perhaps" },
            { "event": "open", "email": to(3), "sg_event_id": "c4" },
            { "event": "dropped", "email": to(4), "sg_event_id": "c5", "reason": "Recipient List over Package Quota" },
        ]);
        assert_eq!(sendgrid(&batch).send(&served), 200);
        served.process.kill_9();
        let mut done: Vec<_> = listed(app)
            .iter()
            .map(|event| (word(event, "kind"), word(event, "done")))
            .collect();
        done.sort();
        let expected = [
            ("bounce", "counted"),
            ("complaint", "suppressed"),
            ("delay", "counted"),
            ("unsubscribe", "unsubscribed"),
        ];
        assert_eq!(
            done,
            expected.map(|(kind, done)| (kind.to_owned(), done.to_owned()))
        );
        let next = mailed_next(app);
        assert_eq!(next, [to(2), to(3), to(4), to(5)]);
    }
);

on_both_engines!(a_large_batch_is_taken_whole_and_one_too_large_is_refused, |app| {
    let (served, accepted) = after_a_campaign(app);
    // By the address alone: Mailjet gives nothing else back.
    let mut events: Vec<Value> = accepted
        .iter()
        .map(|about| json!({ "event": "spam", "time": now(), "email": about.recipient, "MessageID": 5 }))
        .collect();
    for number in 0..500 {
        events.push(json!({ "event": "spam", "time": now(), "email": format!("{number}@example.net"), "MessageID": 6 }));
    }
    assert_eq!(mailjet(&json!(events)).send(&served), 200);
    let too_large = mailjet(&json!("x".repeat(1024 * 1024)));
    assert_eq!(too_large.send(&served), 413);
    served.process.kill_9();
    assert_eq!(mailed_next(app), [""; 0]);
});

#[test]
fn check_shows_where_providers_post_to_and_no_secret() {
    let app = App::start(tidings_tests::Engine::Sqlite);
    let token = format!("[[intake.webhook]]\nname = \"mj\"\nprovider = \"mailjet\"\ntoken = \"{TOKEN}\"\n");
    app.configure(|settings| settings.more = token);
    let said = app.run(["check"]).succeeded().stdout;
    assert!(
        said.contains("https://news.example.com/hooks/mj/********"),
        "{said}"
    );
    assert!(!said.contains(TOKEN), "{said}");
    app.configure(|settings| {
        settings.more = "[[intake.webhook]]\nname = \"mj\"\nprovider = \"mailjet\"\n".to_owned()
    });
    let said = app.run(["check"]).failed_with(1).stderr;
    assert!(said.contains("openssl rand -hex 32"), "{said}");
}
