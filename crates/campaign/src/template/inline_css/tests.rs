use super::super::tests::{content, data, recipient};
use super::super::{Content, Templates};
use serde_json::json;

/// What the newsletter and its partials become.
fn ready(content: &Content) -> Vec<String> {
    let templates = Templates::compile(content).unwrap();
    templates
        .ready
        .templates()
        .map(|(_, html)| html.to_owned())
        .collect()
}

fn inlined(html: &str) -> String {
    ready(&content(html, &[])).remove(0)
}

#[test]
fn without_styles_nothing_changes() {
    for html in [
        "<p>Hi<td>{{#if a}}<tr>{{/if}}</b>\n  &nbsp; <IMG src=x>",
        "<!DOCTYPE html><table>{{#each rows}}<tr><td {{#if x}}a=b{{/if}}>{{/each}}</table>",
        "<style></style><p>x",
        "<!--[if mso]><style>p{color:red}</style><![endif]--><p>x</p>",
        "<style data-css-inline=\"ignore\">p{color:red}</style><p>x</p>",
        "<style media=print>p{color:red!important}</style><p>x</p>",
        "<style>{{#if a}}p{color:red}{{/if}}</style><p>x</p>",
        "<!--[if !mso]><!--><style>p{color:red}</style><!--<![endif]--><p>x</p>",
        "\\{{x}} <style>.y{color:red}</style><p>x</p>",
    ] {
        assert_eq!(inlined(html), html);
    }
}

#[test]
fn styles_become_attributes_and_the_rest_stays_octet_for_octet() {
    for (css, body, expected) in [
        (
            "td{color:red}",
            "<table>\n{{#each rows}}<tr><td>{{this}}</td></tr>\n{{/each}}{{#if a}}<tr><td>b</td></tr>{{/if}}</table>",
            "<table>\n{{#each rows}}<tr><td style=\"color:red\">{{this}}</td></tr>\n{{/each}}{{#if a}}<tr><td style=\"color:red\">b</td></tr>{{/if}}</table>",
        ),
        (
            "a{color:red}",
            "<a href=\"{{default url \"x>\"}}\" >{{{raw}}}</a><br/><A href={{url}}>b</A>",
            "<a href=\"{{default url \"x>\"}}\" style=\"color:red\" >{{{raw}}}</a><br/><A href={{url}} style=\"color:red\">b</A>",
        ),
        (
            "p{color:red;margin:0 auto}",
            "<p style=\"color: {{default c \"blue\"}}\">x</p><p style='top:0'>y</p><p style=left:0>z</p>",
            "<p style=\"margin:0 auto;color: {{default c \"blue\"}}\">x</p><p style='color:red;margin:0 auto;top:0'>y</p>\
             <p style=\"color:red;margin:0 auto;left:0\">z</p>",
        ),
        (
            "p{color:{{brand}}}",
            "<p>x</p>",
            "<p style=\"color:{{brand}}\">x</p>",
        ),
        (
            "p{font-family:\"Gill Sans\",serif}",
            "<p>x</p><p style='top:0'>",
            "<p style=\"font-family:'Gill Sans',serif\">x</p><p style='font-family:&#39;Gill Sans&#39;,serif;top:0'>",
        ),
        (
            "p{color:red!important}",
            "<p style=\"color:blue\">x</p>",
            "<p style=\"color:blue;color:red;\">x</p>",
        ),
        (
            ":root{--c:#123456}p{color:var(--c)}",
            "<p>x</p>",
            "<p style=\"color:#123456\">x</p>",
        ),
        (
            "p.a{color:red}p.b{color:blue}",
            "<p class=\"{{#if x}}a{{/if}}\">x</p><p class=b data-css-inline=ignore>y</p>",
            "<p class=\"{{#if x}}a{{/if}}\" style=\"color:red\">x</p><p class=b data-css-inline=ignore>y</p>",
        ),
        (
            "p{color:red}",
            "<p {{#if x}}style=\"top:0\"{{else}}style=\"left:0\"{{/if}}>x</p><p {{#if x}}id=\"a\"{{/if}}>y</p>",
            "<p {{#if x}}style=\"top:0\"{{else}}style=\"left:0\"{{/if}}>x</p><p {{#if x}}id=\"a\"{{/if}} style=\"color:red\">y</p>",
        ),
        (
            "p{color:red}",
            "<!--[if mso]><p>a</p><![endif]--><!-- <p> --><textarea><p></textarea><p/>",
            "<!--[if mso]><p>a</p><![endif]--><!-- <p> --><textarea><p></textarea><p style=\"color:red\"/>",
        ),
    ] {
        let html = format!("<style>{css}</style>{body}");
        assert_eq!(inlined(&html), format!("<style>{css}</style>{expected}"));
    }
}

