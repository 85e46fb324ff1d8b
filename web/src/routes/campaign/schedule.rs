//! `/campaigns/{id}/schedule`: when a campaign starts, over how long it is spread, and how late it may start.

mod form;

use self::form::{Faults, Kept, ScheduleForm};
use super::show;
use crate::figures::numbers::count;
use crate::figures::sentence::sentence;
use crate::figures::zones::{self, Zone};
use crate::people::Visitor;
use crate::routes::problem::{failed, not_found, see_other};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::Action;
use tidings_campaign::preflight::verdict::Verdict;
use tidings_store::StoreError;
use tidings_store::campaigns::Campaign;
use tidings_store::scheduling::Start;

#[derive(Serialize)]
struct SchedulePage {
    id: CampaignId,
    name: String,
    subject: String,
    lists: Vec<ListView>,
    /// It has a time already.
    is_scheduled: bool,
    problem: Option<String>,
    /// What of the pre-flight list is in the way.
    not_clear: Option<String>,
    is_now: bool,
    date: String,
    time: String,
    /// The offsets to choose from, where a time exists twice.
    offsets: Option<[Offset; 2]>,
    zone: String,
    zones: Vec<Zone>,
    /// No zone is known yet: that of the browser is proposed.
    is_zone_guessed: bool,
    spread: String,
    lateness: String,
    time_fault: Option<String>,
    zone_fault: Option<String>,
    spread_fault: Option<String>,
    lateness_fault: Option<String>,
}

#[derive(Serialize)]
struct ListView {
    name: String,
    confirmed: String,
}

#[derive(Serialize)]
struct Offset {
    value: String,
    label: String,
    is_chosen: bool,
}

/// What is read for the page.
struct Read {
    campaign: Campaign,
    lists: Vec<ListView>,
    zone: Option<String>,
    verdict: Verdict,
    /// Of what it is.
    fingerprint: String,
}

/// `GET /campaigns/{id}/schedule`
pub(crate) async fn ask(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let read = match read(&site, id).await {
        Ok(read) => read,
        Err(Trouble::Store(StoreError::NotFound { .. })) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    // A campaign that has started says so on its page.
    let is_planned = read.campaign.started_at.is_some();
    if let Err(refusal) = read.campaign.state.after(Action::Schedule, is_planned) {
        let problem = (StatusCode::CONFLICT, format!("Nothing was changed: {refusal}."));
        return show(site, visitor, id, Some(problem)).await;
    }
    let form = as_it_stands(&read);
    answer(
        &site,
        &visitor,
        StatusCode::OK,
        read,
        form,
        Faults::default(),
        None,
    )
}

/// `POST /campaigns/{id}/schedule`
pub(crate) async fn schedule(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<ScheduleForm>,
) -> HttpResponse {
    let Ok(id) = id.parse::<CampaignId>() else {
        return not_found(site, visitor).await;
    };
    let (form, now) = (form.into_inner(), site.clock.now());
    let read = match read(&site, id).await {
        Ok(read) => read,
        Err(Trouble::Store(StoreError::NotFound { .. })) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let start = match form.read(now, &kept(&read.campaign)) {
        Ok(start) => Start {
            cleared: Some(read.fingerprint.clone()),
            ..start
        },
        Err(faults) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return answer(&site, &visitor, status, read, form, *faults, None);
        }
    };
    if !read.verdict.may_schedule() {
        let status = StatusCode::CONFLICT;
        let problem = Some("Nothing was changed.".to_owned());
        return answer(&site, &visitor, status, read, form, Faults::default(), problem);
    }
    let (store, by) = (site.store.clone(), visitor.by.clone());
    let done = site
        .ask(async move { store.schedule_campaign(id, &start, &by, now).await })
        .await;
    match done {
        Ok(_) => see_other(&format!("/campaigns/{id}")),
        Err(Trouble::Store(refusal)) if refusal.is_refusal() => {
            let problem = Some(format!("Nothing was changed: {refusal}."));
            let status = StatusCode::CONFLICT;
            answer(&site, &visitor, status, read, form, Faults::default(), problem)
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn read(site: &Site, id: CampaignId) -> Result<Read, Trouble> {
    let (store, now) = (site.store.clone(), site.clock.now());
    site.ask(async move {
        let campaign = store.get_campaign(id).await?;
        let chosen = store.lists_of(id).await?;
        let lists = store.lists().await?.into_iter();
        let lists = lists
            .filter(|list| chosen.iter().any(|(one, _)| *one == list.id))
            .map(|list| ListView {
                name: list.name,
                confirmed: count(list.confirmed),
            });
        let (verdict, fingerprint) = store.preflight_verdict(id, now).await?;
        Ok(Read {
            campaign,
            lists: lists.collect(),
            zone: store.last_zone().await?,
            verdict,
            fingerprint,
        })
    })
    .await
}

/// The form with what the campaign has now.
fn as_it_stands(read: &Read) -> ScheduleForm {
    let campaign = &read.campaign;
    let schedule = campaign
        .schedule
        .as_ref()
        .filter(|schedule| !schedule.local.is_empty());
    let local = schedule.map_or("", |schedule| schedule.local.as_str());
    let (date, time) = local.split_once([' ', 'T']).unwrap_or_default();
    let zone = schedule.map(|schedule| schedule.zone.clone());
    ScheduleForm {
        when: "at".to_owned(),
        date: date.to_owned(),
        time: time.chars().take(5).collect(),
        offset: String::new(),
        zone: zone.or_else(|| read.zone.clone()).unwrap_or_default(),
        spread: kept(campaign).spread_text(),
        lateness: kept(campaign).lateness_text(),
    }
}

fn kept(campaign: &Campaign) -> Kept {
    Kept {
        spread: campaign.spread,
        lateness: campaign.greatest_lateness,
    }
}

fn answer(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    read: Read,
    form: ScheduleForm,
    faults: Faults,
    problem: Option<String>,
) -> HttpResponse {
    let which = ["the first", "the second, an hour later by the sun"];
    let offsets = faults.offsets.map(|offsets| {
        let mut which = which.into_iter();
        offsets.map(|value| Offset {
            label: format!("{value}: {}", which.next().unwrap_or_default()),
            is_chosen: value == form.offset,
            value,
        })
    });
    let campaign = read.campaign;
    let page = SchedulePage {
        id: campaign.id,
        is_scheduled: campaign.schedule.is_some(),
        name: campaign.name,
        subject: campaign.subject,
        lists: read.lists,
        problem,
        not_clear: read.verdict.why_not(),
        is_now: form.when == "now",
        date: form.date,
        time: form.time,
        offsets,
        is_zone_guessed: form.zone.is_empty(),
        zones: zones::all(),
        zone: match form.zone.is_empty() {
            true => "UTC".to_owned(),
            false => form.zone,
        },
        spread: form.spread,
        lateness: form.lateness,
        time_fault: faults.time.as_deref().map(sentence),
        zone_fault: faults.zone.as_deref().map(sentence),
        spread_fault: faults.spread.as_deref().map(sentence),
        lateness_fault: faults.lateness.as_deref().map(sentence),
    };
    Page::new("schedule", "Schedule")
        .under("/campaigns")
        .shown_to(visitor)
        .answer(site, status, &page)
}
