//! `/campaigns/new` and `/campaigns/{id}/edit`: writing a campaign. A form can be changed without a script too (other content,
//! one more language): whatever its buttons do, what was typed is kept.

mod form;
pub(crate) mod try_out;
mod view;

pub(crate) use form::Form;

use super::problem::{failed, not_found, see_other};
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use form::{Faults, Part};
use serde::Deserialize;
use tidings_campaign::ids::{CampaignId, ListId, RecipientId};
use tidings_campaign::message::check_files;
use tidings_campaign::recipient::Recipient;
use tidings_campaign::starters::Starter;
use tidings_campaign::template::{Newsletter, TemplateError};
use tidings_campaign::time::Timestamp;
use tidings_store::campaigns::{Campaign, NewCampaign};
use tidings_store::people::Role;
use tidings_store::writing::Writing;
use tidings_store::{Store, StoreError};
use view::{Read, Standing, WritingPage};

/// So many recipients are looked at for which attributes there are.
const SAMPLE: i64 = 500;

/// `?template=…`
#[derive(Deserialize)]
pub(crate) struct Beginnings {
    #[serde(default)]
    template: String,
}

/// `GET /campaigns/new`
pub(crate) async fn begin(
    site: web::Data<Site>,
    visitor: Visitor,
    asked: web::Query<Beginnings>,
) -> HttpResponse {
    let form = Form {
        template: asked.into_inner().template,
        ..Form::default()
    };
    show(&site, &visitor, form, (None, Said::default())).await
}

/// `POST /campaigns/new`: makes the draft, and leads to its page.
pub(crate) async fn create(site: web::Data<Site>, visitor: Visitor, body: web::Bytes) -> HttpResponse {
    take(site, visitor, None, &body).await
}

