//! Versions of templates: what was saved when and by whom. What is there now is the newest one.

use crate::audit::{By, audit_in};
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use tidings_campaign::language::Language;
use tidings_campaign::template::Source;
use tidings_campaign::time::Timestamp;

/// Versions that are kept of a template in a language, with the one that is there now.
pub const VERSIONS_KEPT: i64 = 51;

/// Who saved what was there before versions were kept.
const NOT_KNOWN: &str = "";

/// What a list of versions shows.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct VersionSummary {
    /// Ascending with time, from 1, for each template and language.
    pub n: i64,
    /// Microseconds since 1970.
    pub saved_at: i64,
    /// See [`By::who`]; empty if that is not known.
    pub saved_by: String,
}

/// A template as it was.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Version {
    /// See [`VersionSummary::n`].
    pub n: i64,
    /// Microseconds since 1970.
    pub saved_at: i64,
    /// See [`VersionSummary::saved_by`].
    pub saved_by: String,
    /// The subject for campaigns that did not have their own.
    pub subject: Option<String>,
    /// The HTML.
    pub html: String,
    /// The text, if it had one of its own.
    pub text: Option<String>,
}

impl Store {
    /// The versions of a template, or of its translation, the newest first.
    pub async fn template_versions(
        &self,
        name: &str,
        language: Option<&Language>,
    ) -> Result<Vec<VersionSummary>, StoreError> {
        const LIST: &str = "SELECT v.n, v.saved_at, v.saved_by FROM template_versions v \
            JOIN templates t ON t.id = v.template_id WHERE t.name = $1 AND v.language = $2 ORDER BY v.n DESC";
        Ok(on_pool!(self, pool => sqlx::query_as(LIST).bind(name).bind(tag(language)).fetch_all(pool).await)?)
    }

    /// One of them.
    pub async fn template_version(
        &self,
        name: &str,
        language: Option<&Language>,
        n: i64,
    ) -> Result<Option<Version>, StoreError> {
        const FIND: &str = "SELECT v.n, v.saved_at, v.saved_by, v.subject, v.html, v.text FROM template_versions v \
            JOIN templates t ON t.id = v.template_id WHERE t.name = $1 AND v.language = $2 AND v.n = $3";
        Ok(
            on_pool!(self, pool => sqlx::query_as(FIND).bind(name).bind(tag(language)).bind(n)
            .fetch_optional(pool).await)?,
        )
    }
}

/// Locks a template, so that nobody saves it meanwhile, and refuses if its newest version is not the one that was seen (0: there
/// was none).
pub(crate) async fn ensure_seen(
    tx: &mut Tx,
    (name, language): (&str, Option<&Language>),
    seen: i64,
) -> Result<(), StoreError> {
    const LOCK: &str = "UPDATE templates SET name = name WHERE name = $1";
    const NEWEST: &str = "SELECT CAST(COALESCE(MAX(v.n), 0) AS BIGINT) FROM template_versions v \
        JOIN templates t ON t.id = v.template_id WHERE t.name = $1 AND v.language = $2";
    on_tx!(&mut *tx, conn => sqlx::query(LOCK).bind(name).execute(conn).await.map(drop))?;
    let newest: i64 = on_tx!(tx, conn => sqlx::query_scalar(NEWEST).bind(name).bind(tag(language))
        .fetch_one(conn).await)?;
    if newest == seen {
        Ok(())
    } else {
        Err(StoreError::TemplateSavedMeanwhile(about(name, language)))
    }
}

fn tag(language: Option<&Language>) -> &str {
    language.map_or("", Language::as_str)
}

/// How the audit log names a template.
pub(crate) fn about(name: &str, language: Option<&Language>) -> String {
    match language {
        Some(language) => format!("template {name} in {language}"),
        None => format!("template {name}"),
    }
}

/// Keeps what is there, if it is of the time before versions were kept.
pub(crate) async fn keep_former(
    tx: &mut Tx,
    name: &str,
    language: Option<&Language>,
) -> Result<(), StoreError> {
    const ITSELF: &str = "INSERT INTO template_versions (template_id, language, n, saved_at, saved_by, subject, html, text) \
        SELECT id, $1, 1, updated_at, $2, subject, html, text FROM templates WHERE name = $3 \
        AND NOT EXISTS (SELECT 1 FROM template_versions v WHERE v.template_id = templates.id AND v.language = $1)";
    const TRANSLATION: &str = "INSERT INTO template_versions (template_id, language, n, saved_at, saved_by, subject, html, text) \
        SELECT x.template_id, x.language, 1, x.updated_at, $2, x.subject, x.html, x.text \
        FROM template_translations x JOIN templates t ON t.id = x.template_id WHERE t.name = $3 AND x.language = $1 \
        AND NOT EXISTS (SELECT 1 FROM template_versions v WHERE v.template_id = x.template_id AND v.language = $1)";
    let statement = match language {
        Some(_) => TRANSLATION,
        None => ITSELF,
    };
    on_tx!(tx, conn => sqlx::query(statement).bind(tag(language)).bind(NOT_KNOWN).bind(name)
        .execute(conn).await.map(drop))?;
    Ok(())
}

/// Keeps what was saved just now, and in the audit log that it was; lets the oldest go.
pub(crate) async fn keep(
    tx: &mut Tx,
    (source, language): (&Source, Option<&Language>),
    subject: Option<&str>,
    by: &By,
    now: Timestamp,
) -> Result<(), StoreError> {
    const NEXT: &str = "SELECT t.id, CAST(COALESCE((SELECT MAX(v.n) FROM template_versions v \
        WHERE v.template_id = t.id AND v.language = $1), 0) + 1 AS BIGINT) FROM templates t WHERE t.name = $2";
    const KEEP: &str = "INSERT INTO template_versions (template_id, language, n, saved_at, saved_by, subject, html, text) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    const FORGET: &str = "DELETE FROM template_versions WHERE template_id = $1 AND language = $2 AND n <= $3";
    let tag = tag(language);
    let (id, n): (i64, i64) = on_tx!(&mut *tx, conn => sqlx::query_as(NEXT).bind(tag).bind(&source.name)
        .fetch_one(conn).await)?;
    on_tx!(&mut *tx, conn => sqlx::query(KEEP).bind(id).bind(tag).bind(n).bind(now.0).bind(&by.who).bind(subject)
        .bind(&source.html).bind(&source.text).execute(conn).await.map(drop))?;
    on_tx!(&mut *tx, conn => sqlx::query(FORGET).bind(id).bind(tag).bind(n - VERSIONS_KEPT)
        .execute(conn).await.map(drop))?;
    let (about, detail) = (about(&source.name, language), format!("version {n}"));
    audit_in(tx, by, "saved a template", (&about, &detail), now).await
}

/// Forgets those of one language, or all.
pub(crate) async fn forget(tx: &mut Tx, name: &str, language: Option<&Language>) -> Result<(), StoreError> {
    const ALL: &str =
        "DELETE FROM template_versions WHERE template_id = (SELECT id FROM templates WHERE name = $1)";
    const ONE: &str = "DELETE FROM template_versions \
        WHERE template_id = (SELECT id FROM templates WHERE name = $1) AND language = $2";
    match language {
        None => on_tx!(tx, conn => sqlx::query(ALL).bind(name).execute(conn).await.map(drop))?,
        Some(language) => {
            on_tx!(tx, conn => sqlx::query(ONE).bind(name).bind(language.as_str()).execute(conn).await
                .map(drop))?;
        }
    }
    Ok(())
}
