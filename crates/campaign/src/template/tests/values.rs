//! What helpers make of values, beyond the examples of the document.

use super::*;

/// What a call makes of a recipient who speaks no language in particular.
fn made(call: &str) -> String {
    let html = format!("{{{{{{{call}}}}}}}");
    if let Err(error) = check_html("main", &html, true) {
        return error.to_string();
    }
    match render(&content(&html, &[]), &recipient("Ann", json!({}))) {
        Ok(rendered) => rendered.html.replace(['\u{a0}', '\u{202f}'], " "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn money_is_written_as_the_country_writes_it() {
    for (amount, code, locale, shown) in [
        ("-1234.5", "EUR", "en", "-€1,234.50"),
        ("-1234.5", "EUR", "de", "-1.234,50 €"),
        ("-7", "EUR", "nl", "€ -7,00"),
        ("7.005", "CHF", "de-CH", "CHF 7.01"),
        ("-7", "CHF", "it-CH", "CHF-7.00"),
        ("7", "CHF", "en", "CHF 7.00"),
        ("7", "USD", "en-CA", "US$7.00"),
        ("7", "CAD", "en-CA", "$7.00"),
        ("7", "BRL", "pt-BR", "R$ 7,00"),
        ("7", "EUR", "pt-PT", "7,00 €"),
        ("7.5", "KWD", "en", "KWD 7.500"),
        ("7", "SEK", "sv", "7,00 kr"),
        ("7", "SEK", "de", "7,00 SEK"),
    ] {
        assert_eq!(
            made(&format!("currency {amount} \"{code}\" locale=\"{locale}\"")),
            shown
        );
    }
    assert!(made("currency 7 (lower \"EURO\")").contains("“euro” is not a currency"));
}

#[test]
fn numbers_are_read_strictly_and_rounded_as_people_do() {
    for (call, shown) in [
        ("number \" 007.50 \"", "7.50"),
        ("number \"+5\"", "5"),
        ("number \"-0.5\" digits=0", "-1"),
        ("number 2.675 digits=2", "2.68"),
        ("number 123456789012345678", "123,456,789,012,345,678"),
        ("number 0.1", "0.1"),
        ("number 5 locale=\"ar-EG\"", "٥"),
        ("gt \"10\" \"9\"", "true"),
        ("gt \"-10\" \"-9\"", "false"),
        ("lt \"9007199254740992\" \"9007199254740993\"", "true"),
        ("eq 1 \"1.0\"", "true"),
        ("eq \"1\" \"1.0\"", "false"),
        ("eq 0 \"-0.00\"", "true"),
        ("eq true \"true\"", "true"),
        ("gte \"0.45\" \"0.5\"", "false"),
    ] {
        assert_eq!(made(call), shown, "{call}");
    }
    for bad in [
        "1,5",
        "1.2.3",
        "1e5",
        ".5",
        "5.",
        "--1",
        "0x10",
        "",
        " ",
        "NaN",
        &"1".repeat(41),
    ] {
        let error = made(&format!("number \"{bad}\""));
        assert!(error.contains("is not a number"), "{bad}: {error}");
    }
    assert!(made("number 5 digits=13").contains("whole number from 0 to 12"));
    assert!(made("number 5 locale=\"klingon\"").contains("“klingon” is not known"));
}

#[test]
fn dates_are_read_strictly() {
    for (call, shown) in [
        (
            "date \"2026-01-31 23:30\" \"short\" time=true zone=\"Europe/Berlin\" locale=\"de\"",
            "01.02.26, 00:30",
        ),
        ("date \"2026-01-31\" zone=\"Asia/Tokyo\"", "Jan 31, 2026"),
        (
            "date \"2024-02-29T12:00:00.5-05:00\" \"%Y-%m-%dT%H:%M\"",
            "2024-02-29T17:00",
        ),
        (
            "date \"2026-01-31\" locale=\"xx\"",
            "template main (html):1:1: date: the locale “xx” is not known: write it like de or de-AT",
        ),
    ] {
        assert_eq!(made(call), shown, "{call}");
    }
    for bad in [
        "2026-02-30",
        "2026-1-1",
        "20260131",
        "31.01.2026",
        "today",
        "",
        "1769878800",
        "2026-01-31T25:00",
    ] {
        let error = made(&format!("date \"{bad}\""));
        assert!(error.contains("is not a date"), "{bad}: {error}");
    }
    for (call, part) in [
        ("date \"2026-01-31\" time=true", "has no time"),
        (
            "date \"2026-01-31\" \"tiny\"",
            "there is no style “tiny”, only short, medium",
        ),
        ("date \"2026-01-31T10:00\" zone=\"Mars\"", "“Mars” is not known"),
        ("date \"2026-01-31\" \"%Q?\"", "cannot be used"),
        ("date 20260131", "is not a date"),
    ] {
        assert!(made(call).contains(part), "{call}: {}", made(call));
    }
}

#[test]
fn titles_know_where_words_begin() {
    for (text, shown) in [
        ("ANN BAKER", "Ann Baker"),
        ("mary-jane o’hara", "Mary-Jane O’Hara"),
        ("don't stop", "Don't Stop"),
        ("j.r. smith", "J.R. Smith"),
        ("élodie  über", "Élodie  Über"),
        ("", ""),
    ] {
        assert_eq!(made(&format!("title \"{text}\"")), shown);
    }
    assert_eq!(made("title \"ijsland\" locale=\"nl\""), "IJsland");
}

#[test]
fn texts_are_cut_where_words_end_and_never_longer_than_asked() {
    for (most, shown) in [
        (0, ""),
        (1, "…"),
        (5, "one…"),
        (9, "one, two…"),
        (13, "one, two…"),
        (20, "one, two three"),
    ] {
        assert_eq!(
            made(&format!("truncate \"one, two three\" {most}")),
            shown,
            "{most}"
        );
    }
    assert_eq!(made("truncate \"äöüß\" 3"), "äö…");
    assert!(made("truncate \"x\" -1").contains("whole number"));
}

#[test]
fn the_language_is_the_arguments_else_the_recipients_else_english() {
    let html = content("{{number 1.5}}{{number 1.5 locale=\"en\"}}", &[]);
    for (attributes, shown) in [
        (json!({ "language": "de", "locale": "en" }), "1,51.5"),
        (json!({ "language": "German", "locale": "de_AT.UTF-8" }), "1,51.5"),
        (json!({ "language": "", "locale": " DE " }), "1,51.5"),
        (json!({ "language": "xx" }), "1.51.5"),
        (json!({ "language": 7 }), "1.51.5"),
        (json!({}), "1.51.5"),
    ] {
        assert_eq!(
            render(&html, &recipient("", attributes.clone())).unwrap().html,
            shown,
            "{attributes}"
        );
    }
}

#[test]
fn a_list_may_have_fields_that_are_called_like_helpers() {
    let html = "{{#each news}}{{title}} {{{date}}} {{#if len}}{{upper title}}{{/if}};{{/each}}";
    let news = json!({ "news": [{ "title": "a", "date": "b", "len": 1 }] });
    assert_eq!(
        render(&content(html, &[]), &recipient("", news)).unwrap().html,
        "a b A;"
    );
}

#[test]
fn a_preheader_is_hidden_in_the_html_and_absent_from_the_text() {
    let html = "<body>{{#preheader}}{{name}} & co{{/preheader}}<p>Hello</p></body>";
    let rendered = render(&content(html, &[]), &recipient("<Ann>", json!({}))).unwrap();
    assert!(
        rendered.html.starts_with("<body><div style=\"display:none;"),
        "{}",
        rendered.html
    );
    assert!(
        rendered
            .html
            .contains("mso-hide:all\">&lt;Ann&gt; & co\r\n&#847;&zwnj;&nbsp;"),
        "{}",
        rendered.html
    );
    assert!(
        rendered.html.ends_with("\r\n</div><p>Hello</p></body>"),
        "{}",
        rendered.html
    );
    assert!(rendered.html.lines().all(|line| line.len() < 900) && rendered.html.len() < 4_000);
    assert_eq!(rendered.text, "Hello\r\n");
    let mut own = content(html, &[]);
    own.template.text = Some("\n{{#preheader}}x{{/preheader}}".to_owned());
    let error = Templates::compile(&own).unwrap_err();
    assert_eq!(
        (error.line, error.message.as_str()),
        (2, "a preheader stands in the HTML only")
    );
}

#[test]
fn a_currency_that_does_not_exist_is_refused() {
    let error = check_html("main", "a\n {{currency n \"XXQ\"}}", true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "template main (html):2:2: \"XXQ\" is not a currency: write its code, such as EUR"
    );
    check_html("main", "{{currency n \"eur\"}} {{currency n code}}", true).unwrap();
}

#[test]
fn what_is_wrong_for_everybody_is_refused_before_anybody_is_asked() {
    for (call, message) in [
        (
            "number n locale=\"klingon\"",
            "number: the locale “klingon” is not known: write it like de or de-AT",
        ),
        (
            "date day zone=\"Mars/Base\"",
            "date: the time zone “Mars/Base” is not known: write it like Europe/Berlin",
        ),
        (
            "date day \"%!\"",
            "date: the pattern “%!” cannot be used: %d, %m, %Y, %H, %M and their like can",
        ),
    ] {
        let error = check_html("main", &format!("a\n{{{{{call}}}}}"), true).unwrap_err();
        assert_eq!((error.line, error.message.as_str()), (2, message));
    }
    let error = check_html("main", "{{date day \"tiny\"}}", true).unwrap_err();
    assert!(
        error
            .message
            .starts_with("date: there is no style “tiny”, only short"),
        "{error}"
    );
    let good = "{{date day \"long\" zone=\"Asia/Tokyo\" locale=\"de_AT\"}} {{date day style locale=language}} {{date day \"%H:%M\"}}";
    check_html("main", good, true).unwrap();
}

#[test]
fn a_nul_is_refused_with_its_place() {
    let error = check_html("main", "<p>a</p>\n<p>\0</p>", true).unwrap_err();
    assert_eq!((error.line, error.column), (2, 4));
    assert!(
        error.message.starts_with("there is a NUL character here"),
        "{error}"
    );
    assert!(check_subject("a\0").is_err());
}

#[test]
fn an_empty_template_is_refused() {
    for html in ["", " \n"] {
        let error = check_html("main", html, true).unwrap_err().to_string();
        assert!(error.contains("the template is empty"), "{error}");
    }
}
