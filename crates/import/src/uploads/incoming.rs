//! Files that are coming in: how many at once, how large, and their checksums on the way.

use super::{COMING, UploadFault, Uploads};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::NamedTempFile;

/// Uploads that one person may have waiting or coming in, and as many lists of suppressions coming in.
pub(super) const WAITING: usize = 10;

/// What a file comes in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It waits until somebody imports it.
    Import,
    /// It is read at once, and gone.
    Suppressions,
}

/// How many files are coming in, for each person and purpose.
pub(super) type Coming = Arc<Mutex<HashMap<(String, Purpose), usize>>>;

/// One file of these, until it is dropped.
#[derive(Debug)]
struct Place {
    coming: Coming,
    whose: (String, Purpose),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = coming.get_mut(&self.whose) {
            *n -= 1;
            if *n == 0 {
                coming.remove(&self.whose);
            }
        }
    }
}

/// A file that is coming in. What is dropped before it has come leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    pub(super) file: NamedTempFile,
    pub(super) hasher: Sha256,
    pub(super) octets: u64,
    largest: u64,
    /// Until it waits, or is read.
    _place: Place,
}

impl Incoming {
    /// Takes some octets more.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), UploadFault> {
        self.octets += octets.len() as u64;
        if self.octets > self.largest {
            return Err(UploadFault::TooLarge(self.largest));
        }
        self.hasher.update(octets);
        Ok(self.file.write_all(octets)?)
    }

    /// The file, to be read from its beginning; gone when it is closed.
    pub fn into_file(self) -> Result<File, UploadFault> {
        if self.octets == 0 {
            return Err(UploadFault::Empty);
        }
        Ok(self.file.reopen()?)
    }
}

impl Uploads {
    /// Makes room for a file of this person's.
    pub fn begin(&self, owner: &str, purpose: Purpose) -> Result<Incoming, UploadFault> {
        let place = self.place(owner, purpose)?;
        std::fs::create_dir_all(&self.folder)?;
        let file = tempfile::Builder::new()
            .suffix(COMING)
            .tempfile_in(&self.folder)?;
        Ok(Incoming {
            file,
            hasher: Sha256::new(),
            octets: 0,
            largest: self.largest,
            _place: place,
        })
    }

    fn place(&self, owner: &str, purpose: Purpose) -> Result<Place, UploadFault> {
        let whose = (owner.to_owned(), purpose);
        // Held while it is counted, so that several that begin at once see each other.
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = match purpose {
            Purpose::Import => self.of(owner).len(),
            Purpose::Suppressions => 0,
        };
        if waiting + coming.get(&whose).copied().unwrap_or_default() >= WAITING {
            return Err(UploadFault::TooMany);
        }
        *coming.entry(whose.clone()).or_default() += 1;
        Ok(Place {
            coming: Arc::clone(&self.coming),
            whose,
        })
    }
}
