//! The pages that recipients reach, who know nothing of us: in their language, under the operator's name.

pub(crate) mod brand;
pub(crate) mod catalogue;

use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use brand::Brand;
use catalogue::{Catalogue, Translation};
use serde::Serialize;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::language::Language;

const STYLE: &str = include_str!("../assets/public.css");

/// What all public pages share, made once.
pub(crate) struct PublicPages {
    pub(crate) catalogue: Catalogue,
    pub(crate) brand: Brand,
    /// The style sheet, with the brand's colour.
    pub(crate) style: String,
}

impl PublicPages {
    pub(crate) fn new(brand: Brand) -> Self {
        let style = format!("{}{STYLE}", brand.style());
        PublicPages {
            catalogue: Catalogue::new(),
            brand,
            style,
        }
    }
}

/// What one public page shows.
#[derive(Serialize)]
pub(crate) struct Page<'a> {
    /// For forms: what stands in them that is the same on every page.
    t: &'a catalogue::Texts,
    language: &'a Language,
    brand: &'a Brand,
    title: &'a str,
    paragraphs: Vec<String>,
    /// The question and the button of the way back.
    way_back: bool,
    /// What can be chosen.
    choices: Option<Choices>,
    /// A form of one button.
    button: Option<Button<'a>>,
    /// A link to the page where it can be chosen.
    other_choices: bool,
    /// The newsletters of a list, which anybody may find.
    archive: Option<Archive>,
    /// The way from the page's address to the root of ours: they may lie below a folder of another server.
    root: String,
    /// The form for signing up.
    sign_up: Option<SignUpFields>,
    /// The button that confirms a sign-up.
    opt_in: bool,
    /// The link to the form, for those whose link is too old.
    sign_up_page: Option<String>,
    /// Where the recipient's preferences are, seen from the page.
    preferences: Option<String>,
}

/// The newsletters of a list, or some of them.
#[derive(Serialize)]
pub(crate) struct Archive {
    pub(crate) list: String,
    pub(crate) issues: Vec<ListedIssue>,
    /// The last one, if there may be more.
    pub(crate) before: Option<i64>,
}

/// A newsletter of an archive.
#[derive(Serialize)]
pub(crate) struct ListedIssue {
    pub(crate) id: i64,
    pub(crate) subject: String,
    /// As machines read it.
    pub(crate) date: String,
    pub(crate) day: String,
}

/// The form for signing up, with what was written into it.
#[derive(Serialize)]
pub(crate) struct SignUpFields {
    pub(crate) address_label: String,
    pub(crate) address: String,
    pub(crate) problem: Option<String>,
    pub(crate) fields: Vec<AskedField>,
    pub(crate) trap_label: String,
    pub(crate) text: String,
    pub(crate) text_digest: String,
    pub(crate) language: String,
    /// Where the form stands.
    pub(crate) form: &'static str,
    pub(crate) button: String,
}

/// One field of it.
#[derive(Serialize)]
pub(crate) struct AskedField {
    pub(crate) attribute: String,
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) is_name: bool,
}

/// A button, and what is sent by it.
#[derive(Serialize)]
struct Button<'a> {
    label: &'a str,
    fields: Vec<(String, String)>,
}

/// The form for choosing.
#[derive(Serialize)]
pub(crate) struct Choices {
    pub(crate) choices: Vec<Offer>,
    pub(crate) reasons: Vec<Offer>,
}

/// One thing that can be chosen: its word in the form, and what it is called.
#[derive(Serialize)]
pub(crate) struct Offer {
    pub(crate) word: &'static str,
    pub(crate) label: String,
    pub(crate) is_checked: bool,
}

impl<'a> Page<'a> {
    /// A page at an address of two parts, such as `/p/TOKEN`.
    pub(crate) fn new(site: &'a Site, translation: &'a Translation, title: &'a str) -> Self {
        Page {
            root: "../".to_owned(),
            archive: None,
            t: &translation.texts,
            language: &translation.language,
            brand: &site.public.brand,
            title,
            paragraphs: Vec::new(),
            way_back: false,
            choices: None,
            button: None,
            other_choices: false,
            sign_up: None,
            opt_in: false,
            sign_up_page: None,
            preferences: None,
        }
    }

