//! Header fields: folded at 78 columns, encoded-words for what is not ASCII (RFC 5322, RFC 2047).

use crate::message::Mailbox;
use data_encoding::BASE64;
use std::borrow::Cow;

/// Where lines are folded (RFC 5322 section 2.1.1).
const FOLD_AT: usize = 78;
/// The greatest line that holds encoded-words (RFC 2047 section 2).
const MAX_ENCODED_LINE: usize = 76;
/// The greatest encoded-word.
const MAX_ENCODED_WORD: usize = 75;
const WORD_START: &[u8] = b"=?utf-8?b?";
const WORD_END: &[u8] = b"?=";

/// A value as one line: every control character and line separator becomes a space, so that no value can ever start a
/// header field of its own. Runs of them become one space; space at the ends is dropped.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || breaks(c));
    if !trimmed.contains(breaks) {
        return Cow::Borrowed(trimmed);
    }
    let mut line = String::with_capacity(trimmed.len());
    let mut in_break = false;
    for c in trimmed.chars() {
        if !breaks(c) {
            line.push(c);
        } else if !in_break {
            line.push(' ');
        }
        in_break = breaks(c);
    }
    Cow::Owned(line)
}

/// Appends the field `name`, whose text is free: a subject.
pub(crate) fn push_text(name: &str, text: &str, out: &mut Vec<u8>) {
    let column = push_name(name, out);
    let text = one_line(text);
    if !is_plain(&text) || !fold_words(&text, column, out) {
        encode_words(&text, column, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the field `name` with one mailbox.
pub(crate) fn push_mailbox(name: &str, mailbox: &Mailbox, out: &mut Vec<u8>) {
    push_phrase(
        name,
        mailbox.name.as_deref().unwrap_or(""),
        mailbox.address.as_str(),
        out,
    );
}

/// Appends the field `name`: a phrase, if it is not empty, and an identifier or address in angle brackets.
pub(crate) fn push_phrase(name: &str, phrase: &str, identifier: &str, out: &mut Vec<u8>) {
    let field_start = out.len();
    let column = push_name(name, out);
    let phrase = one_line(phrase);
    if !phrase.is_empty() {
        if !is_plain(&phrase) || !fold_quoted(&phrase, column, out) {
            encode_words(&phrase, column, out);
        }
        let line_start =
            memchr::memrchr(b'\n', &out[field_start..]).map_or(field_start, |at| field_start + at + 1);
        let column = out.len() - line_start;
        out.extend_from_slice(if column + identifier.len() + 3 > FOLD_AT {
            b"\r\n "
        } else {
            b" "
        });
    }
    out.push(b'<');
    out.extend_from_slice(identifier.as_bytes());
    out.extend_from_slice(b">\r\n");
}

fn push_name(name: &str, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    name.len() + 2
}

/// Whether a text may stand as it is: printable ASCII, nothing that reads as an encoded-word.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|c| matches!(c, b' '..=b'~')) && !text.contains("=?")
}

/// The phrase as atoms, or as a quoted-string where it has characters that atoms must not have.
pub(super) fn push_quoted(phrase: &str, out: &mut Vec<u8>) {
    let atom = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~ ".contains(&c);
    if phrase.bytes().all(atom) && !phrase.contains("  ") {
        out.extend_from_slice(phrase.as_bytes());
        return;
    }
    out.push(b'"');
    for c in phrase.bytes() {
        if matches!(c, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(c);
    }
    out.push(b'"');
}

/// Writes a phrase with folds at its spaces, as [`fold_words`] does.
fn fold_quoted(phrase: &str, column: usize, out: &mut Vec<u8>) -> bool {
    // The usual case, without a detour: half a line is left even if every character must be escaped.
    if phrase.len() <= 30 {
        push_quoted(phrase, out);
        return true;
    }
    let mut quoted = Vec::with_capacity(phrase.len() + 8);
    push_quoted(phrase, &mut quoted);
    let quoted = String::from_utf8_lossy(&quoted);
    fold_words(&quoted, column, out)
}

/// Writes words with folds at their spaces; writes nothing and returns false where a word is longer than a line, or
/// where a fold could leave a line of spaces only.
fn fold_words(text: &str, mut column: usize, out: &mut Vec<u8>) -> bool {
    if column + text.len() <= FOLD_AT {
        out.extend_from_slice(text.as_bytes());
        return true;
    }
    if text
        .split(' ')
        .any(|word| word.is_empty() || word.len() >= FOLD_AT)
    {
        return false;
    }
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 && column + 1 + word.len() > FOLD_AT {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        if at > 0 {
            out.push(b' ');
            column += 1;
        }
        out.extend_from_slice(word.as_bytes());
        column += word.len();
    }
    true
}

/// Writes encoded-words, none of which splits a character.
fn encode_words(text: &str, mut column: usize, out: &mut Vec<u8>) {
    const FRAME: usize = WORD_START.len() + WORD_END.len();
    let mut rest = text;
    let mut word = [0; MAX_ENCODED_WORD];
    loop {
        let room = MAX_ENCODED_WORD
            .min(MAX_ENCODED_LINE.saturating_sub(column))
            .saturating_sub(FRAME);
        let (now, later) = rest.split_at(rest.floor_char_boundary(room / 4 * 3));
        if !now.is_empty() {
            let length = BASE64.encode_len(now.len());
            BASE64.encode_mut(now.as_bytes(), &mut word[..length]);
            out.extend_from_slice(WORD_START);
            out.extend_from_slice(&word[..length]);
            out.extend_from_slice(WORD_END);
        }
        rest = later;
        if rest.is_empty() {
            return;
        }
        out.extend_from_slice(b"\r\n ");
        column = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        let mut out = Vec::new();
        push_text("Subject", value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn phrase(value: &str) -> String {
        let mut out = Vec::new();
        push_phrase("To", value, "ann@example.org", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_subjects_stay_readable() {
        assert_eq!(text("Spring news"), "Subject: Spring news\r\n");
        assert_eq!(
            text("  Spring\r\nBcc: x@example.org\0 "),
            "Subject: Spring Bcc: x@example.org\r\n"
        );
        assert_eq!(
            text(&"word ".repeat(30)).lines().map(str::len).max(),
            Some(78 - 5 + 5)
        );
    }

    #[test]
    fn names_are_quoted_or_encoded_where_they_must_be() {
        assert_eq!(phrase("Ann Example"), "To: Ann Example <ann@example.org>\r\n");
        assert_eq!(
            phrase("Example, Ann"),
            "To: \"Example, Ann\" <ann@example.org>\r\n"
        );
        assert_eq!(
            phrase(r#"A "B" \ C."#),
            "To: \"A \\\"B\\\" \\\\ C.\" <ann@example.org>\r\n"
        );
        assert_eq!(phrase("Änn"), "To: =?utf-8?b?w4Rubg==?= <ann@example.org>\r\n");
        assert_eq!(
            phrase("=?utf-8?q?x?="),
            "To: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <ann@example.org>\r\n"
        );
        assert_eq!(phrase(" \r\n "), "To: <ann@example.org>\r\n");
        assert_eq!(phrase("A>\r\nBcc: x"), "To: \"A> Bcc: x\" <ann@example.org>\r\n");
    }

    #[test]
    fn no_line_and_no_encoded_word_is_too_long() {
        for value in [
            "ü".repeat(500),
            "\u{1f600}".repeat(200),
            "a".repeat(3000),
            "a  b ".repeat(100),
            format!("{} ü", "a ".repeat(60)),
        ] {
            for field in [text(&value), phrase(&value)] {
                for line in field.lines() {
                    assert!(
                        line.len() <= 78 && line.is_ascii() && !line.trim().is_empty(),
                        "{line}"
                    );
                    for word in line.split(' ').filter(|word| word.starts_with("=?")) {
                        assert!(word.len() <= 75);
                    }
                }
            }
        }
    }
}
