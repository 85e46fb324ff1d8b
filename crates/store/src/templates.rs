//! Templates: adding them, listing them, and loading one with everything that it refers to.

use crate::audit::By;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::{translations, versions};
use std::collections::HashSet;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::language::Language;
use tidings_campaign::template::{Content, Source, TemplateError, check_recursion, references};
use tidings_campaign::time::Timestamp;

/// A template as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTemplate {
    /// Name, HTML and text.
    pub source: Source,
    /// The subject for campaigns that do not have their own.
    pub subject: Option<String>,
    /// When it was added or replaced.
    pub updated_at: Timestamp,
}

/// What a list of templates shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSummary {
    /// Its name, which no other template has.
    pub name: String,
    /// The subject for campaigns that do not have their own.
    pub subject: Option<String>,
    /// Whether it has a text of its own; otherwise its text is made from the HTML.
    pub has_text: bool,
    /// Its translations, in alphabetical order.
    pub languages: Vec<Language>,
    /// When it was added or replaced.
    pub updated_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct TemplateRow {
    name: String,
    subject: Option<String>,
    html: String,
    text: Option<String>,
    updated_at: i64,
}

impl Store {
    /// Adds a template or replaces the one of the same name, and keeps what was there as a version. Campaigns that have
    /// started keep what they started with.
    pub async fn put_template(
        &self,
        source: &Source,
        subject: Option<&str>,
        by: &By,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        put(&mut tx, source, subject, by, now).await?;
        tx.commit().await
    }

