//! Keys of addresses that are hashed once, however often they are looked for.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

/// A key with its hash.
#[derive(Clone, Copy, Debug, Eq)]
pub(super) struct Hashed<'k> {
    pub(super) key: &'k str,
    pub(super) hash: u64,
}

impl<'k> Hashed<'k> {
    /// `state`: the same for all that are compared. A random one keeps whoever has written a file from choosing addresses whose
    /// hashes are alike.
    pub(super) fn all(keys: &'k [impl AsRef<str>], state: &RandomState) -> Vec<Hashed<'k>> {
        let hashed = |key: &'k str| Hashed {
            key,
            hash: state.hash_one(key),
        };
        keys.iter().map(AsRef::as_ref).map(hashed).collect()
    }
}

impl PartialEq for Hashed<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Hash for Hashed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A set of what is a hash, or has one.
pub(super) type HashedSet<T> = HashSet<T, BuildHasherDefault<AsItIs>>;

/// Takes a hash for the hash.
#[derive(Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes of 64 bits are put into these sets");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
