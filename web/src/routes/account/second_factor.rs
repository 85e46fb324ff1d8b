//! `/account/second-factor`: people add a device whose codes are asked for besides the password, and remove it.

use super::{Faults, Refused, prove, show};
use crate::figures::qr::{self, Picture};
use crate::people::{Visitor, recovery, totp};
use crate::routes::problem::{failed, see_other};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_store::people::{Digest, SecondFactor};

#[derive(Serialize)]
struct DevicePage {
    picture: Option<Picture>,
    key: String,
    code_fault: Option<&'static str>,
}

#[derive(Serialize)]
struct CodesPage {
    codes: Vec<String>,
}

/// The forms that begin and end.
#[derive(Deserialize)]
pub(crate) struct Prove {
    password: String,
}

/// The form with the first code.
#[derive(Deserialize)]
pub(crate) struct FirstCode {
    code: String,
}

/// `POST /account/second-factor`: shows a new key, which is not asked for until a first code has come.
pub(crate) async fn add(site: web::Data<Site>, visitor: Visitor, form: web::Form<Prove>) -> HttpResponse {
    match begin(&site, &visitor, form.into_inner().password).await {
        Ok(Ok(Some(key))) => device_page(&site, &visitor, StatusCode::OK, &key, None),
        Ok(Ok(None)) => see_other("/account"),
        Ok(Err(refused)) => refuse(&site, &visitor, refused).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

/// The new key; none if the person has a second factor.
async fn begin(
    site: &Site,
    visitor: &Visitor,
    password: String,
) -> Result<Result<Option<[u8; totp::KEY_OCTETS]>, Refused>, Trouble> {
    let person = match prove(site, visitor, password).await? {
        Ok(person) => person,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut key = [0; totp::KEY_OCTETS];
    getrandom::fill(&mut key)?;
    let (store, now) = (site.store.clone(), site.clock.now());
    let begun = site.ask(async move { store.begin_second_factor(person.id, &key, now).await });
    Ok(Ok(begun.await?.then_some(key)))
}

/// `POST /account/second-factor/confirm`: shows the recovery codes, once.
pub(crate) async fn confirm(
    site: web::Data<Site>,
    visitor: Visitor,
    form: web::Form<FirstCode>,
) -> HttpResponse {
    let Some((person, _)) = visitor.person else {
        return see_other("/account");
    };
    let begun = match begun(&site, person).await {
        Ok(Some(begun)) => begun,
        Ok(None) => return see_other("/account"),
        Err(trouble) => return failed(&site, &trouble),
    };
    let now = site.clock.now();
    let Some(step) = totp::step_of(&totp::typed(&form.code), &begun.key, begun.last_step, now) else {
        let fault = Some("This is not the code of now. Is the clock of the device right?");
        return device_page(
            &site,
            &visitor,
            StatusCode::UNPROCESSABLE_ENTITY,
            &begun.key,
            fault,
        );
    };
    match turn_on(&site, &visitor, person, (begun.key, step)).await {
        Ok(Some(codes)) => Page::new("recovery_codes", "Recovery codes")
            .shown_to(&visitor)
            .answer(&site, StatusCode::OK, &CodesPage { codes }),
        Ok(None) => see_other("/account"),
        Err(trouble) => failed(&site, &trouble),
    }
}

/// The second factor that waits for its first code.
async fn begun(site: &Site, person: i64) -> Result<Option<SecondFactor>, Trouble> {
    let (store, now) = (site.store.clone(), site.clock.now());
    let factor = site
        .ask(async move { store.second_factor(person, now).await })
        .await?;
    Ok(factor.filter(|factor| !factor.is_on))
}

async fn turn_on(
    site: &Site,
    visitor: &Visitor,
    person: i64,
    (key, step): (Vec<u8>, i64),
) -> Result<Option<Vec<String>>, Trouble> {
    let codes = recovery::random()?;
    let digests: Vec<Digest> = codes.iter().filter_map(|code| recovery::digest(code)).collect();
    let (store, now, by) = (site.store.clone(), site.clock.now(), visitor.by.clone());
    let is_on = site.ask(async move {
        store
            .confirm_second_factor(person, (&key, step, &digests), &by, now)
            .await
    });
    Ok(is_on.await?.then_some(codes))
}

/// `POST /account/second-factor/remove`
pub(crate) async fn remove(site: web::Data<Site>, visitor: Visitor, form: web::Form<Prove>) -> HttpResponse {
    let person = match prove(&site, &visitor, form.into_inner().password).await {
        Ok(Ok(person)) => person,
        Ok(Err(refused)) => return refuse(&site, &visitor, refused).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let (store, now) = (site.store.clone(), site.clock.now());
    let removed = site.ask(async move { store.remove_second_factor(person.id, &visitor.by, now).await });
    match removed.await {
        Ok(()) => see_other("/account"),
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn refuse(site: &Site, visitor: &Visitor, refused: Refused) -> HttpResponse {
    let faults = Faults {
        factor: Some(refused.fault),
        ..Faults::default()
    };
    show(site, visitor, refused.status, faults).await
}

fn device_page(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    key: &[u8],
    code_fault: Option<&'static str>,
) -> HttpResponse {
    let page = DevicePage {
        picture: qr::picture(&totp::address(key, &visitor.by.who)),
        key: totp::key_to_type(key),
        code_fault,
    };
    Page::new("device", "Second factor")
        .shown_to(visitor)
        .answer(site, status, &page)
}
