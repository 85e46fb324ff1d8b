//! What the store promises about hits that wait: each is judged and counted once, as if it had not waited.

use super::hits::{FIREFOX, KEEP, assert_counted, hit, hits_of, recipients_of, record, sent, turn};
use super::*;
use tidings_campaign::token::AddressMark;
use tidings_campaign::token::HitTarget::{Link, Pixel, Trap};
use tidings_feedback::hits::HitKind::{Click, Open};
use tidings_feedback::hits::HitRules;
use tidings_feedback::hits::HitVerdict::{Human, Scanner};
use tidings_store::hits::{HitNames, HitTurns, NewHit};
use tidings_tests::{FreshStore, store_on_both_engines};

pub(super) fn names() -> HitNames<'static> {
    HitNames::new(HitRules::standard())
}

pub(super) async fn let_wait(store: &Store, hits: &[NewHit]) {
    store.let_hits_wait(turn(), hits, &mut names()).await.unwrap();
}

pub(super) async fn fold(store: &Store) -> i64 {
    let (mut names, mut all) = (names(), 0);
    loop {
        match store.fold_waiting_hits(&mut names, KEEP).await.unwrap() {
            0 => return all,
            n => all += n,
        }
    }
}

pub(super) async fn number(store: &FreshStore, what: &str) -> i64 {
    let found = store.texts(&format!("SELECT CAST({what} AS TEXT)")).await;
    found[0].parse().unwrap()
}

/// Hits of every kind, in the order of time, that look like chance and are always the same: persons, walkers, proxies, some again and
/// again and some at the same moment.
pub(super) fn mixed(campaign: CampaignId, ids: &[RecipientId], n: u64) -> Vec<NewHit> {
    let agents = [FIREFOX, "GoogleImageProxy", "curl/8.0", "", "Mozilla/5.0"];
    let one = |i: u64| {
        let chance = (i * 7919 + 13) % 1009;
        let target = match chance % 10 {
            0..=5 => Pixel,
            6..=8 => Link(1 + (chance % 4) as u32),
            _ if chance.is_multiple_of(3) => Trap,
            _ => Link(2),
        };
        NewHit {
            agent: agents[(chance % 5) as usize].to_owned(),
            is_head: chance.is_multiple_of(17),
            ..hit(
                campaign,
                ids[(i * 31 % 97) as usize % ids.len()],
                target,
                100 + i / 3,
            )
        }
    };
    (0..n).map(one).collect()
}

/// What is kept of a campaign's hits and recipients, but the times, which differ by microseconds where hits came at the same moment.
async fn kept(store: &FreshStore, campaign: CampaignId) -> Vec<String> {
    let hits = "SELECT CAST(recipient_id AS TEXT) || ' ' || CAST(target AS TEXT) || ' ' || CAST(COALESCE(delay, -1) AS TEXT) || ' ' || \
        CAST(COALESCE(agent_id, -1) AS TEXT) || ' ' || CAST(signs AS TEXT) || ' ' || CAST(rule_id AS TEXT) FROM hits WHERE campaign_id =";
    let recipients = "SELECT CAST(recipient_id AS TEXT) || ' ' || CAST(open_verdict AS TEXT) || ' ' || CAST(click_verdict AS TEXT) || ' ' || \
        CAST(COALESCE(opened_at, 0) / 1000000 AS TEXT) || ' ' || CAST(COALESCE(clicked_at, 0) / 1000000 AS TEXT) || ' ' || \
        CAST(COALESCE(trapped_at, 0) / 1000000 AS TEXT) FROM hit_recipients WHERE campaign_id =";
    let mut kept = store.texts(&format!("{hits} {campaign} ORDER BY 1")).await;
    kept.extend(store.texts(&format!("{recipients} {campaign} ORDER BY 1")).await);
    kept
}

store_on_both_engines!(
    hits_that_waited_are_kept_and_counted_as_if_they_had_not,
    |store| {
        let (at_once, ids) = sent(store, 40).await;
        let late = sending(store, 40).await;
        let sender = Sender::new(store, "two");
        let lease = sender.claim(late, 40).await;
        sender.send(&all_of(&lease), &accepted()).await;
        for hits in mixed(at_once, &ids, 3000).chunks(50) {
            record(store, hits).await;
        }
        // In another order, some judged at once beside those that wait, and folded in between.
        let mut batches: Vec<Vec<NewHit>> = mixed(late, &ids, 3000)
            .chunks(50)
            .map(<[NewHit]>::to_vec)
            .collect();
        batches.reverse();
        batches.swap(3, 40);
        let mut folded = 0;
        for (place, hits) in batches.iter().enumerate() {
            match place % 7 {
                3 => record(store, hits).await,
                _ => let_wait(store, hits).await,
            }
            if place % 13 == 5 {
                folded += store.fold_waiting_hits(&mut names(), KEEP).await.unwrap();
            }
        }
        let waiting = store.count_waiting_hits().await.unwrap();
        assert!(folded > 0 && waiting > 0, "{folded}, {waiting}");
        assert_eq!(fold(store).await, waiting);
        assert_eq!(store.count_waiting_hits().await.unwrap(), 0);
        assert_eq!(number(store, "(SELECT COUNT(*) FROM waiting_hits)").await, 0);
        assert_eq!(kept(store, late).await, kept(store, at_once).await);
        assert_eq!(hits_of(store, late).await, hits_of(store, at_once).await);
        assert_eq!(
            recipients_of(store, late).await,
            recipients_of(store, at_once).await
        );
        assert_counted(store).await;
    }
);

