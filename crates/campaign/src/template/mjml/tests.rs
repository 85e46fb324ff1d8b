use super::super::tests::{content, data, recipient, source};
use super::super::{Content, Rendered, TemplateError, Templates, check_source};
use serde_json::{Value, json};

fn body(inner: &str) -> String {
    format!("<mjml><mj-body>{inner}</mj-body></mjml>")
}

fn section(inner: &str) -> String {
    format!("<mj-section><mj-column>{inner}</mj-column></mj-section>")
}

fn render(content: &Content, attributes: Value) -> Rendered {
    let templates = Templates::compile(content).unwrap();
    templates.render(&data(&recipient("Ann", attributes))).unwrap()
}

fn fault(html: &str) -> TemplateError {
    check_source(&source("spring", html)).unwrap_err()
}

#[test]
fn mjml_becomes_html_with_a_sensible_text() {
    let mjml = format!(
        "\u{feff}\n<!-- spring -->{{{{! for {{x}} --}}}}\n<mjml lang=\"en\"><mj-head><mj-title>T {{{{name}}}}</mj-title>\
         <mj-preview>In short</mj-preview><mj-style>.a{{color:red}}</mj-style></mj-head><mj-body>{}</mj-body></mjml>",
        section(
            "<mj-text>Hello <b>{{name}}</b>,<br>it is <i>{{default city \"Ulm\"}}</mj-text>\
             <mj-button href=\"{{unsubscribe_url}}\">Leave</mj-button>"
        )
    );
    let rendered = render(&content(&mjml, &[]), json!({}));
    for part in [
        "<!doctype html>",
        "<title>T Ann</title>",
        "Hello <b>Ann</b>,<br>it is <i>Ulm",
        "href=\"https://news.example.com/u/abc\"",
        ".a{color:red}",
    ] {
        assert!(
            rendered.html.contains(part),
            "{part} is missing: {}",
            rendered.html
        );
    }
    assert!(!rendered.html.contains("tdngs") && !rendered.html.contains("googleapis"));
    assert_eq!(
        rendered.text,
        "Hello Ann,\r\nit is Ulm\r\n\r\nLeave: https://news.example.com/u/abc\r\n"
    );
}

#[test]
fn blocks_may_stand_around_elements_of_the_body() {
    let mjml = body(&format!(
        "{{{{#if vip}}}}{}{{{{else}}}}{}{{{{/if}}}}<mj-section>{{{{#each items}}}}<mj-column>{{{{#if this}}}}\
         <mj-text>[{{{{this}}}}]</mj-text>{{{{/if}}}}</mj-column>{{{{/each}}}}</mj-section>\
         <mj-wrapper>{{{{#if vip}}}}{}{{{{/if}}}}</mj-wrapper>",
        section("<mj-text>dear</mj-text>"),
        section("<mj-text>hi</mj-text>"),
        section("<mj-text>wrapped</mj-text>"),
    ));
    let rendered = render(&content(&mjml, &[]), json!({"vip": true, "items": ["a", "b"]}));
    assert!(rendered.html.contains("dear") && !rendered.html.contains(">hi<"));
    assert!(
        rendered.html.contains("[a]") && rendered.html.contains("[b]") && rendered.html.contains("wrapped")
    );
    let rendered = render(&content(&mjml, &[]), json!({"items": []}));
    assert!(!rendered.html.contains("dear") && rendered.html.contains(">hi<"));
}

#[test]
fn partials_and_layouts_in_mjml_are_put_in_their_places() {
    let layout =
        "<mjml><mj-head>{{> look}}</mj-head><mj-body>{{> @partial-block}}{{> footer}}</mj-body></mjml>";
    let footer = section("<mj-text mj-class=\"x\">Foot {{> address}}</mj-text>");
    let newsletter = content(
        &format!(
            "{{{{#> layout}}}}\n{}\n{{{{/layout}}}}",
            section("<mj-text>Hi {{name}}</mj-text>")
        ),
        &[
            ("layout", layout),
            (
                "look",
                "<mj-attributes><mj-class name=\"x\" color=\"#123456\" /></mj-attributes>",
            ),
            ("footer", &footer),
            ("address", "<i>Ulm</i>"),
        ],
    );
    let rendered = render(&newsletter, json!({}));
    assert!(rendered.html.contains("Foot <i>Ulm</i>") && rendered.html.contains("color:#123456"));
    assert_eq!(rendered.text, "Hi Ann\r\n\r\nFoot Ulm\r\n");
}

