//! `/settings/relays`: where mail goes.

use super::form::{self, FormView};
use super::{Head, SECTION, Said, look};
use crate::figures::numbers::moment;
use crate::operator::{Part, PartShown, PoolShown, Refusal, RelayFinding, Shown};
use crate::people::Visitor;
use crate::routes::now::view::RelayRow;
use crate::routes::problem::{failed, no_such_page};
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

pub(crate) const PATH: &str = "/settings/relays";
const LEAD: &str = "Where mail goes, and how it gets there";

#[derive(Serialize)]
struct RelaysPage {
    #[serde(flatten)]
    head: Head,
    relays: Vec<RelayView>,
    pools: Vec<PoolView>,
}

#[derive(Serialize)]
struct RelayView {
    id: usize,
    name: String,
    /// The name as it stands in a query.
    query: String,
    url: String,
    facts: Vec<[String; 2]>,
    live: Option<RelayRow>,
    can_go: bool,
    found: Option<FindingView>,
}

#[derive(Serialize)]
struct PoolView {
    name: String,
    relays: String,
    sender_domains: String,
}

#[derive(Serialize)]
struct FindingView {
    works: bool,
    fault: Option<String>,
    facts: Vec<[String; 2]>,
    hints: Vec<String>,
    transcript: Option<String>,
}

#[derive(Serialize)]
struct FormPage {
    #[serde(flatten)]
    head: Head,
    form: FormView,
    is_new: bool,
}

/// `?name=…`, and the form that tests.
#[derive(Deserialize)]
pub(crate) struct Named {
    name: String,
}

/// `GET /settings/relays`
pub(crate) async fn relays(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, Said::default(), None).await
}

/// The page, with what was found out about a relay, if one was tested.
pub(super) async fn show(
    site: &Site,
    visitor: &Visitor,
    said: Said,
    found: Option<RelayFinding>,
) -> HttpResponse {
    let (_, shown) = match look(site, visitor, PATH).await {
        Ok(seen) => seen,
        Err(answer) => return answer,
    };
    let status = said.status();
    let is_plain = status == StatusCode::OK && found.is_none();
    let live = site.live.snapshots.borrow().clone();
    let relays = shown
        .parts
        .iter()
        .filter(|part| matches!(part.part, Part::Relay(_)));
    let view = |(at, part): (usize, &PartShown)| {
        let name = part.part.name();
        let found = found.as_ref().filter(|found| found.relay == name).map(finding);
        relay(at, part, live.now.relay(name), found)
    };
    let page = RelaysPage {
        relays: relays.enumerate().map(view).collect(),
        pools: shown.pools.iter().map(pool).collect(),
        head: Head::new(PATH, LEAD, &shown, said),
    };
    let frame = Page::new("settings_relays", "Relays")
        .under(SECTION)
        .shown_to(visitor);
    // An answer to a form must not be asked for again.
    let frame = if is_plain { frame.live() } else { frame };
    frame.answer(site, status, &page)
}

fn relay(at: usize, shown: &PartShown, live: Option<RelayRow>, found: Option<FindingView>) -> RelayView {
    let value = |key: &str| {
        shown
            .settings
            .get(key)
            .map(|setting| setting.value.clone())
            .unwrap_or_default()
    };
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let login = ["token_command", "token_file"]
        .iter()
        .any(|key| !value(key).is_empty());
    let login = match (login, value("url").contains('@')) {
        (true, _) => "by token",
        (false, true) => "by password",
        (false, false) => "none",
    };
    let facts = [
        ("Login", login.to_owned()),
        ("Rate", or(value("rate"), "no limit")),
        ("Sessions at once", or(value("max_sessions"), "20")),
        (
            "Priority, weight",
            format!("{}, {}", or(value("priority"), "10"), or(value("weight"), "1")),
        ),
    ];
    RelayView {
        id: at,
        name: shown.part.name().to_owned(),
        query: utf8_percent_encode(shown.part.name(), NON_ALPHANUMERIC).to_string(),
        url: value("url"),
        facts: facts.map(|(name, text)| [name.to_owned(), text]).into(),
        live,
        can_go: shown.is_in_file,
        found,
    }
}

fn pool(pool: &PoolShown) -> PoolView {
    PoolView {
        name: pool.name.clone(),
        relays: pool.relays.join(", "),
        sender_domains: pool.sender_domains.join(", "),
    }
}

fn finding(found: &RelayFinding) -> FindingView {
    let announces = (!found.announces.is_empty()).then(|| found.announces.join(", "));
    let facts = [
        (
            "Asked",
            Some(format!("{} at {}", found.address, moment(found.at))),
        ),
        ("Greeting", found.greeting.clone()),
        (
            "TLS",
            Some(found.tls.clone().unwrap_or_else(|| "not encrypted".to_owned())),
        ),
        ("Certificate", found.certificate.clone()),
        ("AUTH", found.auth.clone()),
        ("Announces", announces),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(name, text)| Some([name.to_owned(), text?]));
    FindingView {
        works: found.fault.is_none(),
        fault: found.fault.clone(),
        facts: facts.collect(),
        hints: found.hints.clone(),
        transcript: found.transcript.clone(),
    }
}

/// `POST /settings/relays/test`
pub(crate) async fn test(site: web::Data<Site>, visitor: Visitor, form: web::Form<Named>) -> HttpResponse {
    let (operator, _) = match look(&site, &visitor, PATH).await {
        Ok(seen) => seen,
        Err(answer) => return answer,
    };
    let tested = site.in_program(operator.test_relay(form.into_inner().name)).await;
    match tested {
        Ok(Ok(found)) => show(&site, &visitor, Said::default(), Some(found)).await,
        Ok(Err(Refusal::Failed(why))) => show(&site, &visitor, Said::of("bad", why), None).await,
        Ok(Err(_)) => show(&site, &visitor, Said::default(), None).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

/// `GET /settings/relays/new`
pub(crate) async fn new(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show_form(&site, &visitor, None, Said::default()).await
}

/// `GET /settings/relays/edit?name=…`
pub(crate) async fn edit(site: web::Data<Site>, visitor: Visitor, named: web::Query<Named>) -> HttpResponse {
    show_form(&site, &visitor, Some(&named.name), Said::default()).await
}

/// The form of a relay; of a new one without a name.
pub(super) async fn show_form(
    site: &Site,
    visitor: &Visitor,
    name: Option<&str>,
    said: Said,
) -> HttpResponse {
    let (_, shown) = match look(site, visitor, PATH).await {
        Ok(seen) => seen,
        Err(answer) => return answer,
    };
    let status = said.status();
    let Some(form) = form_of(&shown, name, &said) else {
        return no_such_page(site, visitor);
    };
    let page = FormPage {
        form,
        is_new: name.is_none(),
        head: Head::new(PATH, LEAD, &shown, said),
    };
    Page::new("settings_relay", name.unwrap_or("A new relay"))
        .under(SECTION)
        .shown_to(visitor)
        .answer(site, status, &page)
}

fn form_of(shown: &Shown, name: Option<&str>, said: &Said) -> Option<FormView> {
    let refused = said.refused.as_ref();
    let Some(name) = name else {
        let form = form::new(&Part::Relay(String::new()), 0, refused);
        return Some(FormView {
            name_label: Some("Name"),
            name_hint: "One word by which campaigns, charts and reports call it",
            ..form
        });
    };
    let part = Part::Relay(name.to_owned());
    let shown = shown.parts.iter().find(|shown| shown.part == part)?;
    Some(form::of(shown, 0, refused))
}
