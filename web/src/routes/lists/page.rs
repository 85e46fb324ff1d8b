//! `/lists/{id}`: one list, and what an editor says about it.

use super::name_fault;
use crate::figures::numbers::count;
use crate::people::Visitor;
use crate::routes::problem::{failed, not_found, see_other};
use crate::shell::Page;
use crate::sign_up::{SignUps, embeddable_form};
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidings_campaign::ids::ListId;
use tidings_campaign::sign_up::{Field, FormError, SignUpForm};
use tidings_campaign::tracking::{Tracking, Utm};
use tidings_store::list_changes::{ListChange, ListChanged};
use tidings_store::lists::List;
use tidings_store::people::Role;

/// What holds for links where a list says nothing.
const AS_CONFIGURED: &str = "default";

#[derive(Serialize)]
struct ListPage {
    id: i64,
    name: String,
    /// What stands in the field of the name.
    new_name: String,
    confirmed: String,
    may_change: bool,
    /// What is wrong, by the field beside which it is said.
    faults: BTreeMap<&'static str, String>,
    has_faults: bool,
    tracking: Vec<Mode>,
    tracking_word: &'static str,
    utm: [UtmField; 5],
    utm_words: String,
    is_archived: bool,
    archive: String,
    is_open: bool,
    sign_up: String,
    sender: String,
    fields: String,
    text: String,
    origins: String,
    html: String,
}

#[derive(Serialize)]
struct Mode {
    word: &'static str,
    means: &'static str,
    is_chosen: bool,
}

#[derive(Serialize)]
struct UtmField {
    name: &'static str,
    value: String,
    fault: Option<String>,
}