#[test]
fn what_is_for_dark_mode_phones_and_pointers_stays_and_wins() {
    let html = "<style>\n.a { color: #111111 }\n@media (prefers-color-scheme: dark) { .a { color: #eeeeee } }\n\
                @media (max-width: 600px) { .a { width: 100% } }\n.a:hover { color: red }\n\
                [data-ogsc] .a { color: #eeeeee !important }\n</style><p class=\"a\">x</p>";
    assert_eq!(
        inlined(html),
        "<style>\n.a { color: #111111 }\n@media (prefers-color-scheme: dark) { .a { color: #eeeeee !important } }\n\
         @media (max-width: 600px) { .a { width: 100% !important } }\n.a:hover { color: red !important }\n\
         [data-ogsc] .a { color: #eeeeee !important }\n</style><p class=\"a\" style=\"color:#111111\">x</p>"
    );
}

#[test]
fn the_styles_of_a_layout_reach_its_content_and_its_partials() {
    let layout = "<html><head><style>{{> css}} .foot p{color:blue}</style></head><body>{{> @partial-block}}\
                  <div class=\"foot\">{{> footer}}</div></body></html>";
    let newsletter = content(
        "{{#> layout}}\n<p>{{name}}</p>{{> button}}<div class=\"x\">{{> button}}</div>\n{{/layout}}",
        &[
            ("layout", layout),
            ("css", "p{margin:0}.x a{color:red}a{top:0}a:hover{color:red}"),
            ("footer", "<p>Foot</p>"),
            ("button", "<a>Go</a>"),
        ],
    );
    let templates = Templates::compile(&newsletter).unwrap();
    assert!(templates.html.segments.is_some());
    let rendered = templates.render(&data(&recipient("Ann", json!({})))).unwrap();
    assert_eq!(
        rendered.html.replace("\r\n", ""),
        "<html><head><style>p{margin:0}.x a{color:red}a{top:0}a:hover{color:red !important} .foot p{color:blue}</style></head>\
         <body><p style=\"margin:0\">Ann</p><a style=\"top:0\">Go</a><div class=\"x\"><a style=\"top:0\">Go</a></div>\
         <div class=\"foot\"><p style=\"margin:0;color:blue\">Foot</p></div></body></html>"
    );
}

#[test]
fn faults_are_named_where_they_were_written() {
    let newsletter = content(
        "<style>p{color:red}</style>\n<p>a</p><p>{{name}}</p><p>{{city}}</p>",
        &[],
    );
    let error = Templates::compile(&newsletter)
        .unwrap()
        .render(&data(&recipient("Ann", json!({}))))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("template main (html):2:27: the variable city"),
        "{error}"
    );
}

#[test]
fn what_a_style_hides_is_not_in_the_text() {
    let newsletter = content(
        "<style>.pre{display:none}</style><div class=\"pre\">Preview</div><p>Hello</p>",
        &[],
    );
    let rendered = Templates::compile(&newsletter)
        .unwrap()
        .render(&data(&recipient("", json!({}))))
        .unwrap();
    assert_eq!(rendered.text, "Hello\r\n");
}

#[test]
fn odd_and_hostile_sources_end() {
    let deep = "<b>".repeat(100_000);
    let many = "<p class=a>x</p>".repeat(50_000);
    for body in [
        "",
        "<",
        "<p",
        "</p>",
        "<p style>",
        "<p style=>",
        "<p style=\"",
        "</table><tr>",
        "<ü>",
        &deep,
        &many,
    ] {
        let html = format!("<style>p{{color:red}}.a{{top:0}}</style>{body}");
        let _ = Templates::compile(&content(&html, &[]));
    }
    let css = "p{color:red}".repeat(20_000);
    let error = Templates::compile(&content(&format!("<style>{css}</style>"), &[])).unwrap_err();
    assert!(error.message.contains("at most 200000 can be inlined"), "{error}");
}