    /// Adds a template with its translations, all or nothing. False: there is one of this name, which stays as it is.
    pub async fn add_template(
        &self,
        template: &StoredTemplate,
        translations: &[(Language, StoredTemplate)],
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const ADD: &str = "INSERT INTO templates (name, subject, html, text, updated_at) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING";
        let (source, subject) = (&template.source, template.subject.as_deref());
        let mut tx = self.begin_write().await?;
        let rows = on_tx!(&mut tx, conn => sqlx::query(ADD)
            .bind(&source.name).bind(subject).bind(&source.html).bind(&source.text).bind(now.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if rows == 0 {
            return Ok(false);
        }
        versions::keep(&mut tx, (source, None), subject, by, now).await?;
        for (language, translation) in translations {
            let (source, subject) = (&translation.source, translation.subject.as_deref());
            translations::put(&mut tx, (source, language), subject, by, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Saves a template, or its translation, if it does not contain itself. Its parts have been checked alone. A translation
    /// needs the template itself to be there. `seen`: the number of the newest version that the person saw, 0 if there was
    /// none; another one is not saved over.
    pub async fn save_template(
        &self,
        (source, language): (&Source, Option<&Language>),
        subject: Option<&str>,
        seen: Option<i64>,
        by: &By,
        now: Timestamp,
    ) -> Result<Result<(), TemplateError>, StoreError> {
        let content = self.load_partials_for(source.clone(), "", language).await?;
        if let Err(error) = check_recursion(&content) {
            return Ok(Err(error.in_language(language)));
        }
        let mut tx = self.begin_write().await?;
        if let Some(seen) = seen {
            versions::ensure_seen(&mut tx, (&source.name, language), seen).await?;
        }
        match language {
            Some(language) => translations::put(&mut tx, (source, language), subject, by, now).await?,
            None => put(&mut tx, source, subject, by, now).await?,
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Another template that refers to this one, in any language.
    pub async fn template_that_refers_to(&self, name: &str) -> Result<Option<String>, StoreError> {
        const OTHERS: &str = "SELECT name, html, text FROM templates WHERE name <> $1 \
            UNION ALL SELECT t.name, x.html, x.text FROM template_translations x \
            JOIN templates t ON t.id = x.template_id WHERE t.name <> $1 ORDER BY name";
        let others: Vec<(String, String, Option<String>)> =
            on_pool!(self, pool => sqlx::query_as(OTHERS).bind(name).fetch_all(pool).await)?;
        for (name_of_other, html, text) in others {
            let source = Source {
                name: name_of_other,
                html,
                text,
            };
            if names_in(&source)?.iter().any(|partial| partial == name) {
                return Ok(Some(source.name));
            }
        }
        Ok(None)
    }

    /// The campaigns that were made with this template, the newest first, at most `limit`.
    pub async fn campaigns_with_template(
        &self,
        name: &str,
        limit: i64,
    ) -> Result<Vec<(CampaignId, String)>, StoreError> {
        const USES: &str =
            "SELECT id, name FROM campaigns WHERE template_name = $1 ORDER BY id DESC LIMIT $2";
        let rows: Vec<(i64, String)> =
            on_pool!(self, pool => sqlx::query_as(USES).bind(name).bind(limit).fetch_all(pool).await)?;
        Ok(rows
            .into_iter()
            .map(|(id, name)| (CampaignId(id), name))
            .collect())
    }

    /// How many campaigns were made with each template that has any.
    pub async fn template_uses(&self) -> Result<Vec<(String, i64)>, StoreError> {
        const USES: &str = "SELECT template_name, COUNT(*) FROM campaigns GROUP BY template_name";
        Ok(on_pool!(self, pool => sqlx::query_as(USES).fetch_all(pool).await)?)
    }

    /// All templates by name, without their contents.
    pub async fn list_templates(&self) -> Result<Vec<TemplateSummary>, StoreError> {
        const LIST: &str = "SELECT name, subject, CASE WHEN text IS NULL THEN 0 ELSE 1 END, updated_at \
            FROM templates ORDER BY name";
        let rows: Vec<(String, Option<String>, i32, i64)> =
            on_pool!(self, pool => sqlx::query_as(LIST).fetch_all(pool).await)?;
        let languages = self.all_languages().await?;
        let languages_of = |name: &str| {
            let own = languages.iter().filter(|(template, _)| template == name);
            own.map(|(_, language)| language.clone()).collect()
        };
        let summary = |(name, subject, has_text, updated_at): (String, _, _, _)| TemplateSummary {
            languages: languages_of(&name),
            name,
            subject,
            has_text: has_text != 0,
            updated_at: Timestamp(updated_at),
        };
        Ok(rows.into_iter().map(summary).collect())
    }

    /// The template of this name; none if there is none.
    pub async fn find_template(&self, name: &str) -> Result<Option<StoredTemplate>, StoreError> {
        const FIND: &str = "SELECT name, subject, html, text, updated_at FROM templates WHERE name = $1";
        let row: Option<TemplateRow> =
            on_pool!(self, pool => sqlx::query_as(FIND).bind(name).fetch_optional(pool).await)?;
        Ok(row.map(|row| StoredTemplate {
            source: Source {
                name: row.name,
                html: row.html,
                text: row.text,
            },
            subject: row.subject,
            updated_at: Timestamp(row.updated_at),
        }))
    }

    /// The template of this name, which must exist, with all the templates that it refers to, directly or through
    /// others. One of those that does not exist is left out: compiling says where it is referred to.
    pub async fn load_content(&self, name: &str, subject: &str) -> Result<Content, StoreError> {
        let template = self.find_template(name).await?;
        let template = template.ok_or_else(|| StoreError::NotFound {
            what: "template",
            name: name.to_owned(),
        })?;
        self.load_partials(template.source, subject).await
    }

    /// The same for a template that is perhaps not stored yet.
    pub async fn load_partials(&self, template: Source, subject: &str) -> Result<Content, StoreError> {
        self.load_partials_for(template, subject, None).await
    }

    /// The same in a language: where those that it refers to have it, else their fallback.
    pub async fn load_partials_for(
        &self,
        template: Source,
        subject: &str,
        language: Option<&Language>,
    ) -> Result<Content, StoreError> {
        let mut seen = HashSet::from([template.name.clone()]);
        let mut wanted = names_in(&template)?;
        let mut partials = Vec::new();
        while let Some(name) = wanted.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let found = match language {
                Some(language) => self.find_template_for(&name, language).await?,
                None => self.find_template(&name).await?,
            };
            if let Some(found) = found {
                wanted.extend(names_in(&found.source)?);
                partials.push(found.source);
            }
        }
        // The snapshot of a campaign is the same whatever the order of the references.
        partials.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Content {
            subject: subject.to_owned(),
            template,
            partials,
        })
    }
}

async fn put(
    tx: &mut Tx,
    source: &Source,
    subject: Option<&str>,
    by: &By,
    now: Timestamp,
) -> Result<(), StoreError> {
    const PUT: &str = "INSERT INTO templates (name, subject, html, text, updated_at) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET subject = excluded.subject, \
        html = excluded.html, text = excluded.text, updated_at = excluded.updated_at";
    versions::keep_former(tx, &source.name, None).await?;
    on_tx!(&mut *tx, conn => sqlx::query(PUT)
        .bind(&source.name).bind(subject).bind(&source.html).bind(&source.text).bind(now.0)
        .execute(conn).await.map(drop))?;
    versions::keep(tx, (source, None), subject, by, now).await
}

/// Templates are checked before they are stored, so that an error here means a changed database.
fn names_in(source: &Source) -> Result<Vec<String>, StoreError> {
    references(source).map_err(|error| bad_row("templates", &source.name, error))
}
