//! What inlining must know of a stylesheet: which declarations would lose against the inlined ones and must not.
//!
//! A style attribute is stronger than any rule. What is for one state of a message alone (`@media`, `:hover`) cannot be
//! inlined and would never show again, unless its declarations are `!important`.

use super::mustache;

/// States and pieces of elements that only the reader's program knows.
const DYNAMIC: [&str; 12] = [
    "hover",
    "active",
    "focus",
    "visited",
    "link",
    "checked",
    "target",
    "before",
    "after",
    "placeholder",
    "first-line",
    "first-letter",
];

/// The octets of `css` where ` !important` has to be inserted, ascending. `all`: no rule of it is inlined.
pub(super) fn places_for_important(css: &str, all: bool) -> Vec<usize> {
    let mut scan = Scan {
        css,
        at: 0,
        places: Vec::new(),
    };
    scan.rules(all, 0);
    scan.places
}

/// The declarations of a style attribute, each as it is written.
pub(super) fn split_declarations(style: &str) -> Vec<&str> {
    let mut scan = Scan {
        css: style,
        at: 0,
        places: Vec::new(),
    };
    let mut found = Vec::new();
    while scan.at < style.len() {
        let start = scan.at;
        let stop = scan.run(b";");
        found.push(&style[start..scan.at - usize::from(stop.is_some())]);
    }
    found
}

struct Scan<'a> {
    css: &'a str,
    at: usize,
    places: Vec<usize>,
}

/// How deep at-rules are followed into each other.
const MAX_DEPTH: usize = 16;

impl Scan<'_> {
    /// Reads rules up to the closing brace of the block that they stand in.
    fn rules(&mut self, important: bool, depth: usize) {
        while self.at < self.css.len() {
            let start = self.at;
            match self.run(b"{};") {
                Some(b'{') => {
                    let prelude = without_comments(&self.css[start..self.at - 1]);
                    let prelude = prelude.trim();
                    if let Some(rule) = prelude.strip_prefix('@') {
                        let conditional = ["media", "supports", "container", "layer", "-moz-document"]
                            .iter()
                            .any(|name| rule.to_ascii_lowercase().starts_with(name));
                        if conditional && depth < MAX_DEPTH {
                            self.rules(true, depth + 1);
                        } else {
                            self.skip_block();
                        }
                    } else {
                        self.declarations(important || is_dynamic(prelude));
                    }
                }
                Some(b'}') | None => return,
                Some(_) => {}
            }
        }
    }

    /// Reads declarations up to the block's closing brace.
    fn declarations(&mut self, important: bool) {
        loop {
            let start = self.at;
            let stop = self.run(b"{};");
            if stop == Some(b'{') {
                // A rule inside a rule: no mail program knows it, and neither does the inliner.
                self.skip_block();
                continue;
            }
            let end = self.at - usize::from(stop.is_some());
            if important {
                self.declaration(start, end);
            }
            if stop != Some(b';') {
                return;
            }
        }
    }

    fn declaration(&mut self, start: usize, end: usize) {
        let text = without_comments(&self.css[start..end]);
        let name = text.trim_start();
        if !text.contains(':') || name.starts_with("--") || text.contains('!') {
            return;
        }
        let written = &self.css[start..end];
        self.places.push(start + written.trim_end().len());
    }

    fn skip_block(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.run(b"{}") {
                Some(b'{') => depth += 1,
                Some(_) => depth -= 1,
                None => return,
            }
        }
    }

    /// Moves behind the next of `stops` that stands outside comments, strings, parentheses and template braces.
    fn run(&mut self, stops: &[u8]) -> Option<u8> {
        let bytes = self.css.as_bytes();
        let mut parentheses = 0_usize;
        while let Some(&c) = bytes.get(self.at) {
            let rest = &self.css[self.at..];
            match c {
                b'{' if rest.starts_with("{{") => {
                    self.at = mustache::read(self.css, self.at).map_or(self.css.len(), |found| found.end);
                    continue;
                }
                b'/' if rest.starts_with("/*") => {
                    self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
                    continue;
                }
                b'"' | b'\'' => self.string(c),
                b'\\' => self.at += 1,
                b'(' => parentheses += 1,
                b')' => parentheses = parentheses.saturating_sub(1),
                // A parenthesis that is never closed ends with the block.
                _ if stops.contains(&c) && (parentheses == 0 || c != b';') => {
                    self.at += 1;
                    return Some(c);
                }
                _ => {}
            }
            self.at += self.css[self.at.min(self.css.len())..]
                .chars()
                .next()
                .map_or(1, char::len_utf8);
        }
        self.at = self.css.len();
        None
    }

    /// Moves to the closing quote.
    fn string(&mut self, quote: u8) {
        let bytes = self.css.as_bytes();
        self.at += 1;
        while let Some(&c) = bytes.get(self.at) {
            if c == quote || c == b'\n' {
                return;
            }
            self.at += 1 + usize::from(c == b'\\');
        }
    }
}

fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        rest = rest[start..]
            .find("*/")
            .map_or("", |end| &rest[start + end + 2..]);
    }
    out.push_str(rest);
    out
}

/// Whether every selector of a rule is about a state or a piece of an element.
fn is_dynamic(selectors: &str) -> bool {
    selectors.split(',').all(|selector| {
        selector.split(':').skip(1).any(|pseudo| {
            DYNAMIC.iter().any(|name| {
                pseudo.strip_prefix(name).is_some_and(|rest| {
                    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-') || *name == "focus"
                })
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn important(css: &str) -> String {
        let mut out = css.to_owned();
        for at in places_for_important(css, false).into_iter().rev() {
            out.insert_str(at, " !important");
        }
        out
    }

    #[test]
    fn what_cannot_be_inlined_wins_over_what_was() {
        for (css, expected) in [
            ("p{color:red}", "p{color:red}"),
            (
                "@media (max-width: 600px) { .a { width: 100%; color: red !important } }p{margin:0}",
                "@media (max-width: 600px) { .a { width: 100% !important; color: red !important } }p{margin:0}",
            ),
            ("a:hover{color:red;}", "a:hover{color:red !important;}"),
            ("a, a:hover{color:red}", "a, a:hover{color:red}"),
            ("li:first-child{color:red}", "li:first-child{color:red}"),
            (
                "a:focus-visible{color:red}",
                "a:focus-visible{color:red !important}",
            ),
            ("@font-face{src:url(a;b)}", "@font-face{src:url(a;b)}"),
            (
                "@keyframes x{from{top:0}to{top:1px}}",
                "@keyframes x{from{top:0}to{top:1px}}",
            ),
            (
                "@import url(x.css);a:hover{top:0}",
                "@import url(x.css);a:hover{top:0 !important}",
            ),
            (
                "@media print{/* } */.a::after{content:\"};\"}}",
                "@media print{/* } */.a::after{content:\"};\" !important}}",
            ),
            (
                "@media print{.a{color:{{default brand \"}\"}};--x:1}}",
                "@media print{.a{color:{{default brand \"}\"}} !important;--x:1}}",
            ),
            (
                "@supports (a:b){@media print{.ä{top:0\n}}}",
                "@supports (a:b){@media print{.ä{top:0 !important\n}}}",
            ),
        ] {
            assert_eq!(important(css), expected);
        }
    }

    #[test]
    fn broken_styles_end() {
        for css in [
            "{",
            "}",
            "a{",
            "a{b:c",
            "@media",
            "@media{",
            "\"",
            "/*",
            "a{b:(",
            "\\",
            "{{",
            "a{\\",
            "ü\\ü{ü:ü",
            "@media{a{b:c}}}}d:hover{e:f",
        ] {
            important(css);
        }
    }
}
