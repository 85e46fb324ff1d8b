//! Edits of `tidings.toml` that leave everything else as it stands: comments, order, spaces. Pure.

use crate::config::masked;
use anyhow::{Context, bail, ensure};
use tidings_web::operator::{Kind, Part};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

/// What is to be done with a part. Settings by their keys; none: it is taken out.
pub enum Edit<'e> {
    /// The part comes at the end of its kind.
    Add(&'e [(&'static str, Option<Value>)]),
    /// These settings are changed. A relay by its place among the relays.
    Set(usize, &'e [(&'static str, Option<Value>)]),
    /// It goes, with the comment before it.
    Remove(usize),
}

/// Letters of a setting at most.
const LONGEST: usize = 2_000;

/// Refuses what no setting is. The error is for people.
pub fn bounded(text: &str) -> Result<(), String> {
    if text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(format!(
            "Write at most {LONGEST} letters, without control characters."
        ));
    }
    Ok(())
}

/// What a form's text means for a setting; none for an empty one, which is the default. The error is for people.
pub fn value(kind: Kind, text: &str) -> Result<Option<Value>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    bounded(text)?;
    Ok(Some(match kind {
        Kind::Text | Kind::Secret | Kind::FileOnly => text.into(),
        Kind::Number => match text.parse::<u32>() {
            Ok(number) => i64::from(number).into(),
            Err(_) => return Err("Write a whole number, or nothing for the default.".to_owned()),
        },
        Kind::Flag => match text {
            "true" | "false" => (text == "true").into(),
            _ => return Err("Choose true or false.".to_owned()),
        },
        Kind::OneOf(words) if words.contains(&text) => text.into(),
        Kind::OneOf(words) => return Err(format!("Choose one of {}.", words.join(", "))),
        Kind::List => {
            let words: Vec<&str> = text
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .collect();
            match words[..] {
                [] => return Ok(None),
                [word] => word.into(),
                _ => Value::Array(Array::from_iter(words)),
            }
        }
    }))
}

/// The text after the edit.
///
/// # Errors
/// If the part is not there, or is written in a way that is changed by hand only; nothing is changed then.
pub fn apply(text: &str, part: &Part, edit: &Edit<'_>) -> anyhow::Result<String> {
    let mut document: DocumentMut = text.parse().context("the file is no TOML")?;
    match edit {
        Edit::Add(settings) => set(added(&mut document, part)?, settings)?,
        Edit::Set(at, settings) => set(found(&mut document, part, *at)?, settings)?,
        Edit::Remove(at) => remove(&mut document, part, *at)?,
    }
    Ok(document.to_string())
}

const BY_HAND: &str = "is written in a way that is changed by hand only";

fn relays(document: &mut DocumentMut) -> anyhow::Result<&mut ArrayOfTables> {
    document
        .entry("relay")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .with_context(|| format!("relay {BY_HAND}: write [[relay]]"))
}

/// The section that this path leads to; it is made if there is none.
fn section<'d>(document: &'d mut DocumentMut, path: &[&str]) -> anyhow::Result<&'d mut dyn TableLike> {
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for (depth, word) in path.iter().enumerate() {
        let is_last = depth + 1 == path.len();
        table = table
            .entry(word)
            .or_insert_with(|| new_section(is_last))
            .as_table_like_mut()
            .with_context(|| format!("[{}] {BY_HAND}", path.join(".")))?;
    }
    Ok(table)
}

fn new_section(is_last: bool) -> Item {
    let mut table = Table::new();
    // `[limits.provider.x]` needs no empty `[limits]` before it.
    table.set_implicit(!is_last);
    table.decor_mut().set_prefix("\n");
    Item::Table(table)
}

/// Where a part that is no relay stands.
fn path(part: &Part) -> Vec<&str> {
    match part {
        Part::Relay(_) => vec!["relay"],
        Part::AllRelays => vec!["limits"],
        Part::Sender(name) => vec!["limits", "sender", name],
        Part::Provider(name) => vec!["limits", "provider", name],
        Part::Campaigns => vec!["limits", "campaign"],
        Part::Feedback => vec!["feedback"],
        Part::Tracking => vec!["tracking"],
        Part::Mail => vec!["mail"],
    }
}

