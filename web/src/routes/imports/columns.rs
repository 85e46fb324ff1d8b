//! What the page of a file's columns shows, and what its form says. Pure.

use crate::figures::numbers::count;
use crate::routes::lists::{ListName, name_fault};
use serde::Serialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use tidings_campaign::csv_import::{Column, TextEncoding};
use tidings_import::{Check, Upload, Wishes};

/// The longest name of an attribute, in letters.
const LONGEST_NAME: usize = 100;
/// The longest name of a part or an encoding, in letters.
const LONGEST_WORD: usize = 300;

/// What a column can be said to be: the form's word, and in words.
const USES: [(&str, &str); 9] = [
    ("email", "E-mail address"),
    ("name", "Name"),
    ("text", "Attribute: text"),
    ("number", "Attribute: number"),
    ("boolean", "Attribute: yes or no"),
    ("date", "Attribute: date"),
    ("list", "Attribute: list"),
    ("json", "Attribute: JSON"),
    ("ignore", "Leave it out"),
];
const DELIMITERS: [(&str, &str); 4] = [
    ("comma", "comma ,"),
    ("semicolon", "semicolon ;"),
    ("tab", "tab"),
    ("pipe", "pipe |"),
];
/// Encodings of lists in practice; other names can stand in a note that is kept.
const ENCODINGS: [(&str, &str); 7] = [
    ("UTF-8", "UTF-8"),
    ("windows-1252", "Windows-1252 (Western)"),
    ("windows-1250", "Windows-1250 (Central European)"),
    ("windows-1251", "Windows-1251 (Cyrillic)"),
    ("UTF-16LE", "UTF-16, little-endian"),
    ("UTF-16BE", "UTF-16, big-endian"),
    ("Shift_JIS", "Shift JIS"),
];
const HEADERS: [(&str, &str); 2] = [("yes", "is a header"), ("no", "is a recipient")];
const CHECKS: [(&str, &str, &str); 4] = [
    (
        "mx",
        "Domains take mail",
        "asks the DNS; rows whose domain takes none are rejected",
    ),
    ("disposable", "Disposable addresses", "are remarked on"),
    (
        "role",
        "Mailboxes of functions",
        "such as info and sales, are remarked on",
    ),
    ("typos", "Typing errors in domains", "are remarked on"),
];

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct ColumnsPage {
    id: String,
    name: String,
    octets: String,
    lists: Vec<ListName>,
    /// If it is none of these.
    new_list: String,
    consent: String,
    problem: Option<String>,
    list_fault: Option<&'static str>,
    part_fault: Option<&'static str>,
    fault: Option<String>,
    is_seen: bool,
    tool: Option<String>,
    found: String,
    is_text: bool,
    delimiters: Vec<Choice>,
    encodings: Vec<Choice>,
    headers: Vec<Choice>,
    part: String,
    asks_part: bool,
    checks: Vec<CheckView>,
    columns: Vec<ColumnView>,
}

/// What can be chosen.
#[derive(Debug, Serialize)]
struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct CheckView {
    word: &'static str,
    label: &'static str,
    means: &'static str,
    is_chosen: bool,
}

#[derive(Debug, Serialize)]
struct ColumnView {
    n: usize,
    header: String,
    values: Vec<String>,
    uses: Vec<Choice>,
    attribute: String,
    fault: Option<String>,
}

/// What of a form cannot be, field by field.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// What no field can say.
    other: Option<String>,
    list: Option<&'static str>,
    part: Option<&'static str>,
    /// By the column's number.
    columns: BTreeMap<usize, String>,
}

impl Faults {
    /// It is about no field.
    pub(super) fn other(why: String) -> Faults {
        Faults {
            other: Some(why),
            ..Faults::default()
        }
    }

    fn problem(&self) -> Option<String> {
        let fields = "Nothing was tried yet: look at the fields that are marked.";
        let of_fields = || (!self.is_none()).then(|| fields.to_owned());
        self.other.clone().or_else(of_fields)
    }

    /// No field is wrong.
    pub(super) fn is_none(&self) -> bool {
        self.list.is_none() && self.part.is_none() && self.columns.is_empty()
    }
}

