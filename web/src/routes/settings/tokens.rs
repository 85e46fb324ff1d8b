//! `/settings/tokens`: programs that use the dashboard's addresses.

use super::{SECTION, Tab, tabs};
use crate::figures::numbers::moment;
use crate::people::{Secret, Visitor};
use crate::routes::problem::{failed, see_other};
use crate::routes::sign_in::name_fault;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidings_store::people::{AccessToken, Role};

#[derive(Default, Serialize)]
struct TokensPage {
    tabs: Vec<Tab>,
    tokens: Vec<TokenView>,
    /// A token that was made just now: its name and itself.
    made: Option<[String; 2]>,
    new_name: String,
    name_fault: Option<&'static str>,
    new_days: String,
    days_fault: Option<&'static str>,
}

#[derive(Serialize)]
struct TokenView {
    id: i64,
    name: String,
    role: &'static str,
    since: String,
    used: String,
    until: String,
}

/// The form that makes a token.
#[derive(Deserialize)]
pub(crate) struct Make {
    name: String,
    role: String,
    #[serde(default)]
    days: String,
}

/// Days that a token may work at most, if it ends at all.
const MOST_DAYS: u64 = 3650;

/// `GET /settings/tokens`
pub(crate) async fn tokens(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, StatusCode::OK, TokensPage::default()).await
}

async fn show(site: &Site, visitor: &Visitor, status: StatusCode, mut page: TokensPage) -> HttpResponse {
    let store = site.store.clone();
    let tokens = match site.ask(async move { store.tokens().await }).await {
        Ok(tokens) => tokens,
        Err(trouble) => return failed(site, &trouble),
    };
    page.tabs = tabs("/settings/tokens");
    page.tokens = tokens.into_iter().map(view).collect();
    Page::new("tokens", "Tokens")
        .under(SECTION)
        .shown_to(visitor)
        .answer(site, status, &page)
}

fn view(token: AccessToken) -> TokenView {
    TokenView {
        id: token.id,
        role: token.role.as_str(),
        since: moment(token.created_at),
        used: token.used_at.map_or_else(|| "never".to_owned(), moment),
        until: token.expires_at.map_or_else(|| "revoked".to_owned(), moment),
        name: token.name,
    }
}

/// `POST /settings/tokens`: the token is shown once.
pub(crate) async fn make(site: web::Data<Site>, visitor: Visitor, form: web::Form<Make>) -> HttpResponse {
    let name = form.name.trim().to_owned();
    let days = days(&form.days);
    let faults = TokensPage {
        name_fault: name_fault(&name),
        days_fault: days.err(),
        new_name: name.clone(),
        new_days: form.days.clone(),
        ..TokensPage::default()
    };
    let (Ok(days), None) = (days, faults.name_fault) else {
        return show(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, faults).await;
    };
    let role = Role::parse(&form.role).unwrap_or(Role::Viewer);
    match create(&site, &visitor, &name, role, days).await {
        Ok(secret) => {
            let page = TokensPage {
                made: Some([name, secret.expose().to_owned()]),
                ..TokensPage::default()
            };
            show(&site, &visitor, StatusCode::OK, page).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

/// How long the token works; none for ever.
fn days(text: &str) -> Result<Option<u64>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let days = text.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
    days.map(Some)
        .ok_or("Write a number of days from 1 to 3650, or nothing.")
}

async fn create(
    site: &Site,
    visitor: &Visitor,
    name: &str,
    role: Role,
    days: Option<u64>,
) -> Result<Secret, Trouble> {
    let secret = Secret::random()?;
    let now = site.clock.now();
    let expires_at = days.map(|days| now.plus(Duration::from_secs(days * 86_400)));
    let (store, by, digest, name) = (
        site.store.clone(),
        visitor.by.clone(),
        secret.digest(),
        name.to_owned(),
    );
    site.ask(async move {
        store
            .create_token((&name, role, expires_at), digest, &by, now)
            .await
    })
    .await?;
    Ok(secret)
}

/// `POST /settings/tokens/{id}/revoke`
pub(crate) async fn revoke(site: web::Data<Site>, visitor: Visitor, id: web::Path<i64>) -> HttpResponse {
    let (store, now) = (site.store.clone(), site.clock.now());
    match site
        .ask(async move { store.revoke_token(*id, &visitor.by, now).await })
        .await
    {
        Ok(_) => see_other("/settings/tokens"),
        Err(trouble) => failed(&site, &trouble),
    }
}
