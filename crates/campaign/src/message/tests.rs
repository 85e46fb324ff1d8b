mod files;
mod languages;

use super::*;
use crate::address::EmailAddress;
use crate::eligibility::{Standing, may_mail};
use crate::recipient::{Recipient, Subscription};
use crate::template::Source;
use crate::token::SigningKey;
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::{Value, json};

const DATE: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn keys(ids: &[u8]) -> KeyRing {
    KeyRing::new(
        ids.iter()
            .map(|&id| SigningKey { id, secret: [id; 32] })
            .collect(),
    )
    .unwrap()
}

fn settings() -> MessageSettings {
    MessageSettings {
        from: Mailbox::parse("Müller & Söhne <news@example.com>").unwrap(),
        reply_to: Some(Mailbox::parse("\"Office, the\" <office@example.com>").unwrap()),
        campaign: CampaignId(12),
        campaign_name: "Spring".to_owned(),
        lists: vec![
            ListIdentity {
                id: ListId(3),
                name: "Frühling, weekly".to_owned(),
            },
            ListIdentity {
                id: ListId(8),
                name: "Beta".to_owned(),
            },
        ],
        public_url: "https://news.example.com/".to_owned(),
        return_path_domain: "bounce.example.com".to_owned(),
        sender_id: "acme:news".to_owned(),
        tracking: TrackingSettings::off(),
    }
}

fn factory(subject: &str, html: &str) -> MessageFactory {
    let template = Source {
        name: "main".to_owned(),
        html: format!("{html}<p><a href=\"{{{{unsubscribe_url}}}}\">Unsubscribe</a></p>"),
        text: None,
    };
    let content = Content {
        subject: subject.to_owned(),
        template,
        partials: Vec::new(),
    };
    MessageFactory::new(&content, settings(), keys(&[1])).unwrap()
}

fn mailable(name: &str, attributes: Value) -> Mailable {
    mailable_by(ListId(3), name, attributes)
}

fn mailable_by(list: ListId, name: &str, attributes: Value) -> Mailable {
    let Value::Object(attributes) = attributes else {
        unreachable!()
    };
    let recipient = Recipient {
        id: RecipientId(70_001),
        address: EmailAddress::parse("ann@example.org").unwrap(),
        name: name.to_owned(),
        attributes,
    };
    may_mail(
        recipient,
        &Standing {
            subscriptions: vec![(list, Subscription::Confirmed)],
            suppression: None,
            paused_until: None,
        },
        Timestamp(0),
    )
    .unwrap()
}

fn build(factory: &MessageFactory, to: &Mailable, encoding: BodyEncoding) -> (String, Built) {
    let mut out = b"left over".to_vec();
    let built = factory.build(to, DATE, encoding, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), built)
}

fn check_lines(message: &str) {
    assert!(!message.contains('\0'));
    assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
    assert!(message.split("\r\n").all(|line| line.len() <= 998));
}

#[test]
fn a_message_names_the_list_by_which_it_comes_to_its_recipient() {
    let factory = factory("Hello", "<p>From {{list.name}}</p>");
    for (list, id, name) in [
        (8, "List-ID: Beta <list-8.example.com>\r\n", "From Beta"),
        (3, "<list-3.example.com>\r\n", "weekly"),
        // One that the campaign does not have any more.
        (5, "<list-3.example.com>\r\n", "weekly"),
    ] {
        let to = mailable_by(ListId(list), "Ann", json!({}));
        let (message, _) = build(&factory, &to, BodyEncoding::EightBit);
        assert!(message.contains(id) && message.contains(name), "{message}");
        assert_eq!(message.matches("List-ID:").count(), 1);
        let feedback = format!("Feedback-ID: campaign-12:list-{}:", if list == 8 { 8 } else { 3 });
        assert!(message.contains(&feedback), "{message}");
    }
}

