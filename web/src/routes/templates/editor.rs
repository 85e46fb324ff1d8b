//! `/templates/{name}`: a template is written, in each of its languages.

use super::super::preview::{self, Fault, PreviewView, with_lines};
use super::super::problem::{failed, not_found, see_other};
use super::{href, put_new};
use crate::figures::numbers::moment;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_campaign::language::Language;
use tidings_campaign::template::{Source, check_name, check_source, check_subject};
use tidings_store::people::Role;
use tidings_store::templates::StoredTemplate;
use tidings_store::versions::VersionSummary;
use tidings_store::{Store, StoreError};

/// Campaigns that are named.
const CAMPAIGNS: i64 = 5;

/// `?language=…&saved=…`
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(super) language: String,
    /// That it has been saved is to be said.
    #[serde(default)]
    saved: Option<String>,
}

/// What was written.
#[derive(Deserialize)]
pub(crate) struct Written {
    #[serde(default)]
    subject: String,
    html: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    language: String,
    /// The newest version that was seen, 0 if there was none. A program that says nothing of it saves over any.
    #[serde(default)]
    seen: Option<i64>,
    /// The same of what somebody else has saved since.
    #[serde(default)]
    newer: Option<i64>,
    /// `over`: what somebody else has saved since is saved over.
    #[serde(default, rename = "do")]
    action: String,
}

/// Saves over what somebody else has saved meanwhile.
const OVER: &str = "over";

impl Written {
    /// Whoever was told that there is a newer one, and wants theirs over it, says so.
    fn seen(&self) -> Option<i64> {
        if self.action == OVER {
            self.newer
        } else {
            self.seen
        }
    }
}

/// The forms that duplicate and remove.
#[derive(Deserialize)]
pub(crate) struct Wished {
    #[serde(default)]
    to: String,
    #[serde(default)]
    language: String,
}

#[derive(Serialize)]
struct Tab {
    label: String,
    href: String,
    is_here: bool,
}

#[derive(Serialize)]
struct VersionRow {
    n: i64,
    href: String,
    when: String,
    who: String,
    is_now: bool,
}

#[derive(Serialize)]
struct CampaignRow {
    id: i64,
    name: String,
}

#[derive(Serialize)]
struct TemplatePage {
    name: String,
    path: String,
    language: String,
    /// Is not kept yet in this language.
    is_new: bool,
    changed: String,
    tabs: Vec<Tab>,
    subject: String,
    html: String,
    text: String,
    subject_fault: Option<String>,
    html_fault: Option<Fault>,
    text_fault: Option<Fault>,
    language_fault: Option<String>,
    duplicate_fault: Option<String>,
    /// A fault that is in no field.
    trouble: Option<String>,
    saved: bool,
    /// The newest version that is seen with it; 0: none.
    seen: i64,
    /// The version that somebody else has saved since.
    newer: Option<i64>,
    may_change: bool,
    preview: PreviewView,
    versions: Vec<VersionRow>,
    campaigns: Vec<CampaignRow>,
}

/// What is read of a template.
struct Found {
    itself: StoredTemplate,
    translation: Option<StoredTemplate>,
    languages: Vec<Language>,
    versions: Vec<VersionSummary>,
    campaigns: Vec<CampaignRow>,
}

async fn find(store: Store, name: String, language: Option<Language>) -> Result<Option<Found>, StoreError> {
    let Some(itself) = store.find_template(&name).await? else {
        return Ok(None);
    };
    let translation = match &language {
        Some(language) => store.find_translation(&name, language).await?,
        None => None,
    };
    let campaigns = store.campaigns_with_template(&name, CAMPAIGNS).await?;
    Ok(Some(Found {
        itself,
        translation,
        languages: store.languages_of(&name).await?,
        versions: store.template_versions(&name, language.as_ref()).await?,
        campaigns: campaigns
            .into_iter()
            .map(|(id, name)| CampaignRow { id: id.0, name })
            .collect(),
    }))
}

/// The language of an address or a form; none for the template itself.
pub(super) fn language_of(text: &str) -> Result<Option<Language>, String> {
    match text.trim() {
        "" => Ok(None),
        tag => Language::parse(tag)
            .map(Some)
            .map_err(|error| format!("{error}.")),
    }
}

