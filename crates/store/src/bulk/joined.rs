//! Several statements as one, for PostgreSQL, where each by itself is a round trip.
//!
//! They are the same texts as everywhere, each in a `WITH`. Rows come as an array for each column: so the text is the same for
//! any number of rows, and is nearly always prepared already. All see the database as it was before the first of them, and
//! none sees what another has done; they are run in their order, because the last `SELECT` asks for one after the other how
//! many rows it has changed. If that is another number than it had to be, the `SELECT` fails, and all is undone.

use super::{Bulk, Value};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

/// What stands before the rows of every statement.
const ROWS_FOLLOW: &str = "VALUES ";
/// What PostgreSQL's log says when the statement fails, with the code 22P02, because it is no number.
const UNEXPECTED: &str = "a batch of the ledger is not as its sender thinks and is recorded row by row";
const NO_NUMBER: &str = "22P02";

/// Whether a joined statement has failed because one of them has changed another number of rows than it had to.
pub(super) fn is_unexpected(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some(NO_NUMBER)
}

/// The statements as one.
pub(super) fn joined(statements: Vec<Bulk>) -> Query<'static, Postgres, PgArguments> {
    let (text, parameters) = write(statements);
    let query = sqlx::query(AssertSqlSafe(text));
    parameters
        .into_iter()
        .fold(query, |query, parameter| match parameter {
            Parameter::One(Value::Int(n)) => query.bind(n),
            Parameter::One(Value::Text(text)) => query.bind(text),
            Parameter::One(Value::Octets(octets)) => query.bind(octets),
            Parameter::Ints(column) => query.bind(column),
            Parameter::Texts(column) => query.bind(column),
        })
}

#[derive(Debug)]
enum Parameter {
    One(Value),
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
}

impl Parameter {
    /// The values of a column.
    fn column(values: Vec<Value>) -> Parameter {
        let is_text = matches!(values.first(), Some(Value::Text(_)));
        let mut ints = Vec::new();
        let mut texts = Vec::new();
        for value in values {
            match value {
                Value::Int(n) => ints.push(n),
                Value::Text(text) => texts.push(text),
                Value::Octets(_) => unreachable!("no row of the ledger has octets"),
            }
        }
        debug_assert!(
            ints.is_empty() || texts.is_empty(),
            "a column has values of one type"
        );
        match is_text {
            true => Parameter::Texts(texts),
            false => Parameter::Ints(ints),
        }
    }
}

/// Text and parameters of one statement after the other.
fn write(statements: Vec<Bulk>) -> (String, Vec<Parameter>) {
    let mut text = String::from("WITH ");
    let mut parameters = Vec::new();
    let mut outcome = String::from(" SELECT CAST(CASE");
    for (at, statement) in statements.into_iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let expected = statement.expected;
        text.push_str(&format!("{comma}ledger_{at} AS ("));
        write_one(statement, &mut text, &mut parameters);
        text.push_str(" RETURNING 1)");
        let differs = match expected {
            // Any number is right.
            None => "< 0".to_owned(),
            Some(expected) => {
                let expected = i64::try_from(expected).unwrap_or(i64::MAX);
                format!("<> {}", place(&mut parameters, Parameter::One(expected.into())))
            }
        };
        outcome.push_str(&format!(
            " WHEN (SELECT COUNT(*) FROM ledger_{at}) {differs} THEN '{UNEXPECTED}'"
        ));
    }
    outcome.push_str(" ELSE '0' END AS BIGINT)");
    text.push_str(&outcome);
    (text, parameters)
}

