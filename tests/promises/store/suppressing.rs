//! What a refusal while sending does to the address.

use super::*;
use tidings_campaign::lifecycle::Action;
use tidings_feedback::policy::SoftRule;
use tidings_store::suppressions::Suppression;
use tidings_tests::FreshStore;
use tidings_tests::store_on_both_engines;

const DAY: u64 = 86_400;

async fn suppression(store: &Store, i: usize) -> Option<Suppression> {
    store.find_suppression(&address(&reader(i))).await.unwrap()
}

fn full() -> Ruling {
    ruling(Class::Soft, Cause::MailboxFull, "mailboxfull", "mailbox-full")
}

store_on_both_engines!(
    an_address_that_is_gone_is_suppressed_with_the_outcome_and_nobody_else,
    |store| {
        let campaign = sending(store, 6).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 6).await;
        let deliveries = all_of(&lease);
        sender.put_on_wire(&deliveries).await;
        sender.it_is(5);
        let outcomes = [
            accepted(),
            rejected(),
            blocked(),
            Outcome::Rejected(kept(552, "mailbox full"), full()),
            Outcome::Expired(kept(452, "mailbox full"), full()),
            deferred(at(600)),
        ];
        let settled = deliveries.iter().zip(outcomes).map(|(held, o)| settled(*held, o));
        sender.record(Vec::new(), settled.collect()).await;
        for i in [1, 3, 4, 5, 6] {
            assert_eq!(suppression(store, i).await, None, "{i}");
        }
        let expected = Suppression {
            who: reader(2),
            reason: "hard_bounce".to_owned(),
            evidence: format!("550 5.0.0 no such user (rule no-such-mailbox, campaign {campaign})"),
            created_at: at(5),
        };
        assert_eq!(suppression(store, 2).await, Some(expected));
        let attempts = store.attempts(campaign, Seq(2)).await.unwrap();
        assert_eq!(attempts[0].rule.as_deref(), Some("no-such-mailbox"));
        assert_eq!(attempts[0].action.as_deref(), Some("suppressed"));
        let attempts = store.attempts(campaign, Seq(3)).await.unwrap();
        assert_eq!(attempts[0].rule.as_deref(), Some("spam"));
        assert_eq!(attempts[0].action, None);
    }
);

store_on_both_engines!(
    a_refusal_does_not_overwrite_why_an_address_is_suppressed,
    |store| {
        let campaign = sending(store, 2).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 2).await;
        sender.put_on_wire(&all_of(&lease)).await;
        suppress(store, &reader(1)).await;
        sender.settle(&all_of(&lease), &rejected()).await;
        assert_eq!(suppression(store, 1).await.unwrap().reason, "complaint");
        assert_eq!(suppression(store, 2).await.unwrap().reason, "hard_bounce");
    }
);

store_on_both_engines!(a_refusal_that_was_thought_to_be_lost_suppresses_too, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    sender.put_on_wire(&all_of(&lease)[..2]).await;
    // The lease is lost, and what was on the wire is unknown.
    let other = Sender::new(store, "two");
    other.it_is(60);
    other.claim(campaign, 3).await;
    assert_eq!(seqs(store, campaign, DeliveryState::Unknown).await, [1, 2]);
    sender.it_is(61);
    sender.settle(&all_of(&lease)[..1], &rejected()).await;
    assert_eq!(seqs(store, campaign, DeliveryState::Rejected).await, [1]);
    assert_eq!(suppression(store, 1).await.unwrap().reason, "hard_bounce");
    // Somebody else's delivery says nothing.
    sender.settle(&all_of(&lease)[2..], &rejected()).await;
    assert_eq!(suppression(store, 3).await, None);
});