#[test]
fn only_styles_that_are_to_be_inlined_are() {
    let mjml = format!(
        "<mjml><mj-head><mj-style inline=\"inline\">.a{{color:red}}</mj-style><mj-style>.a{{top:0}}</mj-style></mj-head>\
         <mj-body>{}</mj-body></mjml>",
        section("<mj-text><p class=\"a\">x {{name}}</p></mj-text>")
    );
    let rendered = render(&content(&mjml, &[]), json!({}));
    assert!(
        rendered
            .html
            .contains("<p class=\"a\" style=\"color:red\">x Ann</p>"),
        "{}",
        rendered.html
    );
    assert!(!rendered.html.contains(".a{color:red}") && rendered.html.contains(".a{top:0}"));
}

#[test]
fn faults_name_template_line_and_column() {
    for (mjml, line, column, part) in [
        (
            "<mjml>\n<mj-body><mj-section></mj-body></mjml>",
            2,
            22,
            "</mj-body> stands where </mj-section> is expected",
        ),
        ("<mjml>\n <mj-body>\n", 2, 2, "<mj-body> is never closed"),
        (
            "<mjml><mj-body>\n<mj-text>x</mj-body></mjml>",
            2,
            1,
            "<mj-text> is never closed",
        ),
        (
            "<mjml><mj-body>\n  <mj-unknown>x</mj-unknown></mj-body></mjml>",
            2,
            3,
            "<mj-unknown>",
        ),
        (
            "<mjml><mj-head>\n<mj-nothing /></mj-head></mjml>",
            2,
            1,
            "<mj-nothing>",
        ),
        (
            "<mjml><mj-body><mj-include path=\"a\" /></mj-body></mjml>",
            1,
            16,
            "{{> part}}",
        ),
        (
            "<mjml><mj-body><mj-text {{#if a}}color=\"red\"{{/if}}>x</mj-text></mj-body></mjml>",
            1,
            25,
            "inside the values",
        ),
        (
            "<mjml><mj-head><mj-attributes>{{x}}</mj-attributes></mj-head></mjml>",
            1,
            31,
            "<mj-attributes>",
        ),
        (
            "<mjml><mj-body><mj-section>\n<mj-column width=\"{{w}}\"></mj-column></mj-section></mj-body></mjml>",
            2,
            19,
            "MJML calculates with width",
        ),
        ("<mjml></mjml>\n{{x}}", 2, 1, "outside <mjml>"),
        ("<mjml><mj-body></mj-body></mjml></p>", 1, 33, "closes nothing"),
    ] {
        let error = fault(mjml);
        assert!(error.message.contains(part), "{mjml}: {error}");
        assert_eq!((error.line, error.column), (line, column), "{mjml}: {error}");
        assert_eq!(error.template, "template spring (html)");
    }
    assert!(
        fault(&body(&"<mj-wrapper>".repeat(10_000)))
            .message
            .contains("nested deeper")
    );
}

#[test]
fn a_missing_variable_is_named_where_it_was_written() {
    let footer = section("\n<mj-text>x {{city}}</mj-text>");
    let newsletter = content(&body("{{> footer}}"), &[("footer", &footer)]);
    let templates = Templates::compile(&newsletter).unwrap();
    let error = templates
        .render(&data(&recipient("Ann", json!({}))))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("template footer (html):2:12: the variable city"),
        "{error}"
    );
}

#[test]
fn odd_mjml_ends() {
    for mjml in [
        "<mjml",
        "<mjml>",
        "<mjml/>",
        "<mjml><",
        "<mjml><mj-body><mj-image width=\"{{w}}\" /></mj-body></mjml>",
        "<mjml><mj-body width=\"{{w}}\"><mj-section padding=\"{{a}} {{b}}\"><mj-column width=\"{{c}}\"></mj-column></mj-section></mj-body></mjml>",
        "<mjml><mj-body><!-- {{x}} --></mj-body></mjml>",
        "<MJML><mj-body></mj-body></MJML>",
    ] {
        let _ = check_source(&source("a", mjml));
        let _ = Templates::compile(&content(mjml, &[]));
    }
}

#[test]
fn a_preheader_may_stand_in_the_body() {
    let mjml = body(&format!(
        "{{{{#preheader}}}}Soon, {{{{name}}}}{{{{/preheader}}}}{}",
        section("<mj-text>Hello</mj-text>")
    ));
    let rendered = render(&content(&mjml, &[]), json!({}));
    assert!(rendered.html.contains("Soon, Ann"), "{}", rendered.html);
    assert_eq!(rendered.text, "Hello\r\n");
}
