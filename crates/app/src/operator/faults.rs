//! Which setting a fault is about. Pure.

use crate::config::Faults;
use tidings_web::operator::{Fault, Kind, Part, SECRET, entries};

/// What the loader says of a part, each fault at its setting where that can be told.
pub fn of(error: &anyhow::Error, part: &Part) -> Vec<Fault> {
    let texts = match error.downcast_ref::<Faults>() {
        Some(Faults(texts)) => texts.clone(),
        None => vec![format!("{error:#}")],
    };
    texts.into_iter().map(|text| fault(text, part)).collect()
}

fn fault(text: String, part: &Part) -> Fault {
    let section = section(part);
    let Some((_, words)) = text.split_once(&section) else {
        return Fault { key: None, text };
    };
    let named = entries(part)
        .iter()
        .filter_map(|entry| Some((position(words, entry.key)?, entry)));
    let key = named.min_by_key(|(at, _)| *at).map(|(_, entry)| {
        // The field for it takes the password itself.
        let is_password = entry.kind == Kind::FileOnly && entry.key.starts_with("password");
        if is_password { SECRET } else { entry.key }.to_owned()
    });
    let text = match &key {
        Some(_) => words.trim_start_matches([':', ' ']).to_owned(),
        None => text,
    };
    Fault { key, text }
}

/// How faults call the part.
fn section(part: &Part) -> String {
    match part {
        Part::Relay(name) => format!("section [[relay]] `{name}`"),
        Part::AllRelays => "section [limits]".to_owned(),
        Part::Sender(name) => format!("section [limits.sender.\"{}\"]", name.to_lowercase()),
        Part::Provider(name) => format!("section [limits.provider.\"{}\"]", name.to_lowercase()),
        Part::Campaigns => "section [limits.campaign]".to_owned(),
        Part::Feedback => "section [feedback]".to_owned(),
        Part::Tracking => "section [tracking]".to_owned(),
        Part::Mail => "section [mail]".to_owned(),
    }
}

/// Where the word stands, if it does.
fn position(text: &str, word: &str) -> Option<usize> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_letter) && !after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_stands_at_the_setting_that_it_names() {
        let relay = Part::Relay("a".to_owned());
        for (text, key) in [
            (
                "section [[relay]] `a`: url has no host: write smtps://user@host:465",
                Some("url"),
            ),
            ("section [[relay]] `a`: rate: `fast` is no rate", Some("rate")),
            (
                "section [[relay]] `a`: there is a user and no password: add password_file",
                Some(SECRET),
            ),
            (
                "section [[relay]] `a`: timeouts.connect = \"x\" is not a duration",
                Some("timeouts.connect"),
            ),
            ("section [[relay]] `b`: url has no host", None),
            ("section [[relay]]: two relays are called `a`", None),
        ] {
            let found = of(&Faults(vec![text.to_owned()]).into(), &relay);
            assert_eq!(found[0].key.as_deref(), key, "{text}");
        }
        let error = anyhow::Error::from(Faults(vec![
            "section [[relay]] `a`: weight is a number from 1 to 1000".to_owned(),
            "section [[pool]] `p`: no relay is called `c`".to_owned(),
        ]))
        .context("tidings.toml");
        let found = of(&error, &relay);
        assert_eq!(found[0].text, "weight is a number from 1 to 1000");
        assert!(found[1].key.is_none() && found[1].text.contains("[[pool]]"));
    }
}
