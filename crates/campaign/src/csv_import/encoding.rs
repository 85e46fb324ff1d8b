//! What a file's text is written in. Found out as late as possible: most files are ASCII for a long time.

use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::io::{Cursor, Read};
use std::str::FromStr;

/// An encoding that the user named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextEncoding(&'static Encoding);

/// Not a name of an encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an encoding: use utf-8, utf-16le, utf-16be, windows-1252, or another name of the WHATWG list"
)]
pub struct UnknownEncoding(String);

impl TextEncoding {
    /// Its WHATWG name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

impl FromStr for TextEncoding {
    type Err = UnknownEncoding;
    fn from_str(label: &str) -> Result<Self, UnknownEncoding> {
        Encoding::for_label(label.as_bytes())
            .map(TextEncoding)
            .ok_or_else(|| UnknownEncoding(label.to_owned()))
    }
}

/// How the octets of a row become text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Only ASCII so far.
    Undecided,
    /// UTF-8; a row that is not valid is rejected.
    Utf8,
    /// Every octet is a character. Where nobody has `named` it, text that is UTF-8 is a row of another file.
    Windows1252 { named: bool },
    /// Turned into UTF-8 while reading; U+FFFD stands for what could not be.
    Transcoded(&'static Encoding),
}

impl State {
    pub(super) fn name(&self) -> &'static str {
        match self {
            State::Undecided | State::Utf8 => "utf-8",
            State::Windows1252 { .. } => "windows-1252",
            State::Transcoded(encoding) if *encoding == UTF_16LE => "utf-16le",
            State::Transcoded(encoding) if *encoding == UTF_16BE => "utf-16be",
            State::Transcoded(encoding) => encoding.name(),
        }
    }

    /// Decides at the first row that is not ASCII. If that row is not valid UTF-8, it may still be one bad row of a
    /// UTF-8 file: then the text after it, as far as it has been read (`window`), says so.
    pub(super) fn decide(&mut self, row: &[u8], window: &[u8]) {
        if *self != State::Undecided {
            return;
        }
        let utf8 = std::str::from_utf8(row).is_ok() || {
            let (valid, invalid) = count_utf8(window);
            valid > invalid
        };
        *self = if utf8 {
            State::Utf8
        } else {
            State::Windows1252 { named: false }
        };
    }
}

/// Whether octets are UTF-8 beyond ASCII, which text in Windows-1252 is by chance only.
pub(super) fn is_beyond_ascii_utf8(octets: &[u8]) -> bool {
    !octets.is_ascii() && std::str::from_utf8(octets).is_ok()
}

/// Counts the characters beyond ASCII that are valid UTF-8, and the places that are not. Text in Windows-1252 forms
/// a valid sequence by chance only.
fn count_utf8(window: &[u8]) -> (usize, usize) {
    let (mut valid, mut invalid) = (0, 0);
    for chunk in window.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    (valid, invalid)
}

/// Looks at the first octets and returns a source whose line breaks and delimiters are ASCII octets.
pub(super) fn open(
    mut source: Box<dyn Read + Send>,
    asked: Option<TextEncoding>,
) -> std::io::Result<(Box<dyn Read + Send>, State)> {
    let mut head = Vec::with_capacity(4096);
    source.by_ref().take(4096).read_to_end(&mut head)?;
    let has_utf8_mark = head.starts_with(b"\xef\xbb\xbf");
    let encoding = match asked {
        Some(TextEncoding(encoding)) if encoding == UTF_16LE => utf16(&head).or(Some(UTF_16LE)),
        Some(TextEncoding(encoding)) => Some(encoding),
        None if has_utf8_mark => Some(UTF_8),
        None => utf16(&head),
    };
    let start = if has_utf8_mark && encoding == Some(UTF_8) {
        3
    } else {
        0
    };
    let mut whole = Cursor::new(head);
    whole.set_position(start);
    let whole = whole.chain(source);
    Ok(match encoding {
        None => (Box::new(whole), State::Undecided),
        Some(encoding) if encoding == UTF_8 => (Box::new(whole), State::Utf8),
        Some(encoding) if encoding == WINDOWS_1252 => (Box::new(whole), State::Windows1252 { named: true }),
        Some(encoding) => (
            Box::new(Transcoder::new(Box::new(whole), encoding)),
            State::Transcoded(encoding),
        ),
    })
}

/// UTF-16 by its byte-order mark, or by the zero octets that its ASCII characters have.
fn utf16(head: &[u8]) -> Option<&'static Encoding> {
    if head.starts_with(b"\xff\xfe") {
        return Some(UTF_16LE);
    }
    if head.starts_with(b"\xfe\xff") {
        return Some(UTF_16BE);
    }
    let pairs = head.chunks_exact(2);
    let n = pairs.len();
    let (high, low) = pairs.fold((0, 0), |(high, low), pair| {
        (high + usize::from(pair[0] == 0), low + usize::from(pair[1] == 0))
    });
    let most = |zeros: usize| zeros * 10 > n * 4;
    let few = |zeros: usize| zeros * 10 < n;
    match n {
        0 => None,
        _ if most(low) && few(high) => Some(UTF_16LE),
        _ if most(high) && few(low) => Some(UTF_16BE),
        _ => None,
    }
}

/// Reads another encoding as UTF-8.
struct Transcoder {
    source: Box<dyn Read + Send>,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    finished: bool,
}

impl Transcoder {
    fn new(source: Box<dyn Read + Send>, encoding: &'static Encoding) -> Self {
        Transcoder {
            source,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: vec![0; 64 * 1024],
            start: 0,
            end: 0,
            at_end: false,
            finished: false,
        }
    }
}

impl Read for Transcoder {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while !self.finished {
            if self.start == self.end && !self.at_end {
                self.start = 0;
                self.end = self.source.read(&mut self.raw)?;
                self.at_end = self.end == 0;
            }
            let raw = &self.raw[self.start..self.end];
            // What is not valid becomes U+FFFD; the row that has one is rejected.
            let (result, read, written, _) = self.decoder.decode_to_utf8(raw, out, self.at_end);
            self.start += read;
            self.finished = self.at_end && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}