impl ColumnsPage {
    /// `names`: of all lists. `faults`: of what was asked for, which was not done then.
    pub(super) fn new(
        upload: Upload,
        names: Vec<ListName>,
        has_dns: bool,
        mut faults: Faults,
    ) -> ColumnsPage {
        let Wishes {
            rules,
            delimiter,
            encoding,
            part,
            header,
            checks,
        } = &upload.wishes;
        let is_new = !names.iter().any(|list| list.is_chosen);
        let look = upload.look.as_ref();
        let is_text = look.is_none_or(|look| look.format == "csv");
        let found = |text: Option<String>| {
            text.map_or_else(|| "found out".to_owned(), |text| format!("found: {text}"))
        };
        let header_word = header.map(|header| if header { "yes" } else { "no" });
        let header_found = look.map(|look| {
            if look.has_header {
                "is a header"
            } else {
                "is a recipient"
            }
        });
        ColumnsPage {
            id: upload.id.to_string(),
            octets: count(i64::try_from(upload.octets).unwrap_or(i64::MAX)),
            lists: names,
            consent: upload.consent.clone().unwrap_or_default(),
            problem: faults.problem(),
            list_fault: faults.list,
            part_fault: faults.part,
            is_seen: look.is_some(),
            tool: look.and_then(|look| look.tool.clone()),
            found: look
                .map(|look| what(&look.format, look.part.as_deref()))
                .unwrap_or_default(),
            delimiters: choices(
                &DELIMITERS,
                delimiter.as_deref(),
                found(
                    look.and_then(|look| look.delimiter.clone())
                        .filter(|_| delimiter.is_none()),
                ),
            ),
            encodings: choices(
                &ENCODINGS,
                encoding.as_deref(),
                found(
                    look.map(|look| look.encoding.clone())
                        .filter(|_| encoding.is_none()),
                ),
            ),
            headers: choices(
                &HEADERS,
                header_word,
                found(header_found.map(str::to_owned).filter(|_| header.is_none())),
            ),
            asks_part: part.is_some() || !is_text || look.is_none_or(|look| look.part.is_some()),
            part: part.clone().unwrap_or_default(),
            is_text,
            checks: CHECKS
                .into_iter()
                .filter(|(word, ..)| has_dns || *word != "mx")
                .map(|(word, label, means)| CheckView {
                    word,
                    label,
                    means,
                    is_chosen: Check::from_str(word).is_ok_and(|check| checks.contains(&check)),
                })
                .collect(),
            columns: look
                .map(|look| {
                    look.columns
                        .iter()
                        .enumerate()
                        .map(|(at, column)| ColumnView {
                            fault: faults.columns.remove(&(at + 1)),
                            ..view(at, column, rules)
                        })
                        .collect()
                })
                .unwrap_or_default(),
            fault: upload.fault,
            name: upload.name,
            new_list: if is_new { upload.list } else { String::new() },
        }
    }
}

/// `an Excel workbook, "Sheet1" in it`
fn what(format: &str, part: Option<&str>) -> String {
    let kind = match format {
        "xlsx" => "An Excel workbook",
        "ods" => "An OpenDocument spreadsheet",
        _ => "A text with delimiters (CSV)",
    };
    match part {
        Some(part) => format!("{kind}, “{part}” in it"),
        None => kind.to_owned(),
    }
}

/// `said`: what the person has chosen; the first choice leaves it to us.
fn choices(all: &[(&str, &str)], said: Option<&str>, ours: String) -> Vec<Choice> {
    let choice = |value: &str, label: &str| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen: said.unwrap_or_default().eq_ignore_ascii_case(value),
    };
    let mut shown = vec![choice("", &ours)];
    shown.extend(all.iter().map(|(value, label)| choice(value, label)));
    shown
}

fn view(at: usize, column: &Column, rules: &[String]) -> ColumnView {
    let beginning = format!("#{}=", at + 1);
    let said = rules.iter().find_map(|rule| rule.strip_prefix(&beginning));
    let (word, attribute) = match said {
        None => ("", None),
        Some(word @ ("email" | "name" | "ignore")) => (word, None),
        Some(field) => match field.rsplit_once(':') {
            Some((name, kind)) => (kind, Some(name)),
            None => ("text", Some(field)),
        },
    };
    let ours = match &column.field {
        Some(field) if said.is_none() => format!("found: {}", in_words(field)),
        _ => "found out".to_owned(),
    };
    ColumnView {
        n: at + 1,
        attribute: attribute.unwrap_or(&column.header).to_owned(),
        header: column.header.clone(),
        values: column.values.clone(),
        uses: choices(&USES, Some(word), ours),
        fault: None,
    }
}

/// A field as rules say it, in words.
fn in_words(field: &str) -> String {
    match field {
        "email" => "e-mail address".to_owned(),
        "name" => "name".to_owned(),
        "ignore" => "left out".to_owned(),
        field => match field.rsplit_once(':') {
            Some((_, kind)) => format!("attribute, {kind}"),
            None => field.to_owned(),
        },
    }
}

