//! `POST /settings/change`: a form of a part of the configuration was sent.

use super::form::Refused;
use super::{Notice, Said, domains, look, parts, relays};
use crate::operator::{Change, Part, Refusal, Wish};
use crate::people::Visitor;
use crate::routes::problem::{failed, see_other};
use crate::site::Site;
use actix_web::{HttpResponse, web};
use std::collections::BTreeMap;

/// What a form brings: the fields by their keys, and what it is about.
pub(crate) type Fields = BTreeMap<String, String>;

/// `POST /settings/change`
pub(crate) async fn change(site: web::Data<Site>, visitor: Visitor, form: web::Form<Fields>) -> HttpResponse {
    let mut fields = form.into_inner();
    let mut take = |key: &str| fields.remove(key).unwrap_or_default();
    let (kind, name, wish, version) = (take("of"), take("name"), take("wish"), take("version"));
    let Some(part) = Part::of(&kind, name.trim()) else {
        return see_other(relays::PATH);
    };
    let values = fields;
    let wish = match wish.as_str() {
        "add" => Wish::Add(values.clone()),
        "remove" => Wish::Remove,
        _ => Wish::Set(values.clone()),
    };
    let is_new = matches!(wish, Wish::Add(_));
    let (operator, _) = match look(&site, &visitor, path_of(&part)).await {
        Ok(seen) => seen,
        Err(answer) => return answer,
    };
    let change = Change {
        part: part.clone(),
        wish,
        version,
    };
    let changed = site.in_program(operator.change(change, visitor.by.clone())).await;
    let said = match changed {
        Ok(Ok(())) => return see_other(path_of(&part)),
        Ok(Err(refusal)) => said(&part, is_new, values, refusal),
        Err(trouble) => return failed(&site, &trouble),
    };
    match part {
        Part::Relay(name) if said.refused.is_some() => {
            let name = (!is_new).then_some(name);
            relays::show_form(&site, &visitor, name.as_deref(), said).await
        }
        Part::Relay(_) => relays::show(&site, &visitor, said, None).await,
        Part::Mail => domains::show(&site, &visitor, said).await,
        part => parts::show(&site, &visitor, path_of(&part), said).await,
    }
}

/// `POST /settings/read-again`
pub(crate) async fn read_again(site: web::Data<Site>, visitor: Visitor) -> HttpResponse {
    let (operator, _) = match look(&site, &visitor, relays::PATH).await {
        Ok(seen) => seen,
        Err(answer) => return answer,
    };
    let read = site.in_program(operator.read_again(visitor.by.clone())).await;
    match read {
        Ok(Ok(())) => see_other(relays::PATH),
        Ok(Err(refusal)) => {
            let said = said(&Part::AllRelays, false, Fields::new(), refusal);
            relays::show(&site, &visitor, said, None).await
        }
        Err(trouble) => failed(&site, &trouble),
    }
}

/// The page that a part is on.
fn path_of(part: &Part) -> &'static str {
    match part {
        Part::Relay(_) => relays::PATH,
        Part::AllRelays | Part::Sender(_) | Part::Provider(_) | Part::Campaigns => parts::LIMITS,
        Part::Feedback => parts::THRESHOLDS,
        Part::Tracking => parts::TRACKING,
        Part::Mail => domains::PATH,
    }
}

/// Why nothing was changed, in words.
fn said(part: &Part, is_new: bool, values: Fields, refusal: Refusal) -> Said {
    match refusal {
        Refusal::Faults(faults) => {
            let refused = Refused {
                part: part.clone(),
                is_new,
                values,
                faults,
            };
            let about = "Nothing was changed; look at what is marked.".to_owned();
            let texts = std::iter::once(about).chain(refused.others().map(str::to_owned));
            Said {
                notices: texts.map(|text| Notice { level: "bad", text }).collect(),
                lines: None,
                refused: Some(refused),
            }
        }
        Refusal::ChangedOutside => Said::of(
            "bad",
            "Nothing was changed: somebody else has changed the file since this page was made. Here is what it says now.",
        ),
        Refusal::NotWritten { why, lines } => Said {
            lines,
            ..Said::of(
                "bad",
                format!("Nothing was changed: the file cannot be written here ({why})."),
            )
        },
        Refusal::Failed(why) => Said::of("bad", format!("It did not work: {why}.")),
    }
}