/// `GET /campaigns/{id}/edit`
pub(crate) async fn edit(site: web::Data<Site>, visitor: Visitor, id: web::Path<String>) -> HttpResponse {
    let kept = match find(&site, &id).await {
        Ok(Some(kept)) => kept,
        Ok(None) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let (store, campaign) = (site.store.clone(), kept.id);
    let read = site.ask(async move {
        let lists: Vec<ListId> = store
            .lists_of(campaign)
            .await?
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        Ok((lists, store.own_content(campaign).await?))
    });
    match read.await {
        Ok((lists, own)) => {
            let form = Form::of(&kept, &lists, &own);
            show(&site, &visitor, form, (Some(kept), Said::default())).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

/// `POST /campaigns/{id}/edit`
pub(crate) async fn save(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    match find(&site, &id).await {
        Ok(Some(kept)) => take(site, visitor, Some(kept), &body).await,
        Ok(None) => not_found(site, visitor).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

/// The campaign of this number, if there is one.
async fn find(site: &Site, id: &str) -> Result<Option<Campaign>, Trouble> {
    let Ok(id) = id.parse::<CampaignId>() else {
        return Ok(None);
    };
    let store = site.store.clone();
    match site.ask(async move { store.get_campaign(id).await }).await {
        Ok(campaign) => Ok(Some(campaign)),
        Err(Trouble::Store(StoreError::NotFound { .. })) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Something to be said besides what the form shows.
#[derive(Default)]
struct Said {
    status: StatusCode,
    faults: Faults,
    problem: Option<String>,
    newer_revision: Option<i64>,
}

impl Said {
    fn fault(field: &str, why: String) -> Said {
        Said::faults(Faults::from([(field.to_owned(), why)]))
    }

    fn faults(faults: Faults) -> Said {
        Said {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            problem: Some("Nothing was saved yet: look at the fields that are marked.".to_owned()),
            faults,
            ..Said::default()
        }
    }
}

/// Does what the form's button says.
async fn take(site: web::Data<Site>, visitor: Visitor, kept: Option<Campaign>, body: &[u8]) -> HttpResponse {
    let mut form = Form::read(body);
    let changed = match form.action.as_str() {
        "template" => {
            form.parts.clear();
            Ok(Said::default())
        }
        "add-language" => Ok(match form.add_language() {
            Ok(()) => Said::default(),
            Err(why) => Said::fault("new_language", why),
        }),
        "own" => write_here(&site, &mut form).await,
        action if action.starts_with("begin:") => {
            let name = action.trim_start_matches("begin:").to_owned();
            begin_with(&mut form, &name);
            Ok(Said::default())
        }
        action if action.starts_with("drop:") => {
            let language = action.trim_start_matches("drop:").to_owned();
            form.parts
                .retain(|part| part.language.is_empty() || part.language != language);
            Ok(Said::default())
        }
        _ => match keep(&site, &visitor, &form, kept.clone()).await {
            Ok(Ok(id)) => return see_other(&format!("/campaigns/{id}")),
            Ok(Err(said)) => Ok(said),
            Err(trouble) => Err(trouble),
        },
    };
    match changed {
        Ok(said) => show(&site, &visitor, form, (kept, said)).await,
        Err(trouble) => failed(&site, &trouble),
    }
}

/// Takes a copy of the template that is chosen, in all its languages.
async fn write_here(site: &Site, form: &mut Form) -> Result<Said, Trouble> {
    if form.template.is_empty() {
        return Ok(Said::fault(
            "template",
            "Choose the template to begin with.".to_owned(),
        ));
    }
    let (store, name) = (site.store.clone(), form.template.clone());
    let copied = site.ask(async move {
        let Some(template) = store.find_template(&name).await? else {
            return Ok(None);
        };
        let mut languages = vec![(String::new(), template)];
        for language in store.languages_of(&name).await? {
            if let Some(translation) = store.find_translation(&name, &language).await? {
                languages.push((language.to_string(), translation));
            }
        }
        Ok(Some(languages))
    });
    let Some(copied) = copied.await? else {
        return Ok(Said::fault(
            "template",
            "There is no such template any more.".to_owned(),
        ));
    };
    let subject = copied.first().and_then(|(_, template)| template.subject.clone());
    if let (true, Some(subject)) = (form.subject.is_empty(), subject) {
        form.subject = subject;
    }
    form.parts = copied
        .into_iter()
        .map(|(language, template)| Part {
            subject: match language.as_str() {
                "" => String::new(),
                _ => template.subject.unwrap_or_default(),
            },
            language,
            preheader: String::new(),
            html: template.source.html,
            text: template.source.text.unwrap_or_default(),
        })
        .collect();
    Ok(Said::default())
}

/// Takes a copy of what comes with the program.
fn begin_with(form: &mut Form, name: &str) {
    let Some(starter) = Starter::parse(name) else {
        return;
    };
    if form.subject.is_empty() {
        starter.subject().clone_into(&mut form.subject);
    }
    form.template.clear();
    form.parts = vec![Part {
        html: starter.html().to_owned(),
        ..Part::default()
    }];
}

/// Checks everything as the command does, and keeps it; or says why not.
async fn keep(
    site: &Site,
    visitor: &Visitor,
    form: &Form,
    kept: Option<Campaign>,
) -> Result<Result<CampaignId, Said>, Trouble> {
    let mut form = form.clone();
    let (store, now, by) = (site.store.clone(), site.clock.now(), visitor.by.clone());
    let task = async move {
        if let (true, true) = (form.parts.is_empty(), form.subject.is_empty()) {
            let template = store.find_template(&form.template).await?;
            form.subject = template.and_then(|template| template.subject).unwrap_or_default();
        }
        let lists: Vec<i64> = store.lists().await?.into_iter().map(|list| list.id.0).collect();
        let writing = match form.check(&lists) {
            Ok(writing) => writing,
            Err(faults) => return Ok(Ok(Err(Said::faults(faults)))),
        };
        match fault_of_content(&store, &writing, kept.clone()).await? {
            Ok(None) => {}
            Ok(Some((field, why))) => return Ok(Ok(Err(Said::fault(&field, why)))),
            Err(stopping) => return Ok(Err(stopping)),
        }
        let done = match kept {
            Some(kept) => {
                let done = store
                    .write_campaign(kept.id, &writing, form.revision, &by, now)
                    .await;
                done.map(|()| kept.id)
            }
            None => {
                store
                    .create_campaign_by(&NewCampaign::from(writing), &by, now)
                    .await
            }
        };
        match done {
            Ok(id) => Ok(Ok(Ok(id))),
            Err(refusal) if refusal.is_refusal() => Ok(Ok(Err(refused(&store, refusal).await?))),
            Err(error) => Err(error),
        }
    };
    site.ask(task).await?
}

/// What is wrong with what the campaign would say, and which field that is in. What can be sent to nobody is refused before
/// anybody relies on it; the inner error: nobody knows, because the check did not end.
async fn fault_of_content(
    store: &Store,
    writing: &Writing,
    kept: Option<Campaign>,
) -> Result<Result<Option<(String, String)>, Trouble>, StoreError> {
    let files = match &kept {
        Some(kept) => store.files_of(kept.id).await?,
        None => Vec::new(),
    };
    let newsletter = match store.newsletter_written(&writing.over(kept), &writing.own).await {
        Ok(newsletter) => newsletter,
        Err(StoreError::NotFound { .. }) => {
            let why = "There is no such template any more: choose another.";
            return Ok(Ok(Some(("template".to_owned(), why.to_owned()))));
        }
        Err(error) => return Err(error),
    };
    let is_own = !writing.own.is_empty();
    let content = if is_own { "html" } else { "template" };
    let check = move || {
        if let Err(error) = newsletter.check() {
            return Some((field_of(&error, &newsletter, is_own), error.to_string()));
        }
        let error = check_files(&newsletter, &files).err()?;
        Some((content.to_owned(), error.to_string()))
    };
    // Compiling a large newsletter takes a while.
    let checked = tokio::task::spawn_blocking(check).await;
    Ok(checked.map_err(|_| Trouble::Stopping))
}

fn field_of(error: &TemplateError, newsletter: &Newsletter, is_own: bool) -> String {
    let language = newsletter
        .variants()
        .filter_map(|(language, _)| language)
        .find(|language| error.template.ends_with(&format!(" in {language}")));
    let name = match error.template.starts_with("the subject") {
        true => "subject",
        false if is_own => "html",
        false => return "template".to_owned(),
    };
    match language {
        Some(language) if is_own => format!("{name}:{language}"),
        Some(_) => "template".to_owned(),
        None => name.to_owned(),
    }
}

async fn refused(store: &Store, refusal: StoreError) -> Result<Said, StoreError> {
    let newer_revision = match refusal {
        StoreError::WrittenMeanwhile(id) => Some(store.get_campaign(id).await?.revision),
        _ => None,
    };
    Ok(Said {
        status: StatusCode::CONFLICT,
        problem: Some(format!("Nothing was saved: {refusal}.")),
        newer_revision,
        ..Said::default()
    })
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    form: Form,
    (kept, said): (Option<Campaign>, Said),
) -> HttpResponse {
    let (store, now, chosen) = (site.store.clone(), site.clock.now(), form.lists.clone());
    let campaign = kept.as_ref().map(|kept| kept.id);
    let read = match site
        .ask(async move { read(&store, campaign, &chosen, now).await })
        .await
    {
        Ok(read) => read,
        Err(trouble) => return failed(site, &trouble),
    };
    let fixed = kept.as_ref().filter(|kept| !kept.may_be_written()).map(|kept| {
        let (campaign, state) = (kept.id, kept.state);
        format!("{}.", StoreError::WritingIsFixed { campaign, state })
    });
    let title = match &kept {
        Some(kept) => format!("Write {}", kept.name),
        None => "New campaign".to_owned(),
    };
    let standing = Standing {
        campaign: kept.map(|kept| (kept.id.to_string(), kept.state.to_string())),
        may_change: visitor.role >= Role::Editor && fixed.is_none(),
        faults: said.faults,
        problem: said.problem.or(fixed),
        newer_revision: said.newer_revision,
    };
    let view = WritingPage::new(form, &read, standing);
    Page::new("writing", &title)
        .under("/campaigns")
        .shown_to(visitor)
        .answer(site, said.status, &view)
}

async fn read(
    store: &Store,
    campaign: Option<CampaignId>,
    chosen: &[i64],
    now: Timestamp,
) -> Result<Read, StoreError> {
    let lists = store.lists().await?;
    let mut sample: Vec<Recipient> = Vec::new();
    for list in lists.iter().filter(|list| chosen.contains(&list.id.0)) {
        let left = SAMPLE - i64::try_from(sample.len()).unwrap_or(SAMPLE);
        sample.extend(
            store
                .recipients_of_list(list.id, RecipientId(0), left, now)
                .await?,
        );
    }
    Ok(Read {
        templates: store.list_templates().await?,
        files: match campaign {
            Some(id) => store.list_files(id).await?,
            None => Vec::new(),
        },
        sample,
        lists,
    })
}
