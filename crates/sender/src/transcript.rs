//! What was said on a connection, its last part: for the person who must find out why a session failed.
//!
//! It is written for every command of every message, so that it must cost next to nothing: octets are appended to one
//! buffer, and when that is full its older half goes.

use memchr::memchr_iter;

/// Kept at least, in octets; twice as much at most.
const KEPT: usize = 8 * 1024;
/// A longer run of octets is cut: no relay says that much in one reply.
const LONGEST: usize = 2 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Client,
    Relay,
    Note,
}

/// A bounded record: `C:` marks what we said, `S:` what the relay said, `*` what happened.
#[derive(Debug)]
pub(crate) struct Transcript {
    octets: Vec<u8>,
    /// Whose line is not ended yet.
    open: Option<Voice>,
    cut: bool,
}

impl Transcript {
    pub(crate) fn new() -> Transcript {
        Transcript {
            octets: Vec::with_capacity(1024),
            open: None,
            cut: false,
        }
    }

    /// Commands as they go out. Secrets and contents must not come here.
    pub(crate) fn said(&mut self, commands: &[u8]) {
        self.append(Voice::Client, commands);
    }

    /// A reply, or a part of it.
    pub(crate) fn heard(&mut self, reply: &[u8]) {
        self.append(Voice::Relay, reply);
    }

    /// Something that happened.
    pub(crate) fn note(&mut self, what: &str) {
        self.append(Voice::Note, what.as_bytes());
        self.end_line();
    }

    /// The content of a message went out, with its final dot.
    pub(crate) fn said_content(&mut self, octets: usize) {
        use std::io::Write;
        self.make_room(64);
        self.end_line();
        // Writing into a Vec does not fail.
        let _ = writeln!(self.octets, "C: ({octets} octets of content and the final dot)");
    }

    fn append(&mut self, voice: Voice, text: &[u8]) {
        let text = &text[..text.len().min(LONGEST)];
        self.make_room(text.len() * 2);
        let mut start = 0;
        for end in memchr_iter(b'\n', text).map(|at| at + 1).chain([text.len()]) {
            if end > start {
                self.begin_line(voice);
                self.octets.extend_from_slice(&text[start..end]);
                start = end;
                if text[end - 1] == b'\n' {
                    self.open = None;
                }
            }
        }
    }

    fn begin_line(&mut self, voice: Voice) {
        if self.open == Some(voice) {
            return;
        }
        self.end_line();
        self.octets.extend_from_slice(match voice {
            Voice::Client => b"C: ",
            Voice::Relay => b"S: ",
            Voice::Note => b"* ",
        });
        self.open = Some(voice);
    }

    fn end_line(&mut self) {
        if self.open.take().is_some() {
            self.octets.push(b'\n');
        }
    }

    fn make_room(&mut self, more: usize) {
        if self.octets.len() + more > 2 * KEPT {
            let from = self.octets.len().saturating_sub(KEPT);
            self.octets.drain(..from);
            self.cut = true;
        }
    }

    /// The last lines, whole ones, with line feeds only.
    pub(crate) fn text(&self) -> String {
        let octets = if self.cut {
            let start = memchr::memchr(b'\n', &self.octets).map_or(0, |at| at + 1);
            &self.octets[start..]
        } else {
            &self.octets[..]
        };
        let mut text = String::from_utf8_lossy(octets).replace('\r', "");
        // What a relay says is shown to people: no control characters, and no NUL for the database.
        text.retain(|c| c == '\n' || !c.is_control());
        if self.cut {
            text.insert_str(0, "…\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_who_spoke() {
        let mut transcript = Transcript::new();
        transcript.note("connected");
        transcript.heard(b"220-one\r\n220 t");
        transcript.heard(b"wo\r\n");
        transcript.said(b"MAIL FROM:<a@example.com>\r\nDATA\r\n");
        transcript.said_content(12);
        transcript.heard(b"250 ok");
        transcript.note("closed\0");
        assert_eq!(
            transcript.text(),
            "* connected\nS: 220-one\nS: 220 two\nC: MAIL FROM:<a@example.com>\nC: DATA\n\
             C: (12 octets of content and the final dot)\nS: 250 ok\n* closed\n"
        );
    }

    #[test]
    fn it_is_bounded_and_keeps_the_last_lines_whole() {
        let mut transcript = Transcript::new();
        for n in 0..10_000 {
            transcript.said(format!("RCPT TO:<reader{n}@example.org>\r\n").as_bytes());
        }
        transcript.heard(&[b'x'; 1_000_000]);
        let text = transcript.text();
        assert!(text.len() <= 2 * KEPT + 64 && text.len() > KEPT, "{}", text.len());
        assert!(text.starts_with("…\nC: RCPT TO:<reader"));
        assert!(text.contains("<reader9999@example.org>\nS: xxx"));
        assert!(transcript.octets.capacity() <= 4 * KEPT);
    }
}
