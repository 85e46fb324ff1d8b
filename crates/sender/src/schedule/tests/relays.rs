//! Which relay takes a message.

use super::*;

fn pool(name: &str, relays: &[&str], domains: &[&str]) -> PoolSettings {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    PoolSettings {
        name: name.to_owned(),
        relays: words(relays),
        sender_domains: words(domains),
    }
}

fn two(change: impl Fn(&mut RelaySettings, &mut RelaySettings)) -> Routing {
    let (mut a, mut b) = (relay("a", |_| {}), relay("b", |_| {}));
    change(&mut a, &mut b);
    Routing {
        relays: vec![a, b],
        ..Routing::default()
    }
}

/// Each of `relays` asks in turn, `rounds` times; how many each got.
fn share(schedule: &mut Schedule<Message>, relays: &[usize], rounds: u64, from: Timestamp) -> Vec<u64> {
    let mut got = vec![0; relays.len()];
    for round in 0..rounds {
        let now = from.plus(Duration::from_millis(round));
        for (at, relay) in relays.iter().enumerate() {
            while matches!(
                schedule.offer(message("example.org", round), now),
                Offered::Queued
            ) {}
            got[at] += u64::from(take(schedule, *relay, now).is_some());
        }
    }
    got
}

#[test]
fn relays_share_by_weight_however_eager_they_are() {
    let mut schedule = schedule_with(&two(|a, b| (a.weight, b.weight) = (3, 1)));
    let got = share(&mut schedule, &[0, 1], 4000, START);
    let ratio = got[0] as f64 / got[1] as f64;
    assert!((2.8..3.2).contains(&ratio), "{got:?}");
}

#[test]
fn a_relay_that_does_not_keep_up_does_not_slow_the_others() {
    let mut schedule = schedule_with(&two(|_, _| {}));
    let got = share(&mut schedule, &[0], 10_000, START);
    assert!(got[0] > 9000, "{got:?}: the other never asked");
}

#[test]
fn a_lower_priority_is_used_only_while_the_higher_is_down() {
    let mut schedule = schedule_with(&two(|a, b| (a.priority, b.priority) = (1, 2)));
    schedule.offer(message("example.org", 1), START);
    assert_eq!(take(&mut schedule, 1, START), None);
    schedule.fault(RelayId(0), "connection refused".to_owned(), false, START);
    assert_eq!(take(&mut schedule, 1, START).unwrap().number, 1);
    schedule.connected(RelayId(0));
    schedule.offer(message("example.org", 2), START);
    assert_eq!(take(&mut schedule, 1, START), None);
    assert_eq!(take(&mut schedule, 0, START).unwrap().number, 2);
}

#[test]
fn when_all_relays_are_down_the_campaign_says_so_and_goes_on_by_itself() {
    let mut schedule = one_relay(LimitSettings::default());
    schedule.offer(message("example.org", 1), START);
    schedule.fault(RelayId(0), "cannot connect: refused".to_owned(), false, START);
    let cold = Seat {
        connected: false,
        ..seat(0)
    };
    let Turn::Wait(Some(until)) = schedule.take(cold, START) else {
        panic!("nobody should connect now")
    };
    let words = schedule.binding_limit(NEWS, START).unwrap();
    assert!(
        words.contains("relay a is down") && words.contains("refused"),
        "{words}"
    );
    assert!(matches!(schedule.take(cold, until), Turn::Take(_)), "one tries");
    schedule.offer(message("example.org", 2), until);
    assert!(
        matches!(schedule.take(cold, until), Turn::Wait(_)),
        "and one only"
    );
    schedule.connected(RelayId(0));
    assert!(matches!(schedule.take(cold, until), Turn::Take(_)));
}

#[test]
fn one_broken_connection_is_not_a_relay_that_is_down() {
    let mut schedule = one_relay(LimitSettings::default());
    assert!(!schedule.fault(RelayId(0), "reset".to_owned(), true, START));
    schedule.works(RelayId(0));
    assert!(!schedule.fault(RelayId(0), "reset".to_owned(), true, START));
    assert!(!schedule.fault(RelayId(0), "reset".to_owned(), true, START));
    assert!(
        schedule.fault(RelayId(0), "reset".to_owned(), true, START),
        "three in a row are"
    );
}

#[test]
fn a_campaign_uses_the_pool_that_it_names_or_that_of_its_senders_domain() {
    let routing = Routing {
        pools: vec![
            pool("first", &["a"], &[]),
            pool("second", &["b"], &["example.com"]),
        ],
        ..two(|_, _| {})
    };
    let mut schedule = schedule_with(&routing);
    schedule
        .begin(CampaignId(2), Some("first"), "example.com", Limit::default())
        .unwrap();
    schedule
        .begin(CampaignId(3), None, "example.net", Limit::default())
        .unwrap();
    let of = |campaign, number| Message {
        campaign,
        ..message("example.org", number)
    };
    schedule.offer(of(NEWS, 1), START);
    schedule.offer(of(CampaignId(2), 2), START);
    assert_eq!(take(&mut schedule, 0, START).unwrap().number, 2);
    assert_eq!(take(&mut schedule, 0, START), None);
    assert_eq!(take(&mut schedule, 1, START).unwrap().number, 1);
    schedule.offer(of(CampaignId(3), 3), START);
    assert_eq!(
        take(&mut schedule, 0, START).unwrap().number,
        3,
        "any relay will do"
    );
    let missing = schedule.begin(CampaignId(4), Some("third"), "example.com", Limit::default());
    assert!(missing.unwrap_err().to_string().contains("[[pool]]"));
}

#[test]
fn a_changed_configuration_replaces_relays_and_keeps_what_waits() {
    let before = two(|_, _| {});
    let mut schedule = schedule_with(&before);
    schedule.offer(message("example.org", 1), START);
    let after = Routing {
        relays: vec![before.relays[1].clone(), relay("c", |_| {})],
        ..Routing::default()
    };
    let change = schedule.change(&after, |settings| before.relays.contains(settings), START);
    assert_eq!(change.closed, [RelayId(0)]);
    let opened: Vec<_> = change
        .opened
        .iter()
        .map(|(id, settings)| (*id, settings.name.as_str()))
        .collect();
    assert_eq!(opened, [(RelayId(2), "c")]);
    assert!(matches!(schedule.take(seat(0), START), Turn::Closed));
    assert_eq!(take(&mut schedule, 2, START).unwrap().number, 1);
}
