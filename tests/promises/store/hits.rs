//! What the store promises about hits: kept with evidence, judged together, counted once, and judged again on wish.

use super::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::{HitKind, HitRules, HitVerdict, Network};
use tidings_store::hits::{HitNames, HitTurn, HitTurns, NewHit};
use tidings_tests::{FreshStore, store_on_both_engines};

pub(super) const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

pub(super) const DAY: u64 = 86_400;
pub(super) const KEEP: Duration = Duration::from_secs(400 * DAY);

/// A campaign to so many readers, whose messages were accepted at the start; the ids of the readers.
pub(super) async fn sent(store: &Store, n: usize) -> (CampaignId, Vec<RecipientId>) {
    let campaign = sending(store, n).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, n as i64).await;
    sender.send(&all_of(&lease), &accepted()).await;
    let mut ids = Vec::new();
    for i in 1..=n {
        ids.push(recipient_id(store, &reader(i)).await);
    }
    (campaign, ids)
}

/// A hit with Firefox at home, so many seconds after the start.
pub(super) fn hit(campaign: CampaignId, recipient: RecipientId, target: HitTarget, seconds: u64) -> NewHit {
    NewHit {
        campaign,
        recipient: Some(recipient),
        target,
        at: at(seconds),
        is_head: false,
        is_prefetch: false,
        agent: FIREFOX.to_owned(),
        network: Some(Network::of("198.51.100.7".parse().unwrap())),
    }
}

/// The first of a process that was not there before.
pub(super) fn turn() -> HitTurn {
    static WRITERS: AtomicU64 = AtomicU64::new(1);
    HitTurns::of(WRITERS.fetch_add(1, Ordering::Relaxed)).next_turn()
}

pub(super) async fn record(store: &Store, hits: &[NewHit]) {
    record_by(store, hits, &mut HitNames::new(HitRules::standard())).await;
}

pub(super) async fn record_by(store: &Store, hits: &[NewHit], names: &mut HitNames<'_>) {
    store.record_hits(turn(), hits, names, KEEP).await.unwrap();
}

/// The counters must be what the rows say, of hits that are kept and of recipients.
pub(super) async fn assert_counted(store: &FreshStore) {
    let mut counted: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for count in store.hit_counts(None).await.unwrap() {
        *counted
            .entry((count.target.number(), count.verdict.number()))
            .or_default() += count.n;
    }
    counted.retain(|_, n| *n != 0);
    let rows = store
        .texts("SELECT CAST(target AS TEXT) || ' ' || CAST(verdict AS TEXT) || ' ' || CAST(COUNT(*) AS TEXT) FROM hits \
            GROUP BY target, verdict")
        .await;
    assert_eq!(counted, as_map(&rows), "the counters are not the hits");
    let mut counted: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for count in store.hit_recipient_counts(None).await.unwrap() {
        let kind = HitKind::ALL.iter().position(|kind| *kind == count.kind).unwrap();
        *counted.entry((kind as i64, count.verdict.number())).or_default() += count.n;
    }
    let rows = store
        .texts(
            "SELECT CAST(kind AS TEXT) || ' ' || CAST(greatest AS TEXT) || ' ' || CAST(COUNT(*) AS TEXT) FROM ( \
                SELECT CASE WHEN target = 0 THEN 0 ELSE 1 END AS kind, MAX(verdict) AS greatest FROM hits WHERE target >= 0 \
                GROUP BY campaign_id, recipient_id, CASE WHEN target = 0 THEN 0 ELSE 1 END) AS t GROUP BY kind, greatest",
        )
        .await;
    assert_eq!(counted, as_map(&rows), "the counters are not the recipients");
}

fn as_map(rows: &[String]) -> BTreeMap<(i64, i64), i64> {
    rows.iter()
        .map(|row| {
            let numbers: Vec<i64> = row.split(' ').map(|n| n.parse().unwrap()).collect();
            ((numbers[0], numbers[1]), numbers[2])
        })
        .collect()
}

/// How many hits of each target have each verdict.
pub(super) async fn hits_of(store: &Store, campaign: CampaignId) -> Vec<(i64, HitVerdict, i64)> {
    let counts = store.hit_counts(Some(campaign)).await.unwrap();
    counts
        .iter()
        .map(|count| (count.target.number(), count.verdict, count.n))
        .collect()
}

