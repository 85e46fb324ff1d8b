//! `/templates/{name}/versions/{n}`: a template as it was, what has changed since, and bringing it back.

use super::super::problem::{failed, not_found, see_other};
use super::editor::{Asked, NotSaved, language_of, save_checked};
use crate::figures::numbers::moment;
use crate::people::Visitor;
use crate::shell::Page;
use crate::site::Site;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};
use std::time::Duration;
use tidings_campaign::language::Language;
use tidings_campaign::template::Source;
use tidings_campaign::time::Timestamp;
use tidings_store::people::Role;
use tidings_store::templates::StoredTemplate;
use tidings_store::versions::Version;
use tidings_store::{Store, StoreError};

/// Lines around each change.
const AROUND: usize = 3;
/// Lines of a difference at most.
const MOST_LINES: usize = 2000;
/// After that the rest is called changed as a whole.
const PATIENCE: Duration = Duration::from_millis(200);

/// The form that brings one back.
#[derive(Deserialize)]
pub(crate) struct Wished {
    #[serde(default)]
    language: String,
}

#[derive(Serialize)]
struct VersionPage {
    name: String,
    n: i64,
    when: String,
    who: String,
    language: String,
    back: String,
    path: String,
    parts: Vec<PartView>,
    may_change: bool,
    /// Why it was not brought back.
    trouble: Option<String>,
}

/// A part that is not as it was.
#[derive(Serialize)]
struct PartView {
    name: &'static str,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Line {
    /// `gone`, `new`, `same` or `gap`.
    class: &'static str,
    sign: &'static str,
    text: String,
}

/// Where a version is.
pub(super) fn href(name: &str, language: &str, n: i64) -> String {
    let query = match language {
        "" => String::new(),
        language => format!("?language={language}"),
    };
    format!("{}/versions/{n}{query}", super::href(name, ""))
}

/// The lines that differ, with some around them: gone since `before`, new in `now`.
fn difference(before: &str, now: &str) -> Vec<Line> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(before, now);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(AROUND) {
        if !lines.is_empty() {
            lines.push(Line {
                class: "gap",
                sign: "",
                text: "…".to_owned(),
            });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (class, sign) = match change.tag() {
                ChangeTag::Delete => ("gone", "−"),
                ChangeTag::Insert => ("new", "+"),
                ChangeTag::Equal => ("same", " "),
            };
            lines.push(Line {
                class,
                sign,
                text: change.value().trim_end_matches(['\r', '\n']).to_owned(),
            });
        }
    }
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        lines.push(Line {
            class: "gap",
            sign: "",
            text: "… and more".to_owned(),
        });
    }
    lines
}

fn parts(before: &Version, now: &StoredTemplate) -> Vec<PartView> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let both = [
        ("Subject", text(&before.subject), text(&now.subject)),
        ("HTML", before.html.clone(), now.source.html.clone()),
        ("Text", text(&before.text), text(&now.source.text)),
    ];
    let part = |(name, before, now): (&'static str, String, String)| PartView {
        name,
        lines: difference(&before, &now),
    };
    both.into_iter()
        .map(part)
        .filter(|part| !part.lines.is_empty())
        .collect()
}

async fn find(
    store: Store,
    name: String,
    language: Option<Language>,
    n: i64,
) -> Result<Option<(Version, StoredTemplate)>, StoreError> {
    let version = store.template_version(&name, language.as_ref(), n).await?;
    let now = match &language {
        Some(language) => store.find_translation(&name, language).await?,
        None => store.find_template(&name).await?,
    };
    Ok(version.zip(now))
}

async fn show(
    site: web::Data<Site>,
    visitor: Visitor,
    (name, n): (String, i64),
    language: Option<Language>,
    (status, trouble): (StatusCode, Option<String>),
) -> HttpResponse {
    let (version, now) = match site
        .ask(find(site.store.clone(), name.clone(), language.clone(), n))
        .await
    {
        Ok(Some(found)) => found,
        Ok(None) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let tag = language.map(|language| language.to_string()).unwrap_or_default();
    let page = VersionPage {
        n,
        when: moment(Timestamp(version.saved_at)),
        who: version.saved_by.clone(),
        back: super::href(&name, &tag),
        path: href(&name, "", n),
        parts: parts(&version, &now),
        may_change: visitor.role >= Role::Editor,
        language: tag,
        name,
        trouble,
    };
    let title = format!("Version {n} of {}", page.name);
    Page::new("template_version", &title)
        .under("/templates")
        .shown_to(&visitor)
        .answer(&site, status, &page)
}

/// `GET /templates/{name}/versions/{n}`
pub(crate) async fn version(
    site: web::Data<Site>,
    visitor: Visitor,
    path: web::Path<(String, i64)>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    match language_of(&asked.language) {
        Ok(language) => show(site, visitor, path.into_inner(), language, (StatusCode::OK, None)).await,
        Err(_) => not_found(site, visitor).await,
    }
}

/// `POST /templates/{name}/versions/{n}`: brings it back, as a new version.
pub(crate) async fn bring_back(
    site: web::Data<Site>,
    visitor: Visitor,
    path: web::Path<(String, i64)>,
    wished: web::Form<Wished>,
) -> HttpResponse {
    let (name, n) = path.into_inner();
    let Ok(language) = language_of(&wished.language) else {
        return not_found(site, visitor).await;
    };
    let (store, wanted, of) = (site.store.clone(), name.clone(), language.clone());
    let found = site.ask(async move { store.template_version(&wanted, of.as_ref(), n).await });
    let version = match found.await {
        Ok(Some(version)) => version,
        Ok(None) => return not_found(site, visitor).await,
        Err(trouble) => return failed(&site, &trouble),
    };
    let source = Source {
        name: name.clone(),
        html: version.html,
        text: version.text,
    };
    match save_checked(&site, &visitor, source, version.subject, (language.clone(), None)).await {
        Ok(()) => {
            let tag = language.map(|language| language.to_string()).unwrap_or_default();
            see_other(&super::href(&name, &tag))
        }
        Err(NotSaved::Gone) => not_found(site, visitor).await,
        Err(NotSaved::Trouble(trouble)) => failed(&site, &trouble),
        Err(NotSaved::Meanwhile(why)) => {
            show(
                site,
                visitor,
                (name, n),
                language,
                (StatusCode::CONFLICT, Some(why)),
            )
            .await
        }
        Err(NotSaved::Fault(fault)) => {
            let said = (StatusCode::UNPROCESSABLE_ENTITY, Some(fault.sentence()));
            show(site, visitor, (name, n), language, said).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_changed_with_some_lines_around() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let now = before.replace("2\n3", "2\nnew\n3").replace("11\n", "");
        let shown = difference(before, &now);
        let line = |class, sign, text: &str| Line {
            class,
            sign,
            text: text.to_owned(),
        };
        assert!(shown.contains(&line("new", "+", "new")), "{shown:?}");
        assert!(shown.contains(&line("gone", "−", "11")), "{shown:?}");
        assert!(shown.contains(&line("gap", "", "…")), "{shown:?}");
        assert!(!shown.contains(&line("same", " ", "7")), "{shown:?}");
        assert_eq!(difference(before, before), []);
    }
}
