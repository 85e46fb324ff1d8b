//! Every setting as a variable: `TIDINGS_PUBLIC_URL`, `TIDINGS_RETRY_FIRST`, `TIDINGS_RELAY_URL` (of the first
//! relay), `TIDINGS_INTAKE_WEBHOOK_PROVIDER` (of the first webhook; it is the same with mailboxes and so on).

use toml::{Table, Value};

/// Section (empty for the top), key.
type Setting = (&'static str, &'static str);
/// A setting and the text of its variable.
pub(super) type Override = (Setting, String);

const SETTINGS: &[Setting] = &[
    ("", "public_url"),
    ("relay", "name"),
    ("relay", "url"),
    ("relay", "password_file"),
    ("relay", "password_env"),
    ("relay", "auth"),
    ("relay", "token_command"),
    ("relay", "token_file"),
    ("relay", "auth_over_clear_text"),
    ("relay", "ca_file"),
    ("relay", "certificate_check"),
    ("relay", "client_certificate"),
    ("relay", "client_key"),
    ("relay", "without"),
    ("relay", "max_sessions"),
    ("relay", "messages_per_session"),
    ("relay", "idle_timeout"),
    ("relay", "rate"),
    ("relay", "weight"),
    ("relay", "priority"),
    ("relay", "source_address"),
    ("relay", "hello"),
    ("relay.timeouts", "connect"),
    ("relay.timeouts", "greeting"),
    ("relay.timeouts", "command"),
    ("relay.timeouts", "data"),
    ("relay.timeouts", "block"),
    ("relay.timeouts", "final_dot"),
    ("mail", "return_path_domain"),
    ("mail", "sender_id"),
    ("mail", "attachments_folder"),
    ("preflight", "check_links"),
    ("preflight", "allow_private_addresses"),
    ("preflight", "dkim_selector"),
    ("intake.imap", "url"),
    ("intake.imap", "password_file"),
    ("intake.imap", "password_env"),
    ("intake.imap", "token_command"),
    ("intake.imap", "token_file"),
    ("intake.imap", "ca_file"),
    ("intake.imap", "done"),
    ("intake.imap", "done_folder"),
    ("intake.imap", "poll"),
    ("intake.maildir", "path"),
    ("intake.maildir", "poll"),
    ("feedback", "rules"),
    ("tracking", "rules"),
    ("tracking", "keep_hits"),
    ("tracking", "max_hits_per_minute"),
    ("retention", "deliveries"),
    ("intake.smtp", "listen"),
    ("intake.smtp", "protocol"),
    ("intake.smtp", "hello"),
    ("intake.smtp", "domains"),
    ("intake.smtp", "complaints"),
    ("intake.smtp", "certificate_file"),
    ("intake.smtp", "key_file"),
    ("intake.smtp", "tls"),
    ("intake.smtp", "max_message_size"),
    ("intake.smtp", "max_sessions"),
    ("intake.smtp", "max_sessions_per_client"),
    ("intake.smtp", "max_messages_per_minute"),
    ("intake.smtp", "max_commands"),
    ("intake.smtp", "max_errors"),
    ("intake.smtp", "idle_timeout"),
    ("intake.webhook", "name"),
    ("intake.webhook", "provider"),
    ("intake.webhook", "token"),
    ("intake.webhook", "token_file"),
    ("intake.webhook", "token_env"),
    ("intake.webhook", "user"),
    ("intake.webhook", "password_file"),
    ("intake.webhook", "password_env"),
    ("intake.webhook", "header"),
    ("intake.webhook", "header_value_file"),
    ("intake.webhook", "header_value_env"),
    ("intake.webhook", "networks"),
    ("intake.webhook", "behind_proxy"),
    ("intake.webhook", "topic_arn"),
    ("intake.webhook", "allow_signature_version_1"),
    ("intake.webhook", "public_key"),
    ("intake.webhook", "signing_key_file"),
    ("intake.webhook", "signing_key_env"),
    ("intake.webhook", "window"),
    ("intake.webhook", "longest_mib"),
    ("feedback", "soft_bounces_in_row"),
    ("feedback", "soft_bounces_over"),
    ("feedback", "match_window"),
    ("feedback", "stale_after"),
    ("feedback", "keep_arrivals"),
    ("feedback", "pause_at_hard_bounces"),
    ("feedback", "pause_at_complaints"),
    ("feedback", "pause_after"),
    ("dns", "enabled"),
    ("dns", "servers"),
    ("dns", "timeout"),
    ("web", "listen"),
    ("web", "public_listen"),
    ("web", "trusted_proxies"),
    ("web", "largest_upload"),
    ("preferences", "lists"),
    ("preferences", "name"),
    ("preferences", "change_address"),
    ("preferences", "download"),
    ("preferences", "erase"),
    ("brand", "name"),
    ("brand", "logo"),
    ("brand", "colour"),
    ("brand", "postal_address"),
    ("sign_up", "link_valid"),
    ("sign_up", "keep_network"),
    ("sign_up", "ipv6_prefix"),
    ("sign_up", "max_letters_to_address_per_day"),
    ("sign_up", "max_letters_by_network_per_hour"),
    ("sign_up", "max_letters_of_list_per_hour"),
    ("retry", "first"),
    ("retry", "factor"),
    ("retry", "ceiling"),
    ("retry", "give_up"),
    ("sender", "lease"),
    ("sender", "node"),
    ("sender", "deadline"),
    ("serve", "roles"),
    ("tracking", "mode"),
];