pub(super) async fn recipients_of(store: &Store, campaign: CampaignId) -> Vec<(HitKind, HitVerdict, i64)> {
    let counts = store.hit_recipient_counts(Some(campaign)).await.unwrap();
    let mut counts: Vec<_> = counts.iter().map(|c| (c.kind, c.verdict, c.n)).collect();
    counts.sort_unstable();
    counts
}

use HitKind::{Click, Open};
use HitTarget::{Link, Pixel, Trap};
use HitVerdict::{Human, PrivacyProxy, Scanner};

store_on_both_engines!(every_hit_counts_and_a_recipient_counts_once, |store| {
    let (campaign, ids) = sent(store, 3).await;
    let proxy = |recipient, seconds| NewHit {
        agent: "GoogleImageProxy".to_owned(),
        ..hit(campaign, recipient, Pixel, seconds)
    };
    record(store, &[proxy(ids[0], 60), hit(campaign, ids[1], Pixel, 60)]).await;
    assert_eq!(
        recipients_of(store, campaign).await,
        [(Open, PrivacyProxy, 1), (Open, Human, 1)]
    );
    // The first one opens it with a program of his own, and the second once more by a proxy.
    record(store, &[hit(campaign, ids[0], Pixel, 90), proxy(ids[1], 90)]).await;
    record(store, &[hit(campaign, ids[0], Link(2), 100)]).await;
    assert_eq!(
        recipients_of(store, campaign).await,
        [(Open, Human, 2), (Click, Human, 1)]
    );
    assert_eq!(
        hits_of(store, campaign).await,
        [(0, PrivacyProxy, 2), (0, Human, 2), (2, Human, 1)]
    );
    assert_counted(store).await;
});

store_on_both_engines!(the_delay_is_counted_from_the_relays_answer, |store| {
    let (campaign, ids) = sent(store, 2).await;
    record(
        store,
        &[
            hit(campaign, ids[0], Link(1), 2),
            hit(campaign, ids[1], Link(1), 300),
        ],
    )
    .await;
    assert_eq!(hits_of(store, campaign).await, [(1, Scanner, 1), (1, Human, 1)]);
    let delays = store
        .texts("SELECT CAST(delay AS TEXT) FROM hits ORDER BY recipient_id")
        .await;
    assert_eq!(delays, ["2", "300"]);
});

store_on_both_engines!(a_hit_of_the_trap_takes_back_what_counted_before, |store| {
    let (campaign, ids) = sent(store, 2).await;
    let (walker, person) = (ids[0], ids[1]);
    record(
        store,
        &[
            hit(campaign, walker, Link(1), 100),
            hit(campaign, person, Link(1), 100),
        ],
    )
    .await;
    record(store, &[hit(campaign, walker, Link(2), 400)]).await;
    assert_eq!(recipients_of(store, campaign).await, [(Click, Human, 2)]);
    record(store, &[hit(campaign, walker, Trap, 500)]).await;
    assert_eq!(
        recipients_of(store, campaign).await,
        [(Click, Scanner, 1), (Click, Human, 1)]
    );
    // What comes later is the walker's too, and then no more.
    record(store, &[hit(campaign, walker, Link(3), 900)]).await;
    assert_eq!(
        hits_of(store, campaign).await,
        [
            (-1, Scanner, 1),
            (1, Scanner, 1),
            (1, Human, 1),
            (2, Scanner, 1),
            (3, Scanner, 1)
        ]
    );
    assert_counted(store).await;
    record(store, &[hit(campaign, walker, Link(3), 1200)]).await;
    assert_eq!(recipients_of(store, campaign).await, [(Click, Human, 2)]);
    assert_counted(store).await;
});

store_on_both_engines!(links_followed_at_once_are_taken_back_over_batches, |store| {
    let (campaign, ids) = sent(store, 1).await;
    for (number, seconds) in [(1, 100), (2, 101), (3, 102), (4, 103), (5, 105)] {
        record(store, &[hit(campaign, ids[0], Link(number), seconds)]).await;
    }
    assert_eq!(recipients_of(store, campaign).await, [(Click, Scanner, 1)]);
    assert!(
        hits_of(store, campaign)
            .await
            .iter()
            .all(|(_, verdict, _)| *verdict == Scanner)
    );
    assert_counted(store).await;
});

