//! The table of what providers' names mean.

use super::Provider;
use crate::reason::Reason;
use crate::verdict::{Class, Verdict};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("codes.toml");

static CODES: LazyLock<HashMap<Provider, HashMap<String, Code>>> =
    LazyLock::new(|| read(TABLE).expect("the table in this crate is tested"));

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Meaning {
    Bounce,
    Delay,
    Complaint,
    Unsubscribe,
    Autoreply,
    /// It is kept and changes nothing.
    Other,
    /// No feedback. It is not kept.
    Nothing,
}

/// A row of the table, for one of its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    pub(super) meaning: Meaning,
    pub(super) reason: Reason,
    class: Option<Class>,
    /// The provider says that it may work later.
    pub(super) later: bool,
    /// The provider decided by itself: there are no words of a receiver.
    pub(super) own: bool,
}

impl Code {
    pub(super) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::of(self.reason);
        verdict.class = self.class.unwrap_or(verdict.class);
        verdict
    }
}

/// The first of the names that stands in the table, and its row.
pub(super) fn find(provider: Provider, names: &[String]) -> Option<(&str, &'static Code)> {
    let codes = CODES.get(&provider)?;
    names
        .iter()
        .find_map(|name| Some((name.as_str(), codes.get(name)?)))
}

/// All names of a provider.
#[cfg(test)]
pub(super) fn all(provider: Provider) -> impl Iterator<Item = (&'static str, &'static Code)> {
    CODES[&provider].iter().map(|(name, code)| (name.as_str(), code))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    codes: Vec<String>,
    kind: Meaning,
    reason: Option<String>,
    class: Option<Class>,
    #[serde(default)]
    later: bool,
    #[serde(default)]
    own: bool,
}

fn read(text: &str) -> Result<HashMap<Provider, HashMap<String, Code>>, String> {
    let table: HashMap<Provider, Vec<Row>> = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut all = HashMap::new();
    for (provider, rows) in table {
        let codes: &mut HashMap<String, Code> = all.entry(provider).or_default();
        for row in rows {
            let is_failure = matches!(row.kind, Meaning::Bounce | Meaning::Delay);
            let reason = match row.reason.as_deref() {
                Some(name) if is_failure => {
                    Reason::named(name).ok_or(format!("the reason {name} is not known"))?
                }
                None if !is_failure => Reason::Undefined,
                _ => return Err(format!("{:?}: a reason is for a bounce or a delay", row.codes)),
            };
            let code = Code {
                meaning: row.kind,
                reason,
                class: row.class,
                later: row.later,
                own: row.own,
            };
            for name in row.codes {
                if codes.insert(name.clone(), code).is_some() {
                    return Err(format!("{name} stands there twice"));
                }
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_has_every_provider() {
        let table = read(TABLE).unwrap();
        for provider in Provider::ALL {
            assert!(!table[&provider].is_empty(), "{}", provider.as_str());
        }
    }

    #[test]
    fn names_are_written_as_they_are_looked_for() {
        for provider in Provider::ALL {
            for (name, _) in all(provider) {
                assert_eq!(name, name.trim().to_lowercase(), "{}", provider.as_str());
            }
        }
    }
}
