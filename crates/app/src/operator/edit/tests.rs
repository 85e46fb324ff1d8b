use super::*;

const FILE: &str = "# Our house.\npublic_url = \"https://news.example.com\"\n\n\
    # The good one.\n[[relay]]\nname = \"primary\"\nurl = \"smtp://127.0.0.1:25\" # by the window\n\
    rate = [\n  \"5/s\", # slowly\n  \"100/h\",\n]\n\n\
    [limits.provider.\"example.org\"]\nmax_sessions = 2 # they asked for it\n\n[retry]\nfirst = \"5m\"\n";

fn relay(name: &str) -> Part {
    Part::Relay(name.to_owned())
}

fn some(key: &'static str, kind: Kind, text: &str) -> (&'static str, Option<Value>) {
    (key, value(kind, text).unwrap())
}

#[test]
fn what_is_not_touched_stays_to_the_letter() {
    let settings = [
        some("url", Kind::Text, "smtp://127.0.0.1:26"),
        some("rate", Kind::List, "5/s, 100/h"),
        some("weight", Kind::Number, "7"),
    ];
    let after = apply(FILE, &relay("primary"), &Edit::Set(0, &settings)).unwrap();
    let expected = FILE
        .replace(":25\"", ":26\"")
        .replace("]\n\n[limits", "]\nweight = 7\n\n[limits");
    assert_eq!(after, expected);
}

#[test]
fn a_relay_comes_behind_the_others_and_goes_again() {
    let settings = [
        some("url", Kind::Text, "smtps://ann@mail.example.com"),
        some("timeouts.connect", Kind::Text, "10s"),
    ];
    let after = apply(FILE, &relay("second"), &Edit::Add(&settings)).unwrap();
    let added = "\n[[relay]]\nname = \"second\"\nurl = \"smtps://ann@mail.example.com\"\ntimeouts.connect = \"10s\"\n";
    assert_eq!(
        after,
        FILE.replace("]\n\n[limits", &format!("]\n{added}\n[limits"))
    );
    let gone = apply(&after, &relay("second"), &Edit::Remove(1)).unwrap();
    assert_eq!(gone, FILE);
    let from_nothing = apply("", &relay("second"), &Edit::Add(&settings)).unwrap();
    assert_eq!(from_nothing, added.trim_start());
    let without = [some("timeouts.connect", Kind::Text, "")];
    let after = apply(&from_nothing, &relay("second"), &Edit::Set(0, &without)).unwrap();
    assert_eq!(after, from_nothing.replace("timeouts.connect = \"10s\"\n", ""));
}

#[test]
fn sections_are_made_changed_and_taken_out() {
    let provider = Part::Provider("big.example.net".to_owned());
    let settings = [some("rate", Kind::List, "5/s, 1000/d")];
    let after = apply(FILE, &provider, &Edit::Add(&settings)).unwrap();
    assert!(
        after.contains("\n[limits.provider.\"big.example.net\"]\nrate = [\"5/s\", \"1000/d\"]\n"),
        "{after}"
    );
    assert!(
        after.contains("max_sessions = 2 # they asked for it\n"),
        "{after}"
    );
    assert!(!after.contains("[limits]"), "{after}");
    assert!(apply(&after, &provider, &Edit::Add(&settings)).is_err());
    assert_eq!(apply(&after, &provider, &Edit::Remove(0)).unwrap(), FILE);
    let tracking = [some("mode", Kind::OneOf(&["off"]), "off")];
    let after = apply(FILE, &Part::Tracking, &Edit::Set(0, &tracking)).unwrap();
    assert_eq!(after, format!("{FILE}\n[tracking]\nmode = \"off\"\n"));
}

#[test]
fn what_is_written_otherwise_is_left_alone() {
    let inline = "relay = [{ name = \"a\", url = \"smtp://127.0.0.1\" }]\n";
    let error = apply(inline, &relay("a"), &Edit::Remove(0)).unwrap_err();
    assert!(format!("{error:#}").contains("by hand"), "{error:#}");
    let inline = "limits = { rate = \"5/s\" }\n";
    let settings = [some("rate", Kind::List, "6/s")];
    let after = apply(inline, &Part::AllRelays, &Edit::Set(0, &settings)).unwrap();
    assert_eq!(after, "limits = { rate = \"6/s\" }\n");
}

#[test]
fn texts_of_forms_are_read_by_their_kind() {
    assert!(value(Kind::Text, "  ").unwrap().is_none());
    assert_eq!(value(Kind::Number, "7").unwrap().unwrap().as_integer(), Some(7));
    assert_eq!(value(Kind::Flag, "true").unwrap().unwrap().as_bool(), Some(true));
    for (kind, text) in [
        (Kind::Number, "-1"),
        (Kind::Number, "ten"),
        (Kind::Flag, "yes"),
        (Kind::OneOf(&["full"]), "half"),
        (Kind::Text, "a\nb"),
    ] {
        assert!(value(kind, text).is_err(), "{text}");
    }
}

#[test]
fn the_lines_to_put_in_have_their_heading() {
    let after = FILE.replace("first = \"5m\"", "first = \"6m\"");
    assert_eq!(changed_lines(FILE, &after), "[retry]\nfirst = \"6m\"");
    assert_eq!(
        changed_lines("", "[[relay]]\nname = \"a\"\n"),
        "[[relay]]\nname = \"a\""
    );
}

#[test]
fn the_lines_to_put_in_have_no_password() {
    let relay = "[[relay]]\nname = \"a\"\nurl = \"smtp://u:secret@h\"\n";
    let lines = changed_lines(relay, &format!("{relay}weight = 3\n"));
    assert!(
        lines.contains("smtp://u:***@h") && lines.contains("weight = 3"),
        "{lines}"
    );
    assert!(!lines.contains("secret"), "{lines}");
}
