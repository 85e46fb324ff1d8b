//! Where the octets of a file come from.

use super::Refusal;
use std::fs::File;
use std::io::{Cursor, Read, Seek};

/// Octets of standard input that are put aside at most, if what is in it cannot be read from front to back.
const GREATEST_SPOOL: u64 = 2 << 30;
/// Octets that are looked at to find out what a file is.
const HEAD: u64 = 4096;

/// Makes an empty file that can be written and read and that is gone when it is closed. The caller's, so that this
/// crate touches no file of its own accord.
pub type Scratch = fn() -> std::io::Result<File>;

/// Where the octets of a file come from.
pub enum Source {
    /// From front to back, once: standard input.
    Stream(Box<dyn Read + Send>),
    /// A file, which may be read again.
    File(File),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Stream(_) => "Stream",
            Source::File(_) => "File",
        })
    }
}

impl Source {
    /// The first octets, without taking them away.
    pub(super) fn peek(self) -> std::io::Result<(Vec<u8>, Source)> {
        let mut head = Vec::new();
        match self {
            Source::Stream(mut stream) => {
                stream.by_ref().take(HEAD).read_to_end(&mut head)?;
                let whole = Cursor::new(head.clone()).chain(stream);
                Ok((head, Source::Stream(Box::new(whole))))
            }
            Source::File(mut file) => match file.rewind() {
                Ok(()) => {
                    (&file).take(HEAD).read_to_end(&mut head)?;
                    file.rewind()?;
                    Ok((head, Source::File(file)))
                }
                // A pipe that has a name.
                Err(_) => Source::Stream(Box::new(file)).peek(),
            },
        }
    }

    /// To read from front to back.
    pub(super) fn into_stream(self) -> Box<dyn Read + Send> {
        match self {
            Source::Stream(stream) => stream,
            Source::File(file) => Box::new(file),
        }
    }

    /// To read here and there. A stream is put aside into a scratch file.
    pub(super) fn into_file(self, scratch: Scratch) -> Result<File, Refusal> {
        let stream = match self {
            Source::File(file) => return Ok(file),
            Source::Stream(stream) => stream,
        };
        let mut file = scratch()?;
        let copied = std::io::copy(&mut stream.take(GREATEST_SPOOL + 1), &mut file)?;
        if copied > GREATEST_SPOOL {
            return Err(Refusal::TooLarge(format!(
                "it is an archive or spreadsheet of more than {} GiB that does not come from a file; unpack it first",
                GREATEST_SPOOL >> 30
            )));
        }
        file.rewind()?;
        Ok(file)
    }
}
