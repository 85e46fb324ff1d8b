//! What a list was made of, so that it is known when it does not hold any more.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Takes parts in, one after the other, and makes one short text of them.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// With one more part. Where a part ends is part of the print.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Fingerprint {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    /// 64 hexadecimal digits.
    pub fn finish(self) -> String {
        HEXLOWER.encode(&self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_octets_in_other_parts_are_something_else() {
        let print = |parts: &[&str]| {
            parts
                .iter()
                .fold(Fingerprint::default(), |print, part| print.with(part))
                .finish()
        };
        assert_eq!(print(&["ab", "c"]), print(&["ab", "c"]));
        assert_ne!(print(&["ab", "c"]), print(&["a", "bc"]));
        assert_eq!(print(&[]).len(), 64);
    }
}
