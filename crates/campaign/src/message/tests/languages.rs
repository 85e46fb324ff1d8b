//! Messages of a newsletter in several languages.

use super::*;
use crate::language::Language;
use crate::message::attachment::{Attachment, ContentId};

fn content(subject: &str, html: &str) -> Content {
    let link = "<p><a href=\"{{unsubscribe_url}}\">x</a></p>";
    Content {
        subject: subject.to_owned(),
        template: Source {
            name: "spring".to_owned(),
            html: format!("{html}{link}"),
            text: None,
        },
        partials: Vec::new(),
    }
}

fn translation(tag: &str, subject: &str, html: &str) -> Translation {
    Translation {
        language: Language::parse(tag).unwrap(),
        content: content(subject, html),
    }
}

fn in_three_languages() -> MessageFactory {
    let translations = [
        translation("de", "Frühling", "<p>Hallo {{name}}</p>"),
        translation("pt-BR", "Primavera", "<p>Oi {{name}}</p>"),
    ];
    let fallback = content("Spring", "<p>Hello {{name}}</p>");
    let factory = MessageFactory::new(&fallback, settings(), keys(&[1])).unwrap();
    factory.translated(&translations, "language").unwrap()
}

#[test]
fn everybody_gets_the_language_that_suits_them() {
    let factory = in_three_languages();
    for (attributes, language, subject, greeting) in [
        (json!({"language": "de"}), Some("de"), "Frühling", "Hallo Ann"),
        (json!({"language": "DE_at"}), Some("de"), "Frühling", "Hallo Ann"),
        (json!({"language": "pt-br"}), Some("pt-BR"), "Primavera", "Oi Ann"),
        (json!({"language": "pt"}), None, "Spring", "Hello Ann"),
        (json!({"language": "fr"}), None, "Spring", "Hello Ann"),
        (json!({"language": ""}), None, "Spring", "Hello Ann"),
        (json!({"language": 7}), None, "Spring", "Hello Ann"),
        (json!({"Language": "de"}), None, "Spring", "Hello Ann"),
        (json!({}), None, "Spring", "Hello Ann"),
    ] {
        let (message, _) = build(
            &factory,
            &mailable("Ann", attributes.clone()),
            BodyEncoding::EightBit,
        );
        check_lines(&message);
        let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
        assert_eq!(parsed.subject(), Some(subject), "{attributes}");
        assert!(parsed.body_html(0).unwrap().contains(greeting), "{attributes}");
        assert!(parsed.body_text(0).unwrap().contains(greeting), "{attributes}");
        let field = language.map(|tag| format!("\r\nContent-Language: {tag}\r\n"));
        assert_eq!(
            message.matches("Content-Language").count(),
            usize::from(field.is_some())
        );
        assert!(field.is_none_or(|field| message.contains(&field)), "{message}");
    }
}

#[test]
fn every_language_needs_an_unsubscribe_link() {
    let mut german = translation("de", "Frühling", "");
    german.content.template.html = "<p>Hallo</p>".to_owned();
    let factory = MessageFactory::new(&content("Spring", ""), settings(), keys(&[1])).unwrap();
    let error = factory.translated(&[german], "language").unwrap_err().to_string();
    assert!(
        error.starts_with("template spring (html) in de:1:1: ") && error.contains("unsubscribe"),
        "{error}"
    );
}

#[test]
fn what_is_missing_for_a_recipient_names_the_language() {
    let factory = MessageFactory::new(&content("Spring", ""), settings(), keys(&[1])).unwrap();
    let factory = factory
        .translated(&[translation("de", "Frühling", "<p>\n{{stadt}}</p>")], "sprache")
        .unwrap();
    let german = mailable("Ann", json!({"sprache": "de"}));
    let error = factory.build(&german, DATE, BodyEncoding::EightBit, &mut Vec::new());
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("template spring (html) in de:2:1: the variable stadt"),
        "{error}"
    );
}

#[test]
fn a_message_carries_only_the_images_of_its_language() {
    let translations = [translation(
        "de",
        "Frühling",
        "<img src=\"cid:de.png\"><img src=\"cid:logo.png\">",
    )];
    let fallback = content("Spring", "<img src=\"cid:en.png\"><img src=\"cid:logo.png\">");
    let image = |name: &str| {
        let image = Attachment::new(name, name.as_bytes().to_vec()).unwrap();
        image.shown_as(ContentId::parse(name).unwrap()).unwrap()
    };
    let factory = MessageFactory::new(&fallback, settings(), keys(&[1])).unwrap();
    let factory = factory.translated(&translations, "language").unwrap();
    let factory = factory
        .with_files(&["en.png", "de.png", "logo.png"].map(image))
        .unwrap();
    for (language, shown, not) in [("de", "de.png", "en.png"), ("en", "en.png", "de.png")] {
        let (message, _) = build(
            &factory,
            &mailable("Ann", json!({"language": language})),
            BodyEncoding::EightBit,
        );
        assert!(message.contains("Content-ID: <logo.png>"));
        assert!(message.contains(&format!("Content-ID: <{shown}>")));
        assert!(!message.contains(&format!("Content-ID: <{not}>")));
    }
}

#[test]
fn helpers_speak_the_language_that_chose_the_translation() {
    let factory = MessageFactory::new(
        &content("Spring", "<p>{{number 1234.5}}</p>"),
        settings(),
        keys(&[1]),
    )
    .unwrap();
    // Once in the short way, once by Handlebars.
    let html = "<p>{{number 1234.5}} {{#each parts}}{{number 1234.5}}{{/each}}</p>";
    let factory = factory
        .translated(&[translation("de", "Frühling", html)], "sprache")
        .unwrap();
    for (sprache, written) in [("de", "1.234,5"), ("de_CH", "234.5"), ("fr", "1,234.5")] {
        for parts in [json!([]), json!([1, 2])] {
            let to = mailable("Ann", json!({"sprache": sprache, "parts": parts}));
            let (message, _) = build(&factory, &to, BodyEncoding::EightBit);
            let expected = if sprache == "fr" {
                2
            } else {
                2 + 2 * parts.as_array().unwrap().len()
            };
            assert_eq!(message.matches(written).count(), expected, "{sprache}: {message}");
        }
    }
}

#[test]
fn a_link_has_one_number_in_all_languages() {
    let settings = MessageSettings {
        tracking: TrackingSettings {
            mode: Tracking::Full,
            ..TrackingSettings::off()
        },
        ..settings()
    };
    let shop = "<a href=\"https://shop.example.com\">Shop</a>";
    let own = "<a href=\"https://example.com/de\">Nur hier</a>";
    let fallback = content("Spring", &format!("{shop}{shop}"));
    let german = translation("de", "Frühling", &format!("{own}{shop}"));
    let factory = MessageFactory::new(&fallback, settings, keys(&[1])).unwrap();
    let factory = factory.translated(&[german], "language").unwrap();
    let links: Vec<_> = factory
        .links()
        .iter()
        .map(|link| (link.number, link.text.as_str(), link.languages.as_str()))
        .collect();
    assert_eq!(
        links,
        [(1, "Shop", "* de"), (2, "Shop", "*"), (3, "Nur hier", "de")]
    );
}
