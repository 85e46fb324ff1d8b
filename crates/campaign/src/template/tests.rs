mod documented;
mod limits;
mod tracking;
mod values;

use super::*;
use crate::address::EmailAddress;
use crate::ids::RecipientId;
use crate::recipient::Recipient;
use serde_json::{Value, json};

pub(super) fn source(name: &str, html: &str) -> Source {
    Source {
        name: name.to_owned(),
        html: html.to_owned(),
        text: None,
    }
}

pub(super) fn content(html: &str, partials: &[(&str, &str)]) -> Content {
    Content {
        subject: "Hello {{default name \"friend\"}}".to_owned(),
        template: source("main", html),
        partials: partials.iter().map(|(name, html)| source(name, html)).collect(),
    }
}

pub(super) fn recipient(name: &str, attributes: Value) -> Recipient {
    let Value::Object(attributes) = attributes else {
        unreachable!()
    };
    Recipient {
        id: RecipientId(1),
        address: EmailAddress::parse("ann@example.org").unwrap(),
        name: name.to_owned(),
        attributes,
    }
}

pub(super) fn data(recipient: &Recipient) -> MergeData<'_> {
    MergeData {
        recipient,
        unsubscribe_url: "https://news.example.com/u/abc",
        view_url: "https://news.example.com/v/abc",
        preferences_url: "https://news.example.com/p/abc",
        campaign_name: "Spring",
        campaign_subject: None,
        list_name: Some("News & more"),
        language: None,
    }
}

fn render(content: &Content, recipient: &Recipient) -> Result<Rendered, RenderError> {
    Templates::compile(content).unwrap().render(&data(recipient))
}

fn error(content: &Content, recipient: &Recipient) -> String {
    render(content, recipient).unwrap_err().to_string()
}

#[test]
fn html_is_escaped_and_text_is_not() {
    let ann = recipient("<b>Ann & Bob</b>", json!({}));
    let rendered = render(&content("<p>{{name}} {{{name}}}</p>", &[]), &ann).unwrap();
    assert_eq!(rendered.subject, "Hello <b>Ann & Bob</b>");
    assert_eq!(
        rendered.html,
        "<p>&lt;b&gt;Ann &amp; Bob&lt;/b&gt; <b>Ann & Bob</b></p>"
    );
    assert_eq!(rendered.text, "<b>Ann & Bob</b> <b>Ann & Bob</b>\r\n");
}

#[test]
fn a_missing_variable_names_template_line_column_and_variable() {
    let ann = recipient("Ann", json!({}));
    let message = error(&content("<p>\n  in {{city}}</p>", &[]), &ann);
    assert_eq!(
        message,
        "template main (html):2:6: the variable city is missing for this recipient; \
         {{default city \"…\"}} would cover it"
    );
    let message = error(
        &content(
            "x{{> footer}}",
            &[("footer", "\n\n{{#if name}}{{attributes.street}}{{/if}}")],
        ),
        &ann,
    );
    assert!(
        message.starts_with("template footer (html):3:13: the variable attributes.street"),
        "{message}"
    );
    for block in ["each", "with"] {
        let html = format!("{{{{#if name}}}}{{{{#{block} offers}}}}x{{{{/{block}}}}}{{{{/if}}}}");
        assert_eq!(
            error(&content(&html, &[]), &ann),
            format!(
                "template main (html):1:13: the variable offers is missing for this recipient; \
                 {{{{else}}}} before {{{{/{block}}}}} would cover it"
            )
        );
    }
    let mut bad_subject = content("x", &[]);
    bad_subject.subject = "Hi {{city}}".to_owned();
    assert!(error(&bad_subject, &ann).starts_with("the subject:1:4: the variable city"));
}

