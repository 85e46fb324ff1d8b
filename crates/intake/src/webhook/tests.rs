//! Posts through the routes, into a database.

use super::*;
use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use data_encoding::{BASE64, HEXLOWER};
use ipnet::IpNet;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{hmac, signature};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use tidings_feedback::policy::Policy;
use tidings_store::Store;
use x509_parser::pem::parse_x509_pem;

const NOW: i64 = 1_800_000_000;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const ARN: &str = "arn:aws:sns:eu-west-1:123456789012:bounces";
const CERTIFICATE_URL: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-test.pem";
const RSA_KEY: &[u8] = include_bytes!("tests/key.pem");
const RSA_CERTIFICATE: &[u8] = include_bytes!("tests/certificate.pem");

/// Stands for SNS: one certificate, and subscriptions that are counted.
#[derive(Clone, Default)]
struct Sns {
    fetched: Arc<AtomicUsize>,
    confirmed: Arc<AtomicUsize>,
}

impl Fetch for Sns {
    fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        if url == CERTIFICATE_URL {
            self.fetched.fetch_add(1, Ordering::SeqCst);
            return Ok(RSA_CERTIFICATE.to_vec());
        }
        if url.starts_with("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription") {
            self.confirmed.fetch_add(1, Ordering::SeqCst);
            return Ok(Vec::new());
        }
        Err("there is nothing there".to_owned())
    }
}