store_on_both_engines!(evidence_is_bounded_whatever_a_relay_says, |store| {
    let campaign = sending(store, 1).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 1).await;
    let outcome = Outcome::Rejected(kept(550, &"ü".repeat(400)), no_such_user());
    sender.send(&all_of(&lease), &outcome).await;
    let evidence = suppression(store, 1).await.unwrap().evidence;
    assert_eq!(evidence.chars().count(), 300, "{evidence}");
    assert!(
        evidence.contains("üü… (rule no-such-mailbox, campaign"),
        "{evidence}"
    );
});

/// Sends a campaign to the one reader on each of these days; returns whether the last outcome wore the address out.
async fn on_days(store: &FreshStore, rule: SoftRule, days: &[(u64, Outcome)]) -> bool {
    let mut worn = false;
    for (day, outcome) in days {
        let campaign = draft(store, &["readers"]).await;
        store.start_campaign(campaign, "{}", at(day * DAY)).await.unwrap();
        let sender = Sender::new(store, "one");
        sender.it_is(day * DAY);
        let lease = sender.claim(campaign, 1).await;
        sender.put_on_wire(&all_of(&lease)).await;
        let settlement = settled(all_of(&lease)[0], outcome.clone());
        sender.record(Vec::new(), vec![settlement.clone()]).await;
        sender.done_with(&lease).await;
        assert_eq!(
            settlement.is_soft_bounce(),
            !matches!(outcome, Outcome::Accepted(_) | Outcome::Deferred(..)) && *outcome != blocked(),
        );
        worn = store.wear_out(&settlement, rule, at(day * DAY)).await.unwrap();
        if matches!(outcome, Outcome::Deferred(..)) {
            store.move_campaign(campaign, Action::Cancel, None).await.unwrap();
        }
    }
    worn
}

fn soft() -> Outcome {
    Outcome::Rejected(kept(552, "mailbox full"), full())
}

fn soft_for_too_long() -> Outcome {
    Outcome::Expired(kept(452, "mailbox full"), full())
}

const RULE: SoftRule = SoftRule {
    in_row: 3,
    over: Duration::from_secs(10 * DAY),
};

store_on_both_engines!(soft_bounces_in_a_row_over_days_suppress_the_address, |store| {
    import(store, "readers", &readers(1)).await;
    let days = [(0, soft()), (6, blocked()), (8, soft_for_too_long())];
    assert!(!on_days(store, RULE, &days).await, "two of three");
    assert!(on_days(store, RULE, &[(10, soft())]).await);
    let found = suppression(store, 1).await.unwrap();
    assert_eq!(
        (found.reason.as_str(), found.created_at),
        ("soft_bounces", at(10 * DAY))
    );
    let last =
        "too many soft bounces in a row, the last: 552 5.0.0 mailbox full (rule mailbox-full, campaign 4)";
    assert_eq!(found.evidence, last);
    let attempts = store.attempts(CampaignId(4), Seq(1)).await.unwrap();
    assert_eq!(attempts[0].action.as_deref(), Some("suppressed"));
    // A person lets it be mailed again: what was before says nothing any more.
    let lifted = store.lift_suppression(&address(&reader(1)), at(11 * DAY)).await;
    assert!(lifted.unwrap().is_some());
    assert!(!on_days(store, RULE, &[(12, soft()), (18, soft())]).await);
    assert!(on_days(store, RULE, &[(23, soft())]).await);
});

store_on_both_engines!(
    soft_bounces_are_forgotten_by_an_acceptance_and_within_days,
    |store| {
        import(store, "readers", &readers(1)).await;
        let days = [
            (0, soft()),
            (5, soft()),
            (6, accepted()),
            (7, soft()),
            (9, soft()),
        ];
        assert!(!on_days(store, RULE, &days).await);
        assert!(!on_days(store, RULE, &[(16, soft())]).await, "nine days");
        let never = SoftRule { in_row: 0, ..RULE };
        assert!(!on_days(store, never, &[(40, soft())]).await, "switched off");
        assert_eq!(suppression(store, 1).await, None);
        assert!(on_days(store, RULE, &[(41, soft())]).await);
    }
);
