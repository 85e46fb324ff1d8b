//! The links of a campaign and their numbers.

use crate::language::Language;
use std::collections::HashMap;

/// The most links of a campaign that are tracked. Those beyond stay as they were written.
pub const MAX_LINKS: usize = 5_000;

/// A link of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedLink {
    /// From 1, in the order of the source.
    pub number: u32,
    /// Where it leads, in ASCII, with the UTM parameters of the campaign. One whose address is merged stands here as it
    /// was written, with its braces: where it leads is said by each message's own link.
    pub url: String,
    /// What is read in its place: at most 200 characters, perhaps none.
    pub text: String,
    /// In which languages of the newsletter it stands, parted by blanks; `*` is the one for everybody else.
    pub languages: String,
}

/// The links of a campaign, over all its languages.
#[derive(Debug, Default)]
pub struct LinkTable {
    links: Vec<TrackedLink>,
    /// Where each address stands among the links.
    by_url: HashMap<String, Vec<usize>>,
    /// What is not in it stays untracked: messages with the numbers are on their way already.
    is_closed: bool,
}

impl LinkTable {
    /// The links as they were kept when the campaign started. No other gets a number any more.
    pub fn kept(links: Vec<TrackedLink>) -> LinkTable {
        let mut table = LinkTable::default();
        for link in links {
            table.put(link);
        }
        table.is_closed = true;
        table
    }

    /// By number.
    pub fn links(&self) -> &[TrackedLink] {
        &self.links
    }

    /// For numbering the links of the newsletter in one language.
    pub(crate) fn variant<'a>(&'a mut self, language: Option<&'a Language>) -> VariantLinks<'a> {
        VariantLinks {
            language: language.map_or("*", Language::as_str),
            table: self,
            seen: HashMap::new(),
        }
    }

    fn put(&mut self, link: TrackedLink) {
        let places = self.by_url.entry(link.url.clone()).or_default();
        places.push(self.links.len());
        self.links.push(link);
    }
}

/// The links of one language while they are numbered.
#[derive(Debug)]
pub(crate) struct VariantLinks<'a> {
    table: &'a mut LinkTable,
    language: &'a str,
    /// How often each address has come.
    seen: HashMap<String, usize>,
}

impl VariantLinks<'_> {
    /// The number of the next link of the source. The first link with an address has the same number in every language,
    /// and so has the second.
    pub(crate) fn number(&mut self, url: &str, text: &str) -> Option<u32> {
        let seen = self.seen.entry(url.to_owned()).or_default();
        let nth = *seen;
        *seen += 1;
        let known = self.table.by_url.get(url).and_then(|places| places.get(nth));
        if let Some(&at) = known {
            let link = &mut self.table.links[at];
            if !link.languages.split(' ').any(|known| known == self.language) {
                link.languages.push(' ');
                link.languages.push_str(self.language);
            }
            return Some(link.number);
        }
        if self.table.is_closed || self.table.links.len() >= MAX_LINKS {
            return None;
        }
        let number = u32::try_from(self.table.links.len() + 1).ok()?;
        self.table.put(TrackedLink {
            number,
            url: url.to_owned(),
            text: text.to_owned(),
            languages: self.language.to_owned(),
        });
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_has_a_number_and_languages_share_them() {
        let mut table = LinkTable::default();
        let mut english = table.variant(None);
        let numbers = ["/a", "/b", "/a"].map(|url| english.number(url, url));
        assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
        let de = Language::parse("de").unwrap();
        let mut german = table.variant(Some(&de));
        let numbers = ["/b", "/c", "/a", "/a", "/a"].map(|url| german.number(url, "x"));
        assert_eq!(numbers, [Some(2), Some(4), Some(1), Some(3), Some(5)]);
        let languages: Vec<_> = table.links().iter().map(|link| link.languages.as_str()).collect();
        assert_eq!(languages, ["* de", "* de", "* de", "de", "de"]);
    }

    #[test]
    fn after_the_start_nothing_gets_a_new_number() {
        let mut table = LinkTable::default();
        table.variant(None).number("/a", "A");
        let mut table = LinkTable::kept(table.links().to_vec());
        let mut links = table.variant(None);
        assert_eq!(links.number("/new", ""), None);
        assert_eq!(links.number("/a", ""), Some(1));
        assert_eq!(links.number("/a", ""), None);
    }

    #[test]
    fn there_is_an_end_to_numbers() {
        let mut table = LinkTable::default();
        let mut links = table.variant(None);
        for n in 1..=MAX_LINKS {
            assert_eq!(links.number("/a", ""), u32::try_from(n).ok());
        }
        assert_eq!(links.number("/a", ""), None);
    }
}
