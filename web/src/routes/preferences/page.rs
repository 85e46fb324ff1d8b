//! What the page shows.

use super::{ATTRIBUTE, NAME, Visit};
use crate::preferences::PreferenceSettings;
use crate::public::Page;
use crate::public::catalogue::filled;
use crate::site::Site;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use tidings_campaign::preferences::{AttributeKind, LONGEST_NAME, OpenAttribute};
use tidings_campaign::recipient::Subscription;
use tidings_campaign::token::UnsubscribeToken;
use tidings_store::preferences::OwnList;

/// The page, to be sent.
#[derive(Serialize)]
pub(super) struct PreferencesPage<'a> {
    #[serde(flatten)]
    page: Page<'a>,
    saved: Option<&'a str>,
    problems: Vec<String>,
    lists: Vec<ListField>,
    profile: Vec<ProfileField<'a>>,
    can_change_address: bool,
    can_download: bool,
    can_erase: bool,
    unsubscribe: String,
    #[serde(skip)]
    site: &'a Site,
}

#[derive(Serialize)]
struct ListField {
    id: i64,
    label: String,
    is_on: bool,
}

#[derive(Serialize)]
struct ProfileField<'a> {
    /// In the page.
    id: String,
    /// In the form.
    field: String,
    label: &'a str,
    r#type: &'static str,
    value: String,
    is_bool: bool,
    longest: Option<usize>,
    choices: Vec<Choice<'a>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    value: &'a str,
    label: &'a str,
    is_chosen: bool,
}

/// Whether a list is among those that whoever has a link may join.
pub(super) fn may_join(settings: &PreferenceSettings, list: &OwnList) -> bool {
    settings.lists.contains(&list.name)
}

impl<'a> PreferencesPage<'a> {
    pub(super) fn of(visit: &'a Visit<'_>) -> PreferencesPage<'a> {
        let (texts, known, settings) = (visit.texts(), &visit.known, &visit.pages.settings);
        let address = known.recipient.address.as_str();
        let mut page = Page::new(visit.site, visit.translation, &texts.title)
            .saying(filled(&texts.intro, &[("address", address)]));
        if let Some(until) = known.paused_until {
            let day = visit.translation.texts.day(until);
            page = page.saying(filled(&visit.translation.texts.paused, &[("date", &day)]));
        }
        if known.is_suppressed {
            page = page.saying(&visit.translation.texts.suppressed);
        }
        // A list that was left and is not open is not shown: it may be one that the recipient was never told of.
        let lists = known
            .lists
            .iter()
            .filter(|list| list.is_on() || may_join(settings, list))
            .map(|list| ListField {
                id: list.id.0,
                label: match list.standing {
                    Some(Subscription::Pending) => filled(&texts.list_pending, &[("list", &list.name)]),
                    _ => list.name.clone(),
                },
                is_on: list.is_on(),
            });
        let unsubscribe = UnsubscribeToken {
            campaign: visit.token.campaign,
            recipient: visit.token.recipient,
        };
        PreferencesPage {
            page,
            saved: None,
            problems: Vec::new(),
            lists: lists.collect(),
            profile: profile(visit),
            can_change_address: settings.change_address,
            can_download: settings.download,
            can_erase: settings.erase,
            unsubscribe: format!("../u/{}", unsubscribe.sign(&visit.site.keys)),
            site: visit.site,
        }
    }

    /// With the word that something was done.
    pub(super) fn saying(mut self, saved: &'a str) -> Self {
        self.saved = Some(saved);
        self
    }

    /// With what could not be taken.
    pub(super) fn with_problems(mut self, problems: Vec<String>) -> Self {
        self.problems = problems;
        self
    }

    pub(super) fn answer(self, status: StatusCode) -> HttpResponse {
        self.site.page(status, "preferences", &self)
    }
}

fn profile<'a>(visit: &'a Visit<'_>) -> Vec<ProfileField<'a>> {
    let (settings, recipient) = (&visit.pages.settings, &visit.known.recipient);
    let name = settings.name.then(|| ProfileField {
        id: NAME.to_owned(),
        field: NAME.to_owned(),
        label: &visit.texts().name_label,
        r#type: "text",
        value: recipient.name.clone(),
        is_bool: false,
        longest: Some(LONGEST_NAME),
        choices: Vec::new(),
    });
    let language = visit.translation.language.to_string();
    let field = |(at, attribute): (usize, &'a OpenAttribute)| {
        let value = attribute.shown(recipient.attributes.get(&attribute.name));
        let choices = match &attribute.kind {
            AttributeKind::Choice(choices) => offered(choices, &value, &visit.texts().choice_none),
            _ => Vec::new(),
        };
        ProfileField {
            id: format!("a{at}"),
            field: format!("{ATTRIBUTE}{}", attribute.name),
            label: attribute.label_in(&language),
            r#type: if attribute.kind == AttributeKind::Date {
                "date"
            } else {
                "text"
            },
            value,
            is_bool: attribute.kind == AttributeKind::Bool,
            longest: match attribute.kind {
                AttributeKind::Text(longest) => Some(longest),
                _ => None,
            },
            choices,
        }
    };
    name.into_iter()
        .chain(settings.attributes.iter().enumerate().map(field))
        .collect()
}

/// What is stored stands first if it is none of the choices: to leave it is no mistake.
fn offered<'a>(choices: &'a [String], value: &str, none: &'a str) -> Vec<Choice<'a>> {
    let is_known = choices.iter().any(|choice| choice == value);
    let first = (!is_known).then_some(Choice {
        value: "",
        label: none,
        is_chosen: true,
    });
    let choices = choices.iter().map(|choice| Choice {
        value: choice,
        label: choice,
        is_chosen: choice == value,
    });
    first.into_iter().chain(choices).collect()
}
