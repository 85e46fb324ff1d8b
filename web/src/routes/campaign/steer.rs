//! What an editor does with a campaign: `POST /campaigns/{id}/…`. What cannot be done is said on the campaign's page.

use super::show;
use crate::people::Visitor;
use crate::routes::problem::{failed, not_found, see_other};
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use std::future::Future;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{Action, DeliveryState};
use tidings_campaign::time::Timestamp;
use tidings_store::audit::By;
use tidings_store::{Store, StoreError};

/// Letters of a campaign's name at most.
const LONGEST_NAME: usize = 200;

/// The form that makes a campaign to those not reached: a field for each state that was chosen.
#[derive(Deserialize)]
pub(crate) struct AgainForm {
    name: String,
    rejected: Option<String>,
    expired: Option<String>,
    withheld: Option<String>,
    unknown: Option<String>,
}

/// `POST /campaigns/{id}/pause`
pub(crate) async fn pause(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    steer(site, visitor, &id, Action::Pause).await
}

/// `POST /campaigns/{id}/resume`
pub(crate) async fn resume(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    steer(site, visitor, &id, Action::Resume).await
}

/// `POST /campaigns/{id}/cancel`. The sender settles what has not gone out, within seconds.
pub(crate) async fn cancel(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    steer(site, visitor, &id, Action::Cancel).await
}

/// `POST /campaigns/{id}/unschedule`
pub(crate) async fn unschedule(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
) -> HttpResponse {
    let work = async |store: Store, id, by: By, now| {
        store.unschedule_campaign(id, &by, now).await?;
        Ok(page_of(id))
    };
    change(site, visitor, &id, work).await
}

async fn steer(site: web::Data<Site>, visitor: Visitor, id: &str, action: Action) -> HttpResponse {
    let work = async move |store: Store, id, by: By, now| {
        store.steer_campaign(id, action, &by, now).await?;
        Ok(page_of(id))
    };
    change(site, visitor, id, work).await
}

/// `POST /campaigns/{id}/resend-unknown`
pub(crate) async fn resend_unknown(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
) -> HttpResponse {
    let work = async |store: Store, id, by: By, now| {
        store.resend_unknown(id, &by, now).await?;
        Ok(page_of(id))
    };
    change(site, visitor, &id, work).await
}

/// `POST /campaigns/{id}/leave-unknown`
pub(crate) async fn leave_unknown(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
) -> HttpResponse {
    let work = async |store: Store, id, by: By, now| {
        store.leave_unknown(id, &by, now).await?;
        Ok(page_of(id))
    };
    change(site, visitor, &id, work).await
}

/// `POST /campaigns/{id}/again`: makes the draft, and leads to it.
pub(crate) async fn again(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<AgainForm>,
) -> HttpResponse {
    let states = form.states();
    let Some(name) = name_of(&form.name) else {
        return ask_for_a_name(site, visitor, &id).await;
    };
    let work = async move |store: Store, id, by: By, now| {
        let child = store.create_child(id, &states, &name, &by, now).await?;
        Ok(page_of(child))
    };
    change(site, visitor, &id, work).await
}

/// The form that makes a draft like a campaign.
#[derive(Deserialize)]
pub(crate) struct RepeatForm {
    name: String,
}

impl AgainForm {
    fn states(&self) -> Vec<DeliveryState> {
        let chosen = [
            (&self.rejected, DeliveryState::Rejected),
            (&self.expired, DeliveryState::Expired),
            (&self.withheld, DeliveryState::Withheld),
            (&self.unknown, DeliveryState::Unknown),
        ];
        let chosen = chosen.into_iter().filter(|(field, _)| field.is_some());
        chosen.map(|(_, state)| state).collect()
    }
}

/// `POST /campaigns/{id}/repeat`: makes a draft like it, and leads to where that is written.
pub(crate) async fn repeat(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<RepeatForm>,
) -> HttpResponse {
    let Some(name) = name_of(&form.name) else {
        return ask_for_a_name(site, visitor, &id).await;
    };
    let work = async move |store: Store, id, by: By, now| {
        let draft = store.repeat_campaign(id, &name, &by, now).await?;
        Ok(format!("{}/edit", page_of(draft)))
    };
    change(site, visitor, &id, work).await
}

/// `POST /campaigns/{id}/remove`, for drafts.
pub(crate) async fn remove(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let work = async |store: Store, id, by: By, now| {
        store.remove_draft(id, &by, now).await?;
        Ok("/campaigns".to_owned())
    };
    change(site, visitor, &id, work).await
}

fn page_of(campaign: CampaignId) -> String {
    format!("/campaigns/{campaign}")
}

/// A campaign's name as it was typed, if it is one.
fn name_of(typed: &str) -> Option<String> {
    let name = typed.trim();
    let is_good =
        !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.contains(char::is_control);
    is_good.then(|| name.to_owned())
}

async fn ask_for_a_name(site: web::Data<Site>, visitor: Visitor, id: &str) -> HttpResponse {
    let problem =
        format!("Nothing was changed: a campaign's name is one line of 1 to {LONGEST_NAME} letters.");
    match id.parse() {
        Ok(id) => {
            let problem = (StatusCode::UNPROCESSABLE_ENTITY, problem);
            show(site, visitor, id, Some(problem)).await
        }
        Err(_) => not_found(site, visitor).await,
    }
}

/// Does `work`, which says which page comes next.
async fn change<W, F>(site: web::Data<Site>, visitor: Visitor, id: &str, work: W) -> HttpResponse
where
    W: FnOnce(Store, CampaignId, By, Timestamp) -> F,
    F: Future<Output = Result<String, StoreError>> + Send + 'static,
{
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let work = work(site.store.clone(), id, visitor.by.clone(), site.clock.now());
    match site.ask(work).await {
        Ok(next) => see_other(&next),
        Err(Trouble::Store(StoreError::NotFound { .. })) => not_found(site, visitor).await,
        Err(Trouble::Store(refusal)) if refusal.is_refusal() => {
            let problem = format!("Nothing was changed: {refusal}.");
            show(site, visitor, id, Some((StatusCode::CONFLICT, problem))).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}
