//! Hides template braces from parsers that know nothing of them, and brings them back.

use super::mustache::{self, Kind};

/// Template braces that are hidden from a parser behind words.
#[derive(Debug)]
pub(super) struct Braces {
    prefix: String,
    hidden: Vec<String>,
}

impl Braces {
    /// `text`: what the words must not occur in.
    pub(super) fn for_text(text: &str) -> Braces {
        let mut prefix = "tdngs".to_owned();
        while text.contains(&prefix) {
            prefix.push('x');
        }
        Braces {
            prefix,
            hidden: Vec::new(),
        }
    }

    /// A word of ASCII letters and digits that stands for `text`.
    pub(super) fn word(&mut self, text: &str) -> String {
        self.hidden.push(text.to_owned());
        format!("{}{}z", self.prefix, self.hidden.len() - 1)
    }

    /// The next word at or after `from`: where it stands, its number, and the octet after it.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<(usize, usize, usize)> {
        let at = from + text[from..].find(&self.prefix)?;
        let digits = at + self.prefix.len();
        let end = digits + text[digits..].find('z')?;
        Some((at, text[digits..end].parse().ok()?, end + 1))
    }

    /// Puts the braces back.
    pub(super) fn show(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        while let Some((at, number, end)) = self.find(text, copied) {
            out.push_str(&text[copied..at]);
            out.push_str(self.hidden.get(number).map_or("", String::as_str));
            copied = end;
        }
        out.push_str(&text[copied..]);
        out
    }

    /// CSS with words for its values; `None` if there are blocks in it.
    pub(super) fn hide_in_css(&mut self, css: &str) -> Option<String> {
        let mut out = String::with_capacity(css.len());
        let mut copied = 0;
        while let Some(at) = mustache::next(css, copied) {
            let found = mustache::read(css, at)?;
            out.push_str(&css[copied..at]);
            match found.kind {
                Kind::Expression => out.push_str(&self.word(&css[at..found.end])),
                Kind::Comment => {}
                _ => return None,
            }
            copied = found.end;
        }
        out.push_str(&css[copied..]);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_comes_back() {
        let css = "color: {{default a \"}}\"}}; {{! note }}top: tdngs0z";
        let mut braces = Braces::for_text(css);
        let hidden = braces.hide_in_css(css).unwrap();
        assert_eq!(hidden, "color: tdngsx0z; top: tdngs0z");
        assert_eq!(braces.show(&hidden), "color: {{default a \"}}\"}}; top: tdngs0z");
        assert_eq!(braces.hide_in_css("{{#if a}}top: 0{{/if}}"), None);
    }
}