fn write_one(statement: Bulk, text: &mut String, parameters: &mut Vec<Parameter>) {
    let Bulk {
        before,
        after,
        values,
        columns,
        ..
    } = statement;
    let mut values = values.into_iter();
    let before = before.strip_suffix(ROWS_FOLLOW);
    let before = before.expect("every statement of the ledger has a list of rows after VALUES");
    write_values(before, &mut values, text, parameters);
    let after_rows = values.len() - after.matches('?').count();
    let mut by_column: Vec<Vec<Value>> = (0..columns).map(|_| Vec::with_capacity(statement.rows)).collect();
    for (at, value) in values.by_ref().take(after_rows).enumerate() {
        by_column[at % columns].push(value);
    }
    let mut arrays = Vec::with_capacity(columns);
    let mut names = Vec::with_capacity(columns);
    for (at, column) in by_column.into_iter().enumerate() {
        arrays.push(place(parameters, Parameter::column(column)));
        names.push(format!("column{}", at + 1));
    }
    let (arrays, names) = (arrays.join(","), names.join(","));
    text.push_str(&format!("SELECT * FROM UNNEST({arrays}) AS r({names})"));
    write_values(&after, &mut values, text, parameters);
}

/// Text in which question marks stand for the next values.
fn write_values(
    marked: &str,
    values: &mut impl Iterator<Item = Value>,
    text: &mut String,
    parameters: &mut Vec<Parameter>,
) {
    for (at, piece) in marked.split('?').enumerate() {
        if at > 0 {
            let value = values.next().expect("a value for each question mark");
            text.push_str(&place(parameters, Parameter::One(value)));
        }
        text.push_str(piece);
    }
}

/// The parameter's name in the text, with its type: PostgreSQL has several `UNNEST`.
fn place(parameters: &mut Vec<Parameter>, parameter: Parameter) -> String {
    let of_type = match parameter {
        Parameter::One(Value::Int(_)) => "BIGINT",
        Parameter::One(Value::Text(_)) => "TEXT",
        Parameter::Ints(_) => "BIGINT[]",
        Parameter::Texts(_) => "TEXT[]",
        Parameter::One(Value::Octets(_)) => "BYTEA",
    };
    parameters.push(parameter);
    format!("${}::{of_type}", parameters.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(rows: &[(i64, &str)]) -> Bulk {
        let mut values: Vec<Value> = vec!["main".into()];
        values.extend(rows.iter().flat_map(|(n, text)| [(*n).into(), (*text).into()]));
        let (before, after) = (
            "UPDATE t SET node = ? FROM (VALUES ",
            ") AS v WHERE t.id = v.column1",
        );
        Bulk::new(before, after, values, rows.len(), 2, rows.len() as u64)
    }

    #[test]
    fn each_row_list_is_an_array_for_each_column() {
        let (text, parameters) = write(vec![statement(&[(1, "one"), (2, "two")])]);
        assert_eq!(
            text,
            format!(
                "WITH ledger_0 AS (UPDATE t SET node = $1::TEXT FROM (SELECT * FROM UNNEST($2::BIGINT[],$3::TEXT[]) \
                 AS r(column1,column2)) AS v WHERE t.id = v.column1 RETURNING 1) \
                 SELECT CAST(CASE WHEN (SELECT COUNT(*) FROM ledger_0) <> $4::BIGINT THEN '{UNEXPECTED}' \
                 ELSE '0' END AS BIGINT)"
            )
        );
        let Parameter::Texts(texts) = &parameters[2] else {
            panic!("{parameters:?}")
        };
        assert_eq!(texts, &[Some("one".to_owned()), Some("two".to_owned())]);
    }

    #[test]
    fn the_text_is_the_same_for_any_number_of_rows() {
        let two = write(vec![
            statement(&[(1, "one")]),
            statement(&[(2, "two"), (3, "three")]),
        ]);
        let other = write(vec![statement(&[(4, "a"), (5, "b")]), statement(&[(6, "c")])]);
        assert_eq!(two.0, other.0);
        assert_eq!(two.1.len(), other.1.len());
    }

    #[test]
    fn where_any_number_of_rows_is_right_none_is_asked_for() {
        let (text, parameters) = write(vec![statement(&[(1, "one")]).however_many()]);
        assert!(text.contains("FROM ledger_0) < 0 THEN"), "{text}");
        assert_eq!(parameters.len(), 3);
    }
}
