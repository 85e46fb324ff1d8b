//! `/settings`: for administrators. Relays, limits, domains, tracking and thresholds are the configuration's, and are changed by
//! [`change`]; people and tokens are the database's.

pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod domains;
mod form;
pub(crate) mod parts;
pub(crate) mod people;
pub(crate) mod relays;
pub(crate) mod tokens;

use crate::operator::{Operator, Shown};
use crate::people::Visitor;
use crate::routes::problem::{failed, see_other};
use crate::site::Site;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;

/// A tab of the settings.
#[derive(Serialize)]
struct Tab {
    label: &'static str,
    href: &'static str,
    is_here: bool,
}

fn tabs(here: &str) -> Vec<Tab> {
    [
        ("Relays", relays::PATH),
        ("Limits", parts::LIMITS),
        ("Domains", domains::PATH),
        ("Tracking", parts::TRACKING),
        ("Thresholds", parts::THRESHOLDS),
        ("People", "/settings/people"),
        ("Tokens", "/settings/tokens"),
        ("Audit log", "/settings/audit"),
    ]
    .into_iter()
    .map(|(label, href)| Tab {
        label,
        href,
        is_here: href == here,
    })
    .collect()
}

/// `GET /settings`
pub(crate) async fn first() -> HttpResponse {
    see_other(relays::PATH)
}

/// Something to be said above a page.
#[derive(Clone, Serialize)]
struct Notice {
    level: &'static str,
    text: String,
}

/// What stands above every page about the configuration.
#[derive(Serialize)]
struct Head {
    tabs: Vec<Tab>,
    lead: &'static str,
    notices: Vec<Notice>,
    /// What somebody who may write the file is to put into it.
    lines: Option<String>,
    /// The file says what is not taken over yet.
    is_waiting: bool,
    place: String,
    version: String,
}

impl Head {
    fn new(here: &str, lead: &'static str, shown: &Shown, said: Said) -> Head {
        let mut notices = said.notices;
        if let Some(trouble) = &shown.trouble {
            let text = format!(
                "The file cannot be taken as it is, and is not changed here until it is mended. What is shown is in force. {trouble}"
            );
            notices.push(Notice { level: "bad", text });
        }
        Head {
            tabs: tabs(here),
            lead,
            notices,
            lines: said.lines,
            is_waiting: shown.is_waiting && shown.trouble.is_none(),
            place: match shown.is_there {
                true => shown.place.clone(),
                false => format!("{} (not there yet)", shown.place),
            },
            version: shown.version.clone(),
        }
    }
}

/// What is to be said about what was asked for.
#[derive(Default)]
struct Said {
    notices: Vec<Notice>,
    lines: Option<String>,
    /// What was refused, so that the form shows it again.
    refused: Option<form::Refused>,
}

impl Said {
    fn of(level: &'static str, text: impl Into<String>) -> Said {
        let text = text.into();
        Said {
            notices: vec![Notice { level, text }],
            ..Said::default()
        }
    }

    fn status(&self) -> StatusCode {
        match (&self.refused, self.notices.is_empty()) {
            (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
            (None, false) => StatusCode::CONFLICT,
            (None, true) => StatusCode::OK,
        }
    }
}

/// The operator, and the configuration now. The error is the answer. `here`: the page that was asked for.
async fn look(
    site: &Site,
    visitor: &Visitor,
    here: &str,
) -> Result<(Arc<dyn Operator>, Shown), HttpResponse> {
    let Some(operator) = site.operator.clone() else {
        return Err(nothing(site, visitor, here));
    };
    match site.in_program(Arc::clone(&operator).shown()).await {
        Ok(shown) => Ok((operator, shown)),
        Err(trouble) => Err(failed(site, &trouble)),
    }
}

/// The configuration is from no file.
fn nothing(site: &Site, visitor: &Visitor, here: &str) -> HttpResponse {
    #[derive(Serialize)]
    struct Nothing {
        tabs: Vec<Tab>,
    }
    crate::shell::Page::new("settings_nothing", "Settings")
        .under(SECTION)
        .shown_to(visitor)
        .answer(site, StatusCode::OK, &Nothing { tabs: tabs(here) })
}

/// The section that all of them belong to.
const SECTION: &str = "/settings";
