//! What programs call themselves, looked through for the words that a table of rules asks for.

use super::HitRulesFault;
use aho_corasick::AhoCorasick;

/// A user agent as rules see it: which of their words are in it. Programs are few and hits are many, so it is worth keeping.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(super) is_named: bool,
    within: Box<[bool]>,
    whole: Box<[bool]>,
}

impl Agent {
    /// Whether it has a word of the table that looked it through.
    pub(super) fn has(&self, word: Word) -> bool {
        match word {
            Word::Within(place) => self.within[place],
            Word::Whole(place) => self.whole[place],
        }
    }
}

/// A word of a rule, by its place in the table's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    /// Somewhere in the user agent.
    Within(usize),
    /// All of it.
    Whole(usize),
}

/// The words of a table that is being read.
#[derive(Default)]
pub(super) struct NewWords {
    within: Vec<String>,
    whole: Vec<String>,
}

impl NewWords {
    /// As it is written in a rule: `=…` is all of the user agent.
    pub(super) fn add(&mut self, text: &str) -> Word {
        if let Some(whole) = text.strip_prefix('=') {
            self.whole.push(whole.trim().to_owned());
            return Word::Whole(self.whole.len() - 1);
        }
        self.within.push(text.to_owned());
        Word::Within(self.within.len() - 1)
    }

    pub(super) fn finish(self) -> Result<Words, HitRulesFault> {
        let within = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(self.within)
            .map_err(|_| HitRulesFault::TooMany)?;
        Ok(Words {
            within,
            whole: self.whole,
        })
    }
}

/// All words that the rules of a table look for.
#[derive(Debug)]
pub(super) struct Words {
    within: AhoCorasick,
    whole: Vec<String>,
}

impl Words {
    pub(super) fn look_through(&self, agent: &str) -> Agent {
        let mut within = vec![false; self.within.patterns_len()];
        for word in self.within.find_overlapping_iter(agent) {
            within[word.pattern().as_usize()] = true;
        }
        let agent = agent.trim();
        let is_whole = |word: &String| agent.eq_ignore_ascii_case(word);
        Agent {
            is_named: !agent.is_empty(),
            within: within.into(),
            whole: self.whole.iter().map(is_whole).collect(),
        }
    }
}
