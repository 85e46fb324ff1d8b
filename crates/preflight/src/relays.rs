//! How large a message the relays take that a campaign may go through: they say it when one connects (RFC 1870).

use std::time::Duration;
use tidings_campaign::preflight::Asked;
use tidings_sender::connection::Connection;
use tidings_sender::dispatch::Routing;
use tidings_sender::relay::RelaySettings;
use tokio::task::JoinSet;

/// A person does not wait for the minutes that a campaign can.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) async fn ask(
    routing: &Routing,
    pool: Option<&str>,
    from_domain: &str,
) -> Vec<(String, Asked<Option<u64>>)> {
    let mut asking = JoinSet::new();
    for relay in routing.relays_of(pool, from_domain) {
        asking.spawn(one(relay.clone()));
    }
    let mut asked = asking.join_all().await;
    asked.sort_by(|(a, _), (b, _)| a.cmp(b));
    asked
}

async fn one(relay: RelaySettings) -> (String, Asked<Option<u64>>) {
    let patient = RelaySettings {
        timeouts: relay.timeouts.at_most(PATIENCE),
        ..relay
    };
    let asked = match Connection::open(&patient).await {
        Ok(connection) => {
            let size = connection.announced().size;
            connection.quit().await;
            Asked::Found(size.map(|size| size as u64))
        }
        Err(failed) => Asked::NoAnswer(failed.fault.to_string()),
    };
    (patient.name, asked)
}