struct Instance {
    hooks: Arc<Hooks>,
    store: Store,
    sns: Sns,
    clock: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl Instance {
    async fn with(hook: Hook) -> Instance {
        assert_eq!(hook.check(), Ok(()));
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/t.db", folder.path().display());
        let store = Store::open(&url, "node").await.unwrap();
        let micros = Arc::new(AtomicI64::new(NOW * 1_000_000));
        let clock = Clock::Set(Arc::clone(&micros));
        let keys = store.key_ring(clock.now()).await.unwrap();
        let rules = Arc::new(Rules::with("").unwrap());
        let intake = Intake::start(
            store.clone(),
            keys,
            Arc::clone(&rules),
            Policy::default(),
            clock.clone(),
        );
        let sns = Sns::default();
        let hooks = Hooks::new(vec![hook], intake, rules, clock, sns.clone());
        Instance {
            hooks: Arc::new(hooks),
            store,
            sns,
            clock: micros,
            _folder: folder,
        }
    }

    async fn ask(&self, request: TestRequest) -> (u16, String) {
        let app = init_service(App::new().configure(routes(Arc::clone(&self.hooks)))).await;
        let answer = call_service(&app, request.to_request()).await;
        let status = answer.status().as_u16();
        let body = read_body(answer).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn post(&self, path: &str, body: impl Into<web::Bytes>) -> u16 {
        self.ask(TestRequest::post().uri(path).set_payload(body)).await.0
    }

    /// The kinds of the events that are kept, the oldest first.
    async fn kept(&self) -> Vec<String> {
        let events = self.store.list_events(None, i64::MAX, 100).await.unwrap();
        events.into_iter().rev().map(|event| event.kind).collect()
    }
}

fn hook(provider: Provider, door: Door, proof: Proof) -> Hook {
    Hook {
        name: "a".to_owned(),
        provider,
        door,
        proof,
        most: 64 * 1024,
    }
}

fn by_token() -> Door {
    Door {
        token: Some(SecretString::from(TOKEN)),
        ..Door::default()
    }
}

const SPAM: &str = r#"{"event": "spam", "email": "ann@example.org", "time": 1799999990, "MessageID": 5}"#;

#[actix_web::test]
async fn the_secret_in_the_address_must_be_right() {
    let instance = Instance::with(hook(Provider::Mailjet, by_token(), Proof::Nothing)).await;
    let wrong = TOKEN.replace('f', "e");
    for (path, status) in [
        ("/hooks/a".to_owned(), 403),
        ("/hooks/a/".to_owned(), 404),
        (format!("/hooks/a/{wrong}"), 403),
        (format!("/hooks/a/{TOKEN}0"), 403),
        (format!("/hooks/a/{}", &TOKEN[..31]), 403),
        (format!("/hooks/b/{TOKEN}"), 404),
        (format!("/hooks/a/{TOKEN}/more"), 404),
    ] {
        assert_eq!(instance.post(&path, SPAM).await, status, "{path}");
    }
    assert_eq!(instance.kept().await, [""; 0]);
    assert_eq!(instance.post(&format!("/hooks/a/{TOKEN}"), SPAM).await, 200);
    assert_eq!(instance.kept().await, ["complaint"]);
}

#[actix_web::test]
async fn user_and_password_or_a_field_of_the_header_must_be_right() {
    let basic = Door {
        basic: Some(("hook".to_owned(), SecretString::from("right:é"))),
        header: Some(("X-Hook".to_owned(), SecretString::from("open"))),
        ..Door::default()
    };
    let instance = Instance::with(hook(Provider::Mailjet, basic, Proof::Nothing)).await;
    let by = |user: &str, field: &str| {
        let login = format!("Basic {}", BASE64.encode(user.as_bytes()));
        let request = TestRequest::post().uri("/hooks/a").set_payload(SPAM);
        request
            .insert_header(("Authorization", login))
            .insert_header(("X-Hook", field))
    };
    for (user, field, status) in [
        ("hook:wrong", "open", 401),
        ("hook", "open", 401),
        ("", "open", 401),
        ("hook:right:é", "", 403),
        ("hook:right:é", "opened", 403),
    ] {
        assert_eq!(instance.ask(by(user, field)).await.0, status, "{user} {field}");
    }
    let nobody = TestRequest::post()
        .uri("/hooks/a")
        .insert_header(("X-Hook", "open"));
    assert_eq!(instance.ask(nobody).await.0, 401);
    assert_eq!(instance.kept().await, [""; 0]);
    assert_eq!(instance.ask(by("hook:right:é", "open")).await.0, 200);
    assert_eq!(instance.kept().await, ["complaint"]);
}

#[actix_web::test]
async fn only_the_networks_of_the_provider_may_post() {
    let network: IpNet = "198.51.100.0/24".parse().unwrap();
    let door = |is_behind_proxy| Door {
        networks: vec![network],
        is_behind_proxy,
        ..by_token()
    };
    let path = format!("/hooks/a/{TOKEN}");
    let from = |peer: &str, forwarded: &str| {
        let request = TestRequest::post().uri(&path).set_payload(SPAM);
        let request = request.peer_addr(peer.parse().unwrap());
        request.insert_header(("X-Forwarded-For", forwarded))
    };
    let direct = Instance::with(hook(Provider::Brevo, door(false), Proof::Nothing)).await;
    assert_eq!(direct.ask(from("203.0.113.5:1", "198.51.100.7")).await.0, 403);
    assert_eq!(direct.ask(from("[::ffff:198.51.100.7]:1", "")).await.0, 200);
    let behind = Instance::with(hook(Provider::Brevo, door(true), Proof::Nothing)).await;
    assert_eq!(
        behind
            .ask(from("127.0.0.1:1", "198.51.100.7, 203.0.113.5"))
            .await
            .0,
        403
    );
    assert_eq!(behind.ask(from("198.51.100.7:1", "nonsense")).await.0, 403);
    assert_eq!(
        behind
            .ask(from("127.0.0.1:1", "203.0.113.5, 198.51.100.7"))
            .await
            .0,
        200
    );
}

#[actix_web::test]
async fn what_is_no_post_or_too_long_is_refused_and_what_cannot_be_read_is_kept() {
    let instance = Instance::with(hook(Provider::Mailjet, by_token(), Proof::Nothing)).await;
    let path = format!("/hooks/a/{TOKEN}");
    assert_eq!(instance.ask(TestRequest::get().uri(&path)).await.0, 405);
    assert_eq!(instance.post(&path, vec![b' '; 64 * 1024 + 1]).await, 413);
    assert_eq!(instance.post(&path, "").await, 200, "it was tried out");
    assert_eq!(instance.kept().await, [""; 0]);
    assert_eq!(instance.post(&path, "hello").await, 200);
    assert_eq!(instance.kept().await, ["other"]);
    let event = instance
        .store
        .list_events(None, i64::MAX, 1)
        .await
        .unwrap()
        .remove(0);
    let arrival = instance.store.arrival(event.arrival_id).await.unwrap().unwrap();
    assert_eq!(arrival.raw, b"hello");
}

#[actix_web::test]
async fn an_event_counts_once_in_whatever_post_it_comes() {
    let instance = Instance::with(hook(Provider::Mailjet, by_token(), Proof::Nothing)).await;
    let path = format!("/hooks/a/{TOKEN}");
    let both =
        format!(r#"[{{"event": "unsub", "email": "bob@example.org", "time": 5, "MessageID": 6}}, {SPAM}]"#);
    for body in [SPAM.to_owned(), SPAM.to_owned(), both.clone(), both] {
        assert_eq!(instance.post(&path, body).await, 200);
    }
    let mut kept = instance.kept().await;
    kept.sort();
    assert_eq!(kept, ["complaint", "unsubscribe"]);
}

#[actix_web::test]
async fn what_is_not_kept_should_come_again() {
    let mut instance = Instance::with(hook(Provider::Mailjet, by_token(), Proof::Nothing)).await;
    let (store, keys) = (
        instance.store.clone(),
        instance.store.key_ring(Clock::System.now()).await.unwrap(),
    );
    let ended = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let stopped = {
        let _inside = ended.enter();
        let rules = Arc::new(Rules::with("").unwrap());
        Intake::start(store, keys, rules, Policy::default(), Clock::System)
    };
    ended.shutdown_background();
    Arc::get_mut(&mut instance.hooks).unwrap().intake = stopped;
    assert_eq!(instance.post(&format!("/hooks/a/{TOKEN}"), SPAM).await, 503);
    assert_eq!(instance.kept().await, [""; 0]);
}

/// SendGrid's half of its signatures.
struct SendGrid {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl SendGrid {
    fn new() -> SendGrid {
        let pair = rcgen::KeyPair::generate().unwrap();
        let random = SystemRandom::new();
        let der = pair.serialize_der();
        SendGrid {
            pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &random).unwrap(),
            public: PublicKey::parse(&pair.public_key_pem()).unwrap(),
        }
    }

    fn sign(&self, time: i64, body: &str) -> TestRequest {
        let signed = format!("{time}{body}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        TestRequest::post()
            .uri("/hooks/a")
            .set_payload(body.to_owned())
            .insert_header(("X-Twilio-Email-Event-Webhook-Timestamp", time.to_string()))
            .insert_header((
                "X-Twilio-Email-Event-Webhook-Signature",
                BASE64.encode(signature.as_ref()),
            ))
    }
}

#[actix_web::test]
async fn a_post_of_sendgrid_must_be_signed_with_its_key_and_of_now() {
    let (ours, other) = (SendGrid::new(), SendGrid::new());
    let proof = Proof::SendGrid(ours.public.clone(), Duration::from_secs(600));
    let instance = Instance::with(hook(Provider::SendGrid, Door::default(), proof)).await;
    let body = r#"[{"event": "spamreport", "email": "ann@example.org", "sg_event_id": "e1"}]"#;
    for (request, why) in [
        (
            TestRequest::post().uri("/hooks/a").set_payload(body),
            "not signed",
        ),
        (other.sign(NOW, body), "another key"),
        (
            ours.sign(NOW, body).set_payload(body.replace("ann", "bob")),
            "changed",
        ),
        (
            ours.sign(NOW, body)
                .insert_header(("X-Twilio-Email-Event-Webhook-Timestamp", (NOW + 1).to_string())),
            "another time",
        ),
        (ours.sign(NOW - 601, body), "too old"),
        (ours.sign(NOW + 601, body), "of the future"),
    ] {
        assert_eq!(instance.ask(request).await.0, 403, "{why}");
    }
    assert_eq!(instance.kept().await, [""; 0]);
    for _ in 0..2 {
        assert_eq!(instance.ask(ours.sign(NOW - 599, body)).await.0, 200);
    }
    assert_eq!(instance.kept().await, ["complaint"]);
}

fn mailgun(key: &str, time: &str, token: &str, address: &str) -> Value {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{time}{token}").as_bytes());
    json!({
        "signature": { "timestamp": time, "token": token, "signature": HEXLOWER.encode(tag.as_ref()) },
        "event-data": { "event": "complained", "id": token, "recipient": address },
    })
}

#[actix_web::test]
async fn a_post_of_mailgun_must_be_signed_and_its_token_counts_for_one_post() {
    let key = SigningKey::new(&SecretString::from("right"));
    let proof = Proof::Mailgun(key, Duration::from_secs(600));
    let instance = Instance::with(hook(Provider::Mailgun, by_token(), proof)).await;
    let path = format!("/hooks/a/{TOKEN}");
    let now = NOW.to_string();
    let genuine = mailgun("right", &now, "token-1", "ann@example.org");
    let mut moved = genuine.clone();
    moved["signature"]["timestamp"] = format!("{now}t").into();
    moved["signature"]["token"] = "oken-1".into();
    for (body, why) in [
        (
            mailgun("wrong", &now, "token-1", "ann@example.org"),
            "another key",
        ),
        (
            mailgun("right", &(NOW - 700).to_string(), "token-1", "ann@example.org"),
            "too old",
        ),
        (moved, "the border between time and token"),
        (json!({ "event-data": {} }), "not signed"),
        (
            json!({ "signature": { "timestamp": now, "token": "t", "signature": "é" } }),
            "no hexadecimal",
        ),
    ] {
        assert_eq!(instance.post(&path, body.to_string()).await, 403, "{why}");
    }
    assert_eq!(
        instance.post("/hooks/a", genuine.to_string()).await,
        403,
        "signed is not enough"
    );
    assert_eq!(instance.kept().await, [""; 0]);
    for _ in 0..2 {
        assert_eq!(instance.post(&path, genuine.to_string()).await, 200);
    }
    let forged = mailgun("right", &now, "token-1", "bob@example.org");
    assert_eq!(instance.post(&path, forged.to_string()).await, 403);
    assert_eq!(instance.kept().await, ["complaint"]);
    let mut of_parent = mailgun("child", &now, "token-2", "ann@example.org");
    of_parent["parent-signature"] = mailgun("right", &now, "token-2", "")["signature"].clone();
    assert_eq!(instance.post(&path, of_parent.to_string()).await, 200);
}

#[actix_web::test]
async fn a_token_of_mailgun_that_was_forgotten_still_changes_nothing_with_another_post() {
    let key = SigningKey::new(&SecretString::from("right"));
    let proof = Proof::Mailgun(key, WINDOW);
    let mut instance = Instance::with(hook(Provider::Mailgun, by_token(), proof)).await;
    let path = format!("/hooks/a/{TOKEN}");
    let post = |address| mailgun("right", &NOW.to_string(), "token-1", address).to_string();
    assert_eq!(instance.post(&path, post("ann@example.org")).await, 200);
    Arc::get_mut(&mut instance.hooks).unwrap().seen = Seen::default();
    assert_eq!(instance.post(&path, post("bob@example.org")).await, 200);
    let events = instance.store.list_events(None, i64::MAX, 100).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| event.told_address.as_str()).collect();
    assert_eq!(told, ["ann@example.org"]);
}

/// A signed message of SNS; `fields` besides or instead of the usual ones.
fn sns(kind: &str, message: &str, fields: &Value) -> Value {
    let mut envelope = json!({
        "Type": kind, "Message": message, "MessageId": "m-1", "Timestamp": "2027-01-15T08:00:00.000Z",
        "TopicArn": ARN, "SignatureVersion": "2", "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    });
    for (name, value) in fields.as_object().unwrap() {
        envelope[name] = value.clone();
    }
    let mut signed = String::new();
    for name in [
        "Message",
        "MessageId",
        "Subject",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ] {
        if let Some(value) = envelope[name].as_str() {
            signed.push_str(&format!("{name}\n{value}\n"));
        }
    }
    let (_, pem) = parse_x509_pem(RSA_KEY).unwrap();
    let pair = RsaKeyPair::from_pkcs8(&pem.contents).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    let padding: &dyn signature::RsaEncoding = &RSA_PKCS1_SHA256;
    pair.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .unwrap();
    envelope["Signature"] = BASE64.encode(&signature).into();
    envelope
}

fn complaint() -> String {
    let recipients = json!([{ "emailAddress": "ann@example.org" }]);
    json!({ "notificationType": "Complaint", "mail": {}, "complaint": {
        "feedbackId": "f", "complainedRecipients": recipients } })
    .to_string()
}

async fn of_topic(takes_version_1: bool) -> Instance {
    let proof = Proof::Sns(Topic::new(ARN, takes_version_1).unwrap());
    Instance::with(hook(Provider::Ses, Door::default(), proof)).await
}

fn changed(mut envelope: Value, name: &str, value: &str) -> Value {
    envelope[name] = value.into();
    envelope
}

#[actix_web::test]
async fn a_message_of_sns_must_be_signed_and_of_the_topic() {
    let instance = of_topic(false).await;
    let genuine = sns("Notification", &complaint(), &json!({}));
    let other_topic = json!({ "TopicArn": "arn:aws:sns:eu-west-1:999999999999:bounces" });
    let elsewhere = json!({ "SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.test/SimpleNotificationService-test.pem" });
    for (body, why) in [
        (changed(genuine.clone(), "Message", "{}"), "changed"),
        (
            changed(genuine.clone(), "Timestamp", "2027-01-15T08:00:01.000Z"),
            "changed time",
        ),
        (changed(genuine.clone(), "Signature", "AAAA"), "another signature"),
        (changed(genuine.clone(), "SignatureVersion", "1"), "version 1"),
        (
            changed(genuine.clone(), "SignatureVersion", "3"),
            "unknown version",
        ),
        (sns("Notification", &complaint(), &other_topic), "another topic"),
        (
            sns("Notification", &complaint(), &elsewhere),
            "a certificate from elsewhere",
        ),
        (
            sns("Notification", &complaint(), &json!({ "MessageId": "a\nb" })),
            "a line break",
        ),
        (json!({ "notificationType": "Complaint" }), "raw delivery"),
    ] {
        assert_eq!(instance.post("/hooks/a", body.to_string()).await, 403, "{why}");
    }
    assert_eq!(instance.kept().await, [""; 0]);
    for _ in 0..2 {
        assert_eq!(instance.post("/hooks/a", genuine.to_string()).await, 200);
    }
    let with_subject = sns(
        "Notification",
        &complaint(),
        &json!({ "Subject": "Amazon SES", "MessageId": "m-2" }),
    );
    assert_eq!(instance.post("/hooks/a", with_subject.to_string()).await, 200);
    assert_eq!(instance.kept().await, ["complaint", "complaint"]);
    assert_eq!(
        instance.sns.fetched.load(Ordering::SeqCst),
        1,
        "the certificate is fetched once"
    );
    instance.clock.store(5_000_000_000_000_000, Ordering::SeqCst);
    assert_eq!(
        instance.post("/hooks/a", genuine.to_string()).await,
        403,
        "an old certificate"
    );
}

#[actix_web::test]
async fn without_its_certificate_a_message_of_sns_should_come_again() {
    let instance = of_topic(false).await;
    let missing = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-gone.pem";
    let body = sns(
        "Notification",
        &complaint(),
        &json!({ "SigningCertURL": missing }),
    );
    assert_eq!(instance.post("/hooks/a", body.to_string()).await, 503);
}

#[actix_web::test]
async fn a_signature_of_version_1_is_taken_only_by_option() {
    // By `openssl dgst -sha1 -sign`: ring does not sign so any more.
    const SIGNATURE: &str = "NTHM+TVFYm0IJTV2RlmmPsuZOWDmyp/AN650+xPRp7xv9Gq7AbLkK7kJMsGC7W9u/8nmylF5sFNkCvNwJyVnoyLgWucMJvgBFVkSoZt86n55wlHLi2AAhFURBtQkXaaVSN6t1h5l12GMeRWF8Q8Nkhh2QFIOtwLwds+Te+zCCf8Myf0zYH6ChCPWqM7tS92XWx/OboHpF8Y4woMCPMV5lHqktemUuA71Zpf6nASzkGs+n0XqOHV6awvRWLxPTycb8VzW0+d2t6GgRLY6Naidb9H6FbTJpcHcN6+86ghVbchTVqf1SqrDjlsoMgYPuaRlau9A4nfFOaRaqK8Zs9Dchg==";
    let body = json!({
        "Type": "Notification", "MessageId": "old-1", "Timestamp": "2027-01-15T08:00:00.000Z", "TopicArn": ARN,
        "Message": "{\"notificationType\":\"Complaint\",\"mail\":{},\"complaint\":{\"feedbackId\":\"old\",\"complainedRecipients\":[{\"emailAddress\":\"ann@example.org\"}]}}",
        "SignatureVersion": "1", "SigningCertURL": CERTIFICATE_URL, "Signature": SIGNATURE,
    });
    let (strict, lenient) = (of_topic(false).await, of_topic(true).await);
    assert_eq!(strict.post("/hooks/a", body.to_string()).await, 403);
    assert_eq!(lenient.post("/hooks/a", body.to_string()).await, 200);
    assert_eq!(lenient.kept().await, ["complaint"]);
    let forged = changed(body, "MessageId", "old-2");
    assert_eq!(lenient.post("/hooks/a", forged.to_string()).await, 403);
}

#[actix_web::test]
async fn a_subscription_is_confirmed_only_after_the_check_and_only_at_sns() {
    let instance = of_topic(false).await;
    let confirmation = |host: &str, token: &str| {
        let url = format!("https://{host}/?Action=ConfirmSubscription&TopicArn={ARN}&Token={token}");
        sns(
            "SubscriptionConfirmation",
            "You have chosen",
            &json!({ "SubscribeURL": url, "Token": "t1" }),
        )
    };
    let good = confirmation("sns.eu-west-1.amazonaws.com", "t1");
    for (body, why) in [
        (changed(good.clone(), "Message", "x"), "not signed"),
        (confirmation("sns.evil.test", "t1"), "elsewhere"),
        (
            confirmation("sns.eu-west-1.amazonaws.com", "t2"),
            "another subscription",
        ),
    ] {
        assert_eq!(instance.post("/hooks/a", body.to_string()).await, 403, "{why}");
    }
    assert_eq!(instance.sns.confirmed.load(Ordering::SeqCst), 0);
    assert_eq!(instance.post("/hooks/a", good.to_string()).await, 200);
    assert_eq!(instance.sns.confirmed.load(Ordering::SeqCst), 1);
    let ended = json!({ "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/", "Token": "t" });
    let ended = sns("UnsubscribeConfirmation", "You have ended", &ended);
    assert_eq!(instance.post("/hooks/a", ended.to_string()).await, 200);
    assert_eq!(instance.kept().await, [""; 0]);
}