store_on_both_engines!(
    a_turn_whose_outcome_nobody_heard_of_counts_once_when_it_is_tried_again,
    |store| {
        let (campaign, ids) = sent(store, 97).await;
        let known = mixed(campaign, &ids, 400);
        let anonymous = known[..100].iter().map(|hit| NewHit {
            recipient: None,
            ..hit.clone()
        });
        let hits: Vec<NewHit> = known.iter().cloned().chain(anonymous).collect();
        let (mut turns, mut names) = (HitTurns::of(u64::MAX), names());
        let (first, second, third) = (turns.next_turn(), turns.next_turn(), turns.next_turn());
        let again = store.open_again("there").await;
        for store in [&**store, &again, store] {
            store.record_hits(first, &hits, &mut names, KEEP).await.unwrap();
        }
        // What comes late, behind its successor, was given up long ago.
        for turn in [second, first, second] {
            store.let_hits_wait(turn, &hits, &mut names).await.unwrap();
            fold(store).await;
        }
        let counted: i64 = store
            .hit_counts(None)
            .await
            .unwrap()
            .iter()
            .map(|count| count.n)
            .sum();
        assert_eq!(counted, 2 * 500);
        // A fold in between does not make it new, nor does another's turn of the same number.
        store.let_hits_wait(second, &hits, &mut names).await.unwrap();
        assert_eq!(store.count_waiting_hits().await.unwrap(), 0);
        let mut others = HitTurns::of(7);
        store
            .let_hits_wait(others.next_turn(), &hits, &mut names)
            .await
            .unwrap();
        store.let_hits_wait(third, &hits, &mut names).await.unwrap();
        assert_eq!(store.count_waiting_hits().await.unwrap(), 1000);
        again.close().await;
    }
);

store_on_both_engines!(who_has_kept_nothing_for_a_day_is_forgotten, |store| {
    let (campaign, ids) = sent(store, 1).await;
    let on_day = |day: u64| [hit(campaign, ids[0], Pixel, 60 + day * 24 * 3600)];
    let mut names = names();
    for (writer, day) in [(1, 0), (2, 1), (3, 2)] {
        let turn = HitTurns::of(writer).next_turn();
        store.let_hits_wait(turn, &on_day(day), &mut names).await.unwrap();
    }
    let known = store
        .texts("SELECT CAST(writer AS TEXT) FROM hit_writers ORDER BY writer")
        .await;
    assert_eq!(known, ["2", "3"]);
});

store_on_both_engines!(what_is_cut_off_in_the_middle_counts_once_afterwards, |store| {
    let (campaign, ids) = sent(store, 97).await;
    for hits in mixed(campaign, &ids, 9000).chunks(300) {
        let_wait(store, hits).await;
    }
    // What was learnt in a transaction that was cut off is not known any more.
    let mut names = names();
    for tries in 0..40 {
        let limit = Duration::from_micros(500 + tries * 700);
        let _ = tokio::time::timeout(limit, store.fold_waiting_hits(&mut names, KEEP)).await;
        let waiting = store.count_waiting_hits().await.unwrap();
        let kept = number(store, "(SELECT COUNT(*) FROM hits)").await;
        assert!(
            waiting + kept >= 9000 || tries > 0,
            "{waiting} wait, {kept} are kept"
        );
    }
    while store.fold_waiting_hits(&mut names, KEEP).await.unwrap() > 0 {}
    assert_eq!(number(store, "(SELECT COUNT(*) FROM hits)").await, 9000);
    const OF_NOBODY: &str = "(SELECT COUNT(*) FROM hits WHERE agent_id IS NOT NULL AND agent_id NOT IN (SELECT id FROM hit_agents))";
    assert_eq!(number(store, OF_NOBODY).await, 0);
    assert_counted(store).await;
});

