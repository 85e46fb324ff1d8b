//! Whether the newsletter says where its sender is: the law of the United States wants "a valid physical postal address of the
//! sender" (15 U.S.C. 7704(a)(5)(A)(iii)), and other countries want as much of an imprint.
//!
//! If the operator has written the address down, it is looked for. Else what looks like one is: a postcode, and near it a house
//! number or a post-office box. That is a guess, so nothing red comes of it.

use super::{Check, Finding, Page};

pub(super) fn check(page: &Page, text: &str, known: Option<&str>) -> Finding {
    let Some(known) = known else {
        return if looks_like_one(&page.text) || looks_like_one(text) {
            Finding::ok(Check::PostalAddress, "There is what looks like a postal address.")
        } else {
            Finding::amber(
                Check::PostalAddress,
                "No postal address of the sender was recognised, which the law asks for in many countries (in the United States 15 \
                 U.S.C. 7704(a)(5)(A)(iii)).",
                "write it at the end of the newsletter; with postal_address in section [brand] of tidings.toml it is looked for as it is",
            )
        };
    };
    // Line breaks and commas are a matter of layout.
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    if plain(&page.text).contains(&plain(known)) {
        return Finding::ok(Check::PostalAddress, "The postal address is there.");
    }
    Finding::amber(
        Check::PostalAddress,
        "The sender's postal address, as section [brand] of tidings.toml has it, is not in the HTML.",
        format!(
            "write it at the end of the newsletter: {}",
            known.lines().collect::<Vec<_>>().join(", ")
        ),
    )
}

/// Words before and after a postcode among which a house number is looked for.
const NEAR: usize = 8;

fn looks_like_one(text: &str) -> bool {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|' | '·' | '•' | '(' | ')'))
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty())
        .collect();
    (0..words.len()).any(|at| is_postcode(&words, at) && has_house(&words, at))
}

/// Four to six digits that are no year, two groups as in the United Kingdom, Canada and the Netherlands, or `12345-6789`.
fn is_postcode(words: &[&str], at: usize) -> bool {
    let word = words[at].strip_prefix("D-").unwrap_or(words[at]);
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    if digits(word) {
        let is_year = word.len() == 4 && (word.starts_with("19") || word.starts_with("20"));
        return (4..=6).contains(&word.len()) && !is_year;
    }
    if let Some((first, second)) = word.split_once('-') {
        return digits(first)
            && digits(second)
            && matches!((first.len(), second.len()), (5, 4) | (2 | 3, 3 | 4));
    }
    let is_group = |word: &str| {
        (2..=4).contains(&word.len())
            && word.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
            && word.bytes().any(|c| c.is_ascii_digit())
            && word.bytes().any(|c| c.is_ascii_uppercase())
    };
    is_group(word)
        && words
            .get(at + 1)
            .is_some_and(|next| next.len() == 3 && is_group(next))
}

fn has_house(words: &[&str], at: usize) -> bool {
    let first = at.saturating_sub(NEAR);
    let last = (at + NEAR).min(words.len() - 1);
    (first..=last).filter(|near| *near != at).any(|near| {
        let word = words[near];
        let number = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let is_number = (1..=4).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit());
        is_number && word.len() <= number.len() + 1
            || ["box", "postfach", "bp", "casilla", "apartado"].contains(&word.to_lowercase().as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    #[test]
    fn addresses_of_many_countries_are_recognised() {
        for address in [
            "Halden and Daughters, 4 Mill Lane, 00000 Larkfield",
            "Example GmbH · Lindenstraße 12a · 10969 Musterstadt",
            "Example Inc., PO Box 77, Springfield, IL 62701-1234",
            "Example Ltd, 10 Example Road, Exampleton EX4 3MP",
            "Example Inc, 24 Rue Exemple, Montréal H2X 1Y4",
            "Exemple SARL\r\n3 rue de l'Exemple\r\n75011 Paris",
        ] {
            assert!(looks_like_one(address), "{address}");
        }
        for other in [
            "In 2026 we will have 5 new shops.",
            "Call 12345 now",
            "Order 100 pieces and get 10 for free",
            "",
        ] {
            assert!(!looks_like_one(other), "{other}");
        }
    }

    #[test]
    fn an_address_that_is_known_is_looked_for_whatever_its_layout() {
        let page = Page::read("<p>Example GmbH<br>Lindenstra&szlig;e 12<br>10969&nbsp;Musterstadt</p>");
        let level = |known| check(&page, "", known).level;
        assert_eq!(
            level(Some("Example GmbH, Lindenstraße 12, 10969 Musterstadt")),
            Level::Ok
        );
        assert_eq!(
            level(Some("Example GmbH, Lindenstraße 13, 10969 Musterstadt")),
            Level::Amber
        );
        assert_eq!(level(None), Level::Ok);
    }
}