/// The upload with what the form says about it, be it wrong or not, and what is wrong.
pub(super) fn said(form: &[(String, String)], upload: &Upload) -> (Upload, Faults) {
    let field = |name: &str| {
        let found = form.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.trim())
    };
    let mut faults = Faults::default();
    let list = match field("list") {
        "" => field("new_list"),
        list => list,
    };
    faults.list = name_fault(list);
    let part = field("part");
    if part.chars().count() > LONGEST_WORD {
        faults.part = Some("That is too long for the name of a file or sheet.");
    }
    // Only those that can be chosen are taken.
    let encoding = field("encoding").parse::<TextEncoding>().ok();
    let mut wishes = Wishes {
        delimiter: DELIMITERS
            .iter()
            .find(|(known, _)| *known == field("delimiter"))
            .map(|(known, _)| (*known).to_owned()),
        encoding: encoding.map(|encoding| encoding.name().to_owned()),
        part: Some(part.to_owned()).filter(|part| !part.is_empty()),
        header: match field("header") {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
        checks: CHECKS
            .iter()
            .filter(|(word, ..)| field(word) == "yes")
            .filter_map(|(word, ..)| word.parse().ok())
            .collect(),
        rules: Vec::new(),
    };
    let before = &upload.wishes;
    // The columns are others then.
    if (&wishes.delimiter, &wishes.part) == (&before.delimiter, &before.part)
        && let Some(look) = &upload.look
    {
        for (at, column) in look.columns.iter().enumerate() {
            let n = at + 1;
            let name = match field(&format!("name-{n}")) {
                "" => &column.header,
                name => name,
            };
            let Some((rule, is_named)) = rule(n, field(&format!("use-{n}")), name) else {
                continue;
            };
            if is_named && !is_attribute(name) {
                let fault = format!("At most {LONGEST_NAME} letters, and no = among them.");
                faults.columns.insert(n, fault);
            }
            wishes.rules.push(rule);
        }
    }
    let consent: String = field("consent").chars().take(LONGEST_WORD).collect();
    let upload = Upload {
        list: list.to_owned(),
        consent: Some(consent).filter(|text| !text.is_empty()),
        wishes,
        ..upload.clone()
    };
    (upload, faults)
}

/// The rule for a column, and whether it has the attribute's name in it; none if it is left to us.
fn rule(n: usize, word: &str, name: &str) -> Option<(String, bool)> {
    match word {
        "email" | "name" | "ignore" => Some((format!("#{n}={word}"), false)),
        word if USES.iter().any(|(known, _)| *known == word) => Some((format!("#{n}={name}:{word}"), true)),
        _ => None,
    }
}

/// Whether an attribute can be called that.
fn is_attribute(name: &str) -> bool {
    !name.contains(['=', char::from(0)]) && name.chars().count() <= LONGEST_NAME
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_campaign::csv_import::Look;
    use tidings_campaign::time::Timestamp;

    fn upload(rules: &[&str]) -> Upload {
        let column = |header: &str, field: &str| Column {
            header: header.to_owned(),
            field: Some(field.to_owned()),
            values: vec!["x".to_owned()],
        };
        Upload {
            id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            owner: "ada".into(),
            name: "people.csv".into(),
            octets: 10,
            sha256: "00".into(),
            at: Timestamp(0),
            list: "readers".into(),
            consent: None,
            wishes: Wishes {
                rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
                ..Wishes::default()
            },
            look: Some(Look {
                format: "csv".into(),
                part: None,
                delimiter: Some("comma".into()),
                encoding: "utf-8".into(),
                has_header: true,
                tool: None,
                columns: vec![column("Mail", "email"), column("Age", "Age:text")],
            }),
            fault: None,
        }
    }

    fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        fields.iter().map(pair).collect()
    }

    #[test]
    fn what_is_chosen_becomes_rules_and_is_shown_again() {
        let chosen = form(&[
            ("list", "readers"),
            ("use-1", ""),
            ("use-2", "number"),
            ("name-2", "age"),
            ("typos", "yes"),
        ]);
        let (said, faults) = said(&chosen, &upload(&[]));
        assert!(faults.is_none(), "{faults:?}");
        assert_eq!(said.wishes.rules, ["#2=age:number"]);
        assert_eq!(said.wishes.checks, [Check::Typos]);
        let page = ColumnsPage::new(said, Vec::new(), false, faults);
        let age = &page.columns[1];
        let chosen = age.uses.iter().find(|choice| choice.is_chosen).unwrap();
        assert_eq!((chosen.value.as_str(), age.attribute.as_str()), ("number", "age"));
        assert_eq!(page.columns[0].uses[0].label, "found: e-mail address");
        assert_eq!(page.checks.len(), 3, "without the DNS nobody asks it");
    }

    #[test]
    fn another_delimiter_makes_other_columns() {
        let chosen = form(&[("list", "readers"), ("delimiter", "tab"), ("use-2", "ignore")]);
        let (said, _) = said(&chosen, &upload(&["#2=ignore"]));
        assert_eq!(said.wishes.delimiter.as_deref(), Some("tab"));
        assert!(said.wishes.rules.is_empty());
    }

    #[test]
    fn what_cannot_be_is_said_beside_its_field_and_nothing_that_was_typed_is_lost() {
        let chosen = form(&[
            ("new_list", ""),
            ("consent", "open day"),
            ("use-1", "email"),
            ("use-2", "text"),
            ("name-2", "a=b"),
        ]);
        let (said, faults) = said(&chosen, &upload(&[]));
        let page = ColumnsPage::new(said, Vec::new(), false, faults);
        assert_eq!(page.list_fault, Some("Name the list."));
        let [mail, age] = &page.columns[..] else {
            panic!("{page:?}")
        };
        assert!(page.problem.is_some() && mail.fault.is_none() && age.fault.is_some());
        assert_eq!(
            (age.attribute.as_str(), page.consent.as_str()),
            ("a=b", "open day")
        );
        let email = mail.uses.iter().find(|choice| choice.is_chosen).unwrap();
        assert_eq!(email.value, "email");
    }
}
