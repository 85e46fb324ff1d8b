//! What the charts draw, how relays fare, and how campaigns are looked for.

use super::*;
use tidings_campaign::lifecycle::CampaignState;
use tidings_store::campaign_pages::CampaignSearch;
use tidings_store::relay_status::{RelayHealth, RelayStatus};
use tidings_tests::store_on_both_engines;

store_on_both_engines!(flows_are_told_by_minute_relay_and_provider, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    sender.it_is(0);
    let lease = sender.claim(campaign, 3).await;
    sender.put_on_wire(&all_of(&lease)).await;
    let through = |seq, relay: &str, provider, outcome| Settlement {
        relay: relay.to_owned(),
        provider,
        ..settled(held(&lease, seq), outcome)
    };
    let first = vec![
        through(1, "primary", "gmail", accepted()),
        through(2, "second", "other", rejected()),
    ];
    sender.record(Vec::new(), first).await;
    sender.it_is(3700);
    sender
        .record(Vec::new(), vec![through(3, "primary", "gmail", accepted())])
        .await;
    let minute = START.minute();
    let flow = async |since| {
        let rows = store.flow_since(since).await.unwrap();
        let told = rows.iter().map(|row| {
            format!(
                "{} {} {} {} {}",
                row.minute - minute,
                row.relay,
                row.provider,
                row.outcome,
                row.n
            )
        });
        told.collect::<Vec<_>>()
    };
    let late = "61 primary gmail accepted 1";
    assert_eq!(
        flow(minute).await,
        ["0 primary gmail accepted 1", "0 second other rejected 1", late]
    );
    assert_eq!(flow(minute + 1).await, [late]);
    let minutes = store.minutes_of(campaign).await.unwrap();
    let minutes: Vec<_> = minutes
        .iter()
        .map(|row| (row.minute - minute, row.outcome.as_str(), row.n))
        .collect();
    assert_eq!(
        minutes,
        [(0, "accepted", 1), (0, "rejected", 1), (61, "accepted", 1)]
    );
    assert!(store.minutes_of(CampaignId(77)).await.unwrap().is_empty());
    let hours = async |seconds| {
        let rows = store.hours_since(at(seconds)).await.unwrap();
        let told = rows
            .iter()
            .map(|row| (row.hour - minute / 60, row.kind.clone(), row.n));
        told.collect::<Vec<_>>()
    };
    let second = (1, "accepted".to_owned(), 1);
    assert_eq!(
        hours(3599).await,
        [
            (0, "accepted".to_owned(), 1),
            second.clone(),
            (0, "rejected".to_owned(), 1)
        ]
    );
    assert_eq!(hours(3600).await, [second]);
});

store_on_both_engines!(a_relay_is_as_bad_as_the_worst_sender_finds_it, |store| {
    let other = store.open_again("there").await;
    let status = |relay: &str, health, sessions, fault: Option<(u64, &str)>| RelayStatus {
        relay: relay.to_owned(),
        health,
        sessions,
        max_sessions: 10,
        resting_until: (health == RelayHealth::Resting).then(|| at(60)),
        fault: fault.map(|(seconds, words)| (at(seconds), words.to_owned())),
    };
    let before = [
        status("gone", RelayHealth::Works, 1, None),
        status("primary", RelayHealth::Works, 1, None),
    ];
    store.set_relay_statuses(&before, at(0)).await.unwrap();
    let here = [
        status(
            "primary",
            RelayHealth::Resting,
            0,
            Some((9, "it refused the login")),
        ),
        status("second", RelayHealth::Trying, 1, None),
    ];
    store.set_relay_statuses(&here, at(10)).await.unwrap();
    let there = [status(
        "primary",
        RelayHealth::Works,
        4,
        Some((5, "it fell silent")),
    )];
    other.set_relay_statuses(&there, at(20)).await.unwrap();
    let together = RelayStatus {
        sessions: 4,
        ..here[0].clone()
    };
    assert_eq!(
        store.relay_statuses(at(10)).await.unwrap(),
        [together, here[1].clone()]
    );
    assert_eq!(store.relay_statuses(at(11)).await.unwrap(), there);
    assert_eq!(
        store.relay_statuses(at(21)).await.unwrap(),
        [],
        "said too long ago"
    );
    other.close().await;
});

store_on_both_engines!(campaigns_are_found_page_by_page, |store| {
    let readers = list(store, "readers").await;
    for name in ["Spring news", "Ärzte 100%", "SPRING sale"] {
        let new = NewCampaign {
            name: name.to_owned(),
            ..spring_news(vec![readers])
        };
        store.create_campaign(&new, START).await.unwrap();
    }
    let find = async |text: &str, state, skip, limit| {
        let search = CampaignSearch {
            text: text.to_owned(),
            state,
            skip,
            limit,
        };
        let found = store.find_campaigns(&search).await.unwrap();
        let names: Vec<_> = found
            .campaigns
            .into_iter()
            .map(|campaign| campaign.name)
            .collect();
        (names.join(", "), found.by_state)
    };
    let drafts = |n| vec![(CampaignState::Draft, n)];
    assert_eq!(
        find("spring", None, 0, 10).await,
        ("SPRING sale, Spring news".into(), drafts(2))
    );
    assert_eq!(
        find("spring", None, 1, 1).await,
        ("Spring news".into(), drafts(2))
    );
    assert_eq!(find("Ärzte", None, 0, 10).await.0, "Ärzte 100%");
    assert_eq!(find("0%", None, 0, 10).await.0, "Ärzte 100%");
    assert_eq!(find("_", None, 0, 10).await, (String::new(), Vec::new()));
    assert_eq!(
        find("", Some(CampaignState::Held), 0, 10).await,
        (String::new(), drafts(3))
    );
});
