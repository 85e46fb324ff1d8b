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

/// The same with variables for these settings of the first relay.
fn with_variables(text: &str, keys: &[&'static str]) -> Vec<PartShown> {
    let mut parts = parts(text);
    for key in keys {
        let setting = parts[0].settings.get_mut(key).unwrap();
        setting.source = Source::Variable(format!("TIDINGS_RELAY_{}", key.to_uppercase()));
    }
    parts
}

fn change(part: Part, wish: Wish) -> Change {
    Change {
        part,
        wish,
        version: String::new(),
    }
}

fn plan(text: &str, wish: Wish, data: &Path) -> Result<Plan, Refusal> {
    let change = Change {
        part: Part::Relay("a".to_owned()),
        wish,
        version: String::new(),
    };
    whole(Plan::of(text, &change, &parts(text), data))
}

/// Only without a fault of the form.
fn whole(plan: Result<Plan, Refusal>) -> Result<Plan, Refusal> {
    let plan = plan?;
    if plan.faults.is_empty() {
        return Ok(plan);
    }
    plan.undo();
    Err(Refusal::Faults(plan.faults))
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

#[test]
fn no_other_relay_gets_the_login_of_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let two = format!("{RELAY}\n[[relay]]\nname = \"b\"\nurl = \"smtp://mail.example.net\"\n");
    let remove = |name: &str, keys: &[&'static str]| {
        let change = change(Part::Relay(name.to_owned()), Wish::Remove);
        Plan::of(&two, &change, &with_variables(&two, keys), folder.path())
    };
    for key in [
        "password_file",
        "password_env",
        "token_command",
        "token_file",
        "url",
    ] {
        assert!(remove("a", &[key]).is_err(), "{key}");
        assert!(remove("b", &[key]).is_ok(), "{key}");
    }
    assert!(remove("a", &["weight"]).is_ok());
    // A relay that only variables make is the first until the file has one.
    let mut parts = with_variables(RELAY, &["url"]);
    parts[0].is_in_file = false;
    let added = change(
        Part::Relay("b".to_owned()),
        Wish::Add(values(&[("url", "smtp://mail.example.net")])),
    );
    assert!(Plan::of("", &added, &parts, folder.path()).is_err());
    // And a password of one's own does not lead the variable's elsewhere.
    let wish = Wish::Set(values(&[("certificate_check", "none"), ("password", "mine")]));
    let change = change(Part::Relay("a".to_owned()), wish);
    let parts = with_variables(RELAY, &["url"]);
    assert!(whole(Plan::of(RELAY, &change, &parts, folder.path())).is_err());
}

#[test]
fn what_has_no_button_for_it_does_not_go() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{RELAY}[limits]\nrate = \"5/s\"\n[limits.campaign]\nrate = \"6/s\"\n[feedback]\n[tracking]\n[mail]\n"
    );
    for part in [Part::AllRelays, Part::Feedback, Part::Tracking, Part::Mail] {
        assert!(Plan::of(&text, &change(part, Wish::Remove), &parts(&text), folder.path()).is_err());
    }
    let gone = change(Part::Campaigns, Wish::Remove);
    let plan = Plan::of(&text, &gone, &parts(&text), folder.path()).unwrap();
    assert_eq!(plan.differences, "rate: 6/s");
    let gone = change(Part::Relay("a".to_owned()), Wish::Remove);
    let plan = Plan::of(&text, &gone, &parts(&text), folder.path()).unwrap();
    assert_eq!(plan.differences, "url: smtps://ann@mail.example.com");
}

#[test]
fn the_files_of_certificates_are_named_in_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [
        ("ca_file", "/a"),
        ("client_certificate", "/etc/passwd"),
        ("client_key", "/b"),
    ];
    assert_eq!(
        plan(RELAY, Wish::Set(values(&pairs)), folder.path())
            .unwrap()
            .text,
        RELAY
    );
}

#[test]
fn a_password_has_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(2_001);
    let url = format!("smtps://ann:{long}@mail.example.com");
    for pairs in [[("password", long.as_str())], [("url", &url)]] {
        assert!(plan(RELAY, Wish::Set(values(&pairs)), folder.path()).is_err());
    }
    assert!(!folder.path().join("secrets").exists());
}
