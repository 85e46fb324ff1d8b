//! `GET /campaigns`: all campaigns, with search, a filter by state, and pages.

mod view;

use super::problem::failed;
use crate::figures::happened::Happened;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use std::collections::HashMap;
use tidings_campaign::lifecycle::CampaignState;
use tidings_store::StoreError;
use tidings_store::campaign_pages::CampaignSearch;
use view::ListView;

/// Campaigns of one page.
const SHOWN: i64 = 25;
/// Letters of a search at most.
const LONGEST: usize = 200;
/// The last page that can be asked for.
const LAST: i64 = 1_000_000;

/// `?q=…&state=…&page=…`
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    page: String,
}

/// `GET /campaigns`
pub(crate) async fn campaigns(
    site: web::Data<Site>,
    visitor: Visitor,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let page: i64 = asked.page.parse().unwrap_or(1);
    let page = page.clamp(1, LAST);
    let search = CampaignSearch {
        text: asked.q.trim().chars().take(LONGEST).collect(),
        state: CampaignState::parse(&asked.state),
        skip: (page - 1) * SHOWN,
        limit: SHOWN,
    };
    let store = site.store.clone();
    let wanted = search.clone();
    let read = site.ask(async move {
        let found = store.find_campaigns(&wanted).await?;
        let ids: Vec<_> = found.campaigns.iter().map(|campaign| campaign.id).collect();
        Ok::<_, StoreError>((found, store.reports_of(&ids).await?))
    });
    let (found, reports) = match read.await {
        Ok(read) => read,
        Err(trouble) => return failed(&site, &trouble),
    };
    let mut happened: HashMap<i64, Happened> = HashMap::new();
    for row in reports {
        let of_one = happened.entry(row.campaign_id).or_default();
        of_one.add(&row.kind, &row.class, row.n);
    }
    let view = ListView::new(&search, page, &found, &happened);
    Page::new("campaigns", "Campaigns")
        .under("/campaigns")
        .shown_to(&visitor)
        .answer(&site, StatusCode::OK, &view)
}
