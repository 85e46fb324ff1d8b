use super::*;
use crate::dispatch::Routing;
use crate::pace::Rate;
use crate::relay::RelaySettings;

mod connections;
mod limits_over_a_day;
mod relays;

const START: Timestamp = Timestamp::from_seconds(20_000 * 86_400);
const NEWS: CampaignId = CampaignId(1);

/// A message: whose, to which domain, and its number.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    campaign: CampaignId,
    domain: &'static str,
    number: u64,
    retry: bool,
}

impl Waiting for Message {
    fn campaign(&self) -> CampaignId {
        self.campaign
    }

    fn domain(&self) -> &str {
        self.domain
    }

    fn is_retry(&self) -> bool {
        self.retry
    }

    fn is_gone(&self) -> bool {
        false
    }
}

fn message(domain: &'static str, number: u64) -> Message {
    Message {
        campaign: NEWS,
        domain,
        number,
        retry: false,
    }
}

fn later(seconds: f64) -> Timestamp {
    START.plus(Duration::from_secs_f64(seconds))
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn limit(rates: &[&str]) -> Limit {
    Limit {
        rates: rates.iter().map(|text| rate(text)).collect(),
        max_sessions: None,
        spread: None,
    }
}

fn relay(name: &str, change: impl FnOnce(&mut RelaySettings)) -> RelaySettings {
    let mut relay = RelaySettings::on_loopback(name, ([127, 0, 0, 1], 25).into(), 10);
    change(&mut relay);
    relay
}

fn schedule_with(routing: &Routing) -> Schedule<Message> {
    let mut schedule = Schedule::new(routing.limits.clone(), [], START);
    schedule.change(routing, |_| true, START);
    schedule
        .begin(NEWS, None, "example.com", Limit::default())
        .unwrap();
    schedule
}

fn one_relay(limits: LimitSettings) -> Schedule<Message> {
    schedule_with(&Routing {
        relays: vec![relay("a", |_| {})],
        limits,
        pools: Vec::new(),
    })
}

fn seat(relay: usize) -> Seat {
    Seat {
        relay: RelayId(relay),
        session: relay as u64,
        connected: true,
        idle: 0,
    }
}

fn take(schedule: &mut Schedule<Message>, relay: usize, now: Timestamp) -> Option<Message> {
    match schedule.take(seat(relay), now) {
        Turn::Take(taken) => Some(taken.item),
        Turn::Wait(_) | Turn::NoConnection { .. } | Turn::Closed => None,
    }
}

fn providers(limits: &[(&str, &[&str])]) -> LimitSettings {
    let providers = limits
        .iter()
        .map(|(name, rates)| ((*name).to_owned(), limit(rates)));
    LimitSettings {
        providers: providers.collect(),
        ..LimitSettings::default()
    }
}

#[test]
fn letters_go_before_campaigns_and_keep_the_limits() {
    let mut schedule = one_relay(providers(&[("gmail", &["1/s"])]));
    let now = later(5.0);
    let letters = CampaignId(-1);
    schedule
        .begin(letters, None, "example.com", Limit::default())
        .unwrap();
    let letter = |domain, number| Message {
        campaign: letters,
        ..message(domain, number)
    };
    for n in 0..3 {
        assert!(matches!(
            schedule.offer(message("example.org", n), now),
            Offered::Queued
        ));
    }
    for waiting in [
        letter("example.net", 10),
        letter("example.net", 11),
        letter("gmail.com", 12),
    ] {
        assert!(matches!(schedule.offer(waiting, now), Offered::Queued));
    }
    let mut took = || take(&mut schedule, 0, now).map(|message| message.number);
    let mut first = [took(), took(), took()];
    first.sort_unstable();
    assert_eq!(first, [Some(10), Some(11), Some(12)]);
    assert_eq!(took(), Some(0));
    assert!(matches!(
        schedule.offer(letter("gmail.com", 13), now),
        Offered::Queued
    ));
    let mut took = || take(&mut schedule, 0, now).map(|message| message.number);
    assert_eq!(
        [took(), took(), took()],
        [Some(1), Some(2), None],
        "gmail takes one a second"
    );
}

#[test]
fn a_limited_provider_is_in_nobodys_way() {
    let mut schedule = one_relay(providers(&[("gmail", &["1/s"])]));
    for n in 0..4 {
        assert!(matches!(
            schedule.offer(message("gmail.com", n), START),
            Offered::Queued
        ));
    }
    let now = later(5.0);
    assert_eq!(take(&mut schedule, 0, now).unwrap().domain, "gmail.com");
    for n in 4..10 {
        assert!(matches!(
            schedule.offer(message("example.org", n), now),
            Offered::Queued
        ));
    }
    let others: Vec<_> = std::iter::from_fn(|| take(&mut schedule, 0, now))
        .map(|m| m.domain)
        .collect();
    assert_eq!(others, ["example.org"; 6], "the rest for gmail waits");
    assert_eq!(schedule.binding_limit(NEWS, now).unwrap(), "provider gmail: 1/s");
    assert_eq!(take(&mut schedule, 0, later(6.01)).unwrap().domain, "gmail.com");
}

#[test]
fn what_a_slow_provider_cannot_take_soon_is_put_aside_with_a_time() {
    let mut schedule = one_relay(providers(&[("gmail", &["1/s"])]));
    let mut dues = Vec::new();
    let now = later(5.0);
    for n in 0..20 {
        match schedule.offer(message("gmail.com", n), now) {
            Offered::Aside(_, limit, due) => {
                assert_eq!(&*limit, "provider gmail");
                dues.push(due.since(now).as_secs());
            }
            Offered::Queued => {}
            Offered::Full(message) => panic!("{message:?} found no room"),
        }
        let _ = take(&mut schedule, 0, now);
    }
    assert!(dues.len() >= 14, "{dues:?}");
    assert!(dues.windows(2).all(|pair| pair[0] <= pair[1]), "{dues:?}");
    assert!(
        dues.last().is_some_and(|last| (12..20).contains(last)),
        "{dues:?}"
    );
}

#[test]
fn a_provider_that_has_run_dry_calls_back_what_was_put_aside() {
    let mut schedule = one_relay(providers(&[("gmail", &["1/s"])]));
    schedule.know_aside(NEWS, "provider gmail", 1000);
    assert_eq!(schedule.hungry(NEWS, later(10.0))[0].0, "provider gmail");
    schedule.came_back(NEWS, "provider gmail", 500, 3);
    assert_eq!(
        schedule.hungry(NEWS, later(10.0)),
        [],
        "there was less than was asked for"
    );
}

#[test]
fn retries_go_before_new_messages_of_their_campaign() {
    let mut schedule = one_relay(LimitSettings::default());
    schedule.offer(message("example.org", 1), START);
    schedule.offer(
        Message {
            retry: true,
            ..message("example.org", 2)
        },
        START,
    );
    assert_eq!(take(&mut schedule, 0, START).unwrap().number, 2);
}

#[test]
fn there_is_room_for_some_messages_for_each_session_and_then_somebody_waits() {
    let mut schedule = one_relay(LimitSettings::default());
    let mut queued = 0;
    while let Offered::Queued = schedule.offer(message("example.org", queued), START) {
        queued += 1;
    }
    assert_eq!(queued, 40);
    assert!(!schedule.has_made_room());
    for _ in 0..20 {
        take(&mut schedule, 0, START).unwrap();
    }
    assert!(schedule.has_made_room());
}

#[test]
fn a_provider_that_is_too_fast_for_it_slows_only_its_own_mail() {
    let mut schedule = one_relay(LimitSettings::default());
    schedule.hear(RelayId(0), "gmail.com", Heard::TooFast, START);
    schedule.offer(message("gmail.com", 1), START);
    schedule.offer(message("example.org", 2), START);
    assert_eq!(take(&mut schedule, 0, START).unwrap().number, 2);
    assert_eq!(take(&mut schedule, 0, START), None);
    assert!(
        schedule
            .binding_limit(NEWS, START)
            .unwrap()
            .contains("finds relay a too fast")
    );
    assert_eq!(take(&mut schedule, 0, later(61.0)).unwrap().number, 1);
}

#[test]
fn a_small_domain_that_finds_us_too_fast_gets_a_lane_of_its_own() {
    let mut schedule = one_relay(LimitSettings::default());
    for (number, domain) in [(1, "example.org"), (2, "slow.test"), (3, "example.org")] {
        schedule.offer(message(domain, number), START);
    }
    schedule.hear(RelayId(0), "slow.test", Heard::TooFast, START);
    let taken: Vec<_> = std::iter::from_fn(|| take(&mut schedule, 0, START))
        .map(|m| m.number)
        .collect();
    assert_eq!(taken, [1, 3]);
    assert_eq!(take(&mut schedule, 0, later(2.1)).unwrap().number, 2);
}

#[test]
fn a_small_domain_that_finds_us_too_fast_gets_half_of_what_it_had() {
    let mut schedule = one_relay(LimitSettings::default());
    for number in 0..1000 {
        let now = later(number as f64 / 100.0);
        schedule.offer(message("example.org", 2 * number), now);
        schedule.offer(message("slow.test", 2 * number + 1), now);
        while take(&mut schedule, 0, now).is_some() {}
    }
    schedule.hear(RelayId(0), "slow.test", Heard::TooFast, later(10.0));
    schedule.offer(message("slow.test", 5000), later(10.0));
    assert_eq!(take(&mut schedule, 0, later(10.0)), None);
    let words = schedule.binding_limit(NEWS, later(10.0)).unwrap();
    assert!(words.contains("finds relay a too fast: 49."), "{words}");
}

#[test]
fn relays_of_a_pool_share_the_mail_by_weight() {
    let mut schedule = schedule_with(&Routing {
        relays: vec![relay("a", |_| {}), relay("b", |relay| relay.weight = 3)],
        limits: LimitSettings::default(),
        pools: Vec::new(),
    });
    let mut taken = [0, 0];
    for number in 0..4000 {
        schedule.offer(message("example.org", number), START);
        let relay = [0, 1]
            .into_iter()
            .find(|relay| take(&mut schedule, *relay, START).is_some());
        taken[relay.expect("one of them is not ahead of its share")] += 1;
    }
    assert!((980..=1020).contains(&taken[0]), "{taken:?}");
}

#[test]
fn a_pair_that_refuses_for_policy_is_left_alone_and_the_campaign_says_so() {
    let mut schedule = one_relay(LimitSettings::default());
    for _ in 0..3 {
        schedule.hear(RelayId(0), "gmail.com", Heard::Refused, START);
    }
    schedule.offer(message("gmail.com", 1), START);
    assert_eq!(take(&mut schedule, 0, START), None);
    assert!(
        schedule
            .binding_limit(NEWS, START)
            .unwrap()
            .contains("suspended until")
    );
    assert_eq!(take(&mut schedule, 0, later(601.0)).unwrap().number, 1);
}

#[test]
fn a_campaign_that_is_forgotten_leaves_nothing_behind() {
    let mut schedule = one_relay(LimitSettings::default());
    schedule.offer(message("example.org", 1), START);
    schedule.forget(NEWS);
    assert_eq!(schedule.take_gone().len(), 1);
    assert_eq!(take(&mut schedule, 0, START), None);
}

#[test]
fn what_waits_for_a_domain_moves_to_its_provider_when_that_is_found_out() {
    let mut schedule = one_relay(providers(&[("gmail", &["1/s"])]));
    for n in 0..10 {
        schedule.offer(message("school.example.org", n), START);
    }
    let now = later(5.0);
    assert!(take(&mut schedule, 0, now).is_some());
    assert!(take(&mut schedule, 0, now).is_some(), "nothing is known yet");
    schedule.know_provider("school.example.org", "gmail");
    assert_eq!(schedule.known_provider("school.example.org"), "gmail");
    let _ = take(&mut schedule, 0, now);
    assert!(take(&mut schedule, 0, now).is_some());
    assert!(take(&mut schedule, 0, now).is_none());
    schedule.offer(message("example.org", 10), now);
    assert_eq!(take(&mut schedule, 0, now).unwrap().domain, "example.org");
    assert_eq!(schedule.binding_limit(NEWS, now).unwrap(), "provider gmail: 1/s");
}

#[test]
fn what_moves_to_a_provider_that_takes_little_is_put_aside_there() {
    let mut schedule = one_relay(providers(&[("gmail", &["1/s"])]));
    let now = later(5.0);
    schedule.offer(message("gmail.com", 0), now);
    schedule.offer(message("gmail.com", 1), now);
    assert!(take(&mut schedule, 0, now).is_some());
    assert!(take(&mut schedule, 0, now).is_none(), "it is blocked now");
    for n in 2..32 {
        schedule.offer(message("school.example.org", n), now);
    }
    schedule.know_provider("school.example.org", "gmail");
    assert!(take(&mut schedule, 0, now).is_none());
    let aside = schedule.take_aside();
    assert!(aside.len() >= 25, "{}", aside.len());
    assert!(
        aside
            .iter()
            .all(|(_, limit, due)| &**limit == "provider gmail" && *due > now)
    );
}

#[test]
fn the_settings_name_a_domain_before_the_dns_does() {
    let mut schedule = one_relay(providers(&[
        ("gmail", &["1/h"]),
        ("school.example.org", &["1000/s"]),
    ]));
    schedule.know_provider("school.example.org", "gmail");
    let now = later(5.0);
    for n in 0..4 {
        schedule.offer(message("school.example.org", n), now);
    }
    let taken = (0..4).filter(|n| take(&mut schedule, 0, later(5.0 + f64::from(*n) / 100.0)).is_some());
    assert_eq!(taken.count(), 4);
}

#[test]
fn with_a_limit_for_each_domain_a_found_provider_takes_over_all_the_same() {
    let limits = LimitSettings {
        other_providers: Some(limit(&["1/s"])),
        ..providers(&[("gmail", &["1000/s"])])
    };
    let mut schedule = one_relay(limits);
    for n in 0..4 {
        schedule.offer(message("school.example.org", n), START);
    }
    assert!(take(&mut schedule, 0, later(5.0)).is_some());
    schedule.know_provider("school.example.org", "gmail");
    let _ = take(&mut schedule, 0, later(6.5));
    let taken = (0..4).filter(|n| take(&mut schedule, 0, later(6.6 + f64::from(*n) / 100.0)).is_some());
    assert_eq!(taken.count(), 3, "they wait for their own domain no longer");
}
