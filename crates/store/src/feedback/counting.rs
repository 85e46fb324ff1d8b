//! Counting what was told, by the relay and the provider of its delivery.

use super::judging::Judged;
use crate::counters::Deltas;
use crate::engine::{Tx, on_tx, values_list};
use crate::error::StoreError;
use sqlx::AssertSqlSafe;
use std::collections::{BTreeSet, HashMap};
use tidings_campaign::provider::{OTHER, by_domain};

/// Domains of one statement.
const ROWS: usize = 300;

/// Counts the events of a batch that count: what is told again, or is about nothing of ours, does not.
pub(super) async fn count(
    tx: &mut Tx,
    deltas: &mut Deltas,
    judged: &[Judged<'_, '_>],
) -> Result<(), StoreError> {
    let counted = || judged.iter().filter(|one| one.once.is_some());
    let domains: BTreeSet<&str> = counted()
        .map(|one| domain(&one.address_key))
        .filter(|domain| by_domain(domain) == OTHER)
        .collect();
    let by_mx = found_out(tx, &domains.into_iter().collect::<Vec<_>>()).await?;
    for one in counted() {
        let Some((campaign, _)) = one.recipient() else {
            continue;
        };
        let domain = domain(&one.address_key);
        let provider = by_mx.get(domain).map_or(by_domain(domain), String::as_str);
        let relay = one
            .delivery()
            .and_then(|delivery| delivery.relay.as_deref())
            .unwrap_or_default();
        let event = one.told.event;
        deltas.said(campaign, relay, provider, event.kind.as_str(), &event.verdict);
    }
    Ok(())
}

fn domain(address_key: &str) -> &str {
    address_key.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// The providers of those domains that the DNS was asked about.
async fn found_out(tx: &mut Tx, domains: &[&str]) -> Result<HashMap<String, String>, StoreError> {
    let mut found = HashMap::new();
    for domains in domains.chunks(ROWS) {
        let text = format!(
            "SELECT domain, provider FROM domain_providers WHERE domain IN {}",
            values_list(1, domains.len(), 1)
        );
        let rows: Vec<(String, String)> = on_tx!(tx, conn => {
            let mut query = sqlx::query_as(AssertSqlSafe(text));
            for domain in domains {
                query = query.bind(*domain);
            }
            query.fetch_all(conn).await
        })?;
        found.extend(rows);
    }
    Ok(found)
}