store_on_both_engines!(hits_at_the_same_moment_are_all_kept, |store| {
    let (campaign, ids) = sent(store, 1).await;
    let same = vec![hit(campaign, ids[0], Pixel, 100); 3];
    record(store, &same).await;
    record(store, &same).await;
    assert_eq!(hits_of(store, campaign).await, [(0, Human, 6)]);
    assert_counted(store).await;
});

store_on_both_engines!(of_anonymous_hits_nothing_is_kept_but_the_count, |store| {
    let (campaign, ids) = sent(store, 1).await;
    let anonymous = NewHit {
        recipient: None,
        ..hit(campaign, ids[0], Link(1), 100)
    };
    record(store, &[anonymous.clone(), anonymous]).await;
    assert_eq!(hits_of(store, campaign).await, [(1, Human, 2)]);
    assert!(recipients_of(store, campaign).await.is_empty());
    for table in ["hits", "hit_recipients", "hit_agents"] {
        let n = store
            .texts(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}"))
            .await;
        assert_eq!(n, ["0"], "{table}");
    }
});

store_on_both_engines!(no_full_address_and_no_endless_name_is_kept, |store| {
    let (campaign, ids) = sent(store, 1).await;
    let long = NewHit {
        agent: format!("Firefox/{}", "ü".repeat(1000)),
        network: Some(Network::of("2001:db8:5:6::7".parse().unwrap())),
        ..hit(campaign, ids[0], Pixel, 100)
    };
    record(store, &[long]).await;
    let kept = store.texts("SELECT name FROM hit_agents").await;
    assert!(
        kept[0].len() <= 256 && kept[0].starts_with("Firefox/"),
        "{kept:?}"
    );
    let network: i64 = store.texts("SELECT CAST(network AS TEXT) FROM hits").await[0]
        .parse()
        .unwrap();
    assert_eq!(
        Network::from_number(network).unwrap().to_string(),
        "2001:db8:5::/48"
    );
});

store_on_both_engines!(new_rules_judge_old_hits, |store| {
    let (campaign, ids) = sent(store, 30).await;
    let mut hits = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        for time in 0..100 {
            hits.push(hit(campaign, *id, Pixel, 100 + time * 60 + n as u64));
        }
        hits.push(hit(campaign, *id, Link(1), 9000));
    }
    for hits in hits.chunks(500) {
        record(store, hits).await;
    }
    let other = draft(store, &["readers"]).await;
    record(store, &[hit(other, ids[0], Pixel, 100)]).await;
    let office = "[[network]]\nname = \"office\"\nranges = [\"198.51.100.0/24\"]\n\
        [[rule]]\nname = \"our-gateway\"\nverdict = \"scanner\"\ntarget = \"pixel\"\nnetworks = [\"office\"]\n";
    let office = HitRules::with(office).unwrap();
    let rejudge = async |campaign, rules: &HitRules| {
        let mut names = HitNames::new(rules);
        let (mut hits, mut changed, mut batches, mut after) = (0, 0, 0, None);
        loop {
            let done = store.rejudge_hits(campaign, after, &mut names).await.unwrap();
            hits += done.hits;
            changed += done.changed;
            batches += 1;
            after = done.next;
            if after.is_none() {
                return (hits, changed, batches);
            }
        }
    };
    assert_eq!(rejudge(Some(campaign), HitRules::standard()).await, (3030, 0, 2));
    assert_eq!(rejudge(Some(campaign), &office).await, (3030, 3000, 2));
    assert_eq!(
        recipients_of(store, campaign).await,
        [(Open, Scanner, 30), (Click, Human, 30)]
    );
    assert_eq!(hits_of(store, other).await, [(0, Human, 1)]);
    assert_counted(store).await;
    assert_eq!(rejudge(None, &office).await.1, 1);
    assert_eq!(rejudge(None, HitRules::standard()).await.1, 3001);
    assert_eq!(
        recipients_of(store, campaign).await,
        [(Open, Human, 30), (Click, Human, 30)]
    );
    assert_counted(store).await;
});