#[test]
fn the_header_carries_what_standards_and_providers_ask_for() {
    let factory = factory("Hello {{name}}", "<p>x</p>");
    let (message, built) = build(
        &factory,
        &mailable("Ann Example", json!({})),
        BodyEncoding::EightBit,
    );
    assert!(!built.eight_bit);
    let id = factory.message_id(RecipientId(70_001));
    let url = factory.unsubscribe_url(RecipientId(70_001));
    let token = url.strip_prefix("https://news.example.com/u/").unwrap();
    for line in [
        format!("Message-ID: {id}"),
        "Date: Mon, 21 Sep 2026 14:13:20 +0000".to_owned(),
        "From: =?utf-8?b?TcO8bGxlciAmIFPDtmhuZQ==?= <news@example.com>".to_owned(),
        "Reply-To: \"Office, the\" <office@example.com>".to_owned(),
        "To: Ann Example <ann@example.org>".to_owned(),
        "Subject: Hello Ann Example".to_owned(),
        format!("List-Unsubscribe: <{url}>,\r\n <mailto:u-{token}@bounce.example.com?subject=unsubscribe>"),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned(),
        "List-ID: =?utf-8?b?RnLDvGhsaW5nLCB3ZWVrbHk=?= <list-3.example.com>".to_owned(),
        "Feedback-ID: campaign-12:list-3:newsletter:acme-news".to_owned(),
        "Precedence: bulk".to_owned(),
        "MIME-Version: 1.0".to_owned(),
    ] {
        let name = line.split_inclusive(": ").next().unwrap();
        assert_eq!(
            message.matches(&format!("\r\n{name}")).count() + usize::from(message.starts_with(name)),
            1,
            "{name}"
        );
        assert!(
            message.contains(&format!("{line}\r\n")),
            "{line} is not in\n{message}"
        );
    }
}

#[test]
fn another_parser_reads_the_same_subject_names_and_bodies() {
    let long_name = "Übergrößenträger ".repeat(30).trim().to_owned();
    let nasty = [
        ("Ann", "plain"),
        (
            "Änn Exämple",
            "Grüße an {{name}} 🎉 und noch viel mehr Wörter, damit die Zeile umbrochen werden muss",
        ),
        (
            "Ann \"the\" O'Neil, <b>",
            "quotes \"a\" and =?utf-8?q?no?= encoded word",
        ),
        ("\u{1f600}\u{1f600}", "{{long}}"),
        (&long_name, "x"),
        ("x", "word {{long}} word"),
    ];
    let bodies = [
        "<p>{{name}}</p>",
        "<pre>{{long}}</pre>",
        "<p>ü€\u{1f600} = =20 =_ {{name}}</p>",
        "<p>.</p>\n.\n..\nFrom me\n{{name}}",
    ];
    for (name, subject) in nasty {
        for body in bodies {
            for encoding in [BodyEncoding::SevenBit, BodyEncoding::EightBit] {
                let factory = factory(subject, body);
                let to = mailable(name, json!({"long": "lorem-ipsum-".repeat(200)}));
                let (message, built) = build(&factory, &to, encoding);
                check_lines(&message);
                assert_eq!(built.eight_bit, !message.is_ascii());
                assert!(encoding == BodyEncoding::EightBit || message.is_ascii());
                let rendered = factory
                    .fallback
                    .templates
                    .render(&MergeData {
                        recipient: to.recipient(),
                        unsubscribe_url: &factory.unsubscribe_url(RecipientId(70_001)),
                        view_url: "",
                        preferences_url: "",
                        campaign_name: "Spring",
                        campaign_subject: None,
                        list_name: None,
                        language: None,
                    })
                    .unwrap();
                let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
                assert_eq!(parsed.subject(), Some(rendered.subject.as_str()));
                let to = parsed.to().unwrap().first().unwrap();
                assert_eq!((to.name(), to.address()), (Some(name), Some("ann@example.org")));
                let lines = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
                assert_eq!(
                    parsed.text_part(0).unwrap().text_contents().map(lines),
                    Some(lines(&rendered.text))
                );
                assert_eq!(
                    parsed.html_part(0).unwrap().text_contents().map(lines),
                    Some(lines(&rendered.html))
                );
                assert_eq!(parsed.content_type().unwrap().subtype(), Some("alternative"));
            }
        }
    }
}

#[test]
fn no_value_can_start_a_header_field_or_a_part() {
    let factory = factory("News {{evil}}", "<p>{{{evil}}}</p>");
    for evil in [
        "x\r\nBcc: eve@example.net",
        "x\nBcc: eve@example.net",
        "x\rBcc: eve@example.net",
        "x\0\r\n\r\nBcc: y",
        "\u{2028}Bcc: z\u{85}Bcc: q",
    ] {
        let (message, _) = build(
            &factory,
            &mailable(evil, json!({"evil": evil})),
            BodyEncoding::EightBit,
        );
        check_lines(&message);
        let header = message.split("\r\n\r\n").next().unwrap();
        assert!(!header.to_lowercase().contains("\r\nbcc"), "{header}");
        assert!(header.contains("Bcc") || header.contains("=?utf-8?b?"));
    }
}