#[test]
fn default_covers_what_is_missing_null_empty_or_blank() {
    let template = content(
        r#"{{default city "Ulm"}} {{default nick name "you"}} {{default zip 7}}"#,
        &[],
    );
    for (attributes, html) in [
        (json!({}), "Ulm Ann 7"),
        (json!({"city": "", "nick": "  ", "zip": null}), "Ulm Ann 7"),
        (
            json!({"city": "Bonn", "nick": "A", "zip": "01234"}),
            "Bonn A 01234",
        ),
        (json!({"city": 5, "nick": true, "zip": 1.5}), "5 true 1.5"),
    ] {
        assert_eq!(
            render(&template, &recipient("Ann", attributes)).unwrap().html,
            html
        );
    }
}

#[test]
fn layouts_and_partials_are_put_in_their_places() {
    let layout = "<body>{{> header}}<main>{{> @partial-block}}</main></body>";
    let newsletter = content(
        "{{#> layout}}<p>{{city}}</p>{{/layout}}",
        &[("layout", layout), ("header", "<h1>{{list.name}}</h1>")],
    );
    let rendered = render(&newsletter, &recipient("Ann", json!({"city": "Ulm"}))).unwrap();
    assert_eq!(
        rendered.html,
        "<body><h1>News &amp; more</h1><main><p>Ulm</p></main></body>"
    );
    assert_eq!(
        rendered.text.split_whitespace().collect::<Vec<_>>().join(" "),
        "News & more Ulm"
    );
}

#[test]
fn a_partial_shows_its_own_text_in_the_text_part() {
    let mut newsletter = content("<p>Hi</p>{{> footer}}", &[("footer", "<p>html</p>")]);
    newsletter.partials[0].text = Some("plain {{name}}\n".to_owned());
    let rendered = render(&newsletter, &recipient("Ann & Bob", json!({}))).unwrap();
    assert_eq!(rendered.text, "Hi\r\n\r\nplain Ann & Bob\r\n");
}

#[test]
fn faults_of_templates_are_found_before_anything_is_sent() {
    let fault =
        |html: &str, partials: &[(&str, &str)]| Templates::compile(&content(html, partials)).unwrap_err();
    for (html, partials, line, column, part) in [
        ("a\n{{> nowhere}}", &[][..], 2, 1, "no template named nowhere"),
        (
            "{{> a}}",
            &[("a", "{{> b}}"), ("b", "x{{#if c}}{{> a}}{{/if}}")],
            1,
            11,
            "a template contains itself: a → b → a",
        ),
        ("x {{> main}}", &[], 1, 3, "a template contains itself"),
        ("{{> (lookup this 'x')}}", &[], 1, 1, "must be written out"),
        ("<p>{{#if a}}</p>", &[], 1, 4, "never closed"),
        ("a\nb {{name", &[], 2, 3, "never closed"),
        ("{{a b=}}", &[], 1, 1, "not valid Handlebars"),
    ] {
        let found = fault(html, partials);
        assert!(found.message.contains(part), "{html}: {found}");
        assert_eq!(found.line, line, "{html}: {found}");
        assert!(
            part == "not valid Handlebars" || found.column == column,
            "{html}: {found}"
        );
    }
}

#[test]
fn a_tangle_of_partials_that_would_explode_is_refused() {
    let names: Vec<String> = (0..30).map(|n| format!("p{n}")).collect();
    let bodies: Vec<String> = (1..31)
        .map(|n| {
            if n == 30 {
                "x".to_owned()
            } else {
                format!("{{{{> p{n}}}}}").repeat(2)
            }
        })
        .collect();
    let partials: Vec<(&str, &str)> = names
        .iter()
        .zip(&bodies)
        .map(|(n, b)| (n.as_str(), b.as_str()))
        .collect();
    let found = Templates::compile(&content("{{> p0}}", &partials)).unwrap_err();
    assert!(found.message.contains("at most"), "{found}");
}

