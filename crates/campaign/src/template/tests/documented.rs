//! Runs the examples of `docs/templates.md`, so that what is written there is so.

use super::*;

const DOCUMENT: &str = include_str!("../../../../../docs/templates.md");

/// A fenced block: what stands after the fence, the line it begins in, its text.
struct Block<'a> {
    info: &'a str,
    line: usize,
    text: String,
}

fn blocks() -> Vec<Block<'static>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (at, line) in DOCUMENT.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                open = Some(Block {
                    info,
                    line: at + 1,
                    text: String::new(),
                });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// An example as far as it has been read.
#[derive(Default)]
struct Example {
    partials: Vec<(String, String)>,
    main: String,
    data: String,
}

impl Example {
    fn content(&self) -> Content {
        let partials: Vec<(&str, &str)> = self
            .partials
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        content(self.main.trim_end(), &partials)
    }

    fn render(&self) -> Result<Rendered, String> {
        let mut attributes: Value = serde_json::from_str(&self.data).map_err(|error| error.to_string())?;
        let name = attributes
            .as_object_mut()
            .and_then(|fields| fields.remove("name"));
        let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        let recipient = recipient(name, attributes);
        let content = self.content();
        let templates = Templates::compile(&content).map_err(|error| error.to_string())?;
        let rendered = templates
            .render(&data(&recipient))
            .map_err(|error| error.to_string());
        let slowly = templates.without_segments().render(&data(&recipient));
        assert_eq!(
            rendered,
            slowly.map_err(|error| error.to_string()),
            "{}",
            self.main
        );
        rendered
    }
}

/// Line ends as in the document, spaces that do not break as spaces, no white space at the end.
fn plain(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace(['\u{a0}', '\u{202f}'], " ")
        .trim_end()
        .to_owned()
}

#[test]
fn every_example_of_the_document_comes_out_as_it_says() {
    let mut example = Example::default();
    let mut shown = false;
    let mut results = 0;
    for block in blocks() {
        let text = block.text.trim_end();
        if block.info.starts_with("handlebars") && std::mem::take(&mut shown) {
            example = Example::default();
        }
        let rendered = || {
            example
                .render()
                .map_err(|error| format!("line {}: {error}", block.line))
        };
        let found = match block.info.split_once(' ').unwrap_or((block.info, "")) {
            ("handlebars", "") => {
                example.main = text.to_owned();
                continue;
            }
            ("handlebars", name) => {
                example.partials.push((name.to_owned(), text.to_owned()));
                continue;
            }
            ("json", "") => {
                example.data = text.to_owned();
                continue;
            }
            ("html", "") => rendered().unwrap().html,
            ("text", "") => rendered().unwrap().text,
            ("error", "") => example.render().unwrap_err(),
            (info, _) => panic!("line {}: what is `{info}`?", block.line),
        };
        assert_eq!(
            plain(&found),
            plain(text),
            "the example before line {}",
            block.line
        );
        shown = true;
        results += 1;
    }
    assert!(results >= 30, "only {results} results");
}

#[test]
fn every_helper_has_an_example() {
    let examples: String = blocks()
        .into_iter()
        .filter(|b| b.info == "handlebars")
        .map(|b| b.text)
        .collect();
    for helper in helpers::names() {
        let calls = [
            format!("{{{{{helper} "),
            format!("({helper} "),
            format!("{{{{#{helper}"),
            format!("{{{{{{{{{helper}}}"),
        ];
        assert!(
            calls.iter().any(|call| examples.contains(call)),
            "{helper} has no example"
        );
    }
}
