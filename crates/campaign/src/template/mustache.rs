//! Finds the `{{…}}` of a template without reading it as Handlebars: for the text part, which is made from HTML
//! around them, and for errors that say which block was left open.

/// How deep blocks may be nested. The Handlebars parser recurses, so a limit keeps it from the end of the stack.
const MAX_DEPTH: usize = 64;
/// How deep parentheses and brackets may be nested inside one `{{…}}`, for the same reason.
const MAX_BRACKETS: usize = 16;

/// What a `{{…}}` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `{{name}}`, `{{{name}}}`, `{{default name "friend"}}`.
    Expression,
    /// `{{#if}}`.
    Open,
    /// `{{#> layout}}`.
    OpenPartial,
    /// `{{/if}}`.
    Close,
    /// `{{else}}`, `{{else if x}}`, `{{^}}`.
    Else,
    /// `{{> header}}`.
    Partial,
    /// `{{! … }}`.
    Comment,
    /// `{{{{raw}}}} … {{{{/raw}}}}`, whole.
    Raw,
    /// `{{#*inline}}` or `{{*decorator}}`.
    Decorator,
}

/// One `{{…}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mustache<'a> {
    pub(crate) kind: Kind,
    /// The block's or partial's name, or the expression's first word.
    pub(crate) name: &'a str,
    /// The octet after its last brace.
    pub(crate) end: usize,
}

/// A fault in how the braces stand, at an octet of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// The next `{{` at or after `from` that is not escaped by a backslash.
pub(crate) fn next(source: &str, from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let at = from + source[from..].find("{{")?;
        if at == 0 || source.as_bytes()[at - 1] != b'\\' {
            return Some(at);
        }
        from = at + source[at..].bytes().take_while(|&c| c == b'{').count();
    }
}

/// Reads the `{{…}}` that starts at `at`; `None` if it is never closed.
pub(crate) fn read(source: &str, at: usize) -> Option<Mustache<'_>> {
    let rest = &source[at..];
    if rest.starts_with("{{{{") {
        let close = rest.find("{{{{/")?;
        let end = at + close + rest[close..].find("}}}}")? + 4;
        return Some(Mustache {
            kind: Kind::Raw,
            name: "",
            end,
        });
    }
    let open = if rest.starts_with("{{{") { 3 } else { 2 };
    let inner = rest[open..].trim_start_matches('~');
    if inner.starts_with('!') {
        let close = if inner.starts_with("!--") { "--}}" } else { "}}" };
        let end = at + rest.find(close)? + close.len();
        return Some(Mustache {
            kind: Kind::Comment,
            name: "",
            end,
        });
    }
    let end = at + open + closing(&rest[open..], open)?;
    let inner = inner.trim_start();
    let (kind, after) = if let Some(after) = inner.strip_prefix('#') {
        let after = after.trim_start();
        match after.as_bytes().first() {
            Some(b'>') => (Kind::OpenPartial, &after[1..]),
            Some(b'*') => (Kind::Decorator, &after[1..]),
            _ => (Kind::Open, after),
        }
    } else if let Some(after) = inner.strip_prefix('/') {
        (Kind::Close, after)
    } else if let Some(after) = inner.strip_prefix('>') {
        (Kind::Partial, after)
    } else if let Some(after) = inner.strip_prefix('*') {
        (Kind::Decorator, after)
    } else if let Some(after) = inner.strip_prefix('^') {
        (Kind::Else, after)
    } else {
        (Kind::Expression, inner.trim_start_matches(['&', '{']))
    };
    let after = after.trim_start();
    let name = &after[..after
        .find(|c: char| c.is_whitespace() || "}~()".contains(c))
        .unwrap_or(after.len())];
    let kind = if kind == Kind::Expression && name == "else" {
        Kind::Else
    } else {
        kind
    };
    Some(Mustache { kind, name, end })
}

/// The octet after the `{{/name}}` that closes the block whose content starts at `from`; the end of the source if it is
/// never closed.
pub(crate) fn end_of_block(source: &str, from: usize, name: &str) -> usize {
    let mut from = from;
    let mut depth = 1;
    while let Some(found) = next(source, from).and_then(|at| read(source, at)) {
        from = found.end;
        match found.kind {
            Kind::Open if found.name == name => depth += 1,
            Kind::Close if found.name == name => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return from;
        }
    }
    source.len()
}

