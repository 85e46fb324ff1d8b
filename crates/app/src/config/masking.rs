//! Passwords in the text of a configuration are masked before anybody is shown a line of it, also if it is no TOML. Pure.

/// What stands in the place of a secret.
const MASK: &str = "***";
/// A setting with one of these words in its name holds a secret.
const SECRET: [&str; 7] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "signing_key",
    "header_value",
];
/// Unless its name ends like this: then it says where the secret is.
const PLACE: [&str; 3] = ["_file", "_env", "_command"];

/// The text with as many lines as before, without what may be a secret. It rather masks too much than too little.
pub(crate) fn masked(text: &str) -> String {
    let mut open = None;
    let lines = text.split('\n').map(|line| masked_line(line, &mut open));
    lines.collect::<Vec<_>>().join("\n")
}

/// `open`: the quotes of a secret of several lines that has not ended yet.
fn masked_line(line: &str, open: &mut Option<&'static str>) -> String {
    if let Some(quotes) = *open {
        if line.contains(quotes) {
            *open = None;
        }
        return MASK.to_owned();
    }
    // First, because a password may be called after what it is.
    let line = without_login(line);
    let Some(end) = end_of_secret_name(&line) else {
        return line;
    };
    let (name, value) = line.split_at(end);
    *open = ["\"\"\"", "'''"]
        .into_iter()
        .find(|quotes| value.matches(quotes).count() % 2 == 1);
    format!("{name} = {MASK}")
}

/// Where the first name of a secret ends in this line.
fn end_of_secret_name(line: &str) -> Option<usize> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut at = 0;
    for word in line.split(|c| !is_letter(c)) {
        let end = at + word.len();
        let name = word.to_ascii_lowercase().replace('-', "_");
        let is_secret = SECRET.iter().any(|secret| name.contains(secret));
        if is_secret && !PLACE.iter().any(|place| name.ends_with(place)) {
            return Some(end);
        }
        at = end + line[end..].chars().next().map_or(0, char::len_utf8);
    }
    None
}

/// What stands between the first colon and the last `@`, behind the scheme if there is one.
pub(super) fn without_login(line: &str) -> String {
    let Some(at) = line.rfind('@') else {
        return line.to_owned();
    };
    let start = line[..at].find("://").map_or(0, |scheme| scheme + "://".len());
    match line[start..at].find(':') {
        Some(colon) => format!("{}:{MASK}{}", &line[..start + colon], &line[at..]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_left_whatever_else_is_wrong_with_the_line() {
        for (line, shown) in [
            ("url = \"smtp://ann:hush@h\"", "url = \"smtp://ann:***@h\""),
            ("url = \"smtp://ann:hu@sh@h", "url = \"smtp://ann:***@h"),
            ("url = \"smtp:/ann:hush@h\"", "url = \"smtp:***@h\""),
            ("url = \"smtp://ann:h\"ush@h\"", "url = \"smtp://ann:***@h\""),
            ("url = \"smtp://ann:token@h\"", "url = \"smtp://ann:***@h\""),
            ("password = hush", "password = ***"),
            ("password \"hush\"", "password = ***"),
            (
                "token = \"\"\"\nhush\n\"\"\"\nrate = 1",
                "token = ***\n***\n***\nrate = 1",
            ),
            (
                "relay = [{ name = \"ä\", password = \"hush\" }]",
                "relay = [{ name = \"ä\", password = ***",
            ),
            ("a = 1 # ann:hush@h", "a = 1 # ann:***@h"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let text = "# Ours.\r\nurl = \"smtp://ann@h:25\" # by the window\n\npassword_file = \"/a\"\ntoken_command = \"id\"\n";
        assert_eq!(masked(text), text);
    }
}
