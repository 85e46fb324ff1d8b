//! The configuration as it is written, part by part. Pure, but for which variables are set.

use crate::config::variable_set;
use tidings_web::operator::{
    Entry, Holds, Part, PartShown, PoolShown, SECRET, Setting, Source, entries, without_password,
};
use toml::{Table, Value};

/// Four times the same tables, at different times.
pub struct Written<'t> {
    /// The file now.
    pub file: &'t Table,
    /// The same with the variables.
    pub now: &'t Table,
    /// What was taken over last.
    pub taken: &'t Table,
    /// What the program was started with.
    pub started: &'t Table,
}

impl Written<'_> {
    /// All parts that are shown.
    pub fn parts(&self) -> Vec<PartShown> {
        let limits = |kind| {
            let section = self.now.get("limits").and_then(|limits| limits.get(kind));
            let names = section
                .and_then(Value::as_table)
                .map(|table| table.keys().cloned());
            names.into_iter().flatten()
        };
        let relays = relays(self.now).iter().filter_map(name_of).map(Part::Relay);
        let mut parts: Vec<Part> = relays.collect();
        parts.extend([Part::AllRelays, Part::Campaigns]);
        parts.extend(limits("sender").map(Part::Sender));
        parts.extend(limits("provider").map(Part::Provider));
        parts.extend([Part::Feedback, Part::Tracking, Part::Mail]);
        parts.into_iter().map(|part| self.shown(part)).collect()
    }

    fn shown(&self, part: Part) -> PartShown {
        let settings = entries(&part)
            .iter()
            .map(|entry| (entry.key, self.setting(&part, entry.key, entry.holds)))
            .collect();
        let is_in_file = match &part {
            Part::Relay(_) => place(self.now, &part).is_some_and(|at| relays(self.file).get(at).is_some()),
            part => section_of(self.file, part).is_some(),
        };
        PartShown {
            part,
            settings,
            is_in_file,
        }
    }

    fn setting(&self, part: &Part, key: &'static str, holds: Holds) -> Setting {
        let value = at(self.now, part, key).map(text).unwrap_or_default();
        let before = match holds {
            Holds::AfterRestart => self.started,
            Holds::AtOnce | Holds::AtOnceForReplies => self.taken,
        };
        let is_waiting = at(self.now, part, key) != at(before, part, key);
        let (section, key_there) = variable_place(part, key);
        let is_first = place(self.now, part).is_none_or(|at| at == 0);
        let variable = section
            .filter(|_| is_first)
            .and_then(|section| variable_set(section, key_there));
        let source = match (variable, value.is_empty()) {
            (Some(variable), _) => Source::Variable(variable),
            (None, true) => Source::Default,
            (None, false) => Source::File,
        };
        let value = if key == "url" {
            without_password(&value)
        } else {
            value
        };
        Setting {
            value: if key == SECRET { String::new() } else { value },
            source,
            is_waiting,
        }
    }
}

/// The place of a relay among the relays; none of other parts.
pub fn place(table: &Table, part: &Part) -> Option<usize> {
    let Part::Relay(name) = part else { return None };
    relays(table)
        .iter()
        .position(|relay| name_of(relay).as_ref() == Some(name))
}

/// The value of a setting as it is written.
pub fn at<'t>(table: &'t Table, part: &Part, key: &str) -> Option<&'t Value> {
    let section = section_of(table, part)?;
    key.split('.').try_fold(section, |value, word| value.get(word))
}

fn section_of<'t>(table: &'t Table, part: &Part) -> Option<&'t Value> {
    let limits = || table.get("limits");
    match part {
        Part::Relay(_) => relays(table).get(place(table, part)?),
        Part::AllRelays => limits(),
        Part::Sender(name) => limits()?.get("sender")?.get(name),
        Part::Provider(name) => limits()?.get("provider")?.get(name),
        Part::Campaigns => limits()?.get("campaign"),
        Part::Feedback => table.get("feedback"),
        Part::Tracking => table.get("tracking"),
        Part::Mail => table.get("mail"),
    }
}

fn relays(table: &Table) -> &[Value] {
    list(table, "relay")
}

fn list<'t>(table: &'t Table, key: &str) -> &'t [Value] {
    table
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn name_of(relay: &Value) -> Option<String> {
    relay.get("name").and_then(Value::as_str).map(str::to_owned)
}

/// Section and key as the variables have them.
fn variable_place<'k>(part: &Part, key: &'k str) -> (Option<&'static str>, &'k str) {
    match (part, key.split_once('.')) {
        (Part::Relay(_), Some((_, key))) => (Some("relay.timeouts"), key),
        (Part::Relay(_), None) => (Some("relay"), key),
        (Part::Feedback, _) => (Some("feedback"), key),
        (Part::Tracking, _) => (Some("tracking"), key),
        (Part::Mail, _) => (Some("mail"), key),
        (Part::AllRelays | Part::Sender(_) | Part::Provider(_) | Part::Campaigns, _) => (None, key),
    }
}

/// As people write it in a form.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(words) => words.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The pools.
pub fn pools(table: &Table) -> Vec<PoolShown> {
    let words = |pool: &Value, key: &str| {
        let words = pool.get(key).and_then(Value::as_array);
        words.map_or_else(Vec::new, |words| words.iter().map(text).collect())
    };
    let shown = |pool: &Value| PoolShown {
        name: name_of(pool).unwrap_or_default(),
        relays: words(pool, "relays"),
        sender_domains: words(pool, "sender_domains"),
    };
    list(table, "pool").iter().map(shown).collect()
}

/// Whether the file says what could be taken over and is not.
pub fn is_waiting(now: &Table, taken: &Table) -> bool {
    ["relay", "pool", "limits"]
        .iter()
        .any(|section| now.get(*section) != taken.get(*section))
        || entries(&Part::Feedback)
            .iter()
            .filter(|entry| entry.holds != Holds::AfterRestart)
            .any(|entry| at(now, &Part::Feedback, entry.key) != at(taken, &Part::Feedback, entry.key))
}

/// What the file says of a part, as the audit log keeps it when the part goes; never a secret.
pub fn what_was(shown: &PartShown) -> String {
    let in_file = |setting: &&Setting| setting.source == Source::File;
    let of = |entry: &Entry| {
        let setting = shown.settings.get(entry.key).filter(in_file)?;
        (entry.key != SECRET).then(|| format!("{}: {}", entry.key, setting.value))
    };
    entries(&shown.part)
        .iter()
        .filter_map(of)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The settings that differ, as the audit log keeps them; never a secret.
pub fn differences(changed: &[(&'static str, String, String)]) -> String {
    let word = |text: &str| {
        if text.is_empty() {
            "default".to_owned()
        } else {
            text.to_owned()
        }
    };
    let one =
        |(key, before, after): &(&str, String, String)| format!("{key}: {} → {}", word(before), word(after));
    changed.iter().map(one).collect::<Vec<_>>().join("; ")
}
