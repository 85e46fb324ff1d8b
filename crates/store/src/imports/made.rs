//! Which addresses there can be, in an installation whose recipients were all made by the import under way: a first import
//! need not ask the database about each.

use super::hashed::{Hashed, HashedSet};

/// So many addresses are remembered at most: the set has 19 MB with them, and would have twice as many with the next ones.
const GREATEST: usize = 1_800_000;

/// The addresses of all recipients, as hashes of 64 bits, of which two may share one: what is not among them is certainly new.
#[derive(Debug)]
pub(super) struct Made {
    hashes: HashedSet<u64>,
    /// The id that the next recipient gets. If it is another one, somebody else has made recipients.
    next_id: i64,
}

impl Made {
    /// For an import that begins; none if there are recipients already. `next_id`: the id that the next one gets.
    pub(super) fn from_the_beginning(next_id: i64) -> Option<Made> {
        (next_id == 1).then(|| Made {
            hashes: HashedSet::default(),
            next_id,
        })
    }

    /// Itself, if it still knows everybody.
    pub(super) fn if_complete(self, next_id: i64) -> Option<Made> {
        (self.next_id == next_id).then_some(self)
    }

    /// Those of the keys that a recipient may have.
    pub(super) fn perhaps_known<'k>(&self, keys: &[Hashed<'k>]) -> Vec<&'k str> {
        let perhaps = keys.iter().filter(|key| self.hashes.contains(&key.hash));
        perhaps.map(|key| key.key).collect()
    }

    /// Recipients with these keys have been made; none if they become too many.
    pub(super) fn with<'k>(mut self, created: impl Iterator<Item = Hashed<'k>>) -> Option<Made> {
        let before = self.hashes.len();
        let mut n = 0;
        self.hashes
            .extend(created.inspect(|_| n += 1).map(|key| key.hash));
        self.next_id += n;
        (before + n as usize <= GREATEST).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::RandomState;

    #[test]
    fn only_what_nobody_can_have_is_certainly_new() {
        assert!(
            Made::from_the_beginning(2).is_none(),
            "there is a recipient already"
        );
        let keys = ["ann", "bob", "carl"].map(str::to_owned);
        let keys = Hashed::all(&keys, &RandomState::new());
        let made = Made::from_the_beginning(1).unwrap();
        let made = made
            .if_complete(1)
            .unwrap()
            .with(keys[..2].iter().copied())
            .unwrap();
        assert_eq!(made.perhaps_known(&keys[1..]), ["bob"]);
        let made = made.if_complete(3).unwrap();
        assert!(made.if_complete(4).is_none(), "somebody else has made one");
    }
}
