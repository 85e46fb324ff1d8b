//! `/account`: one's own password, second factor and sessions.

pub(super) mod second_factor;

use super::problem::{failed, see_other};
use super::sign_in::begin;
use crate::figures::numbers::moment;
use crate::people::{Visitor, password};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_campaign::time::Timestamp;
use tidings_store::people::{ListedSession, Person, SecondFactor};

#[derive(Serialize)]
struct AccountPage {
    email: String,
    faults: Faults,
    /// None of visitors who are no person.
    factor: Option<FactorView>,
    sessions: Vec<SessionView>,
}

/// What is wrong with what was typed.
#[derive(Default, Serialize)]
struct Faults {
    current: Option<&'static str>,
    new: Option<&'static str>,
    factor: Option<&'static str>,
}

#[derive(Serialize)]
struct FactorView {
    is_on: bool,
    codes_left: i64,
}

#[derive(Serialize)]
struct SessionView {
    agent: String,
    network: String,
    since: String,
    seen: String,
    is_this: bool,
}

/// The form that changes the password.
#[derive(Deserialize)]
pub(crate) struct Change {
    current: String,
    new: String,
}

/// `GET /account`
pub(crate) async fn account(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, StatusCode::OK, Faults::default()).await
}

async fn show(site: &Site, visitor: &Visitor, status: StatusCode, faults: Faults) -> HttpResponse {
    let kept = match visitor.person {
        None => Ok((None, Vec::new())),
        Some((person, _)) => kept(site, person).await,
    };
    let (factor, sessions) = match kept {
        Ok(kept) => kept,
        Err(trouble) => return failed(site, &trouble),
    };
    let view = AccountPage {
        email: visitor.by.who.clone(),
        faults,
        factor: visitor.person.map(|_| FactorView {
            is_on: factor.as_ref().is_some_and(|factor| factor.is_on),
            codes_left: factor.map_or(0, |factor| factor.codes_left),
        }),
        sessions: sessions
            .into_iter()
            .map(|session| view(session, visitor))
            .collect(),
    };
    Page::new("account", "Your account")
        .shown_to(visitor)
        .answer(site, status, &view)
}

async fn kept(site: &Site, person: i64) -> Result<(Option<SecondFactor>, Vec<ListedSession>), Trouble> {
    let (store, now) = (site.store.clone(), site.clock.now());
    site.ask(async move {
        Ok((
            store.second_factor(person, now).await?,
            store.sessions_of(person, now).await?,
        ))
    })
    .await
}

fn view(session: ListedSession, visitor: &Visitor) -> SessionView {
    SessionView {
        is_this: visitor.person.is_some_and(|(_, this)| session.digest == this),
        agent: session.agent,
        network: session.network,
        since: moment(Timestamp(session.created_at)),
        seen: moment(Timestamp(session.seen_at)),
    }
}

/// `POST /account/password`: all sessions end, and this browser begins a new one.
pub(crate) async fn change_password(
    site: web::Data<Site>,
    request: HttpRequest,
    visitor: Visitor,
    form: web::Form<Change>,
) -> HttpResponse {
    let Change { current, new } = form.into_inner();
    if let Some(fault) = password::fault(&new) {
        let faults = Faults {
            new: Some(fault),
            ..Faults::default()
        };
        return show(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, faults).await;
    }
    match change(&site, &visitor, current, new).await {
        Ok(Ok(person)) => begin(&site, &request, &person, "/account").await,
        Ok(Err(refused)) => {
            let faults = Faults {
                current: Some(refused.fault),
                ..Faults::default()
            };
            show(&site, &visitor, refused.status, faults).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn change(
    site: &Site,
    visitor: &Visitor,
    current: String,
    new: String,
) -> Result<Result<Person, Refused>, Trouble> {
    let mut person = match prove(site, visitor, current).await? {
        Ok(person) => person,
        Err(refused) => return Ok(Err(refused)),
    };
    let hash = site.door.passwords.hash(new).await?;
    person.password_hash = Some(hash.clone());
    let (store, now, by) = (site.store.clone(), site.clock.now(), visitor.by.clone());
    let id = person.id;
    site.ask(async move { store.change_password(id, &hash, &by, now).await })
        .await?;
    Ok(Ok(person))
}

/// Why somebody is not taken for the person whose session it is.
struct Refused {
    status: StatusCode,
    fault: &'static str,
}

/// The person whose session it is, if the password is theirs: a browser that was left open is not enough for everything, nor to
/// guess the password by.
async fn prove(site: &Site, visitor: &Visitor, password: String) -> Result<Result<Person, Refused>, Trouble> {
    let now = site.clock.now();
    let (who, network) = (&visitor.by.who, &visitor.by.network);
    if site
        .door
        .throttle(|throttle| throttle.try_now(who, network, now))
        .is_some()
    {
        return Ok(Err(Refused {
            status: StatusCode::TOO_MANY_REQUESTS,
            fault: "Too many wrong passwords. Try again in ten minutes.",
        }));
    }
    let wrong = Refused {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        fault: "This is not your password.",
    };
    let (store, email) = (site.store.clone(), who.clone());
    let Some(person) = site.ask(async move { store.find_person(&email).await }).await? else {
        return Ok(Err(wrong));
    };
    let kept = person.password_hash.clone();
    if password.len() > password::LONGEST || !site.door.passwords.is_right(password, kept).await? {
        return Ok(Err(wrong));
    }
    site.door.throttle(|throttle| throttle.was_right(who, network));
    Ok(Ok(person))
}

/// `POST /account/sign-out-everywhere`
pub(crate) async fn sign_out_everywhere(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    if let Some((person, _)) = visitor.person {
        let (store, now) = (site.store.clone(), site.clock.now());
        let closed = site.ask(async move { store.close_sessions(person, &visitor.by, now).await });
        if let Err(trouble) = closed.await {
            return failed(&site, &trouble);
        }
    }
    see_other("/sign-in")
}
