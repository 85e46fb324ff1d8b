//! What each column means: the address, the name, an attribute, or nothing.

use super::email_column::{self, Found};
use super::records::Fields;
use super::rule::{Field, Kind, MapError, Rule, clean};
use super::sheet::column_letters;
use super::tools::{self, Says, Tool};
use super::value::push_value;
use super::{Item, Row, Suppression};
use crate::address::{AddressError, EmailAddress};
use crate::spreadsheet_safe::without_apostrophe;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Headers that mean the name, in lower case.
const NAME_HEADERS: [&str; 6] = [
    "name",
    "full name",
    "fullname",
    "full_name",
    "display name",
    "recipient name",
];

struct Attribute {
    name: String,
    column: usize,
    kind: Kind,
    /// `"city":`, ready for the JSON text.
    key: String,
}

/// Why a row is no recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The column that is at fault, from 0, if it is one.
    pub(super) column: Option<usize>,
    /// What is wrong with it, or with the row.
    pub(super) reason: String,
}

/// The meaning of all columns of a file.
pub(super) struct Mapping {
    columns: Vec<String>,
    /// Whose export it is, if it is one.
    tool: Option<&'static Tool>,
    email: usize,
    /// Their fields, joined, are the name.
    names: Vec<usize>,
    /// Sorted by name, as JSON objects are written here.
    attributes: Vec<Attribute>,
    /// The column with a JSON object of more attributes.
    json: Option<usize>,
    /// Columns that say who must not be mailed.
    statuses: Vec<(usize, &'static Says)>,
}

impl Mapping {
    /// `rows`: some rows, to recognise the addresses by.
    pub(super) fn new(all: Columns, rules: &[Rule], rows: &[Vec<String>]) -> Result<Self, MapError> {
        let columns = &all.names;
        let mut fields: Vec<Option<Field>> = vec![None; columns.len()];
        for rule in rules {
            let column = all.find(&rule.column)?;
            if fields[column].replace(rule.field.clone()).is_some() {
                return Err(MapError::MappedTwice(columns[column].clone()));
            }
        }
        let tool = tools::recognise(columns);
        let of_tool = tool
            .map(|tool| apply_tool(tool, columns, &mut fields))
            .unwrap_or_default();
        let email = all.find_email(&mut fields, rows)?;
        let names = find_names(columns, &mut fields, of_tool.names);
        all.refuse_hidden_attributes(&fields)?;
        let fields: Vec<Field> = fields
            .into_iter()
            .zip(columns)
            .map(|(field, header)| field.unwrap_or_else(|| Field::Attribute(header.clone(), Kind::Text)))
            .collect();
        all.refuse_same_fields(&fields)?;
        let mut by_name = BTreeMap::new();
        for (column, field) in fields.into_iter().enumerate() {
            if let Field::Attribute(name, kind) = field {
                let key = format!("{}:", Value::String(name.clone()));
                let attribute = Attribute {
                    name: name.clone(),
                    column,
                    kind,
                    key,
                };
                by_name.insert(name, attribute);
            }
        }
        Ok(Mapping {
            columns: all.names,
            tool,
            email,
            names,
            attributes: by_name.into_values().collect(),
            json: of_tool.json,
            statuses: of_tool.statuses,
        })
    }

    /// What each column means, as rules: for the record.
    pub(super) fn rules(&self) -> Vec<String> {
        let rule = |(column, field): (&String, String)| format!("{column}={field}");
        self.columns.iter().zip(self.fields()).map(rule).collect()
    }

    /// The same without the columns.
    pub(super) fn fields(&self) -> Vec<String> {
        let mut fields = vec!["ignore".to_owned(); self.columns.len()];
        for attribute in &self.attributes {
            fields[attribute.column] = Field::Attribute(attribute.name.clone(), attribute.kind).to_string();
        }
        for (column, _) in &self.statuses {
            "who must not be mailed".clone_into(&mut fields[*column]);
        }
        if let Some(json) = self.json {
            "attributes as JSON".clone_into(&mut fields[json]);
        }
        fields[self.email] = Field::Email.to_string();
        for name in &self.names {
            fields[*name] = Field::Name.to_string();
        }
        fields
    }

