//! What recipients wish by the links in messages: pauses, all lists, and the way back.

use super::*;
use tidings_campaign::eligibility::{Refusal, may_mail};
use tidings_campaign::leaving::{PauseLength, Said, Scope};
use tidings_store::one_clicks::OneClick;
use tidings_store::unsubscribes::Unsubscribe;
use tidings_tests::store_on_both_engines;

const FOUR_WEEKS: u64 = 4 * 7 * 86_400;

/// How many of the lists have been left.
fn left(standing: &[Subscription]) -> usize {
    let left = |state: &&Subscription| **state == Subscription::Unsubscribed;
    standing.iter().filter(left).count()
}

fn from_all(said: Said) -> Unsubscribe {
    Unsubscribe {
        scope: Scope::All,
        said,
        ..Unsubscribe::by("link")
    }
}

store_on_both_engines!(
    a_pause_holds_mail_back_for_its_time_and_then_lets_it_through,
    |store| {
        let campaign = sending(store, 3).await;
        let pausing = recipient_id(store, &reader(2)).await;
        let pause = (PauseLength::FourWeeks, &Said::default());
        let until = store
            .pause_recipient(campaign, pausing, pause, START)
            .await
            .unwrap();
        assert_eq!(until, at(FOUR_WEEKS));
        // What is planned already is asked about with the lease, and again at hand-over.
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 3).await;
        let loaded = store.load(&lease).await.unwrap();
        assert_eq!(
            loaded.iter().map(|d| d.standing.paused_until).collect::<Vec<_>>(),
            [None, Some(until), None]
        );
        let standing = store.standing(campaign, pausing).await.unwrap();
        assert_eq!(standing, loaded[1].standing);
        let decide = |now| may_mail(loaded[1].recipient.clone().unwrap(), &standing, now).map(drop);
        assert_eq!(decide(at(FOUR_WEEKS - 1)), Err(Refusal::Paused(until)));
        assert_eq!(decide(until), Ok(()));
        // What is planned meanwhile leaves them out, and no longer.
        let next = draft(store, &["readers"]).await;
        assert_eq!(store.count_eligible(next, at(FOUR_WEEKS - 1)).await.unwrap(), 2);
        let page = store
            .eligible_page(next, RecipientId(0), 9, at(FOUR_WEEKS - 1))
            .await;
        assert_eq!(page.unwrap().len(), 2);
        assert_eq!(store.count_eligible(next, until).await.unwrap(), 3);
        let planned = store.start_campaign(next, "{}", until).await.unwrap();
        assert_eq!(planned, 3);
        let record = store.recipient_record(&address(&reader(2)), 9).await.unwrap();
        assert_eq!(record.paused_until, Some(until));
    }
);

store_on_both_engines!(
    a_pause_is_replaced_by_the_next_and_ended_by_the_way_back,
    |store| {
        import(store, "readers", &readers(1)).await;
        let campaign = draft(store, &["readers"]).await;
        let id = recipient_id(store, &reader(1)).await;
        let said = Said::new("too_many", "every day");
        for (length, began, weeks) in [(PauseLength::TwelveWeeks, 0, 12), (PauseLength::EightWeeks, 5, 8)] {
            let until = store
                .pause_recipient(campaign, id, (length, &said), at(began))
                .await
                .unwrap();
            assert_eq!(until, at(began + weeks * 7 * 86_400));
            let wish = store.wish(campaign, id, at(began)).await.unwrap();
            assert_eq!(wish.paused_until, Some(until));
            assert!(wish.is_on_some_list && !wish.has_left());
        }
        let kept = store
            .texts("SELECT reason || ': ' || comment AS said FROM pauses")
            .await;
        assert_eq!(kept, ["too_many: every day"]);
        // An import does not end it.
        import(store, "readers", &readers(1)).await;
        assert_eq!(store.count_eligible(campaign, at(9)).await.unwrap(), 0);
        assert!(store.come_back(campaign, id, at(10)).await.unwrap());
        assert!(!store.come_back(campaign, id, at(11)).await.unwrap());
        assert_eq!(store.count_eligible(campaign, at(10)).await.unwrap(), 1);
    }
);

