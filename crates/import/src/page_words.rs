//! Why a file is refused, in sentences for people who have a page before them.

use tidings_campaign::csv_import::{MapError, Refusal};

/// Why a file is refused, for people who have no options but fields.
pub(crate) fn of_file(refusal: &Refusal) -> String {
    match refusal {
        Refusal::SeveralParts { what, names, .. } => {
            format!("There are several {what} in it: {names}. Say below which one is meant.")
        }
        Refusal::NoParts(_) => "There are no parts in this file: leave that field empty.".to_owned(),
        Refusal::OnlyHeader { place } => format!(
            "In this file {place} is the header, and no row comes after it: there is nobody in it. Export or save it again with \
             its rows, or say below that the first row is a recipient."
        ),
        Refusal::Map { error, .. } => of_columns(error),
        other => sentence(other),
    }
}

/// The same of a list of suppressions, about which nothing can be said there.
pub(crate) fn of_list(refusal: &Refusal) -> String {
    match refusal {
        Refusal::SeveralParts { what, names, .. } => {
            format!("There are several {what} in it: {names}. Upload the one that is meant by itself.")
        }
        Refusal::OnlyHeader { place } => {
            format!("In this file {place} is the header, and no row comes after it: there is nobody in it.")
        }
        Refusal::Map { error, .. } => match error {
            MapError::NoEmail(_) => {
                "No column looks like e-mail addresses. Give the one that has them the header email."
                    .to_owned()
            }
            MapError::SeveralEmails { candidates, .. } => format!(
                "Several columns could be the e-mail address: {candidates}. Leave one of them in the file."
            ),
            other => of_columns(other),
        },
        other => sentence(other),
    }
}

fn sentence(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Unreadable(_)
        | Refusal::Empty
        | Refusal::Damaged(_)
        | Refusal::Compressed(_)
        | Refusal::Encrypted
        | Refusal::TooLarge(_) => format!("The file {refusal}."),
        other => {
            let text = other.to_string();
            let mut letters = text.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            format!(
                "{}{}.",
                first.map(String::from).unwrap_or_default(),
                letters.as_str()
            )
        }
    }
}

/// The same of its columns.
pub(crate) fn of_columns(fault: &MapError) -> String {
    match fault {
        MapError::NoEmail(_) => {
            "No column looks like e-mail addresses. Say below which one it is.".to_owned()
        }
        MapError::SeveralEmails { candidates, .. } => {
            format!("Several columns could be the e-mail address: {candidates}. Say below which one it is.")
        }
        MapError::SameField {
            first, second, field, ..
        } => format!(
            "The columns {first} and {second} both become `{field}`: give one of them another name, or leave it out."
        ),
        other => format!("{other}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_a_sentence() {
        for (refusal, words) in [
            (Refusal::Empty, "The file is empty."),
            (
                Refusal::Foreign("a PDF, not a table"),
                "This is a PDF, not a table.",
            ),
            (
                Refusal::PackedTwice,
                "There is an archive in the archive: unpack it, and import what is in it.",
            ),
            (
                Refusal::Header {
                    place: "line 1".to_owned(),
                    reason: "has a NUL".to_owned(),
                },
                "Line 1: the header has a NUL.",
            ),
        ] {
            assert_eq!(
                (of_file(&refusal), of_list(&refusal)),
                (words.to_owned(), words.to_owned())
            );
        }
    }
}