    pub(super) fn email_column(&self) -> &str {
        &self.columns[self.email]
    }

    /// How many columns there are.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn header(&self, column: usize) -> Option<&str> {
        self.columns.get(column).map(String::as_str)
    }

    /// The name of the tool that has written the file.
    pub(super) fn tool(&self) -> Option<&'static str> {
        self.tool.map(|tool| tool.name)
    }

    /// What a row is, or why it is nothing.
    ///
    /// A row may be longer than the header if the rest is empty (a delimiter at the end of the line); a row that
    /// is too short has lost something, and nobody knows what.
    pub(super) fn row(&self, line: u64, fields: &Fields<'_>) -> Result<Item, Fault> {
        if let Some(reason) = self.wrong_width(fields) {
            return Err(Fault { column: None, reason });
        }
        let field = |column| without_apostrophe(fields.get(column).unwrap_or_default());
        let in_column = |column: usize| {
            move |reason: String| Fault {
                column: Some(column),
                reason,
            }
        };
        let address = self
            .address(field(self.email))
            .map_err(|error| in_column(self.email)(format!("the address {error}")))?;
        for (column, says) in &self.statuses {
            if let Some(reason) = says.judge(field(*column)).map_err(in_column(*column))? {
                return Ok(Item::Suppression(Suppression {
                    line,
                    address,
                    reason,
                    evidence: self.evidence(*column, field(*column)),
                }));
            }
        }
        let mut attributes = String::with_capacity(64);
        attributes.push('{');
        for (at, attribute) in self.attributes.iter().enumerate() {
            if at > 0 {
                attributes.push(',');
            }
            attributes.push_str(&attribute.key);
            push_value(&mut attributes, attribute.kind, field(attribute.column))
                .map_err(in_column(attribute.column))?;
        }
        attributes.push('}');
        if let Some(column) = self.json {
            attributes = with_json(&attributes, field(column)).map_err(in_column(column))?;
        }
        Ok(Item::Row(Row {
            line,
            address,
            name: self.name(&field),
            attributes,
        }))
    }

    /// Why a row has not the fields that the columns need, and where that shows.
    fn wrong_width(&self, fields: &Fields<'_>) -> Option<String> {
        let (have, want) = (fields.len(), self.columns.len());
        let counted = format_args!("has {have} fields, expected {want}");
        if have < want {
            return Some(format!(
                "{counted}: it ends before column `{}`",
                self.columns[have]
            ));
        }
        let beyond =
            (want..have).find(|&column| fields.get(column).is_some_and(|field| !field.is_empty()))?;
        Some(format!(
            "{counted}: field {} has no column; a field with a delimiter in it stands in quotes",
            beyond + 1
        ))
    }

    fn address(&self, field: &str) -> Result<EmailAddress, AddressError> {
        let between = self.tool.and_then(|tool| tool.between_addresses);
        let first = between.and_then(|between| field.split(between).next());
        EmailAddress::parse(first.unwrap_or(field))
    }

    fn name<'f>(&self, field: &impl Fn(usize) -> &'f str) -> Option<String> {
        match self.names.as_slice() {
            [] => None,
            [one] => Some(field(*one).trim().to_owned()),
            several => {
                let parts = several.iter().map(|&column| field(column).trim());
                Some(
                    parts
                        .filter(|part| !part.is_empty())
                        .collect::<Vec<_>>()
                        .join(" "),
                )
            }
        }
    }

    /// What a suppression is known by.
    fn evidence(&self, column: usize, field: &str) -> String {
        const GREATEST_QUOTE: usize = 200;
        let tool = self.tool().unwrap_or("a tool");
        let quote: String = field.trim().chars().take(GREATEST_QUOTE).collect();
        format!("export of {tool}, column {}: {quote}", self.columns[column])
    }
}

