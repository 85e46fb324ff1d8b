//! Templates that would never end, or fill the memory, stop at a limit and say where.

use super::*;
use std::time::{Duration, Instant};

/// What becomes of a template, which must not take long.
#[track_caller]
fn outcome(content: &Content, attributes: Value) -> Result<Rendered, RenderError> {
    let recipient = recipient("Ann", attributes);
    let templates = Templates::compile(content).unwrap();
    let began = Instant::now();
    let outcome = templates.render(&data(&recipient));
    // A second or so without optimisation; the bound is for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    outcome
}

#[track_caller]
fn stops_at(content: &Content, attributes: Value, place: &str) {
    let error = outcome(content, attributes).unwrap_err().to_string();
    assert!(error.starts_with(place), "{error}");
    assert!(error.contains("more than 2000000 steps"), "{error}");
}

fn numbers(n: usize) -> Value {
    json!((0..n).collect::<Vec<_>>())
}

#[test]
fn a_loop_over_a_million_items_stops() {
    let attributes = || json!({ "items": numbers(1_000_000) });
    stops_at(
        &content("Hi\n {{#each items}}{{#if ../vip}}{{this}}{{/if}}{{/each}}", &[]),
        attributes(),
        "template main (html):2:2:",
    );
    // With output it is the size that ends it, whichever comes first.
    let large = content("{{#each items}}{{this}} is a number{{/each}}", &[]);
    assert!(outcome(&large, attributes()).is_err());
}

#[test]
fn loops_within_loops_stop_even_if_they_write_nothing() {
    let html = "{{#each items}}\n{{#each @root.items}}\n{{#each @root.items}}{{/each}}{{/each}}{{/each}}";
    stops_at(
        &content(html, &[]),
        json!({ "items": numbers(1_000) }),
        "template main (html):3:1:",
    );
}

#[test]
fn partials_within_loops_are_counted() {
    let partials = [("row", "{{#if a}}{{else}}{{#if b}}{{else if c}}{{/if}}{{/if}}")];
    let html = "{{#each items}}{{> row}}{{> row}}{{> row}}{{/each}}";
    stops_at(
        &content(html, &partials),
        json!({ "items": numbers(500_000), "a": 1 }),
        "template",
    );
}

#[test]
fn a_list_of_a_thousand_rows_is_no_trouble() {
    let rows: Vec<Value> = (0..1_000)
        .map(|n| json!({ "title": format!("Offer {n}"), "price": n }))
        .collect();
    let html = "{{#each rows}}<tr><td>{{title}}</td><td>{{currency price \"EUR\"}}</td></tr>\n{{/each}}";
    let rendered = outcome(&content(html, &[]), json!({ "rows": rows })).unwrap();
    assert!(
        rendered
            .html
            .ends_with("<td>Offer 999</td><td>€999.00</td></tr>\r\n")
    );
}

#[test]
fn what_a_block_keeps_in_memory_has_an_end() {
    let layout = ("layout", "{{#if a}}{{> @partial-block}}{{/if}}");
    let big = "x".repeat(100_000);
    for value in [
        "{{@root.big}}",
        "{{{@root.big}}}",
        "{{upper @root.big}}",
        "{{{upper @root.big}}}",
    ] {
        let html = format!("{{{{#> layout}}}}{{{{#each items}}}}{value}{{{{/each}}}}{{{{/layout}}}}");
        let outcome = outcome(
            &content(&html, &[layout]),
            json!({ "items": numbers(100_000), "big": big }),
        );
        assert!(outcome.is_err(), "{value}");
    }
}

#[test]
fn layouts_that_double_their_content_at_every_level_are_refused() {
    let names: Vec<String> = (0..30).map(|n| format!("l{n}")).collect();
    let twice = "{{> @partial-block}}{{> @partial-block}}";
    let bodies: Vec<String> = (0..30)
        .map(|n| match n {
            29 => twice.to_owned(),
            n => format!("{{{{#> l{}}}}}{twice}{{{{/l{}}}}}", n + 1, n + 1),
        })
        .collect();
    let partials: Vec<(&str, &str)> = names.iter().zip(&bodies).map(|(n, b)| (&**n, &**b)).collect();
    let error = Templates::compile(&content("{{#> l0}}{{name}}{{/l0}}", &partials)).unwrap_err();
    assert!(error.message.contains("content"), "{error}");
    let in_loop = [("layout", "a\n{{#each items}}{{> @partial-block}}{{/each}}")];
    let error = Templates::compile(&content("{{#> layout}}{{name}}{{/layout}}", &in_loop)).unwrap_err();
    assert_eq!(
        (error.template.as_str(), error.line),
        ("template layout (html)", 2),
        "{error}"
    );
}

/// A chain of 31 partials, each of which calls the next one inside so many blocks.
fn deep(blocks: usize) -> Content {
    let names: Vec<String> = (0..31).map(|n| format!("p{n}")).collect();
    let body = |n: usize| match n {
        30 => "{{name}}".to_owned(),
        n => format!(
            "{}{{{{> p{}}}}}{}",
            "{{#if a}}".repeat(blocks),
            n + 1,
            "{{/if}}".repeat(blocks)
        ),
    };
    let bodies: Vec<String> = (0..31).map(body).collect();
    let partials: Vec<(&str, &str)> = names.iter().zip(&bodies).map(|(n, b)| (&**n, &**b)).collect();
    content("{{> p0}}{{#each items}}{{/each}}", &partials)
}

#[test]
fn what_is_nested_too_deeply_is_refused_and_the_deepest_allowed_fits_on_a_small_stack() {
    let error = Templates::compile(&deep(62)).unwrap_err();
    assert!(error.message.contains("deeper than 200"), "{error}");
    let render = || {
        let rendered = outcome(&deep(5), json!({ "a": 1, "items": [] })).unwrap();
        assert_eq!(rendered.html, "Ann");
    };
    // What the worker threads of the sender have.
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(render)
        .unwrap();
    thread.join().unwrap();
}

#[test]
fn a_long_chain_of_else_ifs_is_refused() {
    let html = format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}x".repeat(9_000));
    let error = check_html("main", &html, true).unwrap_err();
    assert!(error.message.contains("deeper than 64"), "{error}");
}
