//! Section `[serve]`.

use anyhow::ensure;
use clap::ValueEnum;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServeSection {
    roles: Option<Vec<String>>,
}

/// A part of the server that a process may have, alone or with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServeRole {
    /// The dashboard, what recipients reach, and webhooks.
    Web,
    /// Starting campaigns when their time has come, pre-flight lists, imports that were cut off, and keeping house.
    Schedule,
    /// Sending campaigns and letters.
    Send,
    /// Taking reports by SMTP, from mailboxes and from folders.
    Intake,
}

/// The roles of a process: at least one, each once, in the order in which they are declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(Vec<ServeRole>);

impl Roles {
    /// What one process does that is alone.
    pub fn all() -> Roles {
        Roles(ServeRole::value_variants().to_vec())
    }

    /// None if there are none.
    pub fn of(named: &[ServeRole]) -> Option<Roles> {
        let all = ServeRole::value_variants().iter().copied();
        let roles: Vec<ServeRole> = all.filter(|role| named.contains(role)).collect();
        (!roles.is_empty()).then_some(Roles(roles))
    }

    /// Whether this is one of them.
    pub fn has(&self, role: ServeRole) -> bool {
        self.0.contains(&role)
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|role| role.as_str()).collect()
    }
}

impl ServeRole {
    fn as_str(self) -> String {
        let value = self.to_possible_value().expect("no role is hidden");
        value.get_name().to_owned()
    }
}

impl ServeSection {
    /// `roles`, `TIDINGS_SERVE_ROLES`: what `tidings serve` does in this process.
    pub(super) fn check(self) -> anyhow::Result<Roles> {
        let Some(words) = self.roles else {
            return Ok(Roles::all());
        };
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let names = Roles::all().names().join(", ");
        ensure!(
            !words.is_empty(),
            "section [serve]: roles is empty, so the process would do nothing: name some of {names}, or leave it out"
        );
        let named: Vec<ServeRole> = words
            .iter()
            .map(|word| {
                ServeRole::from_str(word, false)
                    .map_err(|_| anyhow::anyhow!("section [serve]: `{word}` is no role: there are {names}"))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Roles::of(&named).expect("there is a word"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str]) -> Result<Vec<String>, String> {
        let roles = Some(words.iter().map(|word| (*word).to_owned()).collect());
        let checked = ServeSection { roles }.check();
        checked
            .map(|roles| roles.names())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_process_has_the_roles_that_it_is_given_and_all_if_nothing_is_said() {
        assert_eq!(ServeSection::default().check().unwrap(), Roles::all());
        assert_eq!(check(&["send", "web", "send"]).unwrap(), ["web", "send"]);
    }

    #[test]
    fn no_role_and_unknown_ones_are_refused() {
        assert!(check(&[]).unwrap_err().contains("roles is empty"));
        assert!(check(&[""]).unwrap_err().contains("roles is empty"));
        assert!(check(&["web", "sends"]).unwrap_err().contains("`sends`"));
    }
}
