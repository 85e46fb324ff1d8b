use super::*;
use crate::message::Measured;
use crate::time::Timestamp;

pub(super) fn sender() -> Sender {
    Sender {
        from_domain: "example.org".to_owned(),
        return_path_domain: "bounces.example.org".to_owned(),
        public_url: "https://news.example.com".to_owned(),
        postal_address: None,
        allow_private_links: false,
        relays: vec![("primary".to_owned(), Asked::Found(None))],
        images: Vec::new(),
    }
}

fn facts(html: &str) -> Facts {
    let mut tally = Tally::default();
    tally.made(
        "ann@example.org",
        Measured {
            message: 2_000,
            html: 1_000,
        },
    );
    Facts {
        sender: sender(),
        tally,
        samples: vec![Sample {
            language: None,
            subject: "Hello".to_owned(),
            html: html.to_owned(),
            text: "Hello https://news.example.com/u/abc".to_owned(),
        }],
        answers: Asked::Found(Vec::new()),
        domain_faults: Asked::Found(Vec::new()),
        dkim: Asked::NotAsked("no selector is configured".to_owned()),
    }
}

const GOOD: &str = "<div style=\"display:none\">A line</div><p>Hello</p><p>Example, 4 Mill Lane, 00000 Larkfield</p>\
    <a href=\"https://news.example.com/u/abc\">Unsubscribe</a>";

#[test]
fn a_good_newsletter_has_one_good_finding_for_each_check() {
    let found = findings(&facts(GOOD));
    let bad: Vec<_> = found
        .iter()
        .filter(|finding| finding.level != Level::Ok)
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
    let checks: Vec<Check> = found.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, Check::ALL);
}

#[test]
fn the_same_finding_of_several_recipients_counts_once_and_languages_are_named() {
    let mut facts = facts(GOOD);
    facts.samples.push(facts.samples[0].clone());
    facts.samples[1].html = GOOD.replace("<p>Hello</p>", "<p>Hello <a href=\"\">more</a></p>");
    facts.samples.push(facts.samples[1].clone());
    let empty = |facts: &Facts| -> Vec<String> {
        let found = findings(facts).into_iter().filter(|one| one.level != Level::Ok);
        found.map(|finding| finding.place.unwrap_or_default()).collect()
    };
    assert_eq!(empty(&facts), ["“more”"]);
    facts.samples[2].language = Some("de".to_owned());
    assert_eq!(empty(&facts), ["“more” (the fallback)", "“more” (de)"]);
}

#[test]
fn numbers_are_stable_and_different() {
    for (n, check) in (1..).zip(Check::ALL) {
        assert_eq!(check.code(), format!("PF{n:02}"));
        assert_eq!(Check::parse(check.code()), Some(check));
        assert_eq!(serde_json::to_value(check).unwrap(), check.code());
    }
    assert_eq!(Check::parse("PF99"), None);
}

#[test]
fn nobody_to_send_to_leaves_the_rest_unsaid_and_no_message_too_many() {
    let mut facts = facts(GOOD);
    facts.tally = Tally::default();
    facts.samples.clear();
    let found = findings(&facts);
    assert!(
        found
            .iter()
            .any(|one| one.check == Check::Recipients && one.level == Level::Red)
    );
    assert!(
        !found
            .iter()
            .any(|one| matches!(one.check, Check::Clipping | Check::Links | Check::Answers))
    );
}

#[test]
fn what_is_too_much_to_be_shown_is_a_finding_that_nobody_can_take_on() {
    let links = |n: usize| -> String {
        let links = (0..n).map(|n| format!("<a href=\"http://tidings.dev/{n}\">{n}</a>"));
        links.collect()
    };
    let ambers = |n: usize| -> Vec<Finding> {
        let found = findings(&facts(&format!("{GOOD}{}", links(n)))).into_iter();
        found.filter(|one| one.level != Level::Ok).collect()
    };
    let overridden = |findings: &[Finding]| -> Vec<verdict::Override> {
        let one = |finding: &Finding| verdict::Override {
            check: finding.check,
            finding: verdict::key(finding),
            reason: "meant so".to_owned(),
            who: "ann@example.com".to_owned(),
            at: Timestamp(0),
        };
        findings.iter().map(one).collect()
    };
    let after_all_is_taken_on = |findings: &[Finding]| {
        let kept = verdict::Kept::Done {
            findings,
            fingerprint: "abc",
            began: Timestamp(0),
        };
        verdict::verdict(Some(&kept), &overridden(findings), "abc", Timestamp(0))
    };
    assert_eq!(after_all_is_taken_on(&ambers(20)), verdict::Verdict::Clear);
    let many = ambers(25);
    assert_eq!(many.len(), 21);
    assert_eq!(many[20].sentence, "And 5 more that are not shown.");
    assert!(!many[20].may_be_taken_on());
    let blocked = verdict::Verdict::Blocked { red: 0, amber: 1 };
    assert_eq!(after_all_is_taken_on(&many), blocked);
    let kept = serde_json::to_string(&many).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Finding>>(&kept).unwrap(), many);
}
