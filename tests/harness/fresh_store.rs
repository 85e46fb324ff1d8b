//! The store by itself, on a database of its own.

use crate::{Database, Engine};
use std::ops::Deref;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_store::Store;
use tidings_store::bounces::{Asked, By};

/// An open store that nobody else uses.
pub struct FreshStore {
    /// What it is kept in.
    pub engine: Engine,
    /// As `--database` takes it.
    pub url: String,
    store: Store,
}

impl FreshStore {
    /// The name of the node of a fresh store.
    pub const NODE: &str = "here";

    /// Runs a promise on a fresh store, then compares the counters with the ledger.
    pub fn test(engine: Engine, promise: impl AsyncFnOnce(&FreshStore)) {
        let folder = tempfile::Builder::new()
            .prefix("tidings-store-")
            .tempdir()
            .expect("a temporary folder");
        let database = Database::create(engine, folder.path());
        database.block_on(async {
            let url = database.url().to_owned();
            let store = Store::open(&url, Self::NODE).await.expect("a new database");
            let fresh = FreshStore { engine, url, store };
            promise(&fresh).await;
            fresh.assert_counters_tell_the_truth().await;
            fresh.close().await;
        });
    }

    /// Opens the same database once more, as another process does.
    pub async fn open_again(&self, node: &str) -> Store {
        Store::open(&self.url, node)
            .await
            .expect("a database that is open already")
    }

    /// Runs one statement beside the store: to bring about what none of its functions can.
    pub async fn execute(&self, statement: &str) {
        crate::database::execute(self.engine, &self.url, statement).await;
    }

    /// Runs these statements in a transaction beside the store, which is committed when `work` has had time to come upon it: as if a slow
    /// process did both.
    pub async fn while_uncommitted<T>(&self, statements: &str, work: impl Future<Output = T>) -> T {
        const TIME: Duration = Duration::from_millis(500);
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        let mut slow = crate::database::Beside::connect(self.engine, &self.url).await;
        slow.execute(&format!("{begin}; {statements}")).await;
        let committed = async {
            tokio::time::sleep(TIME).await;
            slow.execute("COMMIT").await;
        };
        tokio::join!(work, committed).0
    }

    /// The texts that a query gives.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        crate::database::texts(self.engine, &self.url, query).await
    }

    /// What pages show is what is in the ledger, and every planned delivery is in it.
    async fn assert_counters_tell_the_truth(&self) {
        for campaign in self.list_campaigns(&[]).await.expect("all campaigns") {
            let counted = sorted(self.delivery_counts(campaign.id).await.expect("the counters"));
            let ledger = match campaign.deliveries_removed_at {
                // Where the deliveries are gone, the counters are all there is.
                Some(_) => counted.clone(),
                None => self.ledger(campaign.id).await,
            };
            let what = format!("campaign {}", campaign.id);
            assert_eq!(counted, ledger, "{what}: the counters are not the ledger");
            let sum: i64 = ledger.iter().map(|(_, n)| n).sum();
            assert_eq!(
                sum, campaign.planned,
                "{what}: the states do not sum to what was planned"
            );
            self.assert_bounces_are_counted(campaign.id, &ledger).await;
        }
    }

    /// What `tidings stats bounces` says is what is in the ledger.
    async fn assert_bounces_are_counted(&self, campaign: CampaignId, ledger: &[(DeliveryState, i64)]) {
        let asked = Asked {
            campaign: Some(campaign),
            by: By::Reason,
            since: None,
        };
        let counted = self.bounce_breakdown(asked).await.expect("the counters").total;
        let in_ledger = |state| ledger.iter().find(|(s, _)| *s == state).map_or(0, |(_, n)| *n);
        assert_eq!(
            [counted.accepted, counted.rejected, counted.expired],
            [
                DeliveryState::Accepted,
                DeliveryState::Rejected,
                DeliveryState::Expired
            ]
            .map(in_ledger),
            "campaign {campaign}: what bounced is not what is in the ledger"
        );
    }

    /// How many deliveries of a campaign are in each state, counted row by row, in the order of the states; those
    /// without any are left out.
    pub async fn ledger(&self, campaign: CampaignId) -> Vec<(DeliveryState, i64)> {
        sorted(self.count_ledger(campaign).await.expect("the ledger"))
    }
}

fn sorted(mut counts: Vec<(DeliveryState, i64)>) -> Vec<(DeliveryState, i64)> {
    counts.retain(|(_, n)| *n != 0);
    counts.sort_unstable();
    counts
}

impl Deref for FreshStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}
