//! Lines of commands out of what is read, each bounded.

use memchr::memchr;

/// The longest line of a command, in octets: what RFC 5321 section 4.5.3.1 and the extensions that are offered ask for,
/// and room beyond it.
const LONGEST: usize = 2048;

/// A line that comes in.
#[derive(Default)]
pub(super) struct Line {
    begun: Vec<u8>,
    is_too_long: bool,
}

/// A whole line, with its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Line(Vec<u8>),
    TooLong,
}

impl Line {
    /// Takes octets to the end of the line, and no further; nothing if that is not there yet.
    pub(super) fn ingest(&mut self, octets: &mut &[u8]) -> Option<Whole> {
        let end = memchr(b'\n', octets).map_or(octets.len(), |at| at + 1);
        let (piece, rest) = octets.split_at(end);
        *octets = rest;
        if self.begun.len() + piece.len() > LONGEST {
            self.is_too_long = true;
            self.begun.clear();
        }
        if !self.is_too_long {
            self.begun.extend_from_slice(piece);
        }
        if !piece.ends_with(b"\n") {
            return None;
        }
        let line = std::mem::take(self);
        Some(match line.is_too_long {
            true => Whole::TooLong,
            false => Whole::Line(line.begun),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_wherever_the_reads_fall() {
        let wire = b"NOOP\r\n\nQUIT\r\nrest";
        for piece in 1..=wire.len() {
            let (mut line, mut found) = (Line::default(), Vec::new());
            for chunk in wire.chunks(piece) {
                let mut octets = chunk;
                while !octets.is_empty() {
                    found.extend(line.ingest(&mut octets));
                }
            }
            let expected = [&b"NOOP\r\n"[..], b"\n", b"QUIT\r\n"].map(|text| Whole::Line(text.to_vec()));
            assert_eq!(found, expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_is_one_fault() {
        let mut line = Line::default();
        for _ in 0..10_000 {
            assert_eq!(line.ingest(&mut &[b'x'; 1000][..]), None);
            assert!(line.begun.len() <= LONGEST);
        }
        let mut octets = &b"x\r\nNOOP\r\n"[..];
        assert_eq!(line.ingest(&mut octets), Some(Whole::TooLong));
        assert_eq!(line.ingest(&mut octets), Some(Whole::Line(b"NOOP\r\n".to_vec())));
    }
}
