//! The page of a recipient's preferences. GET shows it and changes nothing, because mail scanners follow links; POST does
//! what one of its forms says. Nothing but the link says who may: it holds as long as the recipient has the address that it
//! was sent to.

mod address;
mod page;
mod wished;

use crate::preferences::PreferencePages;
use crate::public::catalogue::{PreferenceTexts, Translation, filled};
use crate::public::{self, Page};
use crate::routes::unsubscribe::{Refused, refusal};
use crate::sign_up::SignUps;
use crate::site::{Site, Trouble};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};
pub(crate) use address::{ask as ask_address, confirm as confirm_address};
use page::{PreferencesPage, may_join};
use serde_json::Map;
use std::collections::HashMap;
use tidings_campaign::ids::ListId;
use tidings_campaign::preferences::{AttributeKind, NotTaken, written_name};
use tidings_campaign::token::{AddressMark, PreferencesToken};
use tidings_store::preferences::{ListsWish, Preferences};
use wished::Wished;

/// The field of the name, and what stands before an attribute's name in that of the attribute.
const NAME: &str = "name";
const ATTRIBUTE: &str = "a.";

/// Somebody with a link that holds, and what is known of them.
struct Visit<'a> {
    site: &'a Site,
    pages: &'a PreferencePages,
    sign_ups: &'a SignUps,
    request: &'a HttpRequest,
    token: PreferencesToken,
    known: Preferences,
    translation: &'a Translation,
}

/// `GET /p/{token}` and HEAD.
pub(crate) async fn show(
    site: web::Data<Site>,
    pages: web::Data<PreferencePages>,
    sign_ups: web::Data<SignUps>,
    request: HttpRequest,
    text: web::Path<String>,
) -> HttpResponse {
    match Visit::begin(&site, (&pages, &sign_ups), &request, &text).await {
        Ok(visit) => visit.page().answer(StatusCode::OK),
        Err(answer) => answer,
    }
}

/// `POST /p/{token}`: does what is wished; durable before the answer.
pub(crate) async fn change(
    site: web::Data<Site>,
    pages: web::Data<PreferencePages>,
    sign_ups: web::Data<SignUps>,
    request: HttpRequest,
    text: web::Path<String>,
    body: web::Payload,
) -> HttpResponse {
    let wished = match Wished::read(request.headers(), body).await {
        Ok(Some(wished)) => wished,
        Ok(None) => return refusal(&site, &request, &Refused::Unusable(StatusCode::BAD_REQUEST)),
        Err(refused) => return refusal(&site, &request, &refused),
    };
    let visit = match Visit::begin(&site, (&pages, &sign_ups), &request, &text).await {
        Ok(visit) => visit,
        Err(answer) => return answer,
    };
    let done = match wished {
        Wished::Lists { offered, on } => visit.choose_lists(&offered, &on).await,
        Wished::Profile(fields) => visit.change_profile(&fields).await,
        Wished::Address(to) if pages.settings.change_address => visit.ask_for_address(&to).await,
        Wished::Download if pages.settings.download => visit.download().await,
        Wished::Erase { is_sure: false } if pages.settings.erase => Ok(visit.ask_once_more()),
        Wished::Erase { is_sure: true } if pages.settings.erase => visit.erase().await,
        // What is not open is on no page.
        _ => Ok(refusal(
            &site,
            &request,
            &Refused::Unusable(StatusCode::FORBIDDEN),
        )),
    };
    done.unwrap_or_else(|trouble| not_now(&site, &request, &trouble))
}

fn not_now(site: &Site, request: &HttpRequest, trouble: &Trouble) -> HttpResponse {
    tracing::error!("what a recipient wished of their preferences could not be done: {trouble}");
    let translation = public::accepted(site, request);
    Page::new(site, translation, &translation.texts.not_yet_title)
        .saying(&translation.texts.not_yet)
        .answer(site, StatusCode::SERVICE_UNAVAILABLE)
}

/// The answer to a link to an address that the recipient does not have any more.
fn stale(site: &Site, request: &HttpRequest) -> HttpResponse {
    let translation = public::accepted(site, request);
    let texts = &translation.texts.preferences;
    Page::new(site, translation, &texts.stale_title)
        .saying(&texts.stale)
        .answer(site, StatusCode::GONE)
}

impl<'a> Visit<'a> {
    /// Or the answer that tells why not.
    async fn begin(
        site: &'a Site,
        (pages, sign_ups): (&'a PreferencePages, &'a SignUps),
        request: &'a HttpRequest,
        text: &str,
    ) -> Result<Self, HttpResponse> {
        let Ok(token) = PreferencesToken::verify(text, &site.keys) else {
            return Err(public::broken_link(site, request));
        };
        let (store, now) = (site.store.clone(), site.clock.now());
        let known = site
            .ask(async move { store.preferences(token.campaign, token.recipient, now).await })
            .await
            .map_err(|trouble| not_now(site, request, &trouble))?
            .filter(|known| AddressMark::of(&known.recipient.address) == token.mark);
        let Some(known) = known else {
            return Err(stale(site, request));
        };
        let translation = public::suiting(site, request, known.language.as_deref());
        Ok(Visit {
            site,
            pages,
            sign_ups,
            request,
            token,
            known,
            translation,
        })
    }

