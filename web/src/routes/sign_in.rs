//! `/sign-in`, `/sign-out`, and `/enter/{secret}`: how people come in, and go.

pub(super) mod code;

use super::problem::{broken_link, failed, see_other};
use crate::people::{Secret, Visitor, csrf, password, visitor};
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_store::audit::By;
use tidings_store::people::{Chosen, LinkFor, NewSession, Person};

#[derive(Default, Serialize)]
struct SignInPage {
    email: String,
    next: String,
    problem: Option<String>,
}

/// `?next=…`
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    next: String,
}

/// The form of `/sign-in`.
#[derive(Deserialize)]
pub(crate) struct SignIn {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `GET /sign-in`
pub(crate) async fn ask(site: web::Data<Site>, asked: web::Query<Asked>) -> HttpResponse {
    let page = SignInPage {
        next: asked.into_inner().next,
        ..SignInPage::default()
    };
    sign_in_page(&site, StatusCode::OK, &page)
}

/// `POST /sign-in`
pub(crate) async fn sign_in(
    site: web::Data<Site>,
    request: HttpRequest,
    form: web::Form<SignIn>,
) -> HttpResponse {
    let SignIn {
        email,
        password,
        next,
    } = form.into_inner();
    let mut page = SignInPage {
        email: email.trim().to_lowercase(),
        next,
        problem: None,
    };
    // There is no session yet whose token could be asked for; the browser says whose form it was.
    if !csrf::is_from_our_site(request.headers()) {
        page.problem = Some(
            "Your browser says that this form was sent by another site. Please try again here.".to_owned(),
        );
        return sign_in_page(&site, StatusCode::FORBIDDEN, &page);
    }
    let wrong = "The address and the password do not belong together.".to_owned();
    // Nothing else is counted or kept: it may be as long as a form.
    if email_fault(&page.email).is_some() {
        page.problem = Some(wrong);
        return sign_in_page(&site, StatusCode::UNAUTHORIZED, &page);
    }
    let network = visitor::counted_network(&site, &request);
    let now = site.clock.now();
    let wait = site
        .door
        .throttle(|throttle| throttle.try_now(&page.email, &network, now));
    if let Some(wait) = wait {
        let minutes = wait.as_secs().div_ceil(60);
        page.problem = Some(format!("Too many wrong passwords. Try again in {minutes} min."));
        let mut answer = sign_in_page(&site, StatusCode::TOO_MANY_REQUESTS, &page);
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        return answer;
    }
    match let_in(&site, &page.email, password).await {
        Ok(Some(person)) => {
            site.door
                .throttle(|throttle| throttle.was_right(&page.email, &network));
            code::go_on(&site, &request, &person, page.next).await
        }
        Ok(None) => {
            page.problem = Some(wrong);
            let by = By {
                who: page.email.clone(),
                network: visitor::network(&site, &request),
            };
            let store = site.store.clone();
            let kept = site
                .ask(async move { store.audit(&by, "failed to sign in", ("", ""), now).await })
                .await;
            match kept {
                Ok(()) => sign_in_page(&site, StatusCode::UNAUTHORIZED, &page),
                Err(trouble) => failed(&site, &trouble),
            }
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

/// Whoever has this address and this password, and may sign in.
async fn let_in(site: &Site, email: &str, password: String) -> Result<Option<Person>, Trouble> {
    let (store, email) = (site.store.clone(), email.to_owned());
    let person = site.ask(async move { store.find_person(&email).await }).await?;
    let person = person.filter(|person| person.disabled_at.is_none());
    let kept = person.as_ref().and_then(|person| person.password_hash.clone());
    let cut = password.len() > password::LONGEST;
    let is_right = !cut && site.door.passwords.is_right(password, kept).await?;
    Ok(person.filter(|_| is_right))
}

/// Begins a session, and leads on.
pub(crate) async fn begin(site: &Site, request: &HttpRequest, person: &Person, next: &str) -> HttpResponse {
    match open(site, request, person).await {
        // Meanwhile the password was changed, or the person disabled.
        Ok(None) => see_other("/sign-in"),
        Ok(Some(secret)) => {
            let mut answer = see_other(next);
            let cookie = visitor::cookie(&secret, visitor::is_https(site, request));
            // The only errors are those of a name that is no token.
            if answer.add_cookie(&cookie).is_err() {
                tracing::error!("the cookie of a session could not be written");
            }
            answer
        }
        Err(trouble) => failed(site, &trouble),
    }
}

async fn open(site: &Site, request: &HttpRequest, person: &Person) -> Result<Option<Secret>, Trouble> {
    let (secret, csrf) = (Secret::random()?, Secret::random()?);
    let by = By {
        who: person.email.clone(),
        network: visitor::network(site, request),
    };
    let agent = crate::hits::visitor::user_agent(request.headers());
    let Some(password_hash) = person.password_hash.clone() else {
        return Ok(None);
    };
    let (store, now, digest, person) = (site.store.clone(), site.clock.now(), secret.digest(), person.id);
    let opened = site.ask(async move {
        let new = NewSession {
            digest,
            person,
            password_hash: &password_hash,
            csrf: csrf.expose(),
            agent: &agent,
        };
        store.open_session(&new, &by, now).await
    });
    Ok(opened.await?.then_some(secret))
}

/// Where to go after signing in: a page of ours and nowhere else.
fn local(next: &str) -> &str {
    let is_ours = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|c| c.is_ascii_graphic() && c != b'\\')
        && next.len() <= 1000;
    if is_ours { next } else { "/" }
}

fn sign_in_page(site: &Site, status: StatusCode, page: &SignInPage) -> HttpResponse {
    Page::new("sign_in", "Sign in").answer(site, status, page)
}

/// `POST /sign-out`
pub(crate) async fn sign_out(site: web::Data<Site>, request: HttpRequest, visitor: Visitor) -> HttpResponse {
    if let Some((_, digest)) = visitor.person {
        let (store, now) = (site.store.clone(), site.clock.now());
        let closed = site.ask(async move { store.close_session(digest, &visitor.by, now).await });
        if let Err(trouble) = closed.await {
            return failed(&site, &trouble);
        }
    }
    let mut answer = see_other("/sign-in");
    if answer
        .add_cookie(&visitor::no_cookie(visitor::is_https(&site, &request)))
        .is_err()
    {
        tracing::error!("the cookie of a session could not be removed");
    }
    answer
}

#[derive(Default, Serialize)]
struct EnterPage {
    secret: String,
    is_first: bool,
    email: String,
    name: String,
    email_fault: Option<&'static str>,
    name_fault: Option<&'static str>,
    password_fault: Option<&'static str>,
}

/// The form of `/enter/{secret}`.
#[derive(Deserialize)]
pub(crate) struct Enter {
    #[serde(default)]
    email: String,
    name: String,
    password: String,
}

/// `GET /enter/{secret}`: asks for a password; changes nothing, so that a program that looks at links uses none up.
pub(crate) async fn ask_to_choose(site: web::Data<Site>, secret: web::Path<String>) -> HttpResponse {
    match link(&site, &secret).await {
        Ok(Some((secret, link))) => {
            let page = EnterPage::of(&secret, &link);
            enter_page(&site, StatusCode::OK, &page)
        }
        Ok(None) => broken_link(&site),
        Err(trouble) => failed(&site, &trouble),
    }
}

/// `POST /enter/{secret}`
pub(crate) async fn choose(
    site: web::Data<Site>,
    request: HttpRequest,
    secret: web::Path<String>,
    form: web::Form<Enter>,
) -> HttpResponse {
    let (secret, link) = match link(&site, &secret).await {
        Ok(Some(found)) => found,
        Ok(None) => return broken_link(&site),
        Err(trouble) => return failed(&site, &trouble),
    };
    let form = form.into_inner();
    let mut page = EnterPage::of(&secret, &link);
    page.name = form.name.trim().to_owned();
    if page.is_first {
        page.email = form.email.trim().to_lowercase();
    }
    if page.find_faults(&form.password) {
        return enter_page(&site, StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    match enter(&site, &request, &page, &secret, form.password).await {
        Ok(Some(person)) => begin(&site, &request, &person, "/").await,
        Ok(None) => broken_link(&site),
        Err(trouble) => failed(&site, &trouble),
    }
}

async fn link(site: &Site, secret: &str) -> Result<Option<(Secret, LinkFor)>, Trouble> {
    let Some(secret) = Secret::brought(secret) else {
        return Ok(None);
    };
    let (store, now, digest) = (site.store.clone(), site.clock.now(), secret.digest());
    let link = site.ask(async move { store.link(digest, now).await }).await?;
    Ok(link.map(|link| (secret, link)))
}

async fn enter(
    site: &Site,
    request: &HttpRequest,
    page: &EnterPage,
    secret: &Secret,
    password: String,
) -> Result<Option<Person>, Trouble> {
    let hash = site.door.passwords.hash(password).await?;
    let (store, now, digest) = (site.store.clone(), site.clock.now(), secret.digest());
    let network = visitor::network(site, request);
    let (email, name) = (page.email.clone(), page.name.clone());
    site.ask(async move {
        let chosen = Chosen {
            email: &email,
            name: &name,
            password_hash: &hash,
        };
        match store.enter(digest, &chosen, &network, now).await? {
            Some(_) => store.find_person(&email).await,
            None => Ok(None),
        }
    })
    .await
}

impl EnterPage {
    fn of(secret: &Secret, link: &LinkFor) -> EnterPage {
        let (email, name) = match link {
            LinkFor::First => (String::new(), String::new()),
            LinkFor::Person(person) => (person.email.clone(), person.name.clone()),
        };
        EnterPage {
            secret: secret.expose().to_owned(),
            is_first: *link == LinkFor::First,
            email,
            name,
            ..EnterPage::default()
        }
    }

    /// Whether there are any.
    fn find_faults(&mut self, password: &str) -> bool {
        self.email_fault = email_fault(&self.email);
        self.name_fault = name_fault(&self.name);
        self.password_fault = password::fault(password);
        self.email_fault
            .or(self.name_fault)
            .or(self.password_fault)
            .is_some()
    }
}

/// What is wrong with a person's address.
pub(crate) fn email_fault(email: &str) -> Option<&'static str> {
    tidings_campaign::address::EmailAddress::parse(email)
        .is_err()
        .then_some("This is not an e-mail address.")
}

/// What is wrong with a person's name.
pub(crate) fn name_fault(name: &str) -> Option<&'static str> {
    let n = name.chars().count();
    (n == 0 || n > 100).then_some("A name has 1 to 100 characters.")
}

fn enter_page(site: &Site, status: StatusCode, page: &EnterPage) -> HttpResponse {
    Page::new("enter", "Choose a password").answer(site, status, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_pages_of_ours_only() {
        for (next, expected) in [
            ("/campaigns/7?page=2", "/campaigns/7?page=2"),
            ("//evil.test", "/"),
            ("/\\evil.test", "/"),
            ("https://evil.test", "/"),
            ("/a\r\nb", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(next), expected);
        }
    }
}