fn added<'d>(document: &'d mut DocumentMut, part: &Part) -> anyhow::Result<&'d mut dyn TableLike> {
    let Part::Relay(name) = part else {
        let path = path(part);
        ensure!(
            !is_there(document, &path),
            "[{}] is there already",
            path.join(".")
        );
        return section(document, &path);
    };
    let is_empty = document.as_table().is_empty();
    let relays = relays(document)?;
    let mut table = Table::new();
    if !is_empty {
        table.decor_mut().set_prefix("\n");
    }
    table.insert("name", name.as_str().into());
    relays.push(table);
    let last = relays.len() - 1;
    Ok(relays.get_mut(last).context("it was pushed just now")?)
}

fn is_there(document: &DocumentMut, path: &[&str]) -> bool {
    let mut item = document.as_item();
    path.iter()
        .all(|word| item.get(word).map(|next| item = next).is_some())
}

fn found<'d>(document: &'d mut DocumentMut, part: &Part, at: usize) -> anyhow::Result<&'d mut dyn TableLike> {
    match part {
        Part::Relay(_) => relays(document)?
            .get_mut(at)
            .map(|table| table as &mut dyn TableLike)
            .with_context(|| format!("{part} is not in the file")),
        _ => section(document, &path(part)),
    }
}

fn remove(document: &mut DocumentMut, part: &Part, at: usize) -> anyhow::Result<()> {
    if let Part::Relay(_) = part {
        let relays = relays(document)?;
        ensure!(at < relays.len(), "{part} is not in the file");
        relays.remove(at);
        return Ok(());
    }
    let path = path(part);
    ensure!(is_there(document, &path), "{part} is not in the file");
    match path.split_last() {
        Some((last, [])) => document.remove(last).map(drop),
        Some((last, above)) => section(document, above)?.remove(last).map(drop),
        None => None,
    }
    .with_context(|| format!("{part} is not in the file"))
}

fn set(table: &mut dyn TableLike, settings: &[(&'static str, Option<Value>)]) -> anyhow::Result<()> {
    for (key, value) in settings {
        match (key.split_once('.'), value) {
            (None, value) => set_one(table, key, value.as_ref()),
            (Some((section, _)), None) if !table.contains_key(section) => {}
            (Some((section, key)), value) => {
                let inner = table.entry(section).or_insert_with(dotted).as_table_like_mut();
                let Some(inner) = inner else {
                    bail!("{section} {BY_HAND}")
                };
                set_one(inner, key, value.as_ref());
                if inner.is_empty() {
                    table.remove(section);
                }
            }
        }
    }
    Ok(())
}

fn dotted() -> Item {
    let mut table = Table::new();
    table.set_dotted(true);
    Item::Table(table)
}

fn set_one(table: &mut dyn TableLike, key: &str, value: Option<&Value>) {
    let Some(value) = value else {
        table.remove(key);
        return;
    };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(former) if is_same(former, value) => {}
        Some(former) => {
            // What stands behind it stays there.
            let decor = former.decor().clone();
            *former = value.clone();
            *former.decor_mut() = decor;
        }
        None => {
            table.insert(key, Item::Value(value.clone()));
        }
    }
}

/// Whether both say the same, however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(vec![text.value().clone()]),
        Value::Integer(number) => Some(vec![number.value().to_string()]),
        Value::Boolean(flag) => Some(vec![flag.value().to_string()]),
        Value::Array(words) => words
            .iter()
            .map(|word| word.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    one.type_name() == other.type_name() && plain(one).is_some_and(|one| Some(one) == plain(other))
}

/// The lines that differ, with the heading above them, as people may see them.
pub fn changed_lines(before: &str, after: &str) -> String {
    let secretless = masked(after);
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let mut start = same(&mut before.iter().zip(&after));
    let most = before.len().min(after.len()) - start;
    let end = same(&mut before.iter().rev().zip(after.iter().rev())).min(most);
    let end = after.len() - end;
    while start > 0 && !after.get(start).is_some_and(|line| line.starts_with('[')) {
        start -= 1;
    }
    let lines: Vec<&str> = secretless.lines().collect();
    lines[start..end.max(start)].join("\n")
}

#[cfg(test)]
mod tests;
