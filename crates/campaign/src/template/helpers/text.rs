//! Helpers for texts: `upper`, `lower`, `title`, `truncate`, `url_encode`.

use super::call::{Call, Fault, Term};
use super::language;
use icu_casemap::options::{TitlecaseOptions, TrailingCase};
use icu_casemap::{CaseMapper, TitlecaseMapper};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in every part of a URL (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest text that `truncate` can be asked for, in characters.
const LONGEST: u16 = 10_000;

pub(super) fn upper<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let language = language::of(call)?;
    let text = CaseMapper::new()
        .uppercase_to_string(&call.text(0)?, &language)
        .into_owned();
    Ok(Term::owned(text))
}

pub(super) fn lower<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let language = language::of(call)?;
    let text = CaseMapper::new()
        .lowercase_to_string(&call.text(0)?, &language)
        .into_owned();
    Ok(Term::owned(text))
}

/// A capital at the start of each word, small letters after it: for names that came as `ANN BAKER`.
pub(super) fn title<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let language = language::of(call)?;
    let mapper = TitlecaseMapper::new();
    let mut options = TitlecaseOptions::default();
    options.trailing_case = Some(TrailingCase::Lower);
    let text = call.text(0)?;
    let mut titled = String::with_capacity(text.len());
    for word in words(&text) {
        titled.push_str(&mapper.titlecase_segment_to_string(word, &language, options));
    }
    Ok(Term::owned(titled))
}

/// Cuts a text into words, each with what separates it from the next. `Anna-Lena` is two and so is `O'Brien`; `don't` is
/// one.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    // Letters of the word so far.
    let mut letters = 0;
    for (at, c) in text.char_indices() {
        let ends = match c {
            '\'' | '’' => letters == 1,
            '.' => letters > 0,
            c => c.is_whitespace() || matches!(c, '-' | '‐' | '/' | '(' | '&'),
        };
        if ends {
            let end = at + c.len_utf8();
            words.push(&text[start..end]);
            start = end;
            letters = 0;
        } else {
            letters += 1;
        }
    }
    words.push(&text[start..]);
    words
}

/// At most so many characters, the dots at the end among them; cut between words if there is a place in the last
/// third or so.
pub(super) fn truncate<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let text = call.text(0)?;
    let most = usize::from(call.small(call.param(1)?, LONGEST)?);
    let end = call.text_option("end")?.unwrap_or("…".into());
    if text.chars().count() <= most {
        return Ok(Term::Text(text));
    }
    let room = most.saturating_sub(end.chars().count());
    let cut = text.char_indices().nth(room).map_or(text.len(), |(at, _)| at);
    let (kept, rest) = text.split_at(cut);
    let at_word = rest.starts_with(char::is_whitespace);
    let kept = match kept.rfind(char::is_whitespace) {
        Some(at) if !at_word && at >= kept.len() / 2 => &kept[..at],
        _ => kept,
    };
    let kept = kept.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-' | '–'));
    let shown: String = kept.chars().chain(end.chars()).take(most).collect();
    Ok(Term::owned(shown))
}

pub(super) fn url_encode<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let text = call.text(0)?;
    Ok(Term::owned(utf8_percent_encode(&text, ENCODED).to_string()))
}