    fn texts(&self) -> &'a PreferenceTexts {
        &self.translation.texts.preferences
    }

    fn page(&self) -> PreferencesPage<'_> {
        PreferencesPage::of(self)
    }

    /// The page as it is now, with the word that it is saved.
    async fn saved(self) -> Result<HttpResponse, Trouble> {
        let (store, now, token) = (self.site.store.clone(), self.site.clock.now(), self.token);
        let known = self
            .site
            .ask(async move { store.preferences(token.campaign, token.recipient, now).await })
            .await?;
        let Some(known) = known else {
            return Ok(stale(self.site, self.request));
        };
        let visit = Visit { known, ..self };
        Ok(visit.page().saying(&visit.texts().saved).answer(StatusCode::OK))
    }

    async fn choose_lists(self, offered: &[ListId], on: &[ListId]) -> Result<HttpResponse, Trouble> {
        let lists = &self.known.lists;
        // What this page does not offer is neither joined nor left, whatever a form says.
        let join = lists
            .iter()
            .filter(|list| on.contains(&list.id) && !list.is_on() && may_join(&self.pages.settings, list));
        let leave = lists
            .iter()
            .filter(|list| list.is_on() && offered.contains(&list.id) && !on.contains(&list.id));
        let wish = ListsWish {
            join: join.map(|list| list.id).collect(),
            leave: leave.map(|list| list.id).collect(),
            text: self.texts().lists_hint.clone(),
            network: self.pages.network(self.request),
        };
        let (store, now) = (self.site.store.clone(), self.site.clock.now());
        let who = (self.token.campaign, self.token.recipient);
        self.site
            .ask(async move { store.choose_lists(who, &wish, now).await })
            .await?;
        self.saved().await
    }

    async fn change_profile(self, fields: &HashMap<String, String>) -> Result<HttpResponse, Trouble> {
        let settings = &self.pages.settings;
        let (mut changed, mut problems, mut name) = (Map::new(), Vec::new(), None);
        if let Some(text) = fields.get(NAME).filter(|_| settings.name) {
            match written_name(text) {
                Ok(written) => name = Some(written).filter(|name| *name != self.known.recipient.name),
                Err(why) => problems.push(self.problem(&self.texts().name_label, why)),
            }
        }
        for attribute in &settings.attributes {
            let text = match fields.get(&format!("{ATTRIBUTE}{}", attribute.name)) {
                Some(text) => text.as_str(),
                // A box without a tick is not sent.
                None if attribute.kind == AttributeKind::Bool => "",
                // The page was made when the attribute was not open yet.
                None => continue,
            };
            let stored = self.known.recipient.attributes.get(&attribute.name);
            match attribute.written(text, stored) {
                Ok(value) => changed.extend(value.map(|value| (attribute.name.clone(), value))),
                Err(why) => {
                    let label = attribute.label_in(&self.translation.language.to_string());
                    problems.push(self.problem(label, why));
                }
            }
        }
        if !problems.is_empty() {
            let page = self.page().with_problems(problems);
            return Ok(page.answer(StatusCode::UNPROCESSABLE_ENTITY));
        }
        let (store, now, recipient) = (
            self.site.store.clone(),
            self.site.clock.now(),
            self.token.recipient,
        );
        if name.is_some() || !changed.is_empty() {
            self.site
                .ask(async move {
                    store
                        .change_profile(recipient, name.as_deref(), &changed, now)
                        .await
                })
                .await?;
        }
        self.saved().await
    }

    fn problem(&self, label: &str, why: NotTaken) -> String {
        let texts = self.texts();
        match why {
            NotTaken::TooLong(most) => {
                let most = most.to_string();
                filled(&texts.too_long, &[("field", label), ("most", &most)])
            }
            NotTaken::NoChoice => filled(&texts.no_choice, &[("field", label)]),
            NotTaken::NoDay => filled(&texts.no_day, &[("field", label)]),
        }
    }

    /// The page with the word that it was too often.
    fn too_many(&self) -> HttpResponse {
        let problems = vec![self.texts().too_many.clone()];
        self.page()
            .with_problems(problems)
            .answer(StatusCode::TOO_MANY_REQUESTS)
    }

    async fn download(self) -> Result<HttpResponse, Trouble> {
        if !self
            .pages
            .admits_download(self.token.recipient, self.site.clock.now())
        {
            return Ok(self.too_many());
        }
        let (store, address) = (self.site.store.clone(), self.known.recipient.address.clone());
        let data = self
            .site
            .ask(async move { store.personal_data(&address).await })
            .await?;
        let Some(data) = data else {
            return Ok(stale(self.site, self.request));
        };
        let json = serde_json::to_vec_pretty(&data).expect("what was read as text can be written as JSON");
        Ok(HttpResponse::Ok()
            .content_type("application/json")
            .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\""))
            .body(json))
    }

    fn ask_once_more(&self) -> HttpResponse {
        let texts = self.texts();
        let sure = [("section", "erase"), ("sure", "yes")];
        let fields = sure.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Page::new(self.site, self.translation, &texts.erase_sure_title)
            .saying(&texts.erase_sure)
            .with_button(&texts.erase_yes, fields.into())
            .with_link_to_choices(true)
            .answer(self.site, StatusCode::OK)
    }

    async fn erase(self) -> Result<HttpResponse, Trouble> {
        let (store, now, token) = (self.site.store.clone(), self.site.clock.now(), self.token);
        let is_done = self
            .site
            .ask(async move { store.erase_recipient(token.recipient, token.mark, now).await })
            .await?;
        if !is_done {
            return Ok(stale(self.site, self.request));
        }
        tracing::info!(recipient.id = %token.recipient, "a recipient has had everything erased");
        let texts = self.texts();
        Ok(Page::new(self.site, self.translation, &texts.erased_title)
            .saying(&texts.erased)
            .answer(self.site, StatusCode::OK))
    }
}