impl Found {
    fn page(self, language: Option<&Language>, visitor: &Visitor) -> TemplatePage {
        let is_new = language.is_some() && self.translation.is_none();
        let shown = self.translation.unwrap_or_else(|| self.itself.clone());
        let name = self.itself.source.name;
        let tag = language.map(ToString::to_string).unwrap_or_default();
        let others = self.languages.iter().chain(language.filter(|_| is_new));
        let tab = |label: String, language: &str| Tab {
            href: href(&name, language),
            is_here: language == tag,
            label,
        };
        let tabs = std::iter::once(tab("All languages".to_owned(), ""));
        let newest = self.versions.first().map(|version| version.n);
        let row = |version: VersionSummary| VersionRow {
            href: super::versions::href(&name, &tag, version.n),
            when: moment(tidings_campaign::time::Timestamp(version.saved_at)),
            is_now: Some(version.n) == newest,
            n: version.n,
            who: version.saved_by,
        };
        TemplatePage {
            tabs: tabs
                .chain(others.map(|language| tab(language.to_string(), language.as_str())))
                .collect(),
            path: href(&name, ""),
            is_new,
            changed: moment(shown.updated_at),
            subject: shown.subject.unwrap_or_default(),
            html: shown.source.html,
            text: shown.source.text.unwrap_or_default(),
            subject_fault: None,
            html_fault: None,
            text_fault: None,
            language_fault: None,
            duplicate_fault: None,
            trouble: None,
            saved: false,
            seen: newest.unwrap_or_default(),
            newer: None,
            may_change: visitor.role >= Role::Editor,
            preview: preview::view("somebody made up, who has whatever the newsletter asks for"),
            versions: self.versions.into_iter().map(row).collect(),
            campaigns: self.campaigns,
            language: tag,
            name,
        }
    }
}

impl TemplatePage {
    fn put_fault(&mut self, fault: Fault) {
        match fault.part() {
            Some("subject") => self.subject_fault = Some(fault.sentence()),
            Some("html") => self.html_fault = Some(fault),
            Some("text") => self.text_fault = Some(fault),
            _ => self.trouble = Some(fault.sentence()),
        }
    }
}

/// The page, changed by `change`; or that there is no such template.
async fn show(
    site: web::Data<Site>,
    visitor: Visitor,
    (name, language): (String, Option<Language>),
    status: StatusCode,
    change: impl FnOnce(&mut TemplatePage),
) -> HttpResponse {
    let found = site.ask(find(site.store.clone(), name, language.clone())).await;
    match found {
        Err(trouble) => failed(&site, &trouble),
        Ok(None) => not_found(site, visitor).await,
        Ok(Some(found)) => {
            let mut page = found.page(language.as_ref(), &visitor);
            change(&mut page);
            let title = page.name.clone();
            Page::new("template", &title)
                .under("/templates")
                .shown_to(&visitor)
                .answer(&site, status, &page)
        }
    }
}

/// `GET /templates/{name}`
pub(crate) async fn template(
    site: web::Data<Site>,
    visitor: Visitor,
    name: web::Path<String>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let name = name.into_inner();
    match language_of(&asked.language) {
        Ok(language) => {
            let saved = asked.saved.is_some();
            show(site, visitor, (name, language), StatusCode::OK, |page| {
                page.saved = saved
            })
            .await
        }
        Err(fault) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show(site, visitor, (name, None), status, |page| {
                page.language_fault = Some(fault)
            })
            .await
        }
    }
}

/// Why something was not saved.
pub(super) enum NotSaved {
    Fault(Fault),
    /// There is no such template.
    Gone,
    /// Somebody else has saved it since; one sentence.
    Meanwhile(String),
    Trouble(Trouble),
}

/// Checks a template as `tidings template add` does, and keeps it.
pub(super) async fn save_checked(
    site: &Site,
    visitor: &Visitor,
    source: Source,
    subject: Option<String>,
    (language, seen): (Option<Language>, Option<i64>),
) -> Result<(), NotSaved> {
    let name = source.name.clone();
    let checking = tokio::task::spawn_blocking(move || {
        let checked = subject.as_deref().map_or(Ok(()), check_subject);
        checked
            .and_then(|()| check_source(&source))
            .map(|()| (source, subject))
    });
    let checked = checking.await.map_err(|_| NotSaved::Trouble(Trouble::Stopping))?;
    let fault = |error| NotSaved::Fault(Fault::of_template(&error, &name));
    let (source, subject) = checked.map_err(fault)?;
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let saved = site.ask(async move {
        if store.find_template(&source.name).await?.is_none() {
            return Ok(None);
        }
        let of = (&source, language.as_ref());
        let saved = store.save_template(of, subject.as_deref(), seen, &by, now);
        saved.await.map(Some)
    });
    let saved = saved.await.map_err(|trouble| match trouble {
        Trouble::Store(error @ StoreError::TemplateSavedMeanwhile(_)) => {
            NotSaved::Meanwhile(format!("Nothing was saved: {error}."))
        }
        trouble => NotSaved::Trouble(trouble),
    });
    match saved? {
        None => Err(NotSaved::Gone),
        Some(saved) => saved.map_err(fault),
    }
}

