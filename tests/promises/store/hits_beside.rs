//! What the store promises about hits that several nodes judge beside each other: it is as if one had judged them all.

use super::hits::{assert_counted, hit, hits_of, recipients_of, record, record_by, sent};
use super::waiting_hits::{fold, let_wait, mixed, names, number};
use super::*;
use tidings_campaign::token::HitTarget::{Link, Pixel, Trap};
use tidings_feedback::hits::HitKind::{Click, Open};
use tidings_feedback::hits::HitVerdict::{Human, Scanner};
use tidings_store::hits::NewHit;
use tidings_tests::store_on_both_engines;

store_on_both_engines!(two_processes_record_beside_each_other, |store| {
    let (campaign, ids) = sent(store, 20).await;
    let other = store.open_again("there").await;
    let write = async |store: &Store, from: u64| {
        let mut names = names();
        for n in 0..10 {
            let hits: Vec<NewHit> = ids
                .iter()
                .flat_map(|id| {
                    [
                        hit(campaign, *id, Pixel, from + 20 * n),
                        hit(campaign, *id, Link(1), from + 20 * n + 1),
                    ]
                })
                .collect();
            record_by(store, &hits, &mut names).await;
        }
    };
    // The second says the same moments: whatever is the key of a row, nothing is lost.
    tokio::join!(write(store, 100), write(&other, 100));
    let all: i64 = hits_of(store, campaign).await.iter().map(|(_, _, n)| n).sum();
    assert_eq!(all, 800);
    assert_eq!(
        recipients_of(store, campaign).await,
        [(Open, Human, 20), (Click, Human, 20)]
    );
    assert_counted(store).await;
    other.close().await;
});

store_on_both_engines!(
    several_nodes_fold_beside_each_other_and_every_hit_counts_once,
    |store| {
        let (campaign, ids) = sent(store, 97).await;
        let hits = mixed(campaign, &ids, 12_000);
        let others = [
            store.open_again("there").await,
            store.open_again("elsewhere").await,
        ];
        let write = async |store: &Store, from: usize| {
            for hits in hits[from..from + 4000].chunks(200) {
                let_wait(store, hits).await;
                fold(store).await;
            }
        };
        tokio::join!(write(store, 0), write(&others[0], 4000), write(&others[1], 8000));
        while store.count_waiting_hits().await.unwrap() > 0 {
            fold(store).await;
        }
        assert_eq!(number(store, "(SELECT COUNT(*) FROM hits)").await, 12_000);
        assert_counted(store).await;
        for other in others {
            other.close().await;
        }
    }
);

store_on_both_engines!(
    several_nodes_judge_the_hits_of_the_same_recipients_as_one_would,
    |store| {
        let (campaign, ids) = sent(store, 97).await;
        let other = store.open_again("there").await;
        let (mut names, mut other_names) = (names(), names());
        let of_all = |target, seconds| -> Vec<NewHit> {
            ids.iter().map(|id| hit(campaign, *id, target, seconds)).collect()
        };
        // Four times a morning and an evening: in each somebody opened it and followed a link, and then the trap was hit. One node
        // hears of the mornings, the other of the evenings.
        let (mornings, evenings) = ([1, 3, 5, 7], [2, 4, 6, 8]);
        for (morning, evening) in mornings.into_iter().zip(evenings) {
            let (morning, evening) = (morning * 43_200, evening * 43_200);
            for hits in [of_all(Pixel, morning), of_all(Pixel, evening)] {
                record(store, &hits).await;
            }
            let first = [of_all(Link(1), morning + 5), of_all(Trap, morning + 9)].concat();
            let second = [of_all(Link(2), evening + 5), of_all(Trap, evening + 9)].concat();
            let first = record_by(store, &first, &mut names);
            tokio::join!(first, record_by(&other, &second, &mut other_names));
            let late = [of_all(Pixel, morning + 60), of_all(Trap, evening + 90)].concat();
            let first = of_all(Link(3), evening + 80);
            let first = record_by(store, &first, &mut names);
            tokio::join!(first, record_by(&other, &late, &mut other_names));
            assert_eq!(
                recipients_of(store, campaign).await,
                [(Open, Scanner, 97), (Click, Scanner, 97)]
            );
            assert_counted(store).await;
        }
        other.close().await;
    }
);
