//! The reasons of refusals and reports, in words.

use tidings_feedback::reason::Reason;

/// A reason as it stands in the database, in words; one that nobody knows as it stands, without underscores.
pub(crate) fn reason_in_words(name: &str) -> String {
    let known = Reason::ALL.iter().find(|reason| reason.as_str() == name);
    known.map_or_else(|| name.replace('_', " "), |reason| reason.words().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_in_words() {
        assert_eq!(reason_in_words("mesgtoobig"), "message too large");
        assert_eq!(reason_in_words("list_cleaned"), "list cleaned");
    }
}
