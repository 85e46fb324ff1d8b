//! `GET /campaigns/{id}/deliveries.csv` and `.jsonl`: the ledger as a file, written as it is read. The rows are those of
//! `tidings campaign deliveries`.

use super::Asked;
use crate::download;
use crate::people::Visitor;
use crate::routes::problem::{failed, not_found, removed};
use crate::site::{Site, Trouble};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use std::io;
use tidings_campaign::ids::{CampaignId, Seq};
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::rows::{Rows, Shape};
use tidings_store::StoreError;
use tidings_store::deliveries::ListedDelivery;

/// Deliveries that are read and sent at once.
const PAGE: i64 = 2_000;

/// `GET /campaigns/{id}/deliveries.{ending}`
pub(crate) async fn export(
    site: web::Data<Site>,
    visitor: Visitor,
    wanted: web::Path<(String, String)>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let (id, ending) = wanted.into_inner();
    let shape = match ending.as_str() {
        "csv" => Some((Shape::Csv, download::CSV)),
        "jsonl" => Some((Shape::Lines, "application/jsonl")),
        _ => None,
    };
    let (Some((shape, kind)), Ok(id)) = (shape, id.parse::<CampaignId>()) else {
        return not_found(site, visitor).await;
    };
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let about = (id.to_string(), ending.clone());
    let found = site.ask(async move {
        let found = store.find_campaign_summary(id).await?;
        if found
            .as_ref()
            .is_some_and(|summary| summary.deliveries_removed_at.is_none())
        {
            let what = "exported the deliveries of a campaign";
            store.audit(&by, what, (&about.0, &about.1), now).await?;
        }
        Ok::<_, StoreError>(found)
    });
    match found.await {
        Ok(Some(summary)) => {
            // An empty file would look as if there had been none.
            if let Some(at) = summary.deliveries_removed_at {
                return removed(&site, &visitor, at);
            }
        }
        Ok(None) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    }
    let reading = Reading {
        site,
        campaign: id,
        state: DeliveryState::parse(&asked.state),
        shape,
        after: Some(Seq(0)),
    };
    let body = stream::try_unfold(reading, Reading::next);
    download::file(&format!("deliveries-{id}.{ending}"), kind, body)
}

/// How far an export is.
struct Reading {
    site: web::Data<Site>,
    campaign: CampaignId,
    state: Option<DeliveryState>,
    shape: Shape,
    /// After which delivery it goes on; none when it is at its end.
    after: Option<Seq>,
}

impl Reading {
    /// The next part of the file. A fault breaks the answer off, so that nobody takes a part for the whole.
    async fn next(mut self) -> Result<Option<(Bytes, Reading)>, io::Error> {
        let Some(after) = self.after else {
            return Ok(None);
        };
        let (store, campaign, state) = (self.site.store.clone(), self.campaign, self.state);
        let page = self
            .site
            .ask(async move { store.list_deliveries(campaign, state, after, PAGE).await })
            .await
            .map_err(broken_off)?;
        self.after = page.last().map(|last| Seq(last.seq));
        let part = part(self.shape, after == Seq(0), &page)?;
        Ok(Some((part.into(), self)))
    }
}

fn broken_off(trouble: Trouble) -> io::Error {
    tracing::error!("an export of deliveries was broken off: {trouble}");
    io::Error::other(trouble.to_string())
}

/// A part of the file; the first has the header, where there is one.
fn part(shape: Shape, is_first: bool, page: &[ListedDelivery]) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let mut rows = match is_first {
        true => Rows::begin(&mut octets, shape, ListedDelivery::COLUMNS)?,
        false => Rows::go_on(&mut octets, shape, ListedDelivery::COLUMNS),
    };
    for delivery in page {
        rows.add(&delivery.values())?;
    }
    rows.end()?;
    Ok(octets)
}
