//! `GET /campaigns/{id}/deliveries`: a campaign's ledger, row by row.

pub(crate) mod export;
mod view;

use super::problem::{failed, not_found};
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_store::StoreError;
use tidings_store::ledger_pages::DeliverySearch;
use view::DeliveriesPage;

/// Deliveries of one page.
const SHOWN: i64 = 50;
/// Letters of a search at most: those of the longest address.
const LONGEST: usize = 320;

/// `?q=…&state=…&after=…`
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    after: String,
}

impl Asked {
    fn search(&self) -> DeliverySearch {
        DeliverySearch {
            state: DeliveryState::parse(&self.state),
            begins: key(&self.q),
            after: self.after.parse().unwrap_or(0).max(0),
            limit: SHOWN,
        }
    }
}

/// The beginning of an address as addresses are compared; a whole one with its domain as it is kept.
fn key(text: &str) -> String {
    let text: String = text.trim().chars().take(LONGEST).collect();
    match EmailAddress::parse(&text) {
        Ok(address) => address.key().to_string(),
        Err(_) => text.to_lowercase(),
    }
}

/// `GET /campaigns/{id}/deliveries`. Its form, which only asks, leads to itself.
pub(crate) async fn deliveries(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let search = asked.search();
    let (store, wanted) = (site.store.clone(), search.clone());
    let read = site.ask(async move {
        let Some(summary) = store.find_campaign_summary(id).await? else {
            return Ok(None);
        };
        let found = store.find_deliveries(id, &wanted).await?;
        Ok::<_, StoreError>(Some((summary, found)))
    });
    match read.await {
        Ok(Some((summary, found))) => {
            let view = DeliveriesPage::new(&summary, asked.q.trim(), &search, found);
            Page::new("deliveries", &format!("Deliveries of {}", summary.name))
                .under("/campaigns")
                .shown_to(&visitor)
                .answer(&site, StatusCode::OK, &view)
        }
        Ok(None) => not_found(site, visitor).await,
        Err(trouble) => failed(&site, &trouble),
    }
}
