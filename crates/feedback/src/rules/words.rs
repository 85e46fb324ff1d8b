//! A text as plain words: what phrases are compared with.

use crate::address;

/// `text` in lower case, each run of anything but letters and digits as one space, a space at both ends. Apostrophes are
/// left out. Each address is the word `addr`, so that nobody's name decides. A reply code or status that a reply repeats
/// on each of its lines is left out after the first.
pub fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    let mut from = 0;
    let mut seen = Seen::default();
    for span in address::spans(text) {
        add(&text[from..span.start], &mut seen, &mut out);
        out.push_str("addr ");
        from = span.end;
    }
    add(&text[from..], &mut seen, &mut out);
    out
}

/// The codes that a reply began with.
#[derive(Default)]
struct Seen<'a> {
    code: Option<&'a str>,
    status: Option<&'a str>,
}

impl<'a> Seen<'a> {
    /// Whether this word is a code that was seen before.
    fn repeats(&mut self, word: &'a str) -> bool {
        let (code, rest) = match word.split_at_checked(3) {
            Some((code, rest))
                if code.bytes().all(|b| b.is_ascii_digit()) && (rest.is_empty() || rest.starts_with('-')) =>
            {
                (Some(code), rest.strip_prefix('-').unwrap_or(rest))
            }
            _ => (None, word),
        };
        let is_status = rest.len() >= 5 && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let status = is_status.then_some(rest);
        if code.is_none() && status.is_none() || code.is_some() && status.is_none() && !rest.is_empty() {
            return false;
        }
        let code_is_known = code.is_none() || code == self.code;
        let status_is_known = status.is_none() || status == self.status;
        self.code = self.code.or(code);
        self.status = self.status.or(status);
        code_is_known && status_is_known
    }
}

fn add<'a>(text: &'a str, seen: &mut Seen<'a>, out: &mut String) {
    for word in text.split_ascii_whitespace() {
        if word.as_bytes()[0].is_ascii_digit() && seen.repeats(word) {
            continue;
        }
        for c in word.chars() {
            match c {
                'a'..='z' | '0'..='9' => out.push(c),
                'A'..='Z' => out.push(c.to_ascii_lowercase()),
                '\'' | '\u{2019}' | '\u{b4}' | '`' => {}
                _ if !c.is_ascii() && c.is_alphanumeric() => out.extend(c.to_lowercase()),
                _ if out.ends_with(' ') => {}
                _ => out.push(' '),
            }
        }
        if !out.ends_with(' ') {
            out.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_text_becomes_plain_words() {
        for (text, expected) in [
            (
                "550 5.1.1 <ann@example.com>... User Unknown",
                " 550 5 1 1 addr user unknown ",
            ),
            (
                "550-5.7.26 This mail\r\n550-5.7.26 is not\n550 5.7.26 wanted",
                " 550 5 7 26 this mail is not wanted ",
            ),
            ("doesn't", " doesnt "),
            ("Boîte pleine", " boîte pleine "),
            ("", " "),
        ] {
            assert_eq!(words(text), expected);
        }
    }
}
