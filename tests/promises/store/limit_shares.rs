//! The table at which several senders divide the limits.

use super::*;
use tidings_store::limit_shares::{ShareChanges, ShareRow, SharesAsked, SharesSeen, UsedSince};
use tidings_tests::store_on_both_engines;

fn share(place: &str, owner: &str, held: i64, valid_until: Timestamp) -> ShareRow {
    ShareRow {
        place: place.to_owned(),
        which: "s".to_owned(),
        owner: owner.to_owned(),
        held,
        wanted: held + 1,
        round: 1,
        valid_until: valid_until.0,
    }
}

fn places(names: &[&str]) -> SharesAsked {
    SharesAsked {
        places: names.iter().map(|name| (*name).to_owned()).collect(),
        used_since: Vec::new(),
    }
}

async fn puts(store: &Store, put: Vec<ShareRow>) {
    let change = |_| ShareChanges {
        put,
        ..ShareChanges::default()
    };
    store.share_limits(&places(&[]), at(0), change).await.unwrap();
}

async fn sees(store: &Store, asked: &SharesAsked) -> SharesSeen {
    let mut seen = SharesSeen::default();
    let look = |now| {
        seen = now;
        ShareChanges::default()
    };
    store.share_limits(asked, at(0), look).await.unwrap();
    seen
}

store_on_both_engines!(a_sender_sees_what_all_hold_at_the_places_it_asks_for, |store| {
    assert_eq!(sees(store, &places(&["relay a"])).await, SharesSeen::default());
    let one = share("relay a", "one", 10, at(6));
    let (two, elsewhere) = (
        share("relay a", "two", 5, at(7)),
        share("relay b", "one", 1, at(8)),
    );
    puts(store, vec![one.clone(), two.clone(), elsewhere.clone()]).await;
    assert_eq!(
        sees(store, &places(&["relay a"])).await.rows,
        [one.clone(), two.clone()]
    );
    let grown = ShareRow {
        held: 12,
        round: 2,
        valid_until: at(9).0,
        ..one
    };
    let change = |seen: SharesSeen| ShareChanges {
        removed: vec![(two.place.clone(), two.which.clone(), two.owner.clone())],
        put: vec![ShareRow {
            held: grown.held + seen.rows.len() as i64 - 2,
            ..grown.clone()
        }],
        used: Vec::new(),
    };
    store
        .share_limits(&places(&["relay a"]), at(1), change)
        .await
        .unwrap();
    assert_eq!(
        sees(store, &places(&["relay b", "relay a"])).await.rows,
        [grown, elsewhere]
    );
    assert_eq!(
        store.has_many_senders(),
        store.sqlite_file().is_none(),
        "one process sends with SQLite"
    );
});

store_on_both_engines!(what_a_sender_used_of_an_allowance_is_told_to_the_next, |store| {
    let uses = async |n, now| {
        let used = vec![Usage {
            limit: "all relays".into(),
            n,
        }];
        let change = |_| ShareChanges {
            used,
            ..ShareChanges::default()
        };
        store.share_limits(&places(&[]), now, change).await.unwrap();
    };
    for (n, seconds) in [(3, 0), (4, 59), (5, 60)] {
        uses(n, at(seconds)).await;
    }
    let minute = START.minute();
    let asked = SharesAsked {
        places: Vec::new(),
        used_since: [
            ("all relays", minute),
            ("all relays", minute + 1),
            ("relay a", minute),
        ]
        .map(|(place, minute)| (place.to_owned(), minute))
        .to_vec(),
    };
    let mut used = sees(store, &asked).await.used;
    used.sort_by_key(|used| used.since);
    let expected = [(minute, 12), (minute + 1, 5)].map(|(since, n)| UsedSince {
        place: "all relays".to_owned(),
        since,
        n,
        first: since,
    });
    assert_eq!(used, expected);
});

store_on_both_engines!(shares_of_senders_that_are_long_gone_are_forgotten, |store| {
    puts(
        store,
        vec![
            share("relay a", "one", 10, at(6)),
            share("relay a", "two", 10, at(60)),
        ],
    )
    .await;
    assert_eq!(store.forget_limit_shares(at(60)).await.unwrap(), 1);
    assert_eq!(
        sees(store, &places(&["relay a"])).await.rows,
        [share("relay a", "two", 10, at(60))]
    );
});

store_on_both_engines!(
    what_the_dead_cannot_use_is_forgotten_and_the_rest_runs_out,
    |store| {
        let [rate, mut connections, mut others] =
            ["one", "one", "two"].map(|owner| share("relay a", owner, 10, at(60)));
        for open in [&mut connections, &mut others] {
            open.which = "connections".to_owned();
        }
        puts(store, vec![rate.clone(), connections, others.clone()]).await;
        let forgotten = store.forget_shares_of("one", &["sessions", "connections"]).await;
        assert_eq!(forgotten.unwrap(), 1);
        assert_eq!(sees(store, &places(&["relay a"])).await.rows, [others, rate]);
    }
);

store_on_both_engines!(more_limits_may_be_shared_than_one_statement_takes, |store| {
    let names: Vec<_> = (0..1_300).map(|n| format!("provider {n}.test")).collect();
    puts(
        store,
        names.iter().map(|name| share(name, "one", 1, at(6))).collect(),
    )
    .await;
    let asked = places(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(sees(store, &asked).await.rows.len(), 1_300);
    let removed = names
        .iter()
        .map(|name| (name.clone(), "s".to_owned(), "one".to_owned()));
    let change = |_| ShareChanges {
        removed: removed.collect(),
        ..ShareChanges::default()
    };
    store.share_limits(&places(&[]), at(0), change).await.unwrap();
    assert_eq!(sees(store, &asked).await, SharesSeen::default());
});

store_on_both_engines!(senders_take_their_turns_one_after_another, |store| {
    let elsewhere = store.open_again("there").await;
    let counts = async |store: &Store, owner: &str| {
        for _ in 0..25 {
            let add = |seen: SharesSeen| ShareChanges {
                put: vec![share(
                    "relay a",
                    "all",
                    seen.rows.first().map_or(0, |row| row.held) + 1,
                    at(6),
                )],
                ..ShareChanges::default()
            };
            let turn = store.share_limits(&places(&["relay a"]), at(0), add).await;
            turn.unwrap_or_else(|error| panic!("{owner}: {error}"));
        }
    };
    tokio::join!(counts(store, "one"), counts(&elsewhere, "two"));
    elsewhere.close().await;
    assert_eq!(sees(store, &places(&["relay a"])).await.rows[0].held, 50);
});
