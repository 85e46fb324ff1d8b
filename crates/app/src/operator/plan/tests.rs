use super::*;
use crate::operator::written::Written;

fn parts(text: &str) -> Vec<PartShown> {
    let table: toml::Table = toml::from_str(text).unwrap();
    let written = Written {
        file: &table,
        now: &table,
        taken: &table,
        started: &table,
    };
    written.parts()
}

fn plan(text: &str, wish: Wish, data: &Path) -> Result<Plan, Refusal> {
    let change = Change {
        part: Part::Relay("a".to_owned()),
        wish,
        version: String::new(),
    };
    Plan::of(text, &change, &parts(text), data)
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

const RELAY: &str = "[[relay]]\nname = \"a\"\nurl = \"smtps://ann:hunter2@mail.example.com\"\n";

#[test]
fn a_password_goes_into_a_file_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    for pairs in [
        &[("url", "smtps://ann@mail.example.com"), ("password", "hunter3")][..],
        &[("url", "smtps://ann:hunter3@mail.example.com"), ("password", "")][..],
    ] {
        let wish = Wish::Add(values(pairs));
        let plan = plan("", wish, folder.path()).unwrap();
        assert!(
            !plan.text.contains("hunter") && !plan.differences.contains("hunter"),
            "{}",
            plan.text
        );
        let file = plan.new_secret.clone().unwrap();
        assert!(
            plan.text
                .contains(&format!("password_file = \"{}\"", file.display()))
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "hunter3");
        plan.undo();
        assert!(!file.exists());
    }
}

#[test]
fn a_password_that_is_kept_is_led_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |pairs: &[(&str, &str)]| match plan(RELAY, Wish::Set(values(pairs)), folder.path()) {
        Err(Refusal::Faults(faults)) => faults[0].key.clone(),
        _ => None,
    };
    let password = Some(SECRET.to_owned());
    assert_eq!(refused(&[("url", "smtps://ann@mail.example.net")]), password);
    assert_eq!(refused(&[("certificate_check", "none")]), password);
    assert_eq!(
        refused(&[("url", "smtps://ann@mail.example.com"), ("weight", "3")]),
        None
    );
    assert_eq!(refused(&[("url", "smtp://127.0.0.1:25")]), None);
    assert_eq!(
        refused(&[("url", "smtps://ann@mail.example.net"), ("password", "hunter2")]),
        None
    );
}

#[test]
fn the_password_in_a_url_stays_while_nothing_leads_it_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [
        ("url", "smtps://ann@mail.example.com"),
        ("weight", "3"),
        ("password", ""),
    ];
    let plan = plan(RELAY, Wish::Set(values(&pairs)), folder.path()).unwrap();
    assert_eq!(plan.text, format!("{RELAY}weight = 3\n"));
    assert_eq!(plan.differences, "weight: default → 3");
}

#[test]
fn nothing_of_the_machine_is_named_by_a_form() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [
        ("password_file", "/etc/passwd"),
        ("token_command", "id"),
        ("token_file", "/x"),
    ];
    let plan = plan(RELAY, Wish::Set(values(&pairs)), folder.path()).unwrap();
    assert_eq!(plan.text, RELAY);
}