#[test]
fn sizes_have_an_end() {
    let found = check_source(&source("a", &"{{x}}".repeat(MAX_EXPRESSIONS + 1))).unwrap_err();
    assert!(found.message.contains("10001 expressions"), "{found}");
    let found = check_source(&source("a", &"x".repeat(MAX_TEMPLATE + 1))).unwrap_err();
    assert!(found.message.contains("too many"));
    let big = recipient("Ann", json!({"big": "x".repeat(1_000_000)}));
    for html in ["{{big}}".repeat(11), "{{#if big}}{{big}}{{/if}}".repeat(11)] {
        assert_eq!(render(&content(&html, &[]), &big), Err(RenderError::TooLarge));
    }
}

#[test]
fn names_of_templates_can_be_referred_to() {
    for name in ["", "a b", "a/b", "{{x}}", "a\n", &"x".repeat(101)] {
        assert!(check_source(&source(name, "x")).is_err(), "{name}");
    }
    assert_eq!(check_source(&source("fuß-1.a_b", "x")), Ok(()));
    assert!(
        render(
            &content("{{> fuß-1.a_b}}", &[("fuß-1.a_b", "y")]),
            &recipient("", json!({}))
        )
        .is_ok()
    );
    let mut both = source("main", "{{> a}}{{#> b}}{{> c}}{{/b}}{{> a}}");
    both.text = Some("{{> d}}".to_owned());
    assert_eq!(references(&both).unwrap(), ["a", "b", "c", "d"]);
}

#[test]
fn an_unsubscribe_link_is_asked_for_in_both_parts() {
    let check = |content: &Content| Templates::compile(content).unwrap().check_unsubscribe_link();
    assert!(
        check(&content("<p>x</p>", &[]))
            .unwrap_err()
            .message
            .contains("no unsubscribe link")
    );
    assert_eq!(
        check(&content("<a href=\"{{unsubscribe_url}}\">Leave</a>", &[])),
        Ok(())
    );
    assert_eq!(
        check(&content(
            "{{> footer}}",
            &[("footer", "{{#if name}}{{{unsubscribe_url}}}{{/if}}")]
        )),
        Ok(())
    );
    let mut without = content("{{unsubscribe_url}}", &[]);
    without.template.text = Some("x".to_owned());
    assert!(check(&without).unwrap_err().template.contains("(text)"));
}