store_on_both_engines!(
    who_leaves_all_lists_is_on_none_and_is_not_brought_back_by_an_import,
    |store| {
        import(store, "readers", &readers(2)).await;
        import(store, "writers", &readers(2)).await;
        import(store, "others", &[row("else@example.org", None, "{}")]).await;
        let campaign = draft(store, &["readers"]).await;
        let id = recipient_id(store, &reader(1)).await;
        let wish = from_all(Said::new("never_signed_up", "who are you?"));
        assert!(store.unsubscribe_as(campaign, id, &wish, at(1)).await.unwrap());
        assert!(!store.unsubscribe_as(campaign, id, &wish, at(2)).await.unwrap());
        let all = draft(store, &["readers", "writers", "others"]).await;
        assert_eq!(
            standing(store, all, &reader(1)).await,
            [Subscription::Unsubscribed; 3]
        );
        import(store, "others", &readers(1)).await;
        assert_eq!(
            store.count_eligible(all, START).await.unwrap(),
            2,
            "reader 2 and somebody else"
        );
        let wish = store.wish(campaign, id, START).await.unwrap();
        assert!(wish.has_left() && !wish.is_on_some_list && wish.can_come_back);
        // A lone click on the same link later makes it neither narrower nor silent.
        store.unsubscribe(campaign, id, "link", at(3)).await.unwrap();
        let row = store
            .export_unsubscribes((CampaignId(0), RecipientId(0)), 9)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(
            (row.scope.as_str(), row.at, row.undone_at),
            ("all", at(1).0, None)
        );
        assert_eq!(row.reason.as_deref(), Some("never_signed_up"));
        assert_eq!(row.comment.as_deref(), Some("who are you?"));
    }
);

store_on_both_engines!(the_way_back_gives_back_what_was_and_no_more, |store| {
    import(store, "readers", &readers(1)).await;
    import(store, "writers", &readers(1)).await;
    import(store, "others", &[row("else@example.org", None, "{}")]).await;
    let campaign = draft(store, &["readers"]).await;
    let to_writers = draft(store, &["writers"]).await;
    let all = draft(store, &["readers", "writers", "others"]).await;
    let id = recipient_id(store, &reader(1)).await;
    store
        .execute("UPDATE subscriptions SET state = 'pending' WHERE list_id = (SELECT id FROM lists WHERE name = 'readers')")
        .await;
    // Left by another message's link before: that is not this one's to take back.
    store.unsubscribe(to_writers, id, "link", at(1)).await.unwrap();
    store
        .unsubscribe_as(campaign, id, &from_all(Said::default()), at(2))
        .await
        .unwrap();
    assert!(store.come_back(campaign, id, at(3)).await.unwrap());
    let mut stands = standing(store, all, &reader(1)).await;
    stands.sort_by_key(|standing| standing.as_str());
    assert_eq!(stands, [Subscription::Pending, Subscription::Unsubscribed]);
    assert!(store.come_back(to_writers, id, at(4)).await.unwrap());
    assert_eq!(
        standing(store, to_writers, &reader(1)).await,
        [Subscription::Confirmed]
    );
    let rows = store
        .export_unsubscribes((CampaignId(0), RecipientId(0)), 9)
        .await
        .unwrap();
    let undone: Vec<_> = rows.iter().map(|row| row.undone_at).collect();
    assert_eq!(undone, [Some(at(3).0), Some(at(4).0)]);
    // Who leaves again has left now.
    assert!(!store.unsubscribe(to_writers, id, "link", at(5)).await.unwrap());
    let row = store
        .export_unsubscribes((campaign, id), 9)
        .await
        .unwrap()
        .remove(0);
    assert_eq!((row.at, row.undone_at), (at(5).0, None));
});

store_on_both_engines!(the_way_back_lifts_no_suppression, |store| {
    import(store, "readers", &readers(1)).await;
    let campaign = draft(store, &["readers"]).await;
    let id = recipient_id(store, &reader(1)).await;
    store.unsubscribe(campaign, id, "link", at(1)).await.unwrap();
    suppress(store, &reader(1)).await;
    assert!(store.wish(campaign, id, at(2)).await.unwrap().is_suppressed);
    store.come_back(campaign, id, at(2)).await.unwrap();
    assert_eq!(store.count_eligible(campaign, at(3)).await.unwrap(), 0);
});