/// What a tool's columns are, besides the fields of single ones.
#[derive(Default)]
struct OfTool {
    names: Vec<usize>,
    json: Option<usize>,
    statuses: Vec<(usize, &'static Says)>,
}

/// Gives a tool's columns their meaning, but for those that the user has given one.
fn apply_tool(tool: &'static Tool, columns: &[String], fields: &mut [Option<Field>]) -> OfTool {
    let open = |fields: &[Option<Field>], header: &str| -> Vec<usize> {
        (0..columns.len())
            .filter(|&c| fields[c].is_none() && columns[c].to_lowercase() == header)
            .collect()
    };
    let mut of_tool = OfTool::default();
    for status in tool.statuses {
        for column in open(fields, status.header) {
            fields[column] = Some(Field::Ignore);
            of_tool.statuses.push((column, &status.says));
        }
    }
    for header in tool.ignored {
        for column in open(fields, header) {
            fields[column] = Some(Field::Ignore);
        }
    }
    if let Some(column) = tool.json.and_then(|header| open(fields, header).first().copied()) {
        fields[column] = Some(Field::Ignore);
        of_tool.json = Some(column);
    }
    if let Some(column) = tool.email_column(columns)
        && fields[column].is_none()
        && !fields.contains(&Some(Field::Email))
    {
        fields[column] = Some(Field::Email);
    }
    let names = tool.name_columns(columns);
    of_tool.names = names
        .into_iter()
        .filter(|&column| fields[column].is_none())
        .collect();
    of_tool
}

/// The attributes with those of a JSON object laid over them. Their types stay.
fn with_json(attributes: &str, field: &str) -> Result<String, String> {
    if field.trim().is_empty() {
        return Ok(attributes.to_owned());
    }
    let more: Map<String, Value> = serde_json::from_str(field).map_err(|error| {
        format!("is no JSON object of attributes, such as {{\"city\":\"Bern\"}} ({error})")
    })?;
    let mut all: BTreeMap<String, Value> =
        serde_json::from_str(attributes).expect("attributes are a JSON object");
    all.extend(more);
    Ok(serde_json::to_string(&all).expect("values that were read can be written"))
}

/// What the columns are called. `columns`: the header, if there is one.
pub(super) fn names_of(columns: Option<&[String]>, width: usize) -> Vec<String> {
    match columns {
        Some(columns) => columns
            .iter()
            .enumerate()
            .map(|(at, header)| named(at, header))
            .collect(),
        None => (0..width).map(|at| named(at, "")).collect(),
    }
}

fn named(at: usize, header: &str) -> String {
    let header = clean(without_apostrophe(header));
    if header.is_empty() {
        format!("column_{}", at + 1)
    } else {
        header
    }
}

/// The columns that make the name. Columns of which several make it stay attributes too: a template may want the first
/// name alone.
fn find_names(columns: &[String], fields: &mut [Option<Field>], of_tool: Vec<usize>) -> Vec<usize> {
    if let Some(mapped) = fields.iter().position(|field| *field == Some(Field::Name)) {
        return vec![mapped];
    }
    if of_tool.len() > 1 {
        return of_tool;
    }
    let by_header = || {
        NAME_HEADERS.iter().find_map(|known| {
            (0..columns.len()).find(|&c| fields[c].is_none() && columns[c].to_lowercase() == *known)
        })
    };
    let Some(column) = of_tool.first().copied().or_else(by_header) else {
        return Vec::new();
    };
    fields[column] = Some(Field::Name);
    vec![column]
}

/// What the columns are called, and how a person finds them.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    /// Whether they have letters.
    pub(super) in_sheet: bool,
}

impl Columns {
    /// `#2`, or `#2 (column B)` in a spreadsheet.
    fn number(&self, at: usize) -> String {
        if self.in_sheet {
            format!("#{} (column {})", at + 1, column_letters(at))
        } else {
            format!("#{}", at + 1)
        }
    }

    fn shown(&self, at: usize) -> String {
        format!("{} `{}`", self.number(at), self.names[at])
    }

    fn list(&self) -> String {
        let shown: Vec<_> = (0..self.names.len()).map(|at| self.shown(at)).collect();
        shown.join(", ")
    }

