//! Reading what is compressed, without becoming the victim of a file that unpacks to a thousand times its size.

use flate2::Crc;
use std::io::{self, BufReader, ErrorKind, Read};

/// What may always be unpacked, in octets: beyond that it must be in proportion.
const HARMLESS: u64 = 64 << 20;
/// How many times its size a file may unpack to. Lists of recipients come to 20.
const GREATEST_RATIO: u64 = 100;

/// Refuses what is out of proportion.
fn check(unpacked: u64, packed: u64) -> io::Result<()> {
    if unpacked > HARMLESS && unpacked / GREATEST_RATIO > packed {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!(
                "it unpacks to more than {GREATEST_RATIO} times its size ({} MiB so far), as no list of recipients does; if it \
                 is one, unpack it and import what is in it",
                unpacked >> 20
            ),
        ));
    }
    Ok(())
}

/// The library's words for damage, in plain ones. Everything else passes as it is.
fn in_plain_words(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => io::Error::new(
            ErrorKind::UnexpectedEof,
            "the compressed data ends in the middle: the file was cut off when it was copied",
        ),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => io::Error::new(
            ErrorKind::InvalidData,
            format!("the compressed data is damaged ({error})"),
        ),
        _ => error,
    }
}

/// Whether an error is about the compressed data, and not about the disk it comes from.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData)
}

/// A gzip file, of one member or several.
pub(super) struct Gzip<R> {
    decoder: flate2::bufread::MultiGzDecoder<BufReader<Counted<R>>>,
    unpacked: u64,
}

struct Counted<R> {
    inner: R,
    octets: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.octets += n as u64;
        Ok(n)
    }
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(inner: R) -> Self {
        let counted = Counted { inner, octets: 0 };
        Gzip {
            decoder: flate2::bufread::MultiGzDecoder::new(BufReader::new(counted)),
            unpacked: 0,
        }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.decoder.read(out).map_err(in_plain_words)?;
        self.unpacked += n as u64;
        check(self.unpacked, self.decoder.get_ref().get_ref().octets)?;
        Ok(n)
    }
}

/// How a file stands in a ZIP archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    /// Octets in the archive.
    pub(super) octets: u64,
    /// Or stored as it is.
    pub(super) is_deflated: bool,
    /// The checksum that the archive tells.
    pub(super) crc: u32,
}

/// A file of a ZIP archive.
pub(super) struct Deflated {
    decoder: Box<dyn Read + Send>,
    packed: Packed,
    unpacked: u64,
    crc: Crc,
}

impl Deflated {
    /// `source` stands at the first octet of the file's data.
    pub(super) fn new(source: impl Read + Send + 'static, packed: Packed) -> Self {
        let data = BufReader::new(source.take(packed.octets));
        let decoder: Box<dyn Read + Send> = if packed.is_deflated {
            Box::new(flate2::bufread::DeflateDecoder::new(data))
        } else {
            Box::new(data)
        };
        Deflated {
            decoder,
            packed,
            unpacked: 0,
            crc: Crc::new(),
        }
    }
}

impl Read for Deflated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.decoder.read(out).map_err(in_plain_words)?;
        self.crc.update(&out[..n]);
        self.unpacked += n as u64;
        check(self.unpacked, self.packed.octets)?;
        if n == 0 && !out.is_empty() && self.crc.sum() != self.packed.crc {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the compressed data is damaged (its checksum is wrong)",
            ));
        }
        Ok(n)
    }
}