#[test]
fn both_ways_of_rendering_give_the_same() {
    let layout = "<body>\n  {{> header}}\n<main>{{> @partial-block}}</main>{{> @partial-block}}\n</body>\r\n";
    let partials = [
        ("layout", layout),
        ("outer", "{{#> layout}}[{{> @partial-block}}]{{/layout}}"),
        ("header", "<h1>{{list.name}}</h1>\n  {{! note }}\n"),
        ("fallback", "{{#> @partial-block}}nothing{{/@partial-block}}"),
        ("bare", "{{> @partial-block}}"),
        ("maybe", "{{#if name}}[{{> @partial-block}}]{{/if}}"),
    ];
    let templates = [
        "plain",
        "{{!-- nothing --}}",
        "\n\n{{name}}\r\n{{name}}\r",
        "{{city}} {{{city}}} {{&city}} {{attributes.city}} {{email}} {{campaign.name}} {{campaign.subject}} {{unsubscribe_url}} {{view_url}}",
        "a  {{~name~}}  b \\{{name}} {{!-- x --}} {{ name }} {{this.name}} {{./name}}",
        "{{default city \"U=m\"}}{{default nick name \"<x>\"}}{{{default nick '&'}}}{{default n 3}}",
        "{{#> layout}}<p>{{city}}</p>\n{{/layout}}",
        "{{#> outer}}\n  deep {{name}}\n{{/outer}}\n",
        "  {{> header}}\n\n{{> fallback}}{{#> fallback}}given{{/fallback}}",
        "{{> bare}}",
        "{{#if city}}{{city}}{{else}}none{{/if}}",
        "{{n}} {{flag}} {{nothing}} {{list_of}} {{object}}",
        "{{n}}|{{flag}}|{{nothing}}",
        "{{[odd name]}} {{attributes.[odd name]}}",
        "{{len}} {{missing}}",
        "{{name}}\n{{city}}\r\n{{name}}ü",
        "{{object.inner}} {{list_of.[0]}} {{list.other}}",
        "{{@root.name}} {{#with object}}{{inner}}{{/with}}",
        "{{campaign}}",
        "{{> header city=\"x\"}}",
        "a {{#if name}}{{name}}{{else if city}}{{city}}\n{{else}}friend{{/if}}, {{#unless n}}no{{/unless}}\n{{#if flag}}\n  yes\n{{/if}}\nend",
        "{{#if nothing}}x{{/if}}{{#if list_of}}list{{/if}}{{#if object}}object{{else}}none{{/if}}{{#if missing}}m{{/if}}",
        "{{#if n includeZero=true}}zero{{/if}}{{#if (eq name \"Ann\")}}Ann{{/if}}",
        "{{#if city}}{{#> layout}}in {{name}}{{/layout}}{{/if}}",
        "{{#> maybe}}{{city}}{{/maybe}}",
        "{{#each list_of}}{{this}}{{/each}}",
        "{{upper city}} {{{lower city}}} {{title name}} {{truncate city 4}} {{truncate city 4 end=name}} {{url_encode city}}",
        "{{number n}} {{number n digits=1}} {{number \"1234567.5\"}} {{{number 1234567.5 locale=\"fr\"}}}",
        "{{currency 1234.5 \"EUR\"}} {{currency n \"usd\" locale=\"de-CH\"}} {{currency n city}}",
        "{{date \"2026-01-31\"}} {{date \"2026-01-31T23:30Z\" \"full\" time=true zone=\"Europe/Berlin\"}} {{date city}}",
        "{{date \"2026-01-31\" \"%d.%m.%Y <&\"}} {{{date \"2026-01-31\" \"%d <&\"}}}",
        "{{plural n \"<offer>\" \"offers & more\"}} {{{plural n one=\"<a>\" other=\"# <b>\" none=\"none\"}}}",
        "{{plural missing \"a\" \"b\"}}",
        "{{#if (eq city \"Ulm\")}}Ulm{{else if (and flag (not nothing))}}flag{{else}}none{{/if}}",
        "{{#if (gt n 4)}}more{{/if}}{{#unless (or nothing missing)}}x{{/unless}}",
        "{{#gte n 5}}five{{else}}less{{/gte}}{{eq n \"5\"}}{{{ne n 5}}}{{not flag}}",
        "{{#if (eq missing 1)}}x{{/if}}",
        "{{upper (default nick (truncate name 2))}}{{default (upper missing) \"x\"}}",
        "{{len city}} {{len list_of}} {{len object}}",
        "{{upper list_of}}",
        "{{#if missing}}x{{else each list_of}}{{this}},{{else}}none{{/if}}",
        "{{{city}}} {{{missing}}}",
        "{{#preheader}}{{name}} &amp; {{city}}{{/preheader}}<p>{{name}}</p>",
        "{{#> layout}}{{upper name}}{{/layout}}",
        "{{upper \"istanbul\"}}{{date \"2026-01-31\" \"long\"}}{{number 1234.5}}",
    ];
    let recipients = [
        recipient(
            "Ann",
            json!({"city": "Ulm", "n": 5, "flag": true, "nothing": null, "list_of": [1, 2], "object": {"inner": "in"}, "odd name": "odd"}),
        ),
        recipient(
            "",
            json!({"city": "<&>\"'`= ü\r\n.\r\n", "n": 1.25, "flag": false, "nothing": "", "odd name": "\r"}),
        ),
        recipient(
            "\n\r",
            json!({"city": "x\r", "n": -3, "flag": "\0a", "nothing": null}),
        ),
        recipient("x", json!({})),
        recipient(
            "y",
            json!({"language": "tr", "locale": "de", "city": "Ulm", "n": "1"}),
        ),
        recipient(
            "z",
            json!({"language": "Klingon", "locale": "de_AT.UTF-8", "city": "2026-02-01", "n": "0.00"}),
        ),
    ];
    let mut by_segments = 0;
    for html in templates {
        let content = content(html, &partials);
        let segments = Templates::compile(&content).unwrap();
        let handlebars = Templates::compile(&content).unwrap().without_segments();
        by_segments += usize::from(segments.html.segments.is_some());
        for recipient in &recipients {
            assert_eq!(
                segments.render(&data(recipient)),
                handlebars.render(&data(recipient)),
                "{html:?}"
            );
        }
    }
    assert!(
        by_segments >= 25,
        "only {by_segments} templates were rendered by segments"
    );
}

