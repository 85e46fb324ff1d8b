//! Texts of statements with many values.

use sqlx::AssertSqlSafe;

/// SQLite keeps numbered parameters in a list that is walked for each value that is bound: with 2,000 values that was
/// 40 % of an import's time. Unnumbered ones are not in that list. So `$1 … $n`, which must stand in the text once
/// each and in this order, become question marks there. The text must have no other `$`.
pub(super) fn bulk_text(sqlite: bool, text: String) -> AssertSqlSafe<String> {
    if !sqlite {
        return AssertSqlSafe(text);
    }
    let mut parts = text.split('$');
    let mut positional = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        debug_assert_eq!(
            part[..part.len() - rest.len()].parse(),
            Ok(at + 1),
            "parameters out of order: {text}"
        );
        positional.push('?');
        positional.push_str(rest);
    }
    AssertSqlSafe(positional)
}

/// The text `($1,$2,$3),($4,$5,$6)` for `rows` rows of `columns` values, counted from `$first`.
pub(crate) fn values_list(rows: usize, columns: usize, first: usize) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(rows * columns * 7);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { "," };
            write!(text, "{comma}${}", first + row * columns + column)
                .expect("writing to a String cannot fail");
        }
        text.push(')');
    }
    text
}
