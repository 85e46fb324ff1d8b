//! `/settings/people`: who may use the dashboard.

use super::{SECTION, Tab, tabs};
use crate::people::{Secret, Visitor, visitor};
use crate::routes::problem::{failed, see_other};
use crate::routes::sign_in::{email_fault, name_fault};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_store::people::{LINK_WORKS_FOR, Person, Role};

#[derive(Default, Serialize)]
struct PeoplePage {
    tabs: Vec<Tab>,
    everybody: Vec<PersonView>,
    /// A link that was made just now, and for whom.
    link: Option<[String; 2]>,
    link_hours: u64,
    problem: Option<&'static str>,
    new_email: String,
    new_name: String,
    email_fault: Option<&'static str>,
    name_fault: Option<&'static str>,
}

#[derive(Serialize)]
struct PersonView {
    id: i64,
    email: String,
    name: String,
    role: &'static str,
    roles: Vec<RoleView>,
    is_disabled: bool,
    is_waiting: bool,
    is_you: bool,
}

#[derive(Serialize)]
struct RoleView {
    word: &'static str,
    is_theirs: bool,
}

/// The form that invites.
#[derive(Deserialize)]
pub(crate) struct Invite {
    email: String,
    name: String,
    role: String,
}

/// The form that changes a person.
#[derive(Deserialize)]
pub(crate) struct Change {
    role: String,
    #[serde(default)]
    disabled: String,
}

/// `GET /settings/people`
pub(crate) async fn people(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, StatusCode::OK, PeoplePage::default()).await
}

async fn show(site: &Site, visitor: &Visitor, status: StatusCode, mut page: PeoplePage) -> HttpResponse {
    let store = site.store.clone();
    let everybody = match site.ask(async move { store.people().await }).await {
        Ok(everybody) => everybody,
        Err(trouble) => return failed(site, &trouble),
    };
    page.tabs = tabs("/settings/people");
    page.link_hours = LINK_WORKS_FOR.as_secs() / 3600;
    page.everybody = everybody
        .into_iter()
        .map(|person| view(person, visitor))
        .collect();
    Page::new("people", "People")
        .under(SECTION)
        .shown_to(visitor)
        .answer(site, status, &page)
}

fn view(person: Person, visitor: &Visitor) -> PersonView {
    let roles = Role::ALL.map(|role| RoleView {
        word: role.as_str(),
        is_theirs: role == person.role,
    });
    PersonView {
        is_you: visitor.person.is_some_and(|(id, _)| id == person.id),
        id: person.id,
        role: person.role.as_str(),
        roles: roles.into(),
        is_disabled: person.disabled_at.is_some(),
        is_waiting: person.password_hash.is_none(),
        email: person.email,
        name: person.name,
    }
}

/// `POST /settings/people`: the new person's link is shown once, to be handed on.
pub(crate) async fn invite(
    site: web::Data<Site>,
    request: HttpRequest,
    visitor: Visitor,
    form: web::Form<Invite>,
) -> HttpResponse {
    let form = form.into_inner();
    let mut page = PeoplePage {
        new_email: form.email.trim().to_lowercase(),
        new_name: form.name.trim().to_owned(),
        ..PeoplePage::default()
    };
    page.email_fault = email_fault(&page.new_email);
    page.name_fault = name_fault(&page.new_name);
    let role = Role::parse(&form.role).unwrap_or(Role::Viewer);
    if page.email_fault.or(page.name_fault).is_some() {
        return show(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, page).await;
    }
    match add(&site, &visitor, &page, role).await {
        Ok(Some(secret)) => {
            let link = link_to(&site, &request, &secret);
            let done = PeoplePage {
                link: Some([page.new_email, link]),
                ..PeoplePage::default()
            };
            show(&site, &visitor, StatusCode::OK, done).await
        }
        Ok(None) => {
            page.email_fault = Some("Somebody has this address already.");
            show(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, page).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn add(
    site: &Site,
    visitor: &Visitor,
    page: &PeoplePage,
    role: Role,
) -> Result<Option<Secret>, Trouble> {
    let secret = Secret::random()?;
    let (store, now, digest) = (site.store.clone(), site.clock.now(), secret.digest());
    let (email, name, by) = (page.new_email.clone(), page.new_name.clone(), visitor.by.clone());
    let is_new = site
        .ask(async move { store.invite((&email, &name, role), digest, &by, now).await })
        .await?;
    Ok(is_new.then_some(secret))
}

/// Where the person is to go, under the name that the dashboard was asked for by.
fn link_to(site: &Site, request: &HttpRequest, secret: &Secret) -> String {
    let scheme = match visitor::is_https(site, request) {
        true => "https",
        false => "http",
    };
    // `known_host_only` has looked at it.
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    format!(
        "{scheme}://{}/enter/{}",
        host.unwrap_or_default(),
        secret.expose()
    )
}

/// `POST /settings/people/{id}`
pub(crate) async fn change(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<i64>,
    form: web::Form<Change>,
) -> HttpResponse {
    let Some(role) = Role::parse(&form.role) else {
        return see_other("/settings/people");
    };
    let is_disabled = form.disabled == "yes";
    let (store, now, by) = (site.store.clone(), site.clock.now(), visitor.by.clone());
    let changed = site.ask(async move { store.change_person(*id, (role, is_disabled), &by, now).await });
    match changed.await {
        Ok(true) => see_other("/settings/people"),
        Ok(false) => {
            let page = PeoplePage {
                problem: Some(
                    "Nothing was changed: nobody would be left who can sign in as an administrator.",
                ),
                ..PeoplePage::default()
            };
            show(&site, &visitor, StatusCode::CONFLICT, page).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

/// `POST /settings/people/{id}/reset`: the password and all sessions stop working; the link is shown once.
pub(crate) async fn reset(
    site: web::Data<Site>,
    request: HttpRequest,
    visitor: Visitor,
    id: web::Path<i64>,
) -> HttpResponse {
    // Their own password people change at `/account`; a reset would put them out.
    if visitor.person.is_some_and(|(own, _)| own == *id) {
        return see_other("/account");
    }
    let secret = match Secret::random() {
        Ok(secret) => secret,
        Err(error) => return failed(&site, &Trouble::from(error)),
    };
    let (store, now, by, digest) = (
        site.store.clone(),
        site.clock.now(),
        visitor.by.clone(),
        secret.digest(),
    );
    let reset = site.ask(async move { store.reset_password(*id, digest, &by, now).await });
    match reset.await {
        Ok(true) => {
            let page = PeoplePage {
                link: Some(["that person".to_owned(), link_to(&site, &request, &secret)]),
                ..PeoplePage::default()
            };
            show(&site, &visitor, StatusCode::OK, page).await
        }
        Ok(false) => see_other("/settings/people"),
        Err(trouble) => failed(&site, &trouble),
    }
}