#[test]
fn content_survives_its_json() {
    let content = content("a", &[("b", "c")]);
    let json = serde_json::to_string(&content).unwrap();
    assert_eq!(serde_json::from_str::<Content>(&json).unwrap(), content);
}

#[test]
fn newsletters_like_the_starters_are_rendered_by_segments() {
    for html in [
        include_str!("../../../../templates/announcement.html"),
        include_str!("../../../../templates/digest.html"),
        include_str!("../../../../templates/product-update.html"),
        include_str!("../../../../templates/event-invitation.mjml"),
        include_str!("../../../../templates/letter.html"),
    ] {
        let templates = Templates::compile(&content(html, &[])).unwrap();
        assert!(templates.html.segments.is_some() && templates.text.segments.is_some());
    }
}

#[test]
fn a_helper_that_does_not_exist_is_refused_with_its_place() {
    for (html, line, parts) in [
        ("<p>Hi</p>\n<p>{{uppercase name}}</p>", 2, &["`uppercase`"][..]),
        (
            "{{default city}}",
            1,
            &["2 to 16 values", "{{default name \"friend\"}}"],
        ),
        (
            "{{number points digit=2}}",
            1,
            &["knows no digit=…", "digits, locale"],
        ),
        ("{{#if (gt visits)}}x{{/if}}", 1, &["`gt` takes 2 values, not 1"]),
        (
            "a\n{{#if a}}b\n{{else if (gt b)}}c{{/if}}",
            2,
            &["`gt` takes 2 values"],
        ),
        (
            "{{#title}}x{{/title}}",
            1,
            &["cannot be a block", "{{#if title}}"],
        ),
        ("{{first name}}", 1, &["`first`", "{{[first name]}}"][..]),
        (
            "{{#if vip}}\n{{{shout (lower name)}}}{{/if}}",
            2,
            &["`shout`"][..],
        ),
        ("{{default (small name) \"x\"}}", 1, &["`small`"][..]),
        ("\n{{#list}}a{{/list}}", 2, &["`list`"][..]),
        ("{{#> layout}}\n{{twice name}}{{/layout}}", 2, &["`twice`"][..]),
    ] {
        let error = check_html("spring", html, true).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        for part in parts {
            assert!(error.message.contains(part), "{part} is missing: {error}");
        }
    }
}

#[test]
fn a_column_that_is_called_like_a_helper_is_merged() {
    for name in helpers::names() {
        let html = "{{X}}|{{{X}}}|{{#if email}}{{X}}{{/if}}".replace('X', name);
        let content = Content {
            subject: format!("{{{{{name}}}}}"),
            ..content(&html, &[])
        };
        let full = recipient("Ann", json!({ name: "<7>" }));
        let empty = recipient("Ann", json!({}));
        let compile = || Templates::compile(&content).unwrap();
        for templates in [compile(), compile().without_segments()] {
            let rendered = templates.render(&data(&full)).unwrap();
            assert_eq!(rendered.subject, "<7>");
            assert_eq!(rendered.html.trim_end(), "&lt;7&gt;|<7>|&lt;7&gt;");
            let error = templates.render(&data(&empty)).unwrap_err().to_string();
            assert!(
                error.contains(&format!("the variable {name} is missing")),
                "{error}"
            );
        }
    }
}
