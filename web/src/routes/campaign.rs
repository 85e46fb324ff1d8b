//! `GET /campaigns/{id}`: everything about one campaign, as a report that can be printed.

mod choices;
pub(crate) mod preflight;
mod rate;
mod response;
pub(crate) mod schedule;
pub(crate) mod steer;
mod view;

use super::problem::{failed, not_found};
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use tidings_campaign::ids::CampaignId;
use tidings_store::{Store, StoreError};
use view::{CampaignPage, Look, Read};

/// `GET /campaigns/{id}`
pub(crate) async fn campaign(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    match id.parse() {
        Ok(id) => show(site, visitor, id, None).await,
        Err(_) => not_found(site, visitor).await,
    }
}

/// The page, perhaps with what was not done, as a sentence, and the answer's status then.
async fn show(
    site: web::Data<Site>,
    visitor: Visitor,
    id: CampaignId,
    problem: Option<(StatusCode, String)>,
) -> HttpResponse {
    let store = site.store.clone();
    match site.ask(async move { read(&store, id).await }).await {
        Ok(Some(read)) => {
            let pulse = site.live.snapshots.borrow().pulses.get(&id).cloned();
            let name = read.summary.name.clone();
            let (status, problem) =
                problem.map_or((StatusCode::OK, None), |(status, text)| (status, Some(text)));
            let look = Look {
                role: visitor.role,
                problem,
                now: site.clock.now(),
            };
            let view = CampaignPage::new(read, &pulse.unwrap_or_default(), look);
            Page::new("campaign", &name)
                .under("/campaigns")
                .shown_to(&visitor)
                .live()
                .answer(&site, status, &view)
        }
        Ok(None) => not_found(site, visitor).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

/// All that the page is made of: counters and the campaign's own row.
async fn read(store: &Store, id: CampaignId) -> Result<Option<Read>, StoreError> {
    let Some(summary) = store.find_campaign_summary(id).await? else {
        return Ok(None);
    };
    let lists = store.lists_of(id).await?;
    Ok(Some(Read {
        campaign: store.get_campaign(id).await?,
        is_own: !store.own_content(id).await?.is_empty(),
        lists: lists.into_iter().map(|(_, name)| name).collect(),
        minutes: store.minutes_of(id).await?,
        parts: store.breakdown(Some(id)).await?,
        said: store.said_of(id).await?,
        hits: store.hit_counts(Some(id)).await?,
        recipients: store.hit_recipient_counts(Some(id)).await?,
        waiting: store.count_waiting_hits().await?,
        summary,
    }))
}