    fn find(&self, asked: &str) -> Result<usize, MapError> {
        let columns = &self.names;
        let lower = asked.to_lowercase();
        let found: Vec<usize> = (0..columns.len())
            .filter(|&c| columns[c].to_lowercase() == lower)
            .collect();
        // Headers that differ in case only can be told apart by writing them exactly.
        let exact: Vec<usize> = found.iter().copied().filter(|&c| columns[c] == asked).collect();
        match (found.as_slice(), exact.as_slice()) {
            ([one], _) | (_, [one]) => Ok(*one),
            ([], _) => {
                let number = asked.strip_prefix('#').and_then(|n| n.parse::<usize>().ok());
                number
                    .and_then(|n| n.checked_sub(1))
                    .filter(|&c| c < columns.len())
                    .ok_or_else(|| MapError::NoSuchColumn {
                        column: asked.to_owned(),
                        columns: self.list(),
                    })
            }
            ([first, ..], _) => {
                let numbers: Vec<_> = found.iter().map(|&c| self.number(c)).collect();
                Err(MapError::SameHeader {
                    column: asked.to_owned(),
                    numbers: numbers.join(", "),
                    example: format!("#{}=email", first + 1),
                })
            }
        }
    }

    fn find_email(&self, fields: &mut [Option<Field>], rows: &[Vec<String>]) -> Result<usize, MapError> {
        let columns = &self.names;
        if let Some(mapped) = fields.iter().position(|field| *field == Some(Field::Email)) {
            return Ok(mapped);
        }
        // A column that was mapped to something else is not the one.
        let open: Vec<usize> = (0..columns.len()).filter(|&c| fields[c].is_none()).collect();
        let headers: Vec<String> = open.iter().map(|&c| columns[c].clone()).collect();
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                open.iter()
                    .map(|&c| row.get(c).cloned().unwrap_or_default())
                    .collect()
            })
            .collect();
        match email_column::detect(&headers, &rows) {
            Found::One(column) => {
                fields[open[column]] = Some(Field::Email);
                Ok(open[column])
            }
            Found::None => Err(MapError::NoEmail(self.list())),
            Found::Several(candidates) => {
                let names: Vec<_> = candidates.iter().map(|&c| self.shown(open[c])).collect();
                Err(MapError::SeveralEmails {
                    candidates: names.join(", "),
                    columns: self.list(),
                })
            }
        }
    }

    fn refuse_same_fields(&self, fields: &[Field]) -> Result<(), MapError> {
        for (second, field) in fields.iter().enumerate() {
            let Some(name) = field.name() else { continue };
            // An attribute `name` or `email` beside the real one is hidden in templates, and not a mistake.
            let same = |other: &Field| match (field, other) {
                (Field::Attribute(..), Field::Attribute(other, _)) => other == name,
                (a, b) => a == b,
            };
            if let Some(first) = fields[..second].iter().position(same) {
                return Err(self.same_field(first, second, name));
            }
        }
        Ok(())
    }

    /// A second column with the header of the one that is the name or the address would be an attribute that no template
    /// can show. Who wants that says so with a rule.
    fn refuse_hidden_attributes(&self, fields: &[Option<Field>]) -> Result<(), MapError> {
        let is_known = |field: &Option<Field>| matches!(field, Some(Field::Name | Field::Email));
        for (known, field) in fields.iter().enumerate().filter(|(_, field)| is_known(field)) {
            let same = |&other: &usize| fields[other].is_none() && self.names[other] == self.names[known];
            if let Some(hidden) = (0..fields.len()).find(same) {
                let name = field.as_ref().and_then(Field::name).unwrap_or_default();
                return Err(self.same_field(known, hidden, name));
            }
        }
        Ok(())
    }

    /// `less`: the one that can be done without.
    fn same_field(&self, first: usize, less: usize, field: &str) -> MapError {
        MapError::SameField {
            first: self.shown(first),
            second: self.shown(less),
            field: field.to_owned(),
            example: format!("--map #{}=ignore", less + 1),
        }
    }
}
