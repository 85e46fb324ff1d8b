//! Passwords that somebody has written into the configuration: whoever copies the file copies them.

use toml::Value;

/// The settings of a configuration in whose URLs passwords are written, such as `relay.url`.
pub fn settings_with_passwords(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // What is no configuration has no settings; whoever reads it says what is wrong.
    if let Ok(table) = text.parse::<toml::Table>() {
        look(&Value::Table(table), "", &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn look(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) if has_password(text) => found.push(name.to_owned()),
        Value::Array(values) => values.iter().for_each(|value| look(value, name, found)),
        Value::Table(table) => {
            for (key, value) in table {
                let name = match name {
                    "" => key.clone(),
                    name => format!("{name}.{key}"),
                };
                look(value, &name, found);
            }
        }
        _ => {}
    }
}

/// `scheme://user:password@host`, or `?password=…` as PostgreSQL has it.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split(['/', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.split_once(':')
        .is_some_and(|(_, password)| !password.is_empty())
        || query.split('&').any(|setting| setting.starts_with("password="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_in_whose_urls_a_password_is_written() {
        let text = r#"
            database = "postgres://ada@db.example.com/tidings?password=x"
            public_url = "https://news.example.com"
            [[relay]]
            name = "a"
            url = "smtps://user:secret@smtp.example.com:465"
            [[relay]]
            name = "b"
            url = "smtps://user@smtp.example.com:465/?x=:@"
            [[intake.imap]]
            url = "imaps://user:p%40ss@imap.example.com"
        "#;
        assert_eq!(
            settings_with_passwords(text),
            ["database", "intake.imap.url", "relay.url"]
        );
        assert!(settings_with_passwords("no configuration").is_empty());
    }
}