/// Why a form is refused: the name of the field, and a sentence.
type Fault = (&'static str, String);

/// The form of the name.
#[derive(Deserialize)]
pub(crate) struct NameForm {
    name: String,
}

/// The form of links.
#[derive(Deserialize)]
pub(crate) struct LinksForm {
    tracking: String,
    #[serde(default)]
    utm_source: String,
    #[serde(default)]
    utm_medium: String,
    #[serde(default)]
    utm_campaign: String,
    #[serde(default)]
    utm_content: String,
    #[serde(default)]
    utm_term: String,
}

/// The form of the archive.
#[derive(Deserialize)]
pub(crate) struct ArchiveForm {
    open: String,
}

/// The form of signing up.
#[derive(Deserialize)]
pub(crate) struct SignUpSettingsForm {
    open: String,
    #[serde(default)]
    sender: String,
    /// One on a line: `city=Your city`.
    #[serde(default)]
    fields: String,
    #[serde(default)]
    text: String,
    /// One on a line.
    #[serde(default)]
    origins: String,
}

/// `GET /lists/{id}`
pub(crate) async fn show(
    site: web::Data<Site>,
    sign_ups: web::Data<SignUps>,
    visitor: Visitor,
    id: web::Path<String>,
) -> HttpResponse {
    answer(site, sign_ups, visitor, &id, None::<fn(&mut ListPage)>).await
}

/// `refused`: shows what was typed, and why it was not done.
async fn answer(
    site: web::Data<Site>,
    sign_ups: web::Data<SignUps>,
    visitor: Visitor,
    id: &str,
    refused: Option<impl FnOnce(&mut ListPage)>,
) -> HttpResponse {
    let (list, form) = match find(&site, id).await {
        Ok(Some(found)) => found,
        Ok(None) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let title = list.name.clone();
    let status = match refused {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut page = view(list, form, &sign_ups.public_url, visitor.role >= Role::Editor);
    if let Some(refused) = refused {
        refused(&mut page);
    }
    Page::new("list", &title)
        .under("/lists")
        .shown_to(&visitor)
        .answer(&site, status, &page)
}

async fn find(site: &Site, id: &str) -> Result<Option<(List, Option<SignUpForm>)>, crate::site::Trouble> {
    let Ok(id) = id.parse().map(ListId) else {
        return Ok(None);
    };
    let store = site.store.clone();
    let read = site.ask(async move {
        let lists = store.lists().await?;
        let Some(list) = lists.into_iter().find(|list| list.id == id) else {
            return Ok(None);
        };
        let form = store.sign_up_form(id).await?;
        Ok(Some((list, form.map(|(_, form)| form))))
    });
    read.await
}

fn view(list: List, form: Option<SignUpForm>, public_url: &str, may_change: bool) -> ListPage {
    let html = form
        .as_ref()
        .map(|form| embeddable_form(public_url, (list.id, &list.name), form, "en"));
    let mode = |tracking: Option<Tracking>, means| Mode {
        word: tracking.map_or(AS_CONFIGURED, Tracking::as_str),
        means,
        is_chosen: list.tracking == tracking,
    };
    let lines = |lines: Vec<String>| lines.join("\n");
    let utm = |name, value: &Option<String>| UtmField {
        name,
        value: value.clone().unwrap_or_default(),
        fault: None,
    };
    ListPage {
        id: list.id.0,
        confirmed: count(list.confirmed),
        may_change,
        faults: BTreeMap::new(),
        has_faults: false,
        tracking: vec![
            mode(None, "as configured"),
            mode(Some(Tracking::Full), "full: who opened and clicked"),
            mode(
                Some(Tracking::Anonymous),
                "anonymous: how many opened and clicked",
            ),
            mode(Some(Tracking::Off), "off: links stay as they were written"),
        ],
        tracking_word: list.tracking.map_or("as configured", Tracking::as_str),
        utm: [
            utm("utm_source", &list.utm.source),
            utm("utm_medium", &list.utm.medium),
            utm("utm_campaign", &list.utm.campaign),
            utm("utm_content", &list.utm.content),
            utm("utm_term", &list.utm.term),
        ],
        utm_words: list.utm.to_string(),
        is_archived: list.archived,
        archive: format!("{public_url}/archive/{}", list.id),
        is_open: list.open_for_sign_up,
        sign_up: format!("{public_url}/s/{}", list.id),
        sender: form.as_ref().map(|form| form.sender.clone()).unwrap_or_default(),
        fields: form
            .as_ref()
            .map(|form| lines(form.fields.iter().map(field_line).collect()))
            .unwrap_or_default(),
        text: form
            .as_ref()
            .and_then(|form| form.text.clone())
            .unwrap_or_default(),
        origins: form.map(|form| lines(form.origins)).unwrap_or_default(),
        html: html.unwrap_or_default(),
        new_name: list.name.clone(),
        name: list.name,
    }
}

fn field_line(field: &Field) -> String {
    match field.label.is_empty() || field.label == field.attribute {
        true => field.attribute.clone(),
        false => format!("{}={}", field.attribute, field.label),
    }
}

/// Changes the list, and leads back to its page, or says there why not; what was typed stays there.
async fn change(
    (site, sign_ups): (web::Data<Site>, web::Data<SignUps>),
    visitor: Visitor,
    id: &str,
    wished: Result<Vec<Wish>, Fault>,
    typed: impl FnOnce(&mut ListPage),
) -> HttpResponse {
    let said = |(field, sentence): Fault| {
        Some(move |page: &mut ListPage| {
            typed(page);
            for utm in page.utm.iter_mut().filter(|utm| utm.name == field) {
                utm.fault = Some(sentence.clone());
            }
            page.faults.insert(field, sentence);
            page.has_faults = true;
        })
    };
    let wishes = match wished {
        Ok(wishes) => wishes,
        Err(fault) => return answer(site, sign_ups, visitor, id, said(fault)).await,
    };
    let Ok(list) = id.parse().map(ListId) else {
        return not_found(site, visitor).await;
    };
    let (store, by, now) = (site.store.clone(), visitor.by.clone(), site.clock.now());
    let done = site.ask(async move {
        let changes: Vec<ListChange<'_>> = wishes.iter().map(Wish::change).collect();
        store.change_list_by_id(list, &changes, &by, now).await
    });
    match done.await {
        Ok(ListChanged::Done) => see_other(&format!("/lists/{id}")),
        Ok(ListChanged::NoSuchList) => not_found(site, visitor).await,
        Ok(ListChanged::NameTaken) => {
            let fault = ("name", "Another list is called so.".to_owned());
            answer(site, sign_ups, visitor, id, said(fault)).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

/// A change, with what it consists of.
enum Wish {
    Name(String),
    Tracking(Option<Tracking>),
    Utm(Utm),
    Archived(bool),
    SignUp(Option<Box<SignUpForm>>),
}

impl Wish {
    fn change(&self) -> ListChange<'_> {
        match self {
            Wish::Name(name) => ListChange::Name(name),
            Wish::Tracking(tracking) => ListChange::Tracking(*tracking),
            Wish::Utm(utm) => ListChange::Utm(utm),
            Wish::Archived(is_open) => ListChange::Archived(*is_open),
            Wish::SignUp(form) => ListChange::SignUp(form.as_deref()),
        }
    }
}

/// `POST /lists/{id}/name`
pub(crate) async fn rename(
    shared: (web::Data<Site>, web::Data<SignUps>),
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<NameForm>,
) -> HttpResponse {
    let name = form.into_inner().name.trim().to_owned();
    let wished = match name_fault(&name) {
        Some(fault) => Err(("name", fault.to_owned())),
        None => Ok(vec![Wish::Name(name.clone())]),
    };
    change(shared, visitor, &id, wished, |page| page.new_name = name).await
}

/// `POST /lists/{id}/links`: tracking, and what is added to addresses.
pub(crate) async fn links(
    shared: (web::Data<Site>, web::Data<SignUps>),
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<LinksForm>,
) -> HttpResponse {
    let form = form.into_inner();
    change(shared, visitor, &id, form.wishes(), |page| form.put_into(page)).await
}

impl LinksForm {
    /// Shows what was typed.
    fn put_into(self, page: &mut ListPage) {
        for mode in &mut page.tracking {
            mode.is_chosen = mode.word == self.tracking;
        }
        let typed = [
            self.utm_source,
            self.utm_medium,
            self.utm_campaign,
            self.utm_content,
            self.utm_term,
        ];
        for (field, value) in page.utm.iter_mut().zip(typed) {
            field.value = value;
        }
    }

    fn wishes(&self) -> Result<Vec<Wish>, Fault> {
        let tracking = match self.tracking.as_str() {
            AS_CONFIGURED => None,
            word => {
                let mut modes = Tracking::ALL.into_iter();
                let mode = modes.find(|mode| mode.as_str() == word);
                Some(mode.ok_or_else(|| ("tracking", format!("Tracking is not `{word}`.")))?)
            }
        };
        let value = |name: &'static str, text: &str| match text.trim() {
            "" => Ok(None),
            text => Utm::value(text)
                .map(Some)
                .map_err(|error| (name, format!("{error}."))),
        };
        let utm = Utm {
            source: value("utm_source", &self.utm_source)?,
            medium: value("utm_medium", &self.utm_medium)?,
            campaign: value("utm_campaign", &self.utm_campaign)?,
            content: value("utm_content", &self.utm_content)?,
            term: value("utm_term", &self.utm_term)?,
        };
        Ok(vec![Wish::Tracking(tracking), Wish::Utm(utm)])
    }
}

/// `POST /lists/{id}/archive`
pub(crate) async fn archive(
    shared: (web::Data<Site>, web::Data<SignUps>),
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<ArchiveForm>,
) -> HttpResponse {
    let wished = Ok(vec![Wish::Archived(form.open == "yes")]);
    change(shared, visitor, &id, wished, |_| {}).await
}

/// `POST /lists/{id}/sign-up`
pub(crate) async fn sign_up(
    shared: (web::Data<Site>, web::Data<SignUps>),
    visitor: Visitor,
    id: web::Path<String>,
    form: web::Form<SignUpSettingsForm>,
) -> HttpResponse {
    let form = form.into_inner();
    let wished = match form.open == "yes" {
        true => form
            .sign_up_form()
            .map(|form| vec![Wish::SignUp(Some(Box::new(form)))]),
        false => Ok(vec![Wish::SignUp(None)]),
    };
    change(shared, visitor, &id, wished, |page| form.put_into(page)).await
}

impl SignUpSettingsForm {
    /// Shows what was typed.
    fn put_into(self, page: &mut ListPage) {
        (page.sender, page.fields) = (self.sender, self.fields);
        (page.text, page.origins) = (self.text, self.origins);
    }

    fn sign_up_form(&self) -> Result<SignUpForm, Fault> {
        // The sentences name the options of the command; here each stands beside its field.
        let said = |error: FormError| {
            let field = match error {
                FormError::Sender(..) => "sender",
                FormError::Text => "text",
                FormError::Origin(_) => "origins",
                FormError::Field(_) | FormError::Reserved(_) | FormError::Twice(_) | FormError::TooMany => {
                    "fields"
                }
            };
            let options = [
                ("--from ", ""),
                ("--field ", ""),
                ("--text", "it"),
                ("--origin ", ""),
            ];
            let text = options
                .into_iter()
                .fold(error.to_string(), |text, (option, word)| {
                    text.replace(option, word)
                });
            (field, format!("{text}."))
        };
        let lines = |text: &str| -> Vec<String> {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.map(str::to_owned).collect()
        };
        let fields = lines(&self.fields)
            .iter()
            .map(|line| Field::parse(line))
            .collect::<Result<Vec<_>, _>>()
            .map_err(said)?;
        let text = Some(self.text.trim().to_owned()).filter(|text| !text.is_empty());
        SignUpForm::new(self.sender.trim(), fields, text, lines(&self.origins)).map_err(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_the_form_of_signing_up_is_checked() {
        let mut form = SignUpSettingsForm {
            open: "yes".into(),
            sender: "News <news@example.com>".into(),
            fields: "name\r\ncity=Your city\r\n\r\n".into(),
            text: "  ".into(),
            origins: String::new(),
        };
        let made = form.sign_up_form().unwrap();
        assert_eq!((made.fields.len(), made.text), (2, None));
        assert_eq!(field_line(&made.fields[1]), "city=Your city");
        form.sender = "nobody".into();
        let (field, fault) = form.sign_up_form().unwrap_err();
        assert_eq!(field, "sender");
        assert!(fault.starts_with("nobody: it") && fault.ends_with('.'), "{fault}");
    }
}
