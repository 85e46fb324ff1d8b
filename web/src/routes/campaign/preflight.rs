//! `/campaigns/{id}/pre-flight`: what is to be looked at before a campaign goes out. Whoever makes the list is elsewhere: here it is
//! asked for, shown, and its amber findings are taken on.

mod view;

use crate::people::Visitor;
use crate::routes::problem::{failed, not_found, see_other};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::preflight::Finding;
use tidings_campaign::preflight::verdict::key;
use tidings_store::preflights::PreflightState;
use tidings_store::{Store, StoreError};
use view::{PreflightPage, Read};

/// Letters of a reason at most.
const LONGEST_REASON: usize = 300;

/// Which finding is taken on, by its number and what it says, and why.
#[derive(Deserialize)]
pub(crate) struct OverrideForm {
    check: String,
    finding: String,
    reason: String,
}

/// What was not done, as a sentence, and the answer's status then.
type Refused = Option<(StatusCode, String)>;

/// `GET /campaigns/{id}/pre-flight`
pub(crate) async fn show(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    match id.parse() {
        Ok(id) => page(site, visitor, id, None).await,
        Err(_) => not_found(site, visitor).await,
    }
}

/// `POST /campaigns/{id}/pre-flight`: asks for a new list.
pub(crate) async fn ask(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let asked = site
        .ask(async move { store.ask_preflight(id, &by, now).await })
        .await;
    done(site, visitor, id, asked).await
}

/// `POST /campaigns/{id}/pre-flight/override`
pub(crate) async fn override_one(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<OverrideForm>,
) -> HttpResponse {
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let form = form.into_inner();
    let reason = form.reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON || reason.contains(char::is_control) {
        let problem = format!(
            "Nothing was changed: say in one line of up to {LONGEST_REASON} letters why it may go out like this."
        );
        return page(
            site,
            visitor,
            id,
            Some((StatusCode::UNPROCESSABLE_ENTITY, problem)),
        )
        .await;
    }
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let taken = site.ask(async move {
        let finding = find(&store, id, &form).await?.ok_or(StoreError::NotInPreflight)?;
        store.override_preflight(id, &finding, &reason, &by, now).await
    });
    let taken = taken.await;
    done(site, visitor, id, taken).await
}

async fn find(store: &Store, id: CampaignId, form: &OverrideForm) -> Result<Option<Finding>, StoreError> {
    let state = store.find_preflight(id).await?.map(|preflight| preflight.state);
    let Some(PreflightState::Done { findings, .. }) = state else {
        return Ok(None);
    };
    let is_it = |finding: &Finding| finding.check.code() == form.check && key(finding) == form.finding;
    Ok(findings.into_iter().find(is_it))
}

async fn done(
    site: web::Data<Site>,
    visitor: Visitor,
    id: CampaignId,
    outcome: Result<(), Trouble>,
) -> HttpResponse {
    match outcome {
        Ok(()) => see_other(&format!("/campaigns/{id}/pre-flight")),
        Err(Trouble::Store(StoreError::NotFound { .. })) => not_found(site, visitor).await,
        Err(Trouble::Store(refusal)) if refusal.is_refusal() => {
            let problem = format!("Nothing was changed: {refusal}.");
            page(site, visitor, id, Some((StatusCode::CONFLICT, problem))).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn page(site: web::Data<Site>, visitor: Visitor, id: CampaignId, refused: Refused) -> HttpResponse {
    let store = site.store.clone();
    match site.ask(async move { read(&store, id).await }).await {
        Ok(read) => {
            let (status, problem) =
                refused.map_or((StatusCode::OK, None), |(status, text)| (status, Some(text)));
            let title = format!("Pre-flight: {}", read.campaign.name);
            let view = PreflightPage::new(read, visitor.role, problem, site.clock.now());
            let page = Page::new("preflight", &title)
                .under("/campaigns")
                .shown_to(&visitor);
            let page = if view.is_underway() { page.live() } else { page };
            page.answer(&site, status, &view)
        }
        Err(Trouble::Store(StoreError::NotFound { .. })) => not_found(site, visitor).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn read(store: &Store, id: CampaignId) -> Result<Read, StoreError> {
    Ok(Read {
        campaign: store.get_campaign(id).await?,
        fingerprint: store.preflight_fingerprint(id).await?,
        preflight: store.find_preflight(id).await?,
        overrides: store.preflight_overrides(id).await?,
    })
}