/// `POST /templates/{name}`: saves it, in the language that it was written in.
pub(crate) async fn save(
    site: web::Data<Site>,
    visitor: Visitor,
    name: web::Path<String>,
    written: web::Form<Written>,
) -> HttpResponse {
    let (name, written) = (name.into_inner(), written.into_inner());
    let Ok(language) = language_of(&written.language) else {
        return not_found(site, visitor).await;
    };
    let text = with_lines(&written.text);
    let source = Source {
        name: name.clone(),
        html: with_lines(&written.html),
        text: Some(text.clone()).filter(|text| !text.trim().is_empty()),
    };
    let subject = written.subject.trim().to_owned();
    let tag = language.as_ref().map(ToString::to_string).unwrap_or_default();
    let (html, kept) = (
        source.html.clone(),
        Some(subject.clone()).filter(|subject| !subject.is_empty()),
    );
    let as_seen = (language.clone(), written.seen());
    match save_checked(&site, &visitor, source, kept, as_seen).await {
        Ok(()) => {
            let back = href(&name, &tag);
            let and = if tag.is_empty() { '?' } else { '&' };
            see_other(&format!("{back}{and}saved=1"))
        }
        Err(NotSaved::Gone) => not_found(site, visitor).await,
        Err(NotSaved::Trouble(trouble)) => failed(&site, &trouble),
        Err(NotSaved::Meanwhile(why)) => {
            show(site, visitor, (name, language), StatusCode::CONFLICT, |page| {
                page.newer = Some(page.seen);
                page.seen = written.seen().unwrap_or_default();
                (page.subject, page.html, page.text) = (subject, html, text);
                page.trouble = Some(why);
            })
            .await
        }
        Err(NotSaved::Fault(fault)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show(site, visitor, (name, language), status, |page| {
                // What others have saved since is still not seen.
                page.seen = written.seen().unwrap_or(page.seen);
                (page.subject, page.html, page.text) = (subject, html, text);
                page.put_fault(fault);
            })
            .await
        }
    }
}

/// `POST /templates/{name}/duplicate`: the same under another name, in all its languages.
pub(crate) async fn duplicate(
    site: web::Data<Site>,
    visitor: Visitor,
    name: web::Path<String>,
    wished: web::Form<Wished>,
) -> HttpResponse {
    let (name, to) = (name.into_inner(), wished.to.trim().to_owned());
    let refused = async |site, visitor, fault: String| {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let change = |page: &mut TemplatePage| page.duplicate_fault = Some(fault);
        show(site, visitor, (name.clone(), None), status, change).await
    };
    if let Err(must) = check_name(&to) {
        return refused(site, visitor, format!("{}.", super::capitalised(must))).await;
    }
    let (store, from) = (site.store.clone(), name.clone());
    let read = site.ask(async move {
        let itself = store.find_template(&from).await?;
        let mut translations = Vec::new();
        for language in store.languages_of(&from).await? {
            let translation = store.find_translation(&from, &language).await?;
            translations.extend(translation.map(|translation| (language, translation)));
        }
        Ok((itself, translations))
    });
    let (itself, translations) = match read.await {
        Ok((Some(itself), translations)) => (itself, translations),
        Ok((None, _)) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let named = |template: StoredTemplate| StoredTemplate {
        source: Source {
            name: to.clone(),
            ..template.source
        },
        ..template
    };
    let translations = translations
        .into_iter()
        .map(|(language, translation)| (language, named(translation)));
    match put_new(&site, &visitor, named(itself), translations.collect()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => return refused(site, visitor, fault).await,
        Err(answer) => return answer,
    }
    see_other(&href(&to, ""))
}

/// `POST /templates/{name}/remove`: in one language, or in all. What others still need stays.
pub(crate) async fn remove(
    site: web::Data<Site>,
    visitor: Visitor,
    name: web::Path<String>,
    wished: web::Form<Wished>,
) -> HttpResponse {
    let name = name.into_inner();
    let Ok(language) = language_of(&wished.language) else {
        return not_found(site, visitor).await;
    };
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let (wanted, of) = (name.clone(), language.clone());
    let removed = site.ask(async move {
        let Some(language) = of else {
            if let Some(other) = store.template_that_refers_to(&wanted).await? {
                return Ok(Some(format!(
                    "The template {other} refers to it: change or remove that first."
                )));
            }
            return match store.remove_template(&wanted, &by, now).await {
                Err(used @ StoreError::TemplateInUse { .. }) => Ok(Some(format!("Not removed: {used}."))),
                done => done.map(|_| None),
            };
        };
        store
            .remove_translation(&wanted, &language, &by, now)
            .await
            .map(|_| None)
    });
    match removed.await {
        Err(trouble) => failed(&site, &trouble),
        Ok(Some(why)) => {
            show(site, visitor, (name, None), StatusCode::CONFLICT, |page| {
                page.trouble = Some(why)
            })
            .await
        }
        Ok(None) if language.is_some() => see_other(&href(&name, "")),
        Ok(None) => see_other("/templates"),
    }
}
