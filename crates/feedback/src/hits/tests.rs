use super::*;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const APPLE: &str = "17.58.101.9";
const HOME: &str = "198.51.100.7";

/// A click with Firefox at home, two minutes after the message.
fn click() -> Evidence<'static> {
    Evidence {
        at: at(120.0),
        target: HitTarget::Link(1),
        is_head: false,
        is_prefetch: false,
        agent: called(FIREFOX),
        network: Some(network(HOME)),
        delay: Some(Duration::from_secs(120)),
    }
}

/// The same by any table whose words are those of this crate.
fn called(agent: &str) -> &'static Agent {
    Box::leak(Box::new(HitRules::standard().look_through(agent)))
}

fn open() -> Evidence<'static> {
    Evidence {
        target: HitTarget::Pixel,
        ..click()
    }
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).plus(Duration::from_secs_f64(seconds))
}

fn network(address: &str) -> Network {
    Network::of(address.parse().unwrap())
}

fn of_one(hit: Evidence<'_>) -> (HitVerdict, &'static str) {
    let judged = HitRules::standard().judge(&[hit])[0];
    (judged.verdict, judged.rule)
}

#[test]
fn a_person_clicks_with_a_browser_and_opens_with_a_mail_program() {
    assert_eq!(of_one(click()), (HitVerdict::Human, "browser"));
    for agent in [
        FIREFOX,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.1.0",
        "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
    ] {
        assert_eq!(
            of_one(Evidence {
                agent: called(agent),
                ..open()
            }),
            (HitVerdict::Human, "mail-program"),
            "{agent}"
        );
    }
}

#[test]
fn image_proxies_hide_people() {
    let gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
    let yahoo = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html";
    for (agent, from, rule) in [
        (gmail, "66.249.84.1", "gmail-image-proxy"),
        (gmail, HOME, "gmail-image-proxy"),
        (yahoo, HOME, "yahoo-mail-proxy"),
        ("Mozilla/5.0", APPLE, "apple-mail-privacy"),
        ("Mozilla/5.0", HOME, "bare-user-agent"),
        (FIREFOX, "2a00:1450:4000::5", "pixel-from-a-proxy"),
    ] {
        let hit = Evidence {
            agent: called(agent),
            network: Some(network(from)),
            ..open()
        };
        assert_eq!(
            of_one(hit),
            (HitVerdict::PrivacyProxy, rule),
            "{agent} from {from}"
        );
    }
    // Somebody at Apple reads with a mail program.
    let hit = Evidence {
        network: Some(network(APPLE)),
        ..open()
    };
    assert_eq!(of_one(hit).0, HitVerdict::Human);
}

#[test]
fn machines_are_told_by_method_name_network_and_haste() {
    let early = |seconds| Some(Duration::from_secs(seconds));
    let from = |address| Some(network(address));
    let bot = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)";
    #[rustfmt::skip]
    let cases = [
        (Evidence { is_head: true, ..click() }, "asked-by-head"),
        (Evidence { agent: called(""), ..click() }, "link-without-user-agent"),
        (Evidence { agent: called("BarracudaCentral URL check"), ..click() }, "mail-scanner"),
        (Evidence { agent: called(bot), ..click() }, "robot"),
        (Evidence { network: from("209.222.82.4"), ..click() }, "scanners-network"),
        (Evidence { network: from("40.93.1.1"), ..open() }, "scanners-network"),
        (Evidence { delay: early(1), ..click() }, "link-before-anybody-could-read"),
        (Evidence { delay: early(0), ..open() }, "pixel-before-anybody-could-read"),
        (Evidence { target: HitTarget::Trap, ..click() }, "trap"),
    ];
    for (hit, rule) in cases {
        assert_eq!(of_one(hit), (HitVerdict::Scanner, rule), "{hit:?}");
    }
}

#[test]
fn what_says_too_little_is_unknown() {
    let quiet = Evidence {
        agent: called(""),
        ..open()
    };
    assert_eq!(of_one(quiet), (HitVerdict::Unknown, "none"));
    let prefetched = Evidence {
        is_prefetch: true,
        ..click()
    };
    assert_eq!(of_one(prefetched), (HitVerdict::Unknown, "prefetch"));
    // Nobody knows when an anonymous hit's message was sent, and a browser is a browser.
    let anonymous = Evidence {
        network: None,
        delay: None,
        ..click()
    };
    assert_eq!(of_one(anonymous).0, HitVerdict::Human);
}