/// Read by the command line.
const OPTIONS: &[&str] = &[
    "TIDINGS_DATA",
    "TIDINGS_CONFIG",
    "TIDINGS_DATABASE",
    "TIDINGS_JSON",
];

/// The settings among the variables. A variable that looks like a setting and is none is an error, since a typing
/// error would otherwise pass unseen; `TIDINGS_TEST_…` is left to tests.
pub(super) fn read(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Vec<Override>> {
    let mut found = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix("TIDINGS_") else {
            continue;
        };
        if OPTIONS.contains(&name.as_str()) || rest.starts_with("TEST_") {
            continue;
        }
        let setting = SETTINGS
            .iter()
            .find(|setting| variable(setting).eq_ignore_ascii_case(&name));
        match setting {
            Some(setting) => found.push((*setting, value)),
            None => {
                anyhow::bail!("the environment variable {name} is no setting of tidings; is it misspelt?")
            }
        }
    }
    Ok(found)
}

/// What the variable of a setting is called.
pub(super) fn variable((section, key): &Setting) -> String {
    let between = if section.is_empty() { "" } else { "_" };
    let section = section.replace('.', "_");
    format!("TIDINGS_{section}{between}{key}").to_ascii_uppercase()
}

/// The variable without which everything is well, if there is one.
pub(super) fn guilty(overrides: &[Override], well_with: impl Fn(Vec<Override>) -> bool) -> Option<String> {
    let suspect = (0..overrides.len()).find(|at| {
        let mut others = overrides.to_vec();
        others.remove(*at);
        well_with(others)
    })?;
    Some(variable(&overrides[suspect].0))
}

/// Puts the settings over the file's.
pub(super) fn merge(mut table: Table, settings: Vec<Override>) -> Table {
    for ((section, key), text) in settings {
        let value = match key {
            "messages_per_session"
            | "weight"
            | "priority"
            | "longest_mib"
            | "soft_bounces_in_row"
            | "ipv6_prefix"
            | "pause_after" => number(text),
            key if key.starts_with("max_") => number(text),
            "factor" => text.parse().map_or(Value::String(text), Value::Float),
            "auth_over_clear_text" | "enabled" | "behind_proxy" | "allow_signature_version_1" => {
                text.parse().map_or(Value::String(text), Value::Boolean)
            }
            "change_address" | "download" | "erase" | "check_links" | "allow_private_addresses" => {
                text.parse().map_or(Value::String(text), Value::Boolean)
            }
            "name" if section == "preferences" => text.parse().map_or(Value::String(text), Value::Boolean),
            "lists" | "servers" | "domains" | "complaints" | "networks" | "trusted_proxies" | "roles" => {
                list(&text)
            }
            "rate" if text.contains(',') => list(&text),
            _ => Value::String(text),
        };
        if let Some(place) = section_of(&mut table, section) {
            place.insert(key.to_owned(), value);
        }
    }
    table
}

/// What is no number stays as it is, so that the section's check names it.
fn number(text: String) -> Value {
    text.parse().map_or(Value::String(text), Value::Integer)
}

fn list(text: &str) -> Value {
    let items = text.split(',').map(|item| Value::String(item.trim().to_owned()));
    items.collect::<Vec<_>>().into()
}

fn section_of<'t>(table: &'t mut Table, section: &str) -> Option<&'t mut Table> {
    match section {
        "" => Some(table),
        "relay" => first_of(table, "relay", Some("default")),
        "intake.smtp" => first_of(section_of(table, "intake")?, "smtp", None),
        "intake.imap" => first_of(section_of(table, "intake")?, "imap", None),
        "intake.maildir" => first_of(section_of(table, "intake")?, "maildir", None),
        "intake.webhook" => first_of(section_of(table, "intake")?, "webhook", Some("default")),
        "relay.timeouts" => section_of(table, "relay")?
            .entry("timeouts")
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut(),
        section => table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut(),
    }
}