store_on_both_engines!(a_wish_is_known_for_whoever_is_gone, |store| {
    let speaks = row("ann@example.org", None, r#"{"language":"fr-CA"}"#);
    import(store, "readers", &[speaks]).await;
    let campaign = draft(store, &["readers", "writers"]).await;
    let id = recipient_id(store, "ann@example.org").await;
    let wish = store.wish(campaign, id, START).await.unwrap();
    assert_eq!(wish.language.as_deref(), Some("fr-CA"));
    assert_eq!(
        wish.lists,
        [
            ("readers".to_owned(), Some(Subscription::Confirmed)),
            ("writers".to_owned(), None)
        ]
    );
    assert!(!wish.can_come_back && !wish.is_suppressed);
    let gone = (CampaignId(77), RecipientId(-5));
    let wish = store.wish(gone.0, gone.1, START).await.unwrap();
    assert_eq!(wish, tidings_store::wishes::Wish::default());
    store.unsubscribe(gone.0, gone.1, "link", START).await.unwrap();
    assert!(store.wish(gone.0, gone.1, START).await.unwrap().has_left());
    assert!(store.come_back(gone.0, gone.1, START).await.unwrap());
});

store_on_both_engines!(many_one_clicks_do_what_one_after_the_other_would, |store| {
    import(store, "readers", &readers(700)).await;
    import(store, "others", &readers(3)).await;
    let campaign = draft(store, &["readers"]).await;
    let both = draft(store, &["readers", "others"]).await;
    let click = |campaign, recipient, seconds| OneClick {
        campaign,
        recipient,
        at: at(seconds),
    };
    let mut ids = Vec::new();
    for i in 1..=700 {
        ids.push(recipient_id(store, &reader(i)).await);
    }
    store.one_clicks(&[]).await.unwrap();
    let mut clicks: Vec<OneClick> = ids.iter().rev().map(|id| click(campaign, *id, 5)).collect();
    // Again, by another campaign, by one that is gone, and somebody who is gone.
    clicks.push(click(campaign, ids[0], 6));
    clicks.push(click(both, ids[1], 7));
    clicks.push(click(CampaignId(9_999), ids[2], 8));
    clicks.push(click(campaign, RecipientId(123_456), 9));
    store.one_clicks(&clicks).await.unwrap();
    store.one_clicks(&clicks[..100]).await.unwrap();
    let count = async |rows: &str| {
        store
            .texts(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {rows}"))
            .await
            .remove(0)
    };
    assert_eq!(count("subscriptions WHERE state = 'unsubscribed'").await, "703");
    assert_eq!(
        count("unsubscribes WHERE how = 'link' AND scope = 'lists'").await,
        "703"
    );
    assert_eq!(left(&standing(store, both, &reader(1)).await), 1);
    assert_eq!(
        standing(store, both, &reader(2)).await,
        [Subscription::Unsubscribed; 2]
    );
    let counted = store.counts_since(0).await.unwrap();
    let of = |campaign: CampaignId| {
        let rows = counted.iter().filter(|row| row.outcome == "unsubscribed");
        rows.filter(|row| row.campaign_id == campaign.0)
            .map(|row| row.n)
            .sum::<i64>()
    };
    assert_eq!((of(campaign), of(both)), (701, 1));
    // The way back gives back what each left by it, and who leaves again has left.
    assert!(store.come_back(campaign, ids[1], at(10)).await.unwrap());
    assert_eq!(left(&standing(store, both, &reader(2)).await), 1);
    store.one_clicks(&[click(campaign, ids[1], 11)]).await.unwrap();
    assert_eq!(
        standing(store, campaign, &reader(2)).await,
        [Subscription::Unsubscribed]
    );
    assert_eq!(count("unsubscribes WHERE undone_at IS NOT NULL").await, "0");
});
