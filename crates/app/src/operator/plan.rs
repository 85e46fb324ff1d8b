//! What a change comes to: the file's new text, and the password that is kept or forgotten with it.

use super::edit::{self, Edit};
use super::{files, written};
use crate::config::password_in_url;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidings_web::operator::{
    Change, Fault, Kind, Part, PartShown, Refusal, SECRET, Source, Wish, entries, without_password,
};
use toml_edit::Value;

/// Where the login goes to: whoever changes these proves that they know the password, since it will be sent there.
const GUARDED: [&str; 3] = ["url", "certificate_check", "auth_over_clear_text"];

/// What gives a relay a login, besides a password in its URL.
const LOGINS: [&str; 4] = ["password_file", "password_env", "token_command", "token_file"];

/// What is to be written.
pub struct Plan {
    /// The file.
    pub text: String,
    /// What is changed, for the audit log.
    pub differences: String,
    /// What is wrong with the form itself; those settings are not in the text.
    pub faults: Vec<Fault>,
    new_secret: Option<PathBuf>,
    former_secret: Option<PathBuf>,
}

/// What a form wishes.
struct Wished {
    settings: Vec<(&'static str, Option<Value>)>,
    /// Key, before, after.
    changed: Vec<(&'static str, String, String)>,
    secret: Option<String>,
    faults: Vec<Fault>,
}

impl Plan {
    /// Makes the new text, and keeps a new password in a file, which [`Plan::undo`] takes back.
    pub fn of(former: &str, change: &Change, parts: &[PartShown], data: &Path) -> Result<Plan, Refusal> {
        let before = parts.iter().find(|shown| shown.part == change.part);
        let place = parts.iter().filter(|shown| matches!(shown.part, Part::Relay(_)));
        let place = place.take_while(|shown| shown.part != change.part).count();
        let values = match &change.wish {
            Wish::Add(values) => {
                check_new(&change.part, before)?;
                let first = parts.first().filter(|shown| !shown.is_in_file);
                keep_variables_place(parts, first.is_some())?;
                values
            }
            Wish::Set(values) => values,
            Wish::Remove => {
                check_goes(&change.part, before)?;
                keep_variables_place(parts, place == 0)?;
                let text = edit::apply(former, &change.part, &Edit::Remove(place)).map_err(by_hand)?;
                return Ok(Plan {
                    text,
                    differences: before.map(written::what_was).unwrap_or_default(),
                    faults: Vec::new(),
                    new_secret: None,
                    former_secret: secret_of(before, data),
                });
            }
        };
        // A new part has nothing before it, whatever has its name.
        let before = before.filter(|_| matches!(change.wish, Wish::Set(_)));
        let mut wished = wished(&change.part, values, before);
        let mut plan = Plan {
            text: String::new(),
            differences: String::new(),
            faults: Vec::new(),
            new_secret: None,
            former_secret: None,
        };
        if let Part::Relay(_) = change.part {
            let guarded = guard(former, &change.part, &wished, before);
            wished.faults.extend(guarded);
            plan.log_in(&mut wished, before, data)?;
        }
        let edit = match change.wish {
            Wish::Add(_) => Edit::Add(&wished.settings),
            _ => Edit::Set(place, &wished.settings),
        };
        plan.differences = written::differences(&wished.changed);
        plan.faults = wished.faults;
        match edit::apply(former, &change.part, &edit) {
            Ok(text) => plan.text = text,
            Err(error) => {
                plan.undo();
                return Err(by_hand(error));
            }
        }
        Ok(plan)
    }

    /// Sees to it that the settings name the file of a new password, and no password that is not needed any more.
    fn log_in(
        &mut self,
        wished: &mut Wished,
        before: Option<&PartShown>,
        data: &Path,
    ) -> Result<(), Refusal> {
        let url = wished.after("url", before);
        let is_anonymous = !url.contains('@');
        if let Some(secret) = &wished.secret {
            let file = files::keep_secret(data, secret).map_err(super::failed)?;
            let name = file.display().to_string();
            self.new_secret = Some(file);
            wished.settings.retain(|(key, _)| *key != "url");
            wished.settings.push(("url", Some(url.into())));
            wished.settings.push(("password_env", None));
            wished.settings.push(("password_file", Some(name.into())));
            wished
                .changed
                .push((SECRET, String::new(), "a new one".to_owned()));
        } else if is_anonymous && secret_of(before, data).is_some() {
            wished.settings.push(("password_file", None));
        } else {
            return Ok(());
        }
        self.former_secret = secret_of(before, data);
        Ok(())
    }

    /// Nothing comes of it.
    pub fn undo(&self) {
        self.new_secret.iter().for_each(|file| files::forget_secret(file));
    }

    /// It is done, and nobody reads the former password any more.
    pub fn forget_former_secret(&self) {
        self.former_secret
            .iter()
            .for_each(|file| files::forget_secret(file));
    }
}

impl Wished {
    /// A setting as it will be.
    fn after(&self, key: &str, before: Option<&PartShown>) -> String {
        let changed = self.changed.iter().find(|(changed, _, _)| *changed == key);
        let stays = || {
            before
                .and_then(|shown| shown.settings.get(key))
                .map(|setting| setting.value.clone())
        };
        changed
            .map(|(_, _, after)| after.clone())
            .or_else(stays)
            .unwrap_or_default()
    }
}

fn check_new(part: &Part, before: Option<&PartShown>) -> Result<(), Refusal> {
    let name = part.name();
    let text = if before.is_some_and(|shown| shown.is_in_file || matches!(part, Part::Relay(_))) {
        "There is one of this name already."
    } else if name.trim().is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
        "Write a name of at most 100 letters."
    } else {
        return Ok(());
    };
    Err(Refusal::Faults(vec![fault("name", text)]))
}

/// Only what has a button for it goes.
fn check_goes(part: &Part, before: Option<&PartShown>) -> Result<(), Refusal> {
    let text = if !part.can_go() {
        format!("{part} stays: empty its fields for the defaults.")
    } else if !before.is_some_and(|shown| shown.is_in_file) {
        format!("{part} is not in the file.")
    } else {
        return Ok(());
    };
    Err(Refusal::Faults(vec![Fault { key: None, text }]))
}

/// Variables belong to whichever relay is the first: refuses that another one becomes it and gets their login.
fn keep_variables_place(parts: &[PartShown], is_first_displaced: bool) -> Result<(), Refusal> {
    let first = parts
        .iter()
        .find(|shown| matches!(shown.part, Part::Relay(_)))
        .filter(|_| is_first_displaced);
    let Some(variable) = first.and_then(login_variable) else {
        return Ok(());
    };
    let text = format!(
        "{variable} belongs to the first relay, and another one would become that and get its login: change it in the file."
    );
    Err(Refusal::Faults(vec![Fault { key: None, text }]))
}

/// The variable that gives a relay its login, if there is one.
fn login_variable(shown: &PartShown) -> Option<&str> {
    let keys = LOGINS.iter().chain(&["url"]);
    keys.filter_map(|key| shown.settings.get(key))
        .find_map(|setting| match &setting.source {
            Source::Variable(variable) => Some(variable.as_str()),
            Source::Default | Source::File => None,
        })
}

fn fault(key: &str, text: impl Into<String>) -> Fault {
    Fault {
        key: Some(key.to_owned()),
        text: text.into(),
    }
}

fn by_hand(error: anyhow::Error) -> Refusal {
    let text = format!("{error:#}");
    Refusal::Faults(vec![Fault { key: None, text }])
}

/// What differs from what is written, and all faults of the form.
fn wished(part: &Part, values: &BTreeMap<String, String>, before: Option<&PartShown>) -> Wished {
    let mut wished = Wished {
        settings: Vec::new(),
        changed: Vec::new(),
        secret: None,
        faults: Vec::new(),
    };
    for entry in entries(part) {
        let former = before.and_then(|shown| shown.settings.get(entry.key));
        let is_variable = former.is_some_and(|setting| matches!(setting.source, Source::Variable(_)));
        let Some(text) = values.get(entry.key).filter(|_| !is_variable) else {
            continue;
        };
        match entry.kind {
            Kind::FileOnly => continue,
            Kind::Secret => {
                match edit::bounded(text) {
                    Err(text) => wished.faults.push(fault(entry.key, text)),
                    Ok(()) if text.is_empty() => {}
                    Ok(()) => wished.secret = Some(text.clone()),
                }
                continue;
            }
            _ if entry.key == "url" => {
                // Before its password is taken out.
                if let Err(text) = edit::bounded(text.trim()) {
                    wished.faults.push(fault(entry.key, text));
                    continue;
                }
                wished.secret = password_in_url(text.trim());
            }
            _ => {}
        }
        let text = if entry.key == "url" {
            without_password(text)
        } else {
            text.clone()
        };
        let former = former.map(|setting| setting.value.clone()).unwrap_or_default();
        match edit::value(entry.kind, &text) {
            Err(text) => wished.faults.push(fault(entry.key, text)),
            Ok(value) => {
                let after = value.as_ref().map(in_words).unwrap_or_default();
                if after != former {
                    wished.changed.push((entry.key, former, after));
                    wished.settings.push((entry.key, value));
                }
            }
        }
    }
    wished
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(", "),
        Value::String(text) => text.value().clone(),
        other => other.to_string().trim().to_owned(),
    }
}

