//! `/settings/domains`: in whose names mail goes out, and what the DNS says of them.

use super::form::FormView;
use super::parts::one_form;
use super::{Head, SECTION, Said, look};
use crate::figures::numbers::moment;
use crate::operator::{DomainFinding, Looked, Part};
use crate::people::Visitor;
use crate::routes::problem::see_other;
use crate::shell::Page;
use crate::site::Site;
use actix_web::{HttpResponse, web};
use serde::Serialize;

pub(crate) const PATH: &str = "/settings/domains";

#[derive(Serialize)]
struct DomainsPage {
    #[serde(flatten)]
    head: Head,
    forms: Vec<FormView>,
    is_asking: bool,
    asked: Option<String>,
    note: Option<String>,
    domains: Vec<DomainView>,
}

#[derive(Serialize)]
struct DomainView {
    domain: String,
    role: String,
    level: &'static str,
    word: &'static str,
    sentences: Vec<String>,
}

/// `GET /settings/domains`
pub(crate) async fn domains(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, Said::default()).await
}

/// The page.
pub(super) async fn show(site: &Site, visitor: &Visitor, said: Said) -> HttpResponse {
    let (_, shown) = match look(site, visitor, PATH).await {
        Ok(seen) => seen,
        Err(answer) => return answer,
    };
    let status = said.status();
    let (asked, note, domains) = match &shown.domains {
        Looked::Never | Looked::Asking => (None, None, Vec::new()),
        Looked::Answered { at, domains, note } => {
            let views = domains.iter().map(view).collect();
            (Some(moment(*at)), note.clone(), views)
        }
    };
    let page = DomainsPage {
        forms: one_form(&shown, &Part::Mail, &said),
        is_asking: matches!(shown.domains, Looked::Asking),
        asked,
        note,
        domains,
        head: Head::new(PATH, "In whose names mail goes out", &shown, said),
    };
    let frame = Page::new("settings_domains", "Domains")
        .under(SECTION)
        .shown_to(visitor);
    let frame = if page.is_asking { frame.live() } else { frame };
    frame.answer(site, status, &page)
}

fn view(found: &DomainFinding) -> DomainView {
    let (level, word) = match (found.faults.is_empty(), &found.note) {
        (false, _) => ("bad", "needs attention"),
        (true, Some(_)) => ("warn", "not known"),
        (true, None) => ("good", "in order"),
    };
    let sentences = found.faults.iter().chain(&found.note).cloned();
    DomainView {
        domain: found.domain.clone(),
        role: found.role.clone(),
        level,
        word,
        sentences: sentences.collect(),
    }
}

/// `POST /settings/domains/look`
pub(crate) async fn ask(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    match look(&site, &visitor, PATH).await {
        Ok((operator, _)) => {
            operator.look_at_domains();
            see_other(PATH)
        }
        Err(answer) => answer,
    }
}
