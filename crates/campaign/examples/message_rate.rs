//! How long it takes to make one message: `cargo run --release -p tidings-campaign --example message_rate`.
//!
//! The newsletter has 10 KB of HTML with a name, two attributes, five links and an unsubscribe link; its text part is
//! made from it; once there are four calls of helpers besides. The links are tracked or not. Prints microseconds per message on one core.
#![allow(clippy::print_stdout, reason = "printing figures is all that it does")]

use std::hint::black_box;
use std::time::Instant;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::eligibility::{Mailable, Standing, may_mail};
use tidings_campaign::ids::{CampaignId, ListId, RecipientId, Seq};
use tidings_campaign::message::{BodyEncoding, ListIdentity, Mailbox, MessageFactory, MessageSettings};
use tidings_campaign::recipient::{Recipient, Subscription};
use tidings_campaign::template::{Content, Source};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::{KeyRing, SigningKey};
use tidings_campaign::tracking::{Tracking, TrackingSettings, Utm};

const MESSAGES: i64 = 100_000;

fn html(filler: &str) -> String {
    let mut html = String::from(
        "<html><head><style>body { margin: 0 }</style></head><body style=\"background:#f4f4f4\">\n\
         <h1>Hello {{default name \"friend\"}}</h1>\n<p>News from {{city}}, offer {{offer}}.</p>\n",
    );
    for link in 1..=5 {
        html.push_str(&format!(
            "<p><a href=\"https://www.example.com/article/{link}\">Article {link}</a></p>\n"
        ));
    }
    while html.len() < 10_100 {
        html.push_str("<p style=\"margin:0 0 16px 0; font-family:Arial,sans-serif\">");
        html.push_str(filler);
        html.push_str(" A paragraph of a newsletter that is neither very short nor very long.</p>\n");
    }
    html.push_str("<p><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></p>\n</body></html>\n");
    html
}

fn factory(html: String, mode: Tracking) -> MessageFactory {
    let content = Content {
        subject: "News for {{default name \"friend\"}} from {{city}}".to_owned(),
        template: Source {
            name: "main".to_owned(),
            html,
            text: None,
        },
        partials: Vec::new(),
    };
    let settings = MessageSettings {
        from: Mailbox::parse("Example News <news@example.com>").expect("a valid mailbox"),
        reply_to: None,
        campaign: CampaignId(1),
        campaign_name: "Rate".to_owned(),
        lists: vec![ListIdentity {
            id: ListId(1),
            name: "News".to_owned(),
        }],
        public_url: "https://news.example.com".to_owned(),
        return_path_domain: "bounce.example.com".to_owned(),
        sender_id: "example".to_owned(),
        tracking: TrackingSettings {
            mode,
            utm: Utm::default(),
            kept: None,
        },
    };
    let keys = KeyRing::new(vec![SigningKey {
        id: 1,
        secret: [7; 32],
    }])
    .expect("one key");
    MessageFactory::new(&content, settings, keys).expect("a valid newsletter")
}

fn recipients() -> Vec<Mailable> {
    let standing = Standing {
        subscriptions: vec![(ListId(1), Subscription::Confirmed)],
        suppression: None,
        paused_until: None,
    };
    let recipient = |n: i64| Recipient {
        id: RecipientId(n),
        address: EmailAddress::parse(&format!("person{n}@example.org")).expect("a valid address"),
        name: format!("Person {n}"),
        attributes: [("city", "Springfield"), ("offer", "A-17")]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect(),
    };
    (1..=1000)
        .filter_map(|n| may_mail(recipient(n), &standing, Timestamp(0)).ok())
        .collect()
}

fn main() {
    let recipients = recipients();
    let with_helpers = |html: String| {
        let calls = "{{upper city}} {{date \"2026-01-31\" \"long\"}} {{currency \"1234.5\" \"EUR\"}} \
             {{plural 3 \"offer\" \"offers\"}}";
        html.replace("<p>News from", &format!("<p>{calls}</p><p>News from"))
    };
    let by_handlebars = |html: String| format!("{{{{#with this}}}}{html}{{{{/with}}}}");
    use BodyEncoding::{EightBit, SevenBit};
    use Tracking::{Anonymous, Full, Off};
    for (what, html, encoding, mode) in [
        ("by segments, 7bit", html("Plain."), EightBit, Off),
        ("by segments, anonymous", html("Plain."), EightBit, Anonymous),
        ("by segments, full tracking", html("Plain."), EightBit, Full),
        ("by segments, 8bit", html("Grüße."), EightBit, Off),
        ("by segments, quoted-printable", html("Grüße."), SevenBit, Off),
        (
            "by segments, with helpers",
            with_helpers(html("Plain.")),
            EightBit,
            Off,
        ),
        (
            "by Handlebars, 7bit",
            by_handlebars(html("Plain.")),
            EightBit,
            Off,
        ),
        (
            "by Handlebars, full tracking",
            by_handlebars(html("Plain.")),
            EightBit,
            Full,
        ),
        (
            "by Handlebars, 8bit",
            by_handlebars(html("Grüße.")),
            EightBit,
            Off,
        ),
    ] {
        let factory = factory(html, mode);
        let mut out = Vec::new();
        let start = Instant::now();
        for n in 0..MESSAGES {
            let to = &recipients[(n % 1000) as usize];
            let date = Timestamp(1_790_000_000_000_000 + n * 50);
            factory
                .build(to, date, encoding, &mut out)
                .expect("a recipient with all attributes");
            black_box(&out);
            black_box(factory.return_path(Seq(n)));
        }
        let each = start.elapsed().as_secs_f64() * 1e6 / MESSAGES as f64;
        println!("{what:32} {each:6.2} µs per message of {} octets", out.len());
    }
}