store_on_both_engines!(a_walker_that_waited_takes_back_what_counted_before, |store| {
    let (campaign, ids) = sent(store, 1).await;
    record(
        store,
        &[
            hit(campaign, ids[0], Link(1), 400),
            hit(campaign, ids[0], Pixel, 401),
        ],
    )
    .await;
    assert_eq!(
        recipients_of(store, campaign).await,
        [(Open, Human, 1), (Click, Human, 1)]
    );
    let_wait(
        store,
        &[
            hit(campaign, ids[0], Trap, 390),
            hit(campaign, ids[0], Pixel, 200),
        ],
    )
    .await;
    assert_eq!(fold(store).await, 2);
    assert_eq!(
        recipients_of(store, campaign).await,
        [(Open, Scanner, 1), (Click, Scanner, 1)]
    );
    let first = number(store, "(SELECT opened_at FROM hit_recipients)").await;
    assert_eq!(
        first,
        at(200).0,
        "the first is the first that came, not the first that was judged"
    );
    assert_counted(store).await;
});

store_on_both_engines!(of_anonymous_hits_that_wait_nothing_waits_but_the_count, |store| {
    let (campaign, ids) = sent(store, 1).await;
    let anonymous = NewHit {
        recipient: None,
        ..hit(campaign, ids[0], Link(1), 100)
    };
    let_wait(store, &vec![anonymous; 500]).await;
    assert_eq!(store.count_waiting_hits().await.unwrap(), 500);
    let octets = number(store, "(SELECT SUM(LENGTH(packed)) FROM waiting_hits)").await;
    assert!(octets < 30, "{octets} octets");
    assert_eq!(fold(store).await, 500);
    assert_eq!(hits_of(store, campaign).await, [(1, Human, 500)]);
    assert_eq!(number(store, "(SELECT COUNT(*) FROM hit_agents)").await, 0);
});

store_on_both_engines!(who_is_erased_while_hits_wait_leaves_none, |store| {
    let (campaign, ids) = sent(store, 30).await;
    for hits in mixed(campaign, &ids, 3000).chunks(500) {
        let_wait(store, hits).await;
    }
    // Some as they came, and some sorted already.
    assert!(store.fold_waiting_hits(&mut names(), KEEP).await.unwrap() > 0);
    let_wait(store, &mixed(campaign, &ids, 500)).await;
    let own = async || {
        let address = address(&reader(30));
        let data = store.personal_data(&address).await.unwrap().unwrap();
        serde_json::to_value(&data).unwrap()["hits"]
            .as_array()
            .unwrap()
            .clone()
    };
    let hits = own().await;
    assert!(hits.len() > 80, "{hits:?}");
    let waiting: Vec<_> = hits.iter().filter(|hit| hit["verdict"].is_null()).collect();
    assert!(waiting.len() > 10 && waiting[0]["at"].is_string(), "{hits:?}");
    let before = store.count_waiting_hits().await.unwrap();
    let mark = AddressMark::of(&address(&reader(30)));
    assert!(store.erase_recipient(ids[29], mark, at(9000)).await.unwrap());
    let after = store.count_waiting_hits().await.unwrap();
    assert_eq!(before - after, waiting.len() as i64);
    assert_eq!(fold(store).await, after);
    let left = number(
        store,
        &format!("(SELECT COUNT(*) FROM hits WHERE recipient_id = {})", ids[29]),
    )
    .await;
    assert_eq!(left, 0);
});

store_on_both_engines!(one_hit_that_cannot_be_folded_takes_no_other_with_it, |store| {
    let (campaign, ids) = sent(store, 50).await;
    record(store, &[hit(campaign, ids[7], Link(1), 100)]).await;
    // What is kept of this reader makes no sense, so nothing can be judged beside it.
    store.execute("UPDATE hits SET verdict = 9").await;
    let mut hits: Vec<NewHit> = ids.iter().map(|id| hit(campaign, *id, Link(2), 101)).collect();
    hits.push(NewHit {
        recipient: None,
        ..hits[0].clone()
    });
    let_wait(store, &hits).await;
    assert_eq!(fold(store).await, 50);
    assert_eq!(store.count_waiting_hits().await.unwrap(), 0);
    assert_eq!(
        number(store, "(SELECT COUNT(*) FROM hits WHERE target = 2)").await,
        49
    );
});

store_on_both_engines!(
    a_row_that_cannot_be_read_is_left_and_keeps_nobody_waiting,
    |store| {
        let (campaign, ids) = sent(store, 50).await;
        let hits: Vec<NewHit> = ids.iter().map(|id| hit(campaign, *id, Link(2), 101)).collect();
        let_wait(store, &hits[..10]).await;
        store
            .execute("UPDATE waiting_hits SET packed = packed || packed")
            .await;
        let_wait(store, &hits[10..]).await;
        assert_eq!(fold(store).await, 40);
        assert_eq!(store.count_waiting_hits().await.unwrap(), 0);
        assert_eq!(number(store, "(SELECT COUNT(*) FROM waiting_hits)").await, 1);
    }
);
