//! The ledger page by page, as a person looks for deliveries in it. What a page reads is bounded, however large the ledger.

use crate::deliveries::{ListedDelivery, listed};
use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use crate::suppressions::end_of;
use tidings_campaign::ids::{CampaignId, Seq};
use tidings_campaign::lifecycle::DeliveryState;

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliverySearch {
    /// In this state only.
    pub state: Option<DeliveryState>,
    /// What the addresses begin with, in lower case; all if empty.
    pub begins: String,
    /// Those after this one.
    pub after: i64,
    /// At most so many.
    pub limit: i64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct DeliveriesFound {
    /// One page of them, in order.
    pub deliveries: Vec<ListedDelivery>,
    /// After which one to look for more; none if all was looked through.
    pub next: Option<Seq>,
    /// More addresses begin so than are looked at: [`ADDRESSES`].
    pub is_cut: bool,
}

/// Rows of the ledger that are looked through for one page at most, when a state is looked for.
pub const WINDOW: i64 = 100_000;
/// Addresses that are looked at at most, when their beginning is looked for.
pub const ADDRESSES: i64 = 1_000;

/// The first of the addresses from `$2` to `$7`: they stand beside each other in the index.
macro_rules! addresses {
    () => {
        "(SELECT id, address, address_key FROM recipients WHERE address_key >= $2 AND address_key < $7 ORDER BY address_key LIMIT $3) r"
    };
}

impl Store {
    /// Looks for deliveries of a campaign.
    pub async fn find_deliveries(
        &self,
        campaign: CampaignId,
        search: &DeliverySearch,
    ) -> Result<DeliveriesFound, StoreError> {
        match search.begins.is_empty() {
            true => self.deliveries_in_window(campaign, search).await,
            false => self.deliveries_to_addresses(campaign, search).await,
        }
    }

    async fn deliveries_in_window(
        &self,
        campaign: CampaignId,
        search: &DeliverySearch,
    ) -> Result<DeliveriesFound, StoreError> {
        const PAGE: &str = concat!(
            "SELECT ",
            listed!(),
            " FROM deliveries d LEFT JOIN recipients r ON r.id = d.recipient_id WHERE d.campaign_id = $1 \
             AND d.seq > $2 AND d.seq <= $3 AND ($4 = '' OR d.state = $4) ORDER BY d.seq LIMIT $5"
        );
        const PLANNED: &str = "SELECT planned FROM campaigns WHERE id = $1";
        let planned: Option<i64> = on_pool!(self, pool => sqlx::query_scalar(PLANNED).bind(campaign.0)
            .fetch_optional(pool).await)?;
        let end = search.after.saturating_add(WINDOW);
        let word = search.state.map_or("", DeliveryState::as_str);
        let deliveries: Vec<ListedDelivery> = on_pool!(self, pool => sqlx::query_as(PAGE).bind(campaign.0)
            .bind(search.after).bind(end).bind(word).bind(search.limit).fetch_all(pool).await)?;
        let seen = full(&deliveries, search.limit).unwrap_or(end);
        Ok(DeliveriesFound {
            deliveries,
            next: (seen < planned.unwrap_or_default()).then_some(Seq(seen)),
            is_cut: false,
        })
    }

    async fn deliveries_to_addresses(
        &self,
        campaign: CampaignId,
        search: &DeliverySearch,
    ) -> Result<DeliveriesFound, StoreError> {
        // CROSS JOIN keeps SQLite from going through the whole ledger first.
        const PAGE: &str = concat!(
            "SELECT ",
            listed!(),
            " FROM ",
            addresses!(),
            " CROSS JOIN deliveries d WHERE d.recipient_id = r.id AND d.campaign_id = $1 \
             AND d.seq > $4 AND ($5 = '' OR d.state = $5) \
             ORDER BY d.seq LIMIT $6"
        );
        const LAST: &str = "SELECT address_key FROM recipients WHERE address_key >= $1 AND address_key < $3 \
            ORDER BY address_key LIMIT 1 OFFSET $2";
        let word = search.state.map_or("", DeliveryState::as_str);
        let end = end_of(&search.begins);
        let deliveries: Vec<ListedDelivery> = on_pool!(self, pool => sqlx::query_as(PAGE).bind(campaign.0)
            .bind(&search.begins).bind(ADDRESSES).bind(search.after).bind(word).bind(search.limit)
            .bind(&end).fetch_all(pool).await)?;
        let beyond: Option<String> = on_pool!(self, pool => sqlx::query_scalar(LAST).bind(&search.begins)
            .bind(ADDRESSES).bind(&end).fetch_optional(pool).await)?;
        Ok(DeliveriesFound {
            next: full(&deliveries, search.limit).map(Seq),
            deliveries,
            is_cut: beyond.is_some(),
        })
    }
}

/// The last one of a page that is full.
fn full(deliveries: &[ListedDelivery], limit: i64) -> Option<i64> {
    let is_full = i64::try_from(deliveries.len()).is_ok_and(|n| n >= limit);
    deliveries.last().filter(|_| is_full).map(|last| last.seq)
}
