use super::*;

const START: Timestamp = Timestamp::from_seconds(20_000 * 86_400);

fn name(text: &str) -> Arc<str> {
    text.into()
}

fn limit(rates: &[&str], max_sessions: Option<usize>) -> Limit {
    Limit {
        rates: rates.iter().map(|rate| rate.parse().unwrap()).collect(),
        max_sessions,
        spread: None,
    }
}

fn tree(settings: LimitSettings) -> Tree {
    Tree::new(settings, [], START.minus(Duration::from_secs(600)))
}

fn path(tree: &mut Tree, provider: &str) -> Path {
    let own = (CampaignId(1), &Limit::default());
    tree.path(&name("a"), &name("example.com"), &name(provider), own)
}

#[test]
fn without_limits_the_path_is_empty() {
    let mut tree = tree(LimitSettings::default());
    let path = path(&mut tree, "gmail");
    assert_eq!(path, Path::default());
    assert_eq!(tree.ask(&path, 1, START), Ok(()));
}

#[test]
fn what_one_limit_stops_has_taken_nothing_from_the_others() {
    let mut tree = tree(LimitSettings {
        all: limit(&["2/h"], None),
        providers: [("gmail".to_owned(), limit(&["1/h"], None))].into(),
        ..LimitSettings::default()
    });
    let (gmail, other) = (path(&mut tree, "gmail"), path(&mut tree, "other"));
    assert_eq!(tree.ask(&gmail, 1, START), Ok(()));
    tree.take(&gmail, 1, START);
    for _ in 0..10 {
        let stopped = tree.ask(&gmail, 1, START).unwrap_err();
        assert_eq!(tree.place(stopped.by).to_string(), "provider gmail");
    }
    assert_eq!(tree.ask(&other, 1, START), Ok(()));
    tree.take(&other, 1, START);
    let stopped = tree.ask(&other, 1, START).unwrap_err();
    assert_eq!(tree.place(stopped.by).to_string(), "all relays");
    assert_eq!(stopped.bound.to_string(), "2/h");
}

#[test]
fn sessions_are_counted_once_however_many_messages_they_carry() {
    let mut tree = tree(LimitSettings {
        providers: [("gmail".to_owned(), limit(&[], Some(2)))].into(),
        ..LimitSettings::default()
    });
    let gmail = path(&mut tree, "gmail");
    for session in [1, 1, 2] {
        assert_eq!(tree.ask(&gmail, session, START), Ok(()));
        tree.take(&gmail, session, START);
    }
    assert_eq!(tree.ask(&gmail, 3, START).unwrap_err().bound, Bound::Sessions(2));
    assert_eq!(tree.ask(&gmail, 2, START), Ok(()));
    tree.release(&gmail, 1);
    assert!(
        tree.ask(&gmail, 3, START).is_err(),
        "session 1 has another message in hand"
    );
    tree.release(&gmail, 1);
    assert_eq!(tree.ask(&gmail, 3, START), Ok(()));
}

#[test]
fn each_provider_without_a_limit_of_its_own_has_the_common_one_for_itself() {
    let mut tree = tree(LimitSettings {
        other_providers: Some(limit(&["1/h"], None)),
        ..LimitSettings::default()
    });
    for provider in ["example.org", "example.net"] {
        let path = path(&mut tree, provider);
        assert_eq!(tree.ask(&path, 1, START), Ok(()));
        tree.take(&path, 1, START);
        assert!(tree.ask(&path, 1, START).is_err());
    }
}

#[test]
fn a_changed_configuration_forgets_nothing_that_was_used() {
    let settings = |rate: &str| LimitSettings {
        all: limit(&[rate], None),
        ..LimitSettings::default()
    };
    let mut tree = tree(settings("2/day"));
    let before = path(&mut tree, "gmail");
    for _ in 0..2 {
        tree.take(&before, 1, START);
    }
    tree.change(settings("3/day"), START);
    let after = path(&mut tree, "gmail");
    assert_eq!(tree.ask(&after, 1, START), Ok(()));
    tree.take(&after, 1, START);
    assert!(tree.ask(&after, 1, START).is_err());
}

#[test]
fn the_time_that_an_allowance_takes_is_told() {
    let mut tree = tree(LimitSettings {
        all: limit(&["100/s", "1000/h"], None),
        ..LimitSettings::default()
    });
    let path = path(&mut tree, "gmail");
    let all = path.nodes()[0];
    assert_eq!(tree.time_for(all, 500, START), Duration::from_secs(5));
    assert_eq!(tree.time_for(all, 2500, START), Duration::from_secs(2 * 3600));
}

fn spread_over_four_hours() -> Limit {
    Limit {
        spread: Some(Spread {
            messages: 100,
            over: Duration::from_secs(4 * 3600),
        }),
        ..Limit::default()
    }
}

#[test]
fn a_new_configuration_gives_away_no_message_of_what_is_spread() {
    let mut tree = tree(LimitSettings::default());
    let own = spread_over_four_hours();
    let path = |tree: &mut Tree| {
        let campaign = (CampaignId(1), &own);
        tree.path(&name("a"), &name("example.com"), &name("gmail"), campaign)
    };
    let first = path(&mut tree);
    assert_eq!(tree.ask(&first, 1, START), Ok(()));
    tree.take(&first, 1, START);
    let until = tree.ask(&first, 1, START).unwrap_err().until;
    for n in 1..=10 {
        let now = START.plus(Duration::from_secs(n));
        tree.change(LimitSettings::default(), now);
        // Not each configuration sees a message.
        if n % 2 == 0 {
            let path = path(&mut tree);
            assert_eq!(tree.ask(&path, 1, now).unwrap_err().until, until);
        }
    }
    let last = path(&mut tree);
    assert_eq!(tree.ask(&last, 1, until), Ok(()));
}

#[test]
fn a_campaign_that_is_spread_goes_one_by_one_and_says_so() {
    let mut tree = Tree::new(LimitSettings::default(), [], START);
    let own = spread_over_four_hours();
    let path = tree.path(
        &name("a"),
        &name("example.com"),
        &name("gmail"),
        (CampaignId(1), &own),
    );
    let mut now = START;
    let mut passed = 0;
    while now.since(START) <= Duration::from_secs(4 * 3600) {
        match tree.ask(&path, 1, now) {
            Ok(()) => {
                tree.take(&path, 1, now);
                passed += 1;
            }
            Err(stopped) => {
                assert_eq!(stopped.bound.to_string(), "spread over 4h");
                assert!(
                    stopped.until.since(now) <= Duration::from_secs(144),
                    "one each 144 s"
                );
                now = stopped.until;
            }
        }
    }
    assert_eq!(passed, 100);
    let id = path.nodes()[0];
    assert_eq!(tree.time_for(id, 50, now), Duration::from_secs(2 * 3600));
}
