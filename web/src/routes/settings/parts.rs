//! `/settings/limits`, `/settings/tracking` and `/settings/thresholds`.

use super::form::{self, FormView};
use super::{Head, SECTION, Said, look};
use crate::figures::numbers::count;
use crate::operator::{Part, Shown};
use crate::people::Visitor;
use crate::routes::problem::failed;
use crate::shell::Page;
use crate::site::{Site, Trouble};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

pub(crate) const LIMITS: &str = "/settings/limits";
pub(crate) const TRACKING: &str = "/settings/tracking";
pub(crate) const THRESHOLDS: &str = "/settings/thresholds";

#[derive(Serialize)]
struct PartsPage {
    #[serde(flatten)]
    head: Head,
    forms: Vec<FormView>,
    /// They stand beside each other.
    is_many: bool,
}

/// `GET /settings/limits`
pub(crate) async fn limits(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, LIMITS, Said::default()).await
}

/// `GET /settings/tracking`
pub(crate) async fn tracking(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, TRACKING, Said::default()).await
}

/// `GET /settings/thresholds`
pub(crate) async fn thresholds(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    show(&site, &visitor, THRESHOLDS, Said::default()).await
}

/// One of these pages.
pub(super) async fn show(site: &Site, visitor: &Visitor, path: &'static str, said: Said) -> HttpResponse {
    let (_, shown) = match look(site, visitor, path).await {
        Ok(seen) => seen,
        Err(answer) => return answer,
    };
    let status = said.status();
    let (title, lead, forms) = match path {
        LIMITS => match used(site).await {
            Ok(used) => (
                "Limits",
                "How fast mail may go, and how much at once",
                limit_forms(&shown, &said, &used),
            ),
            Err(trouble) => return failed(site, &trouble),
        },
        TRACKING => {
            let lead = "What becomes of links and the open pixel";
            ("Tracking", lead, one_form(&shown, &Part::Tracking, &said))
        }
        _ => {
            let lead = "When campaigns pause by themselves, and what follows from bounces";
            ("Thresholds", lead, one_form(&shown, &Part::Feedback, &said))
        }
    };
    let page = PartsPage {
        is_many: forms.len() > 1,
        forms,
        head: Head::new(path, lead, &shown, said),
    };
    Page::new("settings_parts", title)
        .under(SECTION)
        .shown_to(visitor)
        .answer(site, status, &page)
}

/// The form of the only part of this kind.
pub(super) fn one_form(shown: &Shown, part: &Part, said: &Said) -> Vec<FormView> {
    let of_it = shown.parts.iter().filter(|shown| shown.part == *part);
    of_it
        .map(|shown| form::of(shown, 0, said.refused.as_ref()))
        .collect()
}

fn limit_forms(shown: &Shown, said: &Said, used: &HashMap<String, [i64; 2]>) -> Vec<FormView> {
    let refused = said.refused.as_ref();
    let mut forms = Vec::new();
    for (at, part) in shown.parts.iter().enumerate() {
        let (title, place) = match words(&part.part) {
            Some(words) => words,
            None => continue,
        };
        let form = form::of(part, at, refused);
        let note = used.get(&place).map(use_in_words).unwrap_or_default();
        forms.push(FormView { title, note, ..form });
    }
    for (part, title, label, hint) in [
        (
            Part::Provider(String::new()),
            "Limit another provider",
            "Provider or recipients' domain",
            "gmail, or example.org; default: each that has no limit of its own",
        ),
        (
            Part::Sender(String::new()),
            "Limit another sender",
            "Domain in From",
            "news.example.com",
        ),
    ] {
        forms.push(FormView {
            title: title.to_owned(),
            name_label: Some(label),
            name_hint: hint,
            ..form::new(&part, 0, refused)
        });
    }
    forms
}

/// What people call a limit, and under which name its use is remembered.
fn words(part: &Part) -> Option<(String, String)> {
    Some(match part {
        Part::AllRelays => ("All relays together".to_owned(), "all relays".to_owned()),
        Part::Campaigns => ("Each campaign".to_owned(), String::new()),
        Part::Sender(name) => (format!("Mail from {name}"), format!("sender {name}")),
        Part::Provider(name) if name == "default" => {
            ("Each provider without its own".to_owned(), String::new())
        }
        Part::Provider(name) => (format!("Mail to {name}"), format!("provider {name}")),
        _ => return None,
    })
}

fn use_in_words([hour, day]: &[i64; 2]) -> String {
    format!(
        "{} used in the last hour, {} in 24 hours",
        count(*hour),
        count(*day)
    )
}

/// What was used of each limit in the last hour and the last day. Only limits by the hour or day are remembered.
async fn used(site: &Site) -> Result<HashMap<String, [i64; 2]>, Trouble> {
    let (store, now) = (site.store.clone(), site.clock.now());
    let since = now.minus(Duration::from_secs(24 * 3600));
    let rows = site.ask(async move { store.limit_usage(since).await }).await?;
    let hour_ago = now.minute() - 60;
    let mut used: HashMap<String, [i64; 2]> = HashMap::new();
    for (limit, minute, n) in rows {
        let [hour, day] = used.entry(limit).or_default();
        *day += n;
        *hour += if minute > hour_ago { n } else { 0 };
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_called_as_its_use_is_remembered() {
        for (part, place) in [
            (Part::AllRelays, "all relays"),
            (Part::Sender("example.com".to_owned()), "sender example.com"),
            (Part::Provider("gmail".to_owned()), "provider gmail"),
        ] {
            assert_eq!(words(&part).unwrap().1, place);
        }
        assert!(words(&Part::Relay("a".to_owned())).is_none());
    }
}
