//! Text in the form that mail wants: CRLF at every line's end and nowhere else, no NUL. It is measured while it is
//! written, so that nothing is scanned twice.

/// The greatest line that SMTP carries, in octets, without its CRLF (RFC 5322 section 2.1.1).
const MAX_LINE: usize = 998;

/// Constant text, brought into form and measured once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    bytes: Box<[u8]>,
    ascii: bool,
    /// The length up to the first line's end; of all, where there is none.
    first: usize,
    /// The greatest line that starts and ends inside, and whether any line ends here at all.
    inner: Option<usize>,
    /// The length after the last line's end.
    last: usize,
}

impl Piece {
    pub(crate) fn new(text: &str) -> Piece {
        let mut canonical = Canonical::default();
        canonical.push(text);
        let bytes = canonical.bytes.into_boxed_slice();
        let mut lines = Vec::new();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &bytes) {
            lines.push(end - 1 - start);
            start = end + 1;
        }
        let last = bytes.len() - start;
        Piece {
            ascii: bytes.is_ascii(),
            first: lines.first().copied().unwrap_or(last),
            inner: (!lines.is_empty()).then(|| lines[1..].iter().copied().max().unwrap_or(0)),
            last,
            bytes,
        }
    }
}

/// A text being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canonical {
    bytes: Vec<u8>,
    /// Something above 127 was written.
    eight_bit: bool,
    /// The greatest finished line.
    longest: usize,
    /// The length of the line being written.
    column: usize,
    /// A CR ended the last value: an LF that comes now belongs to it.
    after_cr: bool,
}

impl Canonical {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.eight_bit = false;
        self.longest = 0;
        self.column = 0;
        self.after_cr = false;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Whether every line is short enough for SMTP.
    pub(crate) fn lines_fit(&self) -> bool {
        self.longest.max(self.column) <= MAX_LINE
    }

    /// Appends constant text.
    pub(crate) fn push_piece(&mut self, piece: &Piece) {
        let mut bytes = &*piece.bytes;
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            if let Some(rest) = bytes.strip_prefix(b"\r\n") {
                bytes = rest;
            }
            if bytes.len() != piece.bytes.len() {
                let text =
                    std::str::from_utf8(bytes).expect("a piece is cut from UTF-8 after an ASCII octet");
                return self.push(text);
            }
        }
        self.eight_bit |= !piece.ascii;
        match piece.inner {
            Some(inner) => {
                self.longest = self.longest.max(self.column + piece.first).max(inner);
                self.column = piece.last;
            }
            None => self.column += piece.last,
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends text of any form.
    pub(crate) fn push(&mut self, text: &str) {
        self.write(text, |c| matches!(c, b'\r' | b'\n' | 0), |_| "");
    }

    /// Appends text with the characters that mean something in HTML escaped, as Handlebars does.
    pub(crate) fn push_escaped(&mut self, text: &str) {
        self.write(
            text,
            |c| matches!(c, b'\r' | b'\n' | 0) || !entity(c).is_empty(),
            entity,
        );
    }

    fn write(&mut self, text: &str, special: impl Fn(u8) -> bool, replacement: impl Fn(u8) -> &'static str) {
        let mut rest = text.as_bytes();
        self.eight_bit |= !rest.is_ascii();
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(at) = rest.iter().position(|&c| special(c)) {
            self.column += at;
            self.bytes.extend_from_slice(&rest[..at]);
            let c = rest[at];
            rest = &rest[at + 1..];
            match c {
                b'\n' => self.end_line(),
                b'\r' => {
                    self.end_line();
                    self.after_cr = rest.is_empty();
                    rest = rest.strip_prefix(b"\n").unwrap_or(rest);
                }
                _ => {
                    let replacement = replacement(c).as_bytes();
                    self.column += replacement.len();
                    self.bytes.extend_from_slice(replacement);
                }
            }
        }
        self.column += rest.len();
        self.bytes.extend_from_slice(rest);
    }

    fn end_line(&mut self) {
        self.longest = self.longest.max(self.column);
        self.column = 0;
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Ends the last line if it has no end; an empty text becomes one empty line.
    pub(crate) fn finish(&mut self) {
        if self.column > 0 || self.bytes.is_empty() {
            self.end_line();
        }
    }
}

/// What stands for a character in HTML; nothing for those that stand for themselves. The backtick and the equals sign
/// are among them as in Handlebars, so that a value cannot leave an attribute without quotes.
pub(crate) const fn entity(c: u8) -> &'static str {
    match c {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\'' => "&#x27;",
        b'`' => "&#x60;",
        b'=' => "&#x3D;",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(canonical: &Canonical) -> usize {
        canonical
            .bytes
            .split(|&c| c == b'\n')
            .map(|l| l.strip_suffix(b"\r").unwrap_or(l).len())
            .max()
            .unwrap()
    }

    #[test]
    fn every_line_end_becomes_crlf() {
        for text in ["a\nb", "a\rb", "a\r\nb", "a\0\nb"] {
            let mut canonical = Canonical::default();
            canonical.push(text);
            assert_eq!(canonical.bytes, b"a\r\nb", "{text:?}");
        }
    }

    #[test]
    fn measuring_in_pieces_agrees_with_measuring_the_whole() {
        let parts = [
            "",
            "a",
            "\n",
            "\r",
            "abc\ndefgh\n\ni",
            "ä\r",
            "\r\n",
            "\n\n",
            "xyz\r\n",
            "\rq",
            "\0",
        ];
        for first in parts {
            for second in parts {
                for third in parts {
                    // Templates have no CR and no NUL left when they are cut into pieces.
                    let second = second.replace('\r', "\n").replace('\0', "");
                    let mut pieces = Canonical::default();
                    pieces.push(first);
                    pieces.push_piece(&Piece::new(&second));
                    pieces.push(third);
                    let mut again = Canonical::default();
                    again.push(&[first, &second, third].concat());
                    assert_eq!(pieces.bytes, again.bytes, "{first:?} {second:?} {third:?}");
                    assert_eq!(
                        pieces.longest.max(pieces.column),
                        lines(&pieces),
                        "{first:?} {second:?} {third:?}"
                    );
                    assert_eq!(pieces.eight_bit, !pieces.bytes.is_ascii());
                }
            }
        }
    }
}
