//! `/account`: one's own password and sessions.

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

#[derive(Serialize)]
struct AccountPage {
    email: String,
    current_fault: Option<&'static str>,
    new_fault: Option<&'static str>,
    sessions: Vec<SessionView>,
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
    show(&site, &visitor, StatusCode::OK, (None, None)).await
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    (current_fault, new_fault): (Option<&'static str>, Option<&'static str>),
) -> HttpResponse {
    let sessions = match visitor.person {
        None => Vec::new(),
        Some((person, this)) => {
            let (store, now) = (site.store.clone(), site.clock.now());
            match site
                .ask(async move { store.sessions_of(person, now).await })
                .await
            {
                Ok(sessions) => sessions
                    .into_iter()
                    .map(|session| SessionView {
                        is_this: session.digest == this,
                        agent: session.agent,
                        network: session.network,
                        since: moment(Timestamp(session.created_at)),
                        seen: moment(Timestamp(session.seen_at)),
                    })
                    .collect(),
                Err(trouble) => return failed(site, &trouble),
            }
        }
    };
    let view = AccountPage {
        email: visitor.by.who.clone(),
        current_fault,
        new_fault,
        sessions,
    };
    Page::new("account", "Your account")
        .shown_to(visitor)
        .answer(site, status, &view)
}

/// `POST /account/password`: all sessions end, and this browser begins a new one.
pub(crate) async fn change_password(
    site: web::Data<Site>,
    request: HttpRequest,
    visitor: Visitor,
    form: web::Form<Change>,
) -> HttpResponse {
    let Change { current, new } = form.into_inner();
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    if let Some(fault) = password::fault(&new) {
        return show(&site, &visitor, unprocessable, (None, Some(fault))).await;
    }
    // A browser that was left open must not be enough to guess the password by.
    let now = site.clock.now();
    let (who, network) = (visitor.by.who.clone(), visitor.by.network.clone());
    if site
        .door
        .throttle(|throttle| throttle.try_now(&who, &network, now))
        .is_some()
    {
        let fault = Some("Too many wrong passwords. Try again in ten minutes.");
        return show(&site, &visitor, StatusCode::TOO_MANY_REQUESTS, (fault, None)).await;
    }
    match change(&site, &visitor, current, new).await {
        Ok(Some(person)) => {
            site.door.throttle(|throttle| throttle.was_right(&who, &network));
            begin(&site, &request, &person, "/account").await
        }
        Ok(None) => {
            let fault = Some("This is not your password.");
            show(&site, &visitor, unprocessable, (fault, None)).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn change(
    site: &Site,
    visitor: &Visitor,
    current: String,
    new: String,
) -> Result<Option<tidings_store::people::Person>, Trouble> {
    let (store, email) = (site.store.clone(), visitor.by.who.clone());
    let Some(person) = site.ask(async move { store.find_person(&email).await }).await? else {
        return Ok(None);
    };
    let kept = person.password_hash.clone();
    if current.len() > password::LONGEST || !site.door.passwords.is_right(current, kept).await? {
        return Ok(None);
    }
    let hash = site.door.passwords.hash(new).await?;
    let (store, now, by) = (site.store.clone(), site.clock.now(), visitor.by.clone());
    let id = person.id;
    site.ask(async move { store.change_password(id, &hash, &by, now).await })
        .await?;
    Ok(Some(person))
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