store_on_both_engines!(
    one_recipient_with_more_hits_than_a_batch_is_judged_at_once,
    |store| {
        let (campaign, ids) = sent(store, 1).await;
        let hits: Vec<NewHit> = (0..2500)
            .map(|time| hit(campaign, ids[0], Pixel, 100 + time * 60))
            .collect();
        for hits in hits.chunks(500) {
            record(store, hits).await;
        }
        let mut names = HitNames::new(HitRules::standard());
        let first = store.rejudge_hits(None, None, &mut names).await.unwrap();
        assert_eq!((first.hits, first.changed), (2500, 0));
        let second = store.rejudge_hits(None, first.next, &mut names).await.unwrap();
        assert_eq!((second.hits, second.next), (0, None));
    }
);

store_on_both_engines!(
    old_hits_are_forgotten_in_small_batches_and_their_counts_stay,
    |store| {
        let (campaign, ids) = sent(store, 5).await;
        let readers = list(store, "readers").await;
        let young = store
            .create_campaign(&spring_news(vec![readers]), at(380 * DAY))
            .await
            .unwrap();
        let (opened, clicked) = (Pixel, Link(1));
        let mut hits: Vec<NewHit> = ids.iter().map(|id| hit(campaign, *id, opened, 100)).collect();
        // The last has come back within the time.
        hits.push(hit(campaign, ids[4], clicked, 300 * DAY));
        hits.push(hit(young, ids[0], opened, 390 * DAY));
        record(store, &hits).await;
        let before = store.hit_counts(None).await.unwrap();
        let recipients = store.hit_recipient_counts(None).await.unwrap();
        let (mut after, mut deleted, mut batches) = (None, 0, 0);
        loop {
            let expired = store.expire_hits(at(200 * DAY), after, 2).await.unwrap();
            assert!(expired.hits <= 2);
            (deleted, batches, after) = (deleted + expired.hits, batches + 1, expired.next);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(deleted, 5);
        assert!(batches >= 3, "{batches}");
        let kept = store
            .texts(
                "SELECT CAST(campaign_id AS TEXT) || ' ' || CAST(recipient_id AS TEXT) FROM hits ORDER BY 1",
            )
            .await;
        let expected = [format!("{campaign} {}", ids[4]), format!("{young} {}", ids[0])];
        assert_eq!(kept, expected);
        let known = store
        .texts("SELECT CAST(campaign_id AS TEXT) || ' ' || CAST(recipient_id AS TEXT) FROM hit_recipients ORDER BY 1")
        .await;
        assert_eq!(known, expected, "of whom no hit is left, nothing is");
        assert_eq!(store.hit_counts(None).await.unwrap(), before);
        assert_eq!(store.hit_recipient_counts(None).await.unwrap(), recipients);
        // Who is forgotten and comes once more is counted as a hit, and not as another recipient.
        record(store, &[hit(campaign, ids[0], opened, 401 * DAY)]).await;
        assert_eq!(store.hit_recipient_counts(None).await.unwrap(), recipients);
        let opens = |counts: &[tidings_store::hits::HitCount]| {
            counts
                .iter()
                .filter(|count| count.target == opened)
                .map(|count| count.n)
                .sum::<i64>()
        };
        assert_eq!(opens(&store.hit_counts(None).await.unwrap()), opens(&before) + 1);
        assert_eq!(
            store.texts("SELECT CAST(COUNT(*) AS TEXT) FROM hits").await,
            ["2"]
        );
    }
);

store_on_both_engines!(what_counted_by_a_forgotten_hit_counts_on, |store| {
    let (campaign, ids) = sent(store, 1).await;
    record(store, &[hit(campaign, ids[0], Pixel, 100)]).await;
    let mut bot = hit(campaign, ids[0], Pixel, 300 * DAY);
    bot.agent = "curl/8.0".to_owned();
    record(store, &[bot]).await;
    let before = store.hit_recipient_counts(None).await.unwrap();
    store.expire_hits(at(200 * DAY), None, 9).await.unwrap();
    // Rules that judge the hit that is left otherwise say nothing of the one that is gone.
    let rules =
        HitRules::with("[[rule]]\nname = \"ours\"\nverdict = \"privacy_proxy\"\nagents = [\"curl\"]\n")
            .unwrap();
    let done = store
        .rejudge_hits(None, None, &mut HitNames::new(&rules))
        .await
        .unwrap();
    assert_eq!((done.hits, done.changed), (1, 1));
    assert_eq!(store.hit_recipient_counts(None).await.unwrap(), before);
});
