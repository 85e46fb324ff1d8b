use super::{EMPTY, Starter};
use crate::address::EmailAddress;
use crate::ids::RecipientId;
use crate::merge::MergeData;
use crate::recipient::Recipient;
use crate::template::{Content, Rendered, Templates};

const LINK: &str = "https://news.example.com/u/abc";

/// CSS that mail programs know outside of `@media`, besides each property's sides (`padding-left`).
const PROPERTIES: &[&str] = &[
    "background",
    "background-color",
    "border",
    "border-collapse",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-top",
    "border-bottom",
    "color",
    "cursor",
    "direction",
    "display",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "margin",
    "max-height",
    "max-width",
    "opacity",
    "overflow",
    "padding",
    "table-layout",
    "text-align",
    "text-decoration",
    "text-transform",
    "vertical-align",
    "width",
    "word-break",
    "word-spacing",
];

/// The starter, sent to somebody of whom only the address is known.
fn rendered(starter: Starter) -> Rendered {
    let content = Content {
        subject: starter.subject().to_owned(),
        template: starter.source("main".to_owned()),
        partials: Vec::new(),
    };
    let templates = Templates::compile(&content).unwrap_or_else(|error| panic!("{starter:?}: {error}"));
    assert_eq!(templates.check_unsubscribe_link(), Ok(()), "{starter:?}");
    let recipient = Recipient {
        id: RecipientId(1),
        address: EmailAddress::parse("ann@example.org").unwrap(),
        name: String::new(),
        attributes: serde_json::Map::new(),
    };
    let data = MergeData {
        recipient: &recipient,
        unsubscribe_url: LINK,
        view_url: "https://news.example.com/v/abc",
        preferences_url: "https://news.example.com/p/abc",
        campaign_name: "Spring",
        campaign_subject: None,
        list_name: None,
        language: None,
    };
    templates
        .render(&data)
        .unwrap_or_else(|error| panic!("{starter:?}: {error}"))
}

#[test]
fn every_starter_needs_nothing_but_an_address() {
    for &starter in Starter::all() {
        let rendered = rendered(starter);
        for part in [&rendered.html, &rendered.text] {
            assert!(part.contains(LINK), "{starter:?} has no unsubscribe link");
            assert!(part.contains("00000 "), "{starter:?} has no postal address");
        }
        assert!(
            !rendered.subject.is_empty() && !rendered.html.contains("{{"),
            "{starter:?}"
        );
    }
}

#[test]
fn the_text_of_every_starter_is_for_reading() {
    for &starter in Starter::all() {
        let text = rendered(starter).text;
        assert!((400..4_000).contains(&text.len()), "{starter:?}: {text}");
        for odd in ["<", "{", "font-", "mso", "&nbsp;", "tdngs", "\r\n\r\n\r\n"] {
            assert!(!text.contains(odd), "{starter:?}: {odd:?} in\n{text}");
        }
    }
    let text = rendered(Starter::Announcement).text;
    assert!(
        text.contains("See how Dawn works: https://www.example.org/dawn\r\n"),
        "{text}"
    );
    assert!(
        !text.contains("two winters in the workshop"),
        "the preheader is for the inbox alone: {text}"
    );
}

#[test]
fn every_starter_is_shown_whole_and_works_in_the_dark_and_on_phones() {
    for &starter in Starter::all() {
        let html = rendered(starter).html;
        assert!(
            html.len() < 102_400,
            "{starter:?}: Gmail cuts off {} octets",
            html.len()
        );
        for part in [
            "lang=\"en\"",
            "name=\"color-scheme\"",
            "prefers-color-scheme: dark",
            "[data-ogsc]",
            "@media (max-width:",
            "role=\"presentation\"",
            "display:none",
        ] {
            assert!(html.contains(part), "{starter:?} lacks {part}");
        }
        for absent in [
            "<script",
            "<img",
            "<link",
            "@import",
            "url(",
            "display:flex",
            "display:grid",
            "position:",
        ] {
            assert!(!html.contains(absent), "{starter:?} has {absent}");
        }
    }
}

#[test]
fn starters_use_only_css_that_mail_programs_know() {
    for &starter in Starter::all() {
        let html = rendered(starter).html;
        let styles: Vec<&str> = html.split(" style=\"").skip(1).collect();
        assert!(styles.len() > 10, "{starter:?}: styles are not inlined");
        for style in styles {
            let style = style.split('"').next().unwrap_or_default();
            for declaration in style.split(';').filter(|part| !part.trim().is_empty()) {
                let property = declaration.split(':').next().unwrap_or_default().trim();
                let known = PROPERTIES.iter().any(|known| {
                    property == *known
                        || ["padding", "margin"]
                            .iter()
                            .any(|side| property.starts_with(&format!("{side}-")))
                });
                assert!(
                    known || property.starts_with("mso-") || property == "-webkit-text-size-adjust",
                    "{starter:?}: {property} in {style}"
                );
            }
        }
    }
}

#[test]
fn the_empty_one_can_be_sent_as_it_is() {
    let content = Content {
        subject: String::new(),
        template: crate::template::Source {
            name: "main".to_owned(),
            html: EMPTY.to_owned(),
            text: None,
        },
        partials: Vec::new(),
    };
    let templates = Templates::compile(&content).unwrap();
    assert_eq!(templates.check_unsubscribe_link(), Ok(()));
}