    /// A page at the address that was asked for.
    pub(crate) fn at(
        site: &'a Site,
        request: &HttpRequest,
        translation: &'a Translation,
        title: &'a str,
    ) -> Self {
        // Our addresses have a few parts, the first of which begins with a slash.
        let parts = request.path().matches('/').take(8).count();
        Page {
            root: "../".repeat(parts.saturating_sub(1)),
            ..Page::new(site, translation, title)
        }
    }

    pub(crate) fn saying(mut self, paragraph: impl Into<String>) -> Self {
        self.paragraphs.push(paragraph.into());
        self
    }

    pub(crate) fn with_way_back(mut self, is_open: bool) -> Self {
        self.way_back = is_open;
        self
    }

    pub(crate) fn with_choices(mut self, choices: Option<Choices>) -> Self {
        self.choices = choices;
        self
    }

    /// What was chosen and could not be recorded, to be sent again.
    pub(crate) fn with_again(self, fields: Vec<(String, String)>) -> Self {
        let label = &self.t.try_again;
        self.with_button(label, fields)
    }

    pub(crate) fn with_button(mut self, label: &'a str, fields: Vec<(String, String)>) -> Self {
        self.button = Some(Button { label, fields });
        self
    }

    pub(crate) fn with_preferences(mut self, link: Option<String>) -> Self {
        self.preferences = link;
        self
    }

    pub(crate) fn with_link_to_choices(mut self, is_there: bool) -> Self {
        self.other_choices = is_there;
        self
    }

    pub(crate) fn with_archive(mut self, archive: Archive) -> Self {
        self.archive = Some(archive);
        self
    }

    pub(crate) fn with_sign_up(mut self, fields: SignUpFields) -> Self {
        self.sign_up = Some(fields);
        self
    }

    pub(crate) fn with_opt_in(mut self) -> Self {
        self.opt_in = true;
        self
    }

    pub(crate) fn with_sign_up_page(mut self, url: Option<String>) -> Self {
        self.sign_up_page = url;
        self
    }

    /// The page as a text.
    pub(crate) fn html(self, site: &Site) -> String {
        site.pages.render("public", &self)
    }

    pub(crate) fn answer(self, site: &Site, status: StatusCode) -> HttpResponse {
        site.page(status, "public", &self)
    }
}

/// The language that the visitor's browser asks for.
pub(crate) fn accepted<'a>(site: &'a Site, request: &HttpRequest) -> &'a Translation {
    let header = request.headers().get(actix_web::http::header::ACCEPT_LANGUAGE);
    let wanted = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    site.public.catalogue.accepted(wanted)
}

/// The language of a recipient where it is known, else the browser's.
pub(crate) async fn of_recipient<'a>(
    site: &'a Site,
    request: &HttpRequest,
    (campaign, recipient): (CampaignId, RecipientId),
) -> &'a Translation {
    let (store, now) = (site.store.clone(), site.clock.now());
    let wish = site
        .ask(async move { store.wish(campaign, recipient, now).await })
        .await;
    let language = wish.ok().and_then(|wish| wish.language);
    suiting(site, request, language.as_deref())
}

/// This language where we have it, else the browser's.
pub(crate) fn suiting<'a>(site: &'a Site, request: &HttpRequest, language: Option<&str>) -> &'a Translation {
    language
        .and_then(|language| site.public.catalogue.suiting(language))
        .unwrap_or_else(|| accepted(site, request))
}

/// A page that says one thing, such as that something is not there.
pub(crate) fn notice<'a>(
    site: &'a Site,
    request: &HttpRequest,
    translation: &'a Translation,
    (status, title, text): (StatusCode, &'a str, &'a str),
) -> HttpResponse {
    Page::at(site, request, translation, title)
        .saying(text)
        .answer(site, status)
}

/// The answer to a link whose token is not ours, or was cut.
pub(crate) fn broken_link(site: &Site, request: &HttpRequest) -> HttpResponse {
    let translation = accepted(site, request);
    let texts = &translation.texts;
    let said = (StatusCode::NOT_FOUND, &*texts.broken_title, &*texts.broken);
    notice(site, request, translation, said)
}
