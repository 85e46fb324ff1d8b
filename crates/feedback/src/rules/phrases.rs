//! Phrases of plain words, many looked for at once.
//!
//! A phrase is words in lower case; punctuation does not count. `*` alone stands for a few words in between, a word
//! that ends with `*` for all that begin with it.

use super::words::words;
use aho_corasick::AhoCorasick;
use std::collections::HashMap;

/// How many octets `*` may stand for.
const GAP: usize = 80;
/// How often a piece is looked at in one text; a text that repeats itself more often says nothing new.
const MOST_PLACES: usize = 4096;

/// Which phrase of a set.
pub type PhraseId = usize;

/// Phrases, being gathered.
#[derive(Debug, Default)]
pub struct Gathering {
    pieces: Vec<String>,
    known: HashMap<String, usize>,
    phrases: Vec<Vec<usize>>,
}

/// Many phrases, compiled into one automaton.
#[derive(Debug)]
pub struct Phrases {
    automaton: AhoCorasick,
    phrases: Vec<Vec<usize>>,
    /// For each piece, the phrases that begin with it.
    begun_by: Vec<Vec<PhraseId>>,
}

impl Gathering {
    /// Adds one; `None` if it has no words.
    pub fn add(&mut self, phrase: &str) -> Option<PhraseId> {
        let mut pieces = Vec::new();
        for piece in phrase.split(" * ") {
            let open = piece.ends_with('*');
            let mut text = words(piece);
            if text.trim().is_empty() {
                return None;
            }
            // Scripts without spaces have no borders of words.
            let is_ascii = |c: Option<char>| c.is_some_and(|c| c.is_ascii());
            if open || !is_ascii(text.trim_end().chars().next_back()) {
                text.truncate(text.trim_end().len());
            }
            if !is_ascii(text.trim_start().chars().next()) {
                text = text.trim_start().to_owned();
            }
            let next = self.pieces.len();
            let id = *self.known.entry(text.clone()).or_insert(next);
            if id == next {
                self.pieces.push(text);
            }
            pieces.push(id);
        }
        self.phrases.push(pieces);
        Some(self.phrases.len() - 1)
    }

    /// Compiles them. `None` if they are too many for one automaton.
    pub fn compile(self) -> Option<Phrases> {
        let mut begun_by = vec![Vec::new(); self.pieces.len()];
        for (id, pieces) in self.phrases.iter().enumerate() {
            begun_by[pieces[0]].push(id);
        }
        Some(Phrases {
            automaton: AhoCorasick::new(&self.pieces).ok()?,
            phrases: self.phrases,
            begun_by,
        })
    }
}

/// Where a piece was found.
struct Place {
    piece: usize,
    start: usize,
    end: usize,
}

impl Phrases {
    /// Which phrases stand in `text`, a text that went through [`words`].
    pub fn found(&self, text: &str) -> Found {
        let mut places: Vec<Place> = self
            .automaton
            .find_overlapping_iter(text)
            .take(MOST_PLACES)
            .map(|found| Place {
                piece: found.pattern().as_usize(),
                start: found.start(),
                end: found.end(),
            })
            .collect();
        places.sort_unstable_by_key(|place| (place.piece, place.start));
        let mut found = Found(vec![0; self.phrases.len().div_ceil(64)]);
        for place in &places {
            for &id in &self.begun_by[place.piece] {
                if !found.has(id) && follow(&self.phrases[id][1..], place.end, &places) {
                    found.0[id / 64] |= 1 << (id % 64);
                }
            }
        }
        found
    }
}

/// Whether the other pieces of a phrase follow, each near the end of the one before.
fn follow(pieces: &[usize], mut end: usize, places: &[Place]) -> bool {
    for &piece in pieces {
        // A space at the end of one piece is the space at the beginning of the next.
        let from = end.saturating_sub(1);
        let first = places.partition_point(|place| (place.piece, place.start) < (piece, from));
        match places.get(first) {
            Some(place) if place.piece == piece && place.start <= end + GAP => end = place.end,
            _ => return false,
        }
    }
    true
}

/// Which phrases were found.
#[derive(Debug)]
pub struct Found(Vec<u64>);

impl Found {
    /// Whether this one was.
    pub fn has(&self, id: PhraseId) -> bool {
        self.0[id / 64] & (1 << (id % 64)) != 0
    }

    /// Whether one of these was.
    pub fn has_any(&self, ids: &[PhraseId]) -> bool {
        ids.iter().any(|id| self.has(*id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(phrase: &str, text: &str) -> bool {
        let mut gathering = Gathering::default();
        let id = gathering.add(phrase).unwrap();
        gathering.compile().unwrap().found(&words(text)).has(id)
    }

    #[test]
    fn a_phrase_is_words_not_letters() {
        assert!(is_in("user unknown", "550 User-Unknown!"));
        assert!(is_in("doesn't exist", "the mailbox doesn’t exist."));
        assert!(!is_in("user unknown", "superuser unknown"));
        assert!(is_in("throttl*", "you are throttled"));
        assert!(is_in("不存在", "收件人不存在。"));
    }

    #[test]
    fn a_star_stands_for_a_few_words() {
        assert!(is_in("user * unknown", "user <ann@example.com> is unknown"));
        assert!(is_in("user * unknown", "user unknown"));
        assert!(!is_in("user * unknown", "unknown user"));
        assert!(!is_in(
            "user * unknown",
            &format!("user {} unknown", "and so on ".repeat(20))
        ));
    }

    #[test]
    fn phrases_may_overlap_and_share_words() {
        let mut gathering = Gathering::default();
        let ids: Vec<_> = ["mailbox * full", "mailbox is full", "is full", "full of spam"]
            .iter()
            .map(|phrase| gathering.add(phrase).unwrap())
            .collect();
        let found = gathering.compile().unwrap().found(&words("The mailbox is full"));
        assert_eq!(
            ids.iter().map(|id| found.has(*id)).collect::<Vec<_>>(),
            [true, true, true, false]
        );
    }
}
