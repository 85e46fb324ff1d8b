//! The recorder's batches: what is committed, what is granted, and what is left alone.

mod grants;
mod lost_answers;
mod outcomes;

use super::*;
use tidings_campaign::lifecycle::Action;
use tidings_store::leases::LeaseKind;
use tidings_tests::{FreshStore, store_on_both_engines};

fn words(row: &ListedDelivery) -> [Option<&str>; 3] {
    [&row.class, &row.cause, &row.reason].map(|word| word.as_deref())
}

/// Somebody cancels the campaign and the first `n` waiting deliveries are withheld already.
async fn withhold(store: &Store, campaign: CampaignId, n: i64) {
    store.move_campaign(campaign, Action::Cancel, None).await.unwrap();
    let withheld = store.settle_cancelled(campaign, n, START).await.unwrap();
    assert_eq!(withheld, n as u64);
}

/// One sender loses the first of its two leases, with delivery 1 on the wire, to another, who has it as a lease of his own.
async fn half_lost<'s>(store: &'s FreshStore) -> (Sender<'s>, (Sender<'s>, Lease), Lease, Lease) {
    let campaign = sending(store, 4).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let (lost, kept) = (one.claim(campaign, 2).await, one.claim(campaign, 2).await);
    one.put_on_wire(&[held(&lost, 1)]).await;
    one.it_is(20);
    one.put_on_wire(&[held(&kept, 3)]).await;
    two.it_is(30);
    let taken = two.claim(campaign, 2).await;
    assert_eq!(
        Lease {
            id: lost.id,
            ..taken.clone()
        },
        lost
    );
    one.it_is(31);
    (one, (two, taken), lost, kept)
}
