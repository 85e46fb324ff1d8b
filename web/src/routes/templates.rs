//! `/templates`: all templates, and new ones.

pub(crate) mod editor;
pub(crate) mod versions;

use super::problem::{failed, see_other};
use crate::figures::numbers::moment;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tidings_campaign::language::Language;
use tidings_campaign::starters::{EMPTY, Starter};
use tidings_campaign::template::{Source, check_name};
use tidings_store::people::Role;
use tidings_store::templates::{StoredTemplate, TemplateSummary};

/// Letters of a search at most.
const LONGEST: usize = 200;

/// `?q=…`
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
}

/// The form of a new one.
#[derive(Deserialize)]
pub(crate) struct Addition {
    name: String,
    /// A starter's name; empty to begin with nothing.
    #[serde(default)]
    starter: String,
}

#[derive(Default, Serialize)]
struct TemplatesPage {
    q: String,
    rows: Vec<Row>,
    may_change: bool,
    starters: Vec<StarterView>,
    /// What was written into the form.
    new_name: String,
    name_fault: Option<String>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    href: String,
    subject: String,
    languages: String,
    campaigns: String,
    changed: String,
}

#[derive(Serialize)]
struct StarterView {
    name: &'static str,
    purpose: &'static str,
    is_chosen: bool,
}

/// Where a template is written; of a translation, in its language.
pub(super) fn href(name: &str, language: &str) -> String {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    match language {
        "" => format!("/templates/{name}"),
        language => format!("/templates/{name}?language={language}"),
    }
}

/// `GET /templates`
pub(crate) async fn templates(
    site: web::Data<Site>,
    visitor: Visitor,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let page = TemplatesPage {
        q: asked.q.trim().chars().take(LONGEST).collect(),
        ..TemplatesPage::default()
    };
    show(&site, &visitor, StatusCode::OK, "", page).await
}

/// `starter`: the one that is chosen in the form.
async fn show(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    starter: &str,
    mut page: TemplatesPage,
) -> HttpResponse {
    let store = site.store.clone();
    let read = site.ask(async move { Ok((store.list_templates().await?, store.template_uses().await?)) });
    let (templates, uses) = match read.await {
        Ok(read) => read,
        Err(trouble) => return failed(site, &trouble),
    };
    page.rows = rows(templates, &uses.into_iter().collect(), &page.q);
    page.may_change = visitor.role >= Role::Editor;
    page.starters = starters(starter);
    Page::new("templates", "Templates")
        .under("/templates")
        .shown_to(visitor)
        .answer(site, status, &page)
}

fn rows(templates: Vec<TemplateSummary>, uses: &HashMap<String, i64>, q: &str) -> Vec<Row> {
    let q = q.to_lowercase();
    let fits = |template: &TemplateSummary| {
        let subject = template.subject.as_deref().unwrap_or_default();
        [&template.name, subject]
            .iter()
            .any(|text| text.to_lowercase().contains(&q))
    };
    let row = |template: TemplateSummary| Row {
        href: href(&template.name, ""),
        languages: template
            .languages
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        campaigns: match uses.get(&template.name) {
            None => "none".to_owned(),
            Some(1) => "1 campaign".to_owned(),
            Some(n) => format!("{n} campaigns"),
        },
        changed: moment(template.updated_at),
        subject: template.subject.unwrap_or_default(),
        name: template.name,
    };
    templates.into_iter().filter(fits).map(row).collect()
}

fn starters(chosen: &str) -> Vec<StarterView> {
    let view = |starter: &Starter| StarterView {
        name: starter.name(),
        purpose: starter.purpose(),
        is_chosen: starter.name() == chosen,
    };
    Starter::all().iter().map(view).collect()
}

/// `POST /templates`: one more, from a starter or with nothing.
pub(crate) async fn add(site: web::Data<Site>, visitor: Visitor, form: web::Form<Addition>) -> HttpResponse {
    let Addition { name, starter } = form.into_inner();
    let name = name.trim().to_owned();
    let fault = match check_name(&name) {
        Err(must) => Some(format!("{}.", capitalised(must))),
        Ok(()) => None,
    };
    let chosen = Starter::parse(&starter);
    let source = match chosen {
        Some(chosen) => chosen.source(name.clone()),
        None => Source {
            name: name.clone(),
            html: EMPTY.to_owned(),
            text: None,
        },
    };
    let added = match fault {
        Some(fault) => Err(fault),
        None => {
            let template = StoredTemplate {
                source,
                subject: chosen.map(|starter| starter.subject().to_owned()),
                updated_at: site.clock.now(),
            };
            match put_new(&site, &visitor, template, Vec::new()).await {
                Ok(added) => added,
                Err(answer) => return answer,
            }
        }
    };
    match added {
        Ok(()) => see_other(&href(&name, "")),
        Err(fault) => {
            let page = TemplatesPage {
                new_name: name.chars().take(LONGEST).collect(),
                name_fault: Some(fault),
                ..TemplatesPage::default()
            };
            show(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, &starter, page).await
        }
    }
}

/// Keeps a template with its translations under a name that no other has; says what is wrong with the name if one has it.
async fn put_new(
    site: &Site,
    visitor: &Visitor,
    template: StoredTemplate,
    translations: Vec<(Language, StoredTemplate)>,
) -> Result<Result<(), String>, HttpResponse> {
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let put = site.ask(async move {
        let is_new = store.add_template(&template, &translations, &by, now).await?;
        Ok(match is_new {
            true => Ok(()),
            false => Err(format!("There is a template {} already.", template.source.name)),
        })
    });
    put.await.map_err(|trouble| failed(site, &trouble))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}
