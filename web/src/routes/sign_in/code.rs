//! `/sign-in/code`: the second step of people who have a second factor.

use super::{SignInPage, begin, local, sign_in_page};
use crate::people::{Secret, csrf, recovery, totp, visitor};
use crate::routes::problem::{failed, see_other};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_store::audit::By;
use tidings_store::people::Person;

#[derive(Serialize)]
struct CodePage {
    /// Shows that the password was right.
    secret: String,
    next: String,
    code_fault: Option<String>,
}

/// The form of `/sign-in/code`.
#[derive(Deserialize)]
pub(crate) struct Code {
    secret: String,
    code: String,
    #[serde(default)]
    next: String,
}

/// After a right password: begins the session, or asks people who have a second factor for a code.
pub(super) async fn go_on(site: &Site, request: &HttpRequest, person: &Person, next: String) -> HttpResponse {
    match half_way(site, person).await {
        Ok(None) => begin(site, request, person, local(&next)).await,
        Ok(Some(secret)) => {
            let page = CodePage {
                secret: secret.expose().to_owned(),
                next,
                code_fault: None,
            };
            code_page(site, StatusCode::OK, &page)
        }
        Err(trouble) => failed(site, &trouble),
    }
}

/// What shows later that the password was right; none if that is enough.
async fn half_way(site: &Site, person: &Person) -> Result<Option<Secret>, Trouble> {
    let secret = Secret::random()?;
    let (store, now, digest, person) = (
        site.store.clone(),
        site.clock.now(),
        secret.digest(),
        person.clone(),
    );
    let is_on = site.ask(async move {
        let factor = store.second_factor(person.id, now).await?;
        let is_on = factor.is_some_and(|factor| factor.is_on);
        if is_on {
            store.begin_half_sign_in(&person, digest, now).await?;
        }
        Ok(is_on)
    });
    Ok(is_on.await?.then_some(secret))
}

/// `POST /sign-in/code`
pub(crate) async fn bring(
    site: web::Data<Site>,
    request: HttpRequest,
    form: web::Form<Code>,
) -> HttpResponse {
    let Code { secret, code, next } = form.into_inner();
    let (secret, person) = match waiting(&site, &secret).await {
        Ok(Some(found)) if csrf::is_from_our_site(request.headers()) => found,
        Ok(_) => {
            let page = SignInPage {
                next,
                problem: Some("That took too long. Please begin again.".to_owned()),
                ..SignInPage::default()
            };
            return sign_in_page(&site, StatusCode::FORBIDDEN, &page);
        }
        Err(trouble) => return failed(&site, &trouble),
    };
    let mut page = CodePage {
        secret: secret.expose().to_owned(),
        next,
        code_fault: None,
    };
    // Whoever is here has the password: codes are counted from wherever they come.
    let tried = format!("code of {}", person.email);
    let now = site.clock.now();
    if let Some(wait) = site
        .door
        .throttle(|throttle| throttle.try_now(&tried, &tried, now))
    {
        let minutes = wait.as_secs().div_ceil(60);
        page.code_fault = Some(format!("Too many wrong codes. Try again in {minutes} min."));
        let mut answer = code_page(&site, StatusCode::TOO_MANY_REQUESTS, &page);
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        answer.headers_mut().insert(RETRY_AFTER, seconds);
        return answer;
    }
    let by = By {
        who: person.email.clone(),
        network: visitor::network(&site, &request),
    };
    match use_up(&site, &person, code, by, &secret).await {
        Ok(Used::Right) => {
            site.door.throttle(|throttle| throttle.was_right(&tried, &tried));
            begin(&site, &request, &person, local(&page.next)).await
        }
        Ok(Used::Twice) => see_other("/sign-in"),
        Ok(Used::Wrong) => {
            page.code_fault =
                Some("This is not a code of now, or it has been used. Wait for the next one.".to_owned());
            code_page(&site, StatusCode::UNAUTHORIZED, &page)
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn waiting(site: &Site, secret: &str) -> Result<Option<(Secret, Person)>, Trouble> {
    let Some(secret) = Secret::brought(secret) else {
        return Ok(None);
    };
    let (store, now, digest) = (site.store.clone(), site.clock.now(), secret.digest());
    let person = site
        .ask(async move { store.half_sign_in(digest, now).await })
        .await?;
    Ok(person.map(|person| (secret, person)))
}

enum Used {
    Right,
    Wrong,
    /// The form was sent twice, and the other one has begun the session.
    Twice,
}

/// Takes a code of the device or a recovery code, once.
async fn use_up(
    site: &Site,
    person: &Person,
    code: String,
    by: By,
    secret: &Secret,
) -> Result<Used, Trouble> {
    let (store, now, id, half) = (site.store.clone(), site.clock.now(), person.id, secret.digest());
    site.ask(async move {
        let is_right = match recovery::digest(&code) {
            Some(recovery) => store.use_recovery_code(id, recovery, &by, now).await?,
            None => {
                let factor = store.second_factor(id, now).await?.filter(|factor| factor.is_on);
                let step = factor.and_then(|factor| {
                    totp::step_of(&totp::typed(&code), &factor.key, factor.last_step, now)
                });
                match step {
                    Some(step) => store.use_step(id, step).await?,
                    None => false,
                }
            }
        };
        if !is_right {
            store.audit(&by, "brought a wrong code", ("", ""), now).await?;
            return Ok(Used::Wrong);
        }
        Ok(match store.end_half_sign_in(half).await? {
            true => Used::Right,
            false => Used::Twice,
        })
    })
    .await
}

fn code_page(site: &Site, status: StatusCode, page: &CodePage) -> HttpResponse {
    Page::new("code", "Sign in").answer(site, status, page)
}
