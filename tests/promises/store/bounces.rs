//! What bounced and came back, counted by everything that people ask for.

use super::*;
use tidings_feedback::thresholds::ComplaintLine;
use tidings_store::bounces::{Asked, By, Figures};
use tidings_tests::store_on_both_engines;

const DAY: u64 = 86_400;

fn through(held: Held, relay: &str, provider: &'static str, outcome: Outcome) -> Settlement {
    Settlement {
        relay: relay.to_owned(),
        provider,
        ..settled(held, outcome)
    }
}

/// Two campaigns to eight readers each, the second a day later; from the first some came back.
async fn sent(store: &Store) -> Vec<CampaignId> {
    import(store, "readers", &readers(8)).await;
    let mut campaigns = Vec::new();
    // Planned before anybody bounces.
    for _ in 0..2 {
        let campaign = draft(store, &["readers"]).await;
        store.start_campaign(campaign, "{}", START).await.unwrap();
        campaigns.push(campaign);
    }
    for (day, campaign) in (0..).zip(campaigns.iter().copied()) {
        let sender = Sender::new(store, "one");
        sender.it_is(day * DAY);
        let lease = sender.claim(campaign, 8).await;
        let all = all_of(&lease);
        sender.put_on_wire(&all).await;
        let expired = Outcome::Expired(kept(452, "mailbox full"), busy());
        sender
            .record(
                Vec::new(),
                vec![
                    through(all[0], "primary", "gmail", accepted()),
                    through(all[1], "primary", "gmail", accepted()),
                    through(all[2], "primary", "yahoo", accepted()),
                    through(all[3], "second", "yahoo", rejected()),
                    through(all[4], "second", "yahoo", blocked()),
                    through(all[5], "second", "gmail", expired),
                    through(all[6], "second", "gmail", deferred(at(9 * DAY))),
                    through(
                        all[7],
                        "second",
                        "gmail",
                        put_aside("provider gmail", at(9 * DAY)),
                    ),
                ],
            )
            .await;
    }
    let reader = recipient_id(store, &reader(1)).await;
    store
        .unsubscribe(campaigns[0], reader, "link", at(DAY))
        .await
        .unwrap();
    campaigns
}

fn asked(campaign: Option<CampaignId>, by: By) -> Asked {
    Asked {
        campaign,
        by,
        since: None,
    }
}

fn keys(rows: &[Figures]) -> Vec<(&str, i64, i64, i64)> {
    rows.iter()
        .map(|row| (row.key.as_str(), row.accepted, row.bounced(), row.deferred))
        .collect()
}

store_on_both_engines!(bounces_are_counted_by_all_that_tells_them_apart, |store| {
    let campaigns = sent(store).await;
    let of = async |campaign, by| store.bounce_breakdown(asked(campaign, by)).await.unwrap();
    let one = Some(campaigns[0]);
    let class = of(one, By::Class).await;
    assert_eq!(
        keys(&class.rows),
        [("block", 0, 1, 0), ("hard", 0, 1, 0), ("soft", 0, 1, 1)]
    );
    let expected = Figures {
        accepted: 3,
        rejected: 2,
        expired: 1,
        hard: 1,
        soft: 1,
        block: 1,
        deferred: 1,
        unsubscribes: 1,
        ..Figures::default()
    };
    assert_eq!(class.total, expected);
    let said = store.said_breakdown(asked(one, By::Class)).await.unwrap();
    assert_eq!(said.rows, class.rows);
    assert_eq!((said.total.accepted, said.total.rejected), (0, 2));
    assert!(By::Class.is_of_verdicts() && !By::Relay.is_of_verdicts());
    assert_eq!(class.rows[0].bounce_rate(&class.total), 1.0 / 6.0);
    assert_eq!(class.total.bounce_rate(&class.total), 0.5);
    let reason = of(one, By::Reason).await;
    assert_eq!(
        keys(&reason.rows),
        [
            ("spamdetected", 0, 1, 0),
            ("speeding", 0, 1, 1),
            ("userunknown", 0, 1, 0)
        ]
    );
    let provider = of(one, By::Provider).await;
    assert_eq!(
        keys(&provider.rows),
        [("", 0, 0, 0), ("gmail", 2, 1, 1), ("yahoo", 1, 2, 0)],
        "an unsubscribe by a link has no provider"
    );
    let relay = of(None, By::Relay).await;
    assert_eq!(
        keys(&relay.rows)[1..],
        [("primary", 6, 0, 0), ("second", 0, 6, 2)]
    );
    let day = of(None, By::Day).await;
    assert_eq!(
        keys(&day.rows),
        [("2024-10-04", 3, 3, 1), ("2024-10-05", 3, 3, 1)]
    );
    assert_eq!(day.rows[1].unsubscribes, 1, "on the day when it came");
    let campaign = of(None, By::Campaign).await;
    assert_eq!(keys(&campaign.rows), [("1", 3, 3, 1), ("2", 3, 3, 1)]);
    for by in [
        By::Class,
        By::Reason,
        By::Provider,
        By::Relay,
        By::Day,
        By::Campaign,
    ] {
        assert_eq!(of(one, by).await.total, expected, "{by:?}");
    }
    let since = store
        .bounce_breakdown(Asked {
            since: Some(at(DAY)),
            ..asked(None, By::Day)
        })
        .await
        .unwrap();
    assert_eq!(keys(&since.rows), [("2024-10-05", 3, 3, 1)]);
});

