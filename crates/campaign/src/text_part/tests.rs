use super::text_from_html;

#[test]
fn paragraphs_headings_and_lists_become_lines() {
    let html = "<html><head><title>T</title><style>p > a {}</style></head><body>\n<h1>News</h1>\n\
                <p>One\n  two.</p><p>Three<br>four</p><ul>\n<li>a</li><li><p>b</p></li></ul>\
                <ol><li>x<li>y</ol><hr><div>end</div></body></html>";
    assert_eq!(
        text_from_html(html),
        "News\n\nOne two.\n\nThree\nfour\n\n- a\n- b\n\n1. x\n2. y\n\n----\n\nend\n"
    );
}

#[test]
fn links_are_shown_with_their_address() {
    for (html, text) in [
        (
            r#"<a href="https://example.org/a?b=1&amp;c=2">Read</a> on"#,
            "Read: https://example.org/a?b=1&c=2 on",
        ),
        (
            r#"<a href='{{unsubscribe_url}}'>Unsubscribe</a>"#,
            "Unsubscribe: {{unsubscribe_url}}",
        ),
        (
            r#"<a href="{{#if a}}x{{else}}y{{/if}}">L</a>"#,
            "L: {{#if a}}x{{else}}y{{/if}}",
        ),
        (r#"<a href="https://example.org/">example.org</a>"#, "example.org"),
        (
            r#"<a href="mailto:ann@example.org">ann@example.org</a>"#,
            "ann@example.org",
        ),
        (r##"<a href="#top">Top</a>"##, "Top"),
        (
            r#"<a href="https://example.org/x"><img src="a.png" alt="Our {{name}}"></a>"#,
            "Our {{name}}: https://example.org/x",
        ),
        (
            r#"<a href="https://example.org/x"><img src="a.png" alt=""></a>"#,
            "https://example.org/x",
        ),
        (r#"<a href={{url}}>Go</a>"#, "Go: {{url}}"),
    ] {
        assert_eq!(text_from_html(html), text, "{html}");
    }
}

#[test]
fn the_template_language_survives() {
    for (html, text) in [
        (
            "<p>Hello {{#if name}}{{name}}{{else}}friend{{/if}}, hi</p>",
            "Hello {{#if name}}{{name}}{{else}}friend{{/if}}, hi\n",
        ),
        (
            "<ul>{{#each items}}<li>{{this}}</li>{{/each}}</ul>",
            "{{#each items}}- {{this}}\n{{/each}}\n",
        ),
        (
            "<p>A</p>{{#if x}}<p>B</p>{{/if}}<p>C</p>",
            "A\n\n{{#if x}}B\n\n{{/if}}C\n",
        ),
        (
            "{{> header}}\n<p>A</p>\n{{> footer}}",
            "{{> header}}\n\nA\n\n{{> footer}}\n",
        ),
        (
            "{{#> layout}}\n<p>A</p>\n{{/layout}}",
            "{{#> layout}}A\n\n{{/layout}}\n",
        ),
        (
            "<td {{#if wide}}width=\"9\"{{/if}} title='{{default a \">\"}}'>x</td>",
            "x",
        ),
        ("a \\{{b}} {{!-- <p> --}}c", "a \\{{b}} c"),
        ("&#123;&#123;x}} &amp;lt; &nbsp;&uuml;", "\\{{x}} &lt; ü"),
    ] {
        assert_eq!(text_from_html(html), text, "{html}");
    }
}

#[test]
fn what_readers_do_not_see_is_dropped() {
    let html = "<div style=\"color:red; Display: NONE\">pre<div>{{name}}</div>header</div><p hidden>x</p>\
                <!-- no <b> --><!--[if mso]><p>Outlook</p><![endif]--><script>if (a < b) {}</script>\
                <p>se&shy;en&zwnj; a &lt; b, 1 < 2</p>";
    assert_eq!(text_from_html(html), "seen a < b, 1 < 2\n");
}

#[test]
fn broken_html_ends() {
    for html in [
        "<",
        "<a",
        "<a href=\"",
        "<p",
        "{{",
        "<!--",
        "<style>",
        "</",
        "<a href={{x",
        "\\",
        "{",
        "<ol><li>",
        "ä<ü",
    ] {
        text_from_html(html);
    }
}

#[test]
fn preformatted_text_keeps_its_lines_and_columns() {
    let html = "<p>Prices:</p><pre>\nRed    1.20\n\n  {{name}}   &lt;2&gt;\n</pre><p>So   long</p>";
    assert_eq!(
        text_from_html(html),
        "Prices:\n\nRed    1.20\n\n  {{name}}   <2>\n\nSo long\n"
    );
}

#[test]
fn lists_in_lists_do_not_move_to_the_right_for_ever() {
    let deep = text_from_html(&"<ul><li>x".repeat(12));
    assert!(
        deep.ends_with(&format!("\n{}- x\n{0}- x\n", "  ".repeat(10))),
        "{deep}"
    );
    let deepest = text_from_html(&"<ul><li>x".repeat(110_000));
    assert!(deepest.len() < super::MAX_TEXT + 100, "{}", deepest.len());
}