#[test]
fn the_boundary_never_occurs_in_a_part() {
    let plain = factory("x", "<p>{{{evil}}}</p>");
    let id = plain.message_id(RecipientId(70_001));
    let boundary = format!("--=_{}", &id[1..id.find('@').unwrap()]);
    let evil = format!("\r\n{boundary}\r\n\r\nforged\r\n{boundary}--\r\n{boundary}_");
    let (message, _) = build(
        &plain,
        &mailable("Ann", json!({"evil": evil})),
        BodyEncoding::EightBit,
    );
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    assert_eq!(parsed.parts.len(), 3);
    assert!(
        parsed
            .html_part(0)
            .unwrap()
            .text_contents()
            .unwrap()
            .contains("forged")
    );
}

#[test]
fn every_attempt_has_the_same_message_id_and_nobody_else_has_it() {
    let factory = factory("x", "y");
    let other = MessageFactory {
        settings: MessageSettings {
            campaign: CampaignId(13),
            ..settings()
        },
        ..self::factory("x", "y")
    };
    let ids = [
        factory.message_id(RecipientId(1)),
        factory.message_id(RecipientId(2)),
        other.message_id(RecipientId(1)),
    ];
    assert_eq!(ids[0], factory.message_id(RecipientId(1)));
    assert!(ids[0] != ids[1] && ids[0] != ids[2]);
    let newer_key = MessageFactory {
        keys: keys(&[1, 2]),
        ..self::factory("x", "y")
    };
    assert_eq!(newer_key.message_id(RecipientId(1)), ids[0]);
}

#[test]
fn a_return_path_fits_whatever_the_numbers_and_leads_back() {
    let factory = MessageFactory {
        settings: MessageSettings {
            campaign: CampaignId(i64::MAX),
            ..settings()
        },
        ..factory("x", "y")
    };
    let path = factory.return_path(Seq(i64::MAX));
    let (local, domain) = path.split_once('@').unwrap();
    assert!(local.len() <= 64 && domain == "bounce.example.com");
    let token = DeliveryToken::verify(local.strip_prefix("b-").unwrap(), &keys(&[1])).unwrap();
    assert_eq!(
        token,
        DeliveryToken {
            campaign: CampaignId(i64::MAX),
            seq: Seq(i64::MAX)
        }
    );
    assert!(EmailAddress::parse(&path).is_ok());
}

#[test]
fn a_recipient_who_cannot_be_rendered_is_an_error_and_the_next_one_is_not() {
    let factory = factory("x", "{{city}}");
    let mut out = Vec::new();
    let error = factory
        .build(
            &mailable("Ann", json!({})),
            DATE,
            BodyEncoding::EightBit,
            &mut out,
        )
        .unwrap_err();
    assert!(
        error.to_string().contains("the variable city is missing"),
        "{error}"
    );
    assert!(
        factory
            .build(
                &mailable("Ann", json!({"city": "Ulm"})),
                DATE,
                BodyEncoding::EightBit,
                &mut out
            )
            .is_ok()
    );
}

#[test]
fn what_is_missing_in_a_made_text_part_is_named_where_the_html_has_it() {
    let factory = factory("Hello", "<p>Dear {{name}},</p>\n\n<p>{{city}}</p>");
    let error = factory
        .build(
            &mailable("Ann", json!({})),
            DATE,
            BodyEncoding::EightBit,
            &mut Vec::new(),
        )
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("template main (html):3:"), "{error}");
}

#[test]
fn a_test_letter_says_so_and_can_do_nothing_to_the_recipient_it_is_merged_for() {
    let html = "<p>Grüße, {{name}}</p><a href=\"{{view_url}}\">x</a><a href=\"{{preferences_url}}\">y</a>";
    let factory = factory("Hello {{name}}", html);
    let recipient = mailable("Ann", json!({})).recipient().clone();
    let to = EmailAddress::parse("office@example.net").unwrap();
    let test = TestLetter {
        merged_for: &recipient,
        to: &to,
        id: "c0ffee",
    };
    let message = String::from_utf8(factory.test_letter(test, DATE).unwrap()).unwrap();
    assert!(message.is_ascii(), "{message}");
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    assert_eq!(parsed.subject(), Some("[Test] Hello Ann"));
    assert_eq!(parsed.message_id(), Some("c0ffee@example.com"));
    assert_eq!(
        parsed.to().unwrap().first().unwrap().address(),
        Some("office@example.net")
    );
    assert!(!message.contains("ann@example.org"));
    let html = parsed.body_html(0).unwrap();
    for link in ["u/test", "v/test", "p/test"] {
        assert!(
            html.contains(&format!("https://news.example.com/{link}\"")),
            "{html}"
        );
    }
    assert!(message.contains("List-Unsubscribe: <https://news.example.com/u/test>"));
}