fn verdicts(hits: &[Evidence<'_>]) -> Vec<HitVerdict> {
    let judged = HitRules::standard().judge(hits);
    judged.into_iter().map(|judged| judged.verdict).collect()
}

#[test]
fn the_trap_marks_what_its_walker_did_before_and_after() {
    use HitVerdict::{Human, Scanner};
    let moved = |seconds, hit: Evidence<'static>| Evidence {
        at: at(seconds),
        ..hit
    };
    let trap = Evidence {
        target: HitTarget::Trap,
        ..click()
    };
    let elsewhere = Evidence {
        network: Some(network("203.0.113.5")),
        ..click()
    };
    let hits = [
        moved(0.0, click()),
        moved(500.0, open()),
        moved(700.0, elsewhere),
        moved(1000.0, trap),
        moved(1500.0, click()),
        moved(1601.0, click()),
    ];
    let expected = [Human, Scanner, Human, Scanner, Scanner, Human];
    assert_eq!(verdicts(&hits), expected);
}

#[test]
fn who_follows_three_links_at_once_is_no_person() {
    use HitVerdict::{Human, Scanner};
    let link = |seconds, number| Evidence {
        at: at(seconds),
        target: HitTarget::Link(number),
        ..click()
    };
    assert_eq!(
        verdicts(&[link(0.0, 1), link(1.0, 2), link(2.0, 3)]),
        [Scanner; 3]
    );
    // The same link three times, or at leisure.
    assert_eq!(verdicts(&[link(0.0, 1), link(1.0, 1), link(2.0, 1)]), [Human; 3]);
    assert_eq!(verdicts(&[link(0.0, 1), link(5.0, 2), link(10.0, 3)]), [Human; 3]);
}

#[test]
fn an_operators_rules_go_first_and_add_networks() {
    let rules = HitRules::with(
        "[[network]]\nname = \"office\"\nproxy = true\nranges = [\"198.51.100.0/24\"]\n\
         [[network]]\nname = \"apple\"\nranges = [\"203.0.113.0/24\"]\n\
         [[rule]]\nname = \"our-gateway\"\nverdict = \"scanner\"\nnetworks = [\"office\"]\n",
    )
    .unwrap();
    let judged = rules.judge(&[click()]);
    assert_eq!(
        (judged[0].verdict, judged[0].rule),
        (HitVerdict::Scanner, "our-gateway")
    );
    assert!(rules.is_proxy(network(HOME)) && rules.is_proxy(network("203.0.113.1")));
    assert!(!rules.is_proxy(network("192.0.2.1")));
    assert!(rules.names().any(|name| name == "our-gateway") && rules.names().any(|name| name == "none"));
}

#[test]
fn a_faulty_file_says_what_is_wrong() {
    for (text, part) in [
        ("[[rule]]\nname = \"a\"\nverdict = \"alien\"", "privacy_proxy"),
        ("[[rule]]\nname = \"a\"\nverdict = \"human\"", "says nothing"),
        (
            "[[rule]]\nname = \"a\"\nverdict = \"human\"\nnetworks = [\"nowhere\"]",
            "apple",
        ),
        (
            "[[rule]]\nname = \"a\"\nverdict = \"human\"\nsigns = [\"tired\"]",
            "no_agent",
        ),
        (
            "[[rule]]\nname = \"a\"\nverdict = \"human\"\ntarget = \"moon\"",
            "pixel",
        ),
        (
            "[[rule]]\nname = \"a\"\nverdict = \"human\"\nagents = [\"\"]",
            "no_agent",
        ),
        (
            "[[rule]]\nname = \"a\"\nverdict = \"scanner\"\nlinks = 3",
            "target = \"link\"",
        ),
        (
            "[[network]]\nname = \"n\"\nranges = [\"192.0.2.1/32\"]",
            "24 bits",
        ),
        ("[[network]]\nname = \"n\"\nranges = [\"home\"]", "192.0.2.0/24"),
        ("[[rules]]\nname = \"a\"", "rules"),
    ] {
        let fault = HitRules::with(text).unwrap_err().to_string();
        assert!(fault.contains(part), "{part} is missing in: {fault}");
    }
}