store_on_both_engines!(
    a_campaigns_bounces_are_told_apart_by_everything_at_once,
    |store| {
        let campaigns = sent(store).await;
        let said = store.said_of(campaigns[0]).await.unwrap();
        let said: Vec<_> = said
            .iter()
            .map(|said| {
                format!(
                    "{} {} {} {} {} {}",
                    said.relay, said.provider, said.kind, said.class, said.reason, said.n
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                "second gmail expired soft speeding 1",
                "second yahoo rejected block spamdetected 1",
                "second yahoo rejected hard userunknown 1",
            ]
        );
        assert!(store.said_of(CampaignId(77)).await.unwrap().is_empty());
    }
);

store_on_both_engines!(reports_are_counted_beside_refusals, |store| {
    let campaigns = sent(store).await;
    let hour = at(2 * DAY).0 / 3_600_000_000;
    let row = |kind, class, n: i64| {
        format!(
            "({}, {hour}, 'there', 'primary', 'gmail', '{kind}', '{class}', 'c', 'r', {n})",
            campaigns[0]
        )
    };
    let rows = [
        row("bounce", "hard", 1),
        row("bounce", "other", 1),
        row("delay", "soft", 4),
        row("complaint", "complaint", 1),
        row("autoreply", "autoreply", 2),
    ];
    store
        .execute(&format!(
            "INSERT INTO bounce_counters (campaign_id, hour, node, relay, provider, kind, class, cause, reason, n) VALUES {}",
            rows.join(", ")
        ))
        .await;
    let found = store
        .bounce_breakdown(asked(Some(campaigns[0]), By::Provider))
        .await
        .unwrap();
    let gmail = &found.rows[1];
    let expected = Figures {
        key: "gmail".to_owned(),
        accepted: 2,
        expired: 1,
        reported: 2,
        hard: 1,
        soft: 1,
        other: 1,
        deferred: 1,
        complaints: 1,
        autoreplies: 2,
        ..Figures::default()
    };
    assert_eq!(gmail, &expected);
    assert_eq!(gmail.complaint_rate(gmail), 0.5);
    assert_eq!(gmail.complaint_line(gmail), ComplaintLine::Harmful);
    let mut said = store.reports_of(&campaigns).await.unwrap();
    said.sort_by(|one, other| (&one.kind, &one.class).cmp(&(&other.kind, &other.class)));
    let said: Vec<_> = said
        .iter()
        .map(|row| (row.campaign_id, row.kind.as_str(), row.class.as_str(), row.n))
        .collect();
    let id = campaigns[0].0;
    assert_eq!(
        said,
        [
            (id, "bounce", "hard", 1),
            (id, "bounce", "other", 1),
            (id, "complaint", "complaint", 1)
        ]
    );
    assert!(store.reports_of(&[]).await.unwrap().is_empty());
    let nothing = Figures::default();
    assert_eq!(
        (nothing.bounce_rate(&nothing), nothing.complaint_rate(&nothing)),
        (0.0, 0.0)
    );
});

store_on_both_engines!(days_that_are_over_are_summed_and_say_the_same, |store| {
    let campaigns = sent(store).await;
    let since = |seconds| Asked {
        since: Some(at(seconds)),
        ..asked(None, By::Day)
    };
    let all = async || {
        let mut said = Vec::new();
        for by in [By::Class, By::Day, By::Campaign] {
            for campaign in [None, Some(campaigns[0])] {
                said.push(store.bounce_breakdown(asked(campaign, by)).await.unwrap());
            }
        }
        for seconds in [0, 3_600, 86_400, 100_000] {
            said.push(store.bounce_breakdown(since(seconds)).await.unwrap());
        }
        said
    };
    let before = all().await;
    let summed = "SELECT CAST(COUNT(*) AS TEXT) FROM sent_days";
    // The day of the moment is not over, nor is one that has been over for less than an hour.
    while store.sum_a_day(START).await.unwrap() {}
    assert_eq!(store.texts(summed).await, ["0"]);
    let mut days = 1;
    while store.sum_a_day(at(40 * 86_400)).await.unwrap() {
        days += 1;
    }
    assert_eq!(days, 3, "two days with something, and the rest at once");
    assert_ne!(store.texts(summed).await, ["0"]);
    assert!(!store.sum_a_day(at(40 * 86_400)).await.unwrap());
    assert_eq!(all().await, before);
});