/// The octet after the closing braces, of which there are as many as opening ones. Braces inside quotes do not count.
fn closing(inner: &str, open: usize) -> Option<usize> {
    let bytes = inner.as_bytes();
    let mut quote = None;
    let mut at = 0;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), c) if c == open => quote = None,
            (None, c @ (b'"' | b'\'')) => quote = Some(c),
            (None, b'}') if bytes[at..].starts_with(b"}}") => {
                return Some(at + bytes[at..].iter().take(open).take_while(|&&c| c == b'}').count());
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Checks what Handlebars' own parser reports poorly or not at all: unclosed braces, blocks that are not closed or
/// closed by another name, nesting without bound, and inline partials, which we do not have.
pub(crate) fn check(source: &str) -> Result<(), Fault> {
    let mut open: Vec<(usize, &str)> = Vec::new();
    // To Handlebars each `{{else if}}` is a block inside the one before.
    let mut chained: Vec<usize> = vec![0];
    let mut from = 0;
    while let Some(at) = next(source, from) {
        let fault = |message: String| Err(Fault { at, message });
        let Some(mustache) = read(source, at) else {
            return fault("these braces are never closed".to_owned());
        };
        from = mustache.end;
        if brackets(&source[at..from]) > MAX_BRACKETS {
            return fault(format!("parentheses are nested deeper than {MAX_BRACKETS}"));
        }
        match mustache.kind {
            Kind::Open | Kind::OpenPartial => {
                open.push((at, mustache.name));
                chained.push(0);
            }
            Kind::Else => {
                if let Some(chained) = chained.last_mut() {
                    *chained += 1;
                }
            }
            Kind::Close => match chained.pop().and_then(|_| open.pop()) {
                None => return fault(format!("{{{{/{}}}}} closes nothing", mustache.name)),
                Some((_, name)) if name != mustache.name => {
                    return fault(format!(
                        "{{{{/{}}}}} stands where {{{{/{name}}}}} is expected",
                        mustache.name
                    ));
                }
                Some(_) => {}
            },
            Kind::Decorator => {
                return fault(
                    "inline partials are not supported: add the part as a template of its own".to_owned(),
                );
            }
            _ => {}
        }
        if open.len() + chained.iter().sum::<usize>() > MAX_DEPTH {
            return fault(format!("blocks are nested deeper than {MAX_DEPTH}"));
        }
    }
    match open.pop() {
        Some((at, name)) => Err(Fault {
            at,
            message: format!("this block is never closed: {{{{/{name}}}}} is missing"),
        }),
        None => Ok(()),
    }
}

fn brackets(mustache: &str) -> usize {
    let mut deepest = 0_usize;
    let mut depth = 0_usize;
    for c in mustache.bytes() {
        match c {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<(Kind, &str)> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = next(source, from) {
            let mustache = read(source, at).unwrap();
            found.push((mustache.kind, mustache.name));
            from = mustache.end;
        }
        found
    }

    #[test]
    fn every_kind_is_told_apart() {
        let source = r#"{{a}}{{{b}}}{{~#if c~}}{{else}}{{/if}}{{> d}}{{#> e}}{{/e}}{{f}}}{{!-- }} --}}{{default f "}}"}}\{{g}}"#;
        use Kind::*;
        assert_eq!(
            kinds(source),
            [
                (Expression, "a"),
                (Expression, "b"),
                (Open, "if"),
                (Else, "else"),
                (Close, "if"),
                (Partial, "d"),
                (OpenPartial, "e"),
                (Close, "e"),
                (Expression, "f"),
                (Comment, ""),
                (Expression, "default"),
            ]
        );
    }

    #[test]
    fn faults_name_the_place() {
        for (source, at, part) in [
            ("ab {{name", 3, "never closed"),
            ("{{#if a}}x", 0, "{{/if}} is missing"),
            ("{{#if a}}x{{/each}}", 10, "{{/if}} is expected"),
            ("x{{/if}}", 1, "closes nothing"),
            ("{{#*inline \"a\"}}{{/inline}}", 0, "not supported"),
        ] {
            let fault = check(source).unwrap_err();
            assert_eq!(fault.at, at, "{source}");
            assert!(fault.message.contains(part), "{}", fault.message);
        }
    }

    #[test]
    fn nesting_has_an_end() {
        assert!(
            check(&"{{#if a}}".repeat(100_000))
                .unwrap_err()
                .message
                .contains("deeper")
        );
        assert!(
            check(&format!("{{{{a {}}}}}", "(".repeat(1000)))
                .unwrap_err()
                .message
                .contains("deeper")
        );
    }
}