/// The first of the sections called `section`, of which there can be many. If there is none it is made, with that `name`.
fn first_of<'t>(table: &'t mut Table, section: &str, name: Option<&str>) -> Option<&'t mut Table> {
    let sections = table
        .entry(section)
        .or_insert_with(|| Value::Array(Vec::new()))
        .as_array_mut()?;
    if sections.is_empty() {
        let named = name.map(|name| ("name".to_owned(), name.into()));
        sections.push(Value::Table(Table::from_iter(named)));
    }
    sections.first_mut()?.as_table_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_of(pairs: &[(&str, &str)]) -> anyhow::Result<Table> {
        let found = read(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )?;
        Ok(merge(Table::new(), found))
    }

    #[test]
    fn every_setting_has_a_variable() {
        let table = table_of(&[
            ("TIDINGS_PUBLIC_URL", "https://news.example.com"),
            ("TIDINGS_RETRY_FIRST", "2s"),
            ("TIDINGS_RELAY_URL", "smtp://127.0.0.1:25"),
            ("TIDINGS_RELAY_MAX_SESSIONS", "5"),
            ("TIDINGS_RELAY_AUTH_OVER_CLEAR_TEXT", "true"),
            ("TIDINGS_RELAY_TIMEOUTS_FINAL_DOT", "15m"),
            ("TIDINGS_RELAY_RATE", "5/s, 10/h"),
            ("TIDINGS_INTAKE_SMTP_LISTEN", "0.0.0.0:25"),
            (
                "TIDINGS_INTAKE_SMTP_DOMAINS",
                "bounce.example.com, bounce.example.org",
            ),
            ("TIDINGS_INTAKE_SMTP_MAX_ERRORS", "5"),
            ("TIDINGS_INTAKE_WEBHOOK_NETWORKS", "192.0.2.0/24, 198.51.100.0/24"),
            ("TIDINGS_INTAKE_WEBHOOK_BEHIND_PROXY", "true"),
            ("TIDINGS_INTAKE_WEBHOOK_LONGEST_MIB", "5"),
            ("TIDINGS_DNS_ENABLED", "false"),
            ("TIDINGS_DNS_SERVERS", "192.0.2.53"),
            ("TIDINGS_INTAKE_IMAP_DONE", "flag"),
            ("TIDINGS_PREFERENCES_NAME", "false"),
            ("TIDINGS_PREFERENCES_LISTS", "news, offers"),
            ("TIDINGS_INTAKE_MAILDIR_PATH", "/var/mail/bounces"),
            ("HOME", "/root"),
        ])
        .unwrap();
        assert_eq!(table["relay"][0]["rate"][1].as_str(), Some("10/h"));
        assert_eq!(table["preferences"]["name"].as_bool(), Some(false));
        assert_eq!(table["preferences"]["lists"][1].as_str(), Some("offers"));
        let listener = &table["intake"]["smtp"][0];
        assert_eq!(listener["listen"].as_str(), Some("0.0.0.0:25"));
        assert_eq!(listener["domains"][1].as_str(), Some("bounce.example.org"));
        assert_eq!(listener["max_errors"].as_integer(), Some(5));
        let webhook = &table["intake"]["webhook"][0];
        assert_eq!(webhook["name"].as_str(), Some("default"));
        assert_eq!(webhook["networks"][1].as_str(), Some("198.51.100.0/24"));
        assert_eq!(webhook["behind_proxy"].as_bool(), Some(true));
        assert_eq!(webhook["longest_mib"].as_integer(), Some(5));
        assert_eq!(table["dns"]["enabled"].as_bool(), Some(false));
        assert_eq!(table["dns"]["servers"][0].as_str(), Some("192.0.2.53"));
        assert_eq!(table["retry"]["first"].as_str(), Some("2s"));
        assert_eq!(table["relay"][0]["name"].as_str(), Some("default"));
        assert_eq!(table["relay"][0]["max_sessions"].as_integer(), Some(5));
        assert_eq!(table["relay"][0]["auth_over_clear_text"].as_bool(), Some(true));
        let intake = &table["intake"];
        assert_eq!(intake["imap"][0]["done"].as_str(), Some("flag"));
        assert_eq!(intake["maildir"][0]["path"].as_str(), Some("/var/mail/bounces"));
        assert_eq!(table["relay"][0]["timeouts"]["final_dot"].as_str(), Some("15m"));
    }

    #[test]
    fn a_misspelt_variable_is_an_error() {
        assert!(
            table_of(&[("TIDINGS_RETRI_FIRST", "2s")])
                .unwrap_err()
                .to_string()
                .contains("TIDINGS_RETRI_FIRST")
        );
    }
}