/// A login that is kept is not sent to another place.
fn guard(former: &str, part: &Part, wished: &Wished, before: Option<&PartShown>) -> Option<Fault> {
    let before_it = before?;
    let table: toml::Table = toml::from_str(former).unwrap_or_default();
    let url = written::at(&table, part, "url").and_then(toml::Value::as_str);
    let has_login = url.is_some_and(|url| without_password(url) != url)
        || LOGINS.iter().any(|key| {
            before_it
                .settings
                .get(key)
                .is_some_and(|setting| !setting.value.is_empty())
        });
    let is_led_elsewhere = wished.changed.iter().any(|(key, _, _)| GUARDED.contains(key));
    let logs_in = wished.after("url", before).contains('@');
    // No password that is entered here would take the place of that one.
    if let Some(variable) = login_variable(before_it)
        && is_led_elsewhere
        && logs_in
    {
        let text = format!("Where the login of {variable} goes to would change: do so in the file.");
        return Some(Fault { key: None, text });
    }
    if has_login && is_led_elsewhere && logs_in && wished.secret.is_none() {
        let text = "Where the password goes to would change: write it again. (A token is led elsewhere in the file alone.)";
        return Some(fault(SECRET, text));
    }
    None
}

fn secret_of(before: Option<&PartShown>, data: &Path) -> Option<PathBuf> {
    let file = &before?.settings.get("password_file")?.value;
    files::is_our_secret(data, file).then(|| PathBuf::from(file))
}

#[cfg(test)]
mod tests;
