//! A file as lines of bytes, seen through a window of fixed size.

use std::io::{ErrorKind, Read};

/// Octets of one row at most.
pub(super) const GREATEST_ROW: usize = 64 * 1024;
/// Octets looked at before anything is decided about a file.
const SAMPLE: usize = 64 * 1024;
/// Octets that are held at once.
const WINDOW: usize = 256 * 1024;

/// Where a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// So many octets after the start of the window, line break included.
    At(usize),
    /// Not within the greatest length of a row.
    TooFar,
    /// There is no further line.
    EndOfFile,
}

/// The part of a file that is being looked at.
pub(super) struct Lines {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
}

impl Lines {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Lines {
            source,
            buffer: vec![0; WINDOW],
            start: 0,
            end: 0,
            at_end: false,
        }
    }

    /// Everything that has been read and not been passed.
    pub(super) fn window(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Reads on until there is enough to judge the file by.
    pub(super) fn fill_sample(&mut self) -> std::io::Result<()> {
        while !self.at_end && self.window().len() < SAMPLE {
            self.fill()?;
        }
        Ok(())
    }

    /// The complete lines of the window.
    pub(super) fn sample(&self) -> &[u8] {
        let window = self.window();
        if self.at_end {
            return window;
        }
        memchr::memrchr2(b'\n', b'\r', window).map_or(window, |at| &window[..=at])
    }

    /// Passes `octets`.
    pub(super) fn advance(&mut self, octets: usize) {
        self.start += octets;
    }

    /// The end of the line that starts `from` octets after the start of the window. LF, CR LF and CR end a line.
    pub(super) fn line_end(&mut self, from: usize) -> std::io::Result<LineEnd> {
        let mut searched = from;
        loop {
            let window = self.window();
            if let Some(found) = memchr::memchr2(b'\n', b'\r', &window[searched..]) {
                let at = searched + found;
                if window[at] == b'\r' && at + 1 == window.len() && !self.at_end {
                    // The LF of a CR LF may not have been read yet.
                    searched = at;
                    self.fill()?;
                    continue;
                }
                let length = if window[at..].starts_with(b"\r\n") {
                    at + 2
                } else {
                    at + 1
                };
                return Ok(if length > GREATEST_ROW {
                    LineEnd::TooFar
                } else {
                    LineEnd::At(length)
                });
            }
            searched = window.len();
            if searched > GREATEST_ROW {
                return Ok(LineEnd::TooFar);
            }
            if self.at_end {
                return Ok(if searched == from {
                    LineEnd::EndOfFile
                } else {
                    LineEnd::At(searched)
                });
            }
            self.fill()?;
        }
    }

    /// Passes everything up to the end of the line.
    pub(super) fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            let window = self.window();
            if let Some(at) = memchr::memchr2(b'\n', b'\r', window) {
                let cr = window[at] == b'\r';
                self.advance(at + 1);
                if self.window().is_empty() {
                    self.fill()?;
                }
                if cr && self.window().first() == Some(&b'\n') {
                    self.advance(1);
                }
                return Ok(());
            }
            let passed = window.len();
            self.advance(passed);
            if self.at_end {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}
