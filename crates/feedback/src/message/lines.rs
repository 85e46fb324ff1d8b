//! The octets of a message made plain before they are parsed, and bounded.

use std::borrow::Cow;

/// How many octets of a message are looked at. A report's own parts stand before the message it returns, and a report on
/// ten thousand recipients has two million octets.
pub const LOOKED_AT: usize = 8 * 1024 * 1024;

/// How many lines may look like borders of parts, like fields of a header, and like the beginning of a message in a
/// message. What stands after the last that is allowed is not looked at: each costs a parser more than its own size.
const MOST_BORDERS: usize = 10_000;
const MOST_FIELDS: usize = 150_000;
const MOST_MESSAGES: usize = 60;

/// The beginning of a message, with one kind of line end. A line in front that a mailbox file put there is left out.
pub fn plain(octets: &[u8]) -> Cow<'_, [u8]> {
    let octets = &octets[..octets.len().min(LOOKED_AT)];
    let mut plain = one_line_end(octets);
    let start = beginning(&plain);
    let end = start + bounded(&plain[start..]);
    match &mut plain {
        Cow::Borrowed(octets) => Cow::Borrowed(&octets[start..end]),
        Cow::Owned(octets) => {
            octets.truncate(end);
            octets.drain(..start);
            plain
        }
    }
}

fn one_line_end(octets: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', 0, octets).is_none() {
        return Cow::Borrowed(octets);
    }
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets.iter().copied().peekable();
    while let Some(octet) = rest.next() {
        match octet {
            b'\r' => {
                rest.next_if_eq(&b'\n');
                out.push(b'\n');
            }
            0 => out.push(b' '),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn beginning(octets: &[u8]) -> usize {
    let blank = octets.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let rest = &octets[blank..];
    if rest.starts_with(b"From ") || rest.starts_with(b">From ") {
        return blank + memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
    }
    blank
}

/// How many octets may be parsed.
fn bounded(octets: &[u8]) -> usize {
    let (mut borders, mut fields, mut messages) = (0, 0, 0);
    let mut start = 0;
    while start < octets.len() {
        let end = memchr::memchr(b'\n', &octets[start..]).map_or(octets.len(), |at| start + at + 1);
        let line = &octets[start..end];
        if line.starts_with(b"--") {
            borders += 1;
        } else if is_field(line) {
            fields += 1;
        }
        if memchr::memchr(b'/', line).is_some() && begins_message(line) {
            messages += 1;
        }
        if borders > MOST_BORDERS || fields > MOST_FIELDS || messages > MOST_MESSAGES {
            return start;
        }
        start = end;
    }
    octets.len()
}

fn is_field(line: &[u8]) -> bool {
    let name = line
        .iter()
        .take(77)
        .take_while(|b| b.is_ascii_graphic() && **b != b':')
        .count();
    name > 0 && line.get(name) == Some(&b':')
}

fn begins_message(line: &[u8]) -> bool {
    let contains = |what: &[u8]| {
        line.windows(what.len())
            .any(|part| part.eq_ignore_ascii_case(what))
    };
    contains(b"message/") || contains(b"multipart/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_alike() {
        for text in [
            "A: b\r\nC: d\r\n\r\ne",
            "A: b\rC: d\r\re",
            "A: b\nC: d\n\ne",
            "From x Mon\nA: b\nC: d\n\ne",
        ] {
            assert_eq!(plain(text.as_bytes()).as_ref(), b"A: b\nC: d\n\ne", "{text:?}");
        }
    }

    #[test]
    fn more_parts_than_a_message_needs_are_not_looked_at() {
        let bomb = "--x\n\n".repeat(1_000_000);
        assert!(plain(bomb.as_bytes()).len() <= 5 * (MOST_BORDERS + 1));
        let bomb = "Content-Type: message/rfc822\n\n".repeat(100_000);
        assert!(plain(bomb.as_bytes()).len() <= 40 * MOST_MESSAGES);
        let bomb = "a:\n".repeat(1_000_000);
        assert!(plain(bomb.as_bytes()).len() <= 3 * (MOST_FIELDS + 1));
    }
}
