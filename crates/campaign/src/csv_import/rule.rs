//! What the user says about columns: rules such as `Age=age:number`.

use std::fmt;
use std::str::FromStr;

/// What an attribute's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, exactly as it stands.
    Text,
    /// A number with a decimal point.
    Number,
    /// Yes or no.
    Boolean,
    /// A day: `2026-01-31`.
    Date,
    /// Several texts with commas or semicolons between them.
    List,
    /// Whatever JSON says: lists, objects, values.
    Json,
}

/// What one column means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Email,
    Name,
    Ignore,
    Attribute(String, Kind),
}

/// What the user says about one column: `Column=field`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) column: String,
    pub(super) field: Field,
}

/// Columns that cannot be taken as they are mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No `=`, or nothing on one side of it.
    #[error(
        "`{0}` does not say what a column means: write \"Column=field\", for example \"Mail=email\" or \"Age=age:number\""
    )]
    NotARule(String),
    /// An unknown type.
    #[error("`{kind}` in `{rule}` is not a type: use text, number, boolean, date, list or json")]
    NotAType {
        /// As written.
        rule: String,
        /// The part of it.
        kind: String,
    },
    /// A rule for a column that is not there.
    #[error("there is no column `{column}`; the columns are {columns}")]
    NoSuchColumn {
        /// As written.
        column: String,
        /// Those that are there.
        columns: String,
    },
    /// A rule for a header that several columns have.
    #[error(
        "several columns are called `{column}` ({numbers}): say which one by its number, for example \"{example}\""
    )]
    SameHeader {
        /// The header.
        column: String,
        /// `#2, #5`.
        numbers: String,
        /// A rule that is clear.
        example: String,
    },
    /// Two rules for one column.
    #[error("the column `{0}` is mapped twice")]
    MappedTwice(String),
    /// Two columns for one field.
    #[error(
        "the columns {first} and {second} both become `{field}`: map one of them, for example \"{example}\""
    )]
    SameField {
        /// Its number and header, in a spreadsheet also its letters.
        first: String,
        /// The same of the other.
        second: String,
        /// What both would be.
        field: String,
        /// A rule that helps.
        example: String,
    },
    /// No column looks like addresses.
    #[error(
        "no column looks like e-mail addresses; say which one it is with --map \"Column=email\"; the columns are {0}"
    )]
    NoEmail(String),
    /// Several do.
    #[error(
        "several columns could be the e-mail address ({candidates}); say which one it is with --map \"Column=email\"; the columns are {columns}"
    )]
    SeveralEmails {
        /// Those that could be.
        candidates: String,
        /// All of them.
        columns: String,
    },
}

impl FromStr for Rule {
    type Err = MapError;
    fn from_str(text: &str) -> Result<Self, MapError> {
        let (column, field) = text
            .rsplit_once('=')
            .ok_or_else(|| MapError::NotARule(text.to_owned()))?;
        let (column, field) = (clean(column), clean(field));
        if column.is_empty() || field.is_empty() {
            return Err(MapError::NotARule(text.to_owned()));
        }
        Ok(Rule {
            column,
            field: Field::parse(text, &field)?,
        })
    }
}

/// As it was written, or so that it means the same.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.column, self.field)
    }
}

/// As a rule says it.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Email => f.write_str("email"),
            Field::Name => f.write_str("name"),
            Field::Ignore => f.write_str("ignore"),
            Field::Attribute(name, kind) => write!(f, "{name}:{kind}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Date => "date",
            Kind::List => "list",
            Kind::Json => "json",
        })
    }
}

impl Field {
    fn parse(rule: &str, text: &str) -> Result<Self, MapError> {
        let (name, kind) = match text.rsplit_once(':') {
            None => match text {
                "email" => return Ok(Field::Email),
                "name" => return Ok(Field::Name),
                "ignore" => return Ok(Field::Ignore),
                name => (name, Kind::Text),
            },
            Some((name, "text")) => (name, Kind::Text),
            Some((name, "number")) => (name, Kind::Number),
            Some((name, "boolean")) => (name, Kind::Boolean),
            Some((name, "date")) => (name, Kind::Date),
            Some((name, "list")) => (name, Kind::List),
            Some((name, "json")) => (name, Kind::Json),
            Some((_, kind)) => {
                return Err(MapError::NotAType {
                    rule: rule.to_owned(),
                    kind: kind.to_owned(),
                });
            }
        };
        if name.trim().is_empty() {
            return Err(MapError::NotARule(rule.to_owned()));
        }
        Ok(Field::Attribute(name.trim().to_owned(), kind))
    }

    /// What must not come from two columns.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Field::Email => Some("email"),
            Field::Name => Some("name"),
            Field::Ignore => None,
            Field::Attribute(name, _) => Some(name),
        }
    }
}

/// A header without the white space and invisible characters around it.
pub(super) fn clean(header: &str) -> String {
    header
        .trim_matches(|c: char| {
            c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
        })
        .to_owned()
}
