//! Words that others put together, as a sentence.

/// With a great letter at its beginning and a sign at its end.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.trim().chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let mut sentence: String = first.chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?', ':', '`']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_becomes_a_sentence() {
        assert_eq!(sentence("it refused the login"), "It refused the login.");
        assert_eq!(sentence("Ended. "), "Ended.");
    }
}
