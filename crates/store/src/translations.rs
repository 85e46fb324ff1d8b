//! Templates in several languages: the row in `templates` is the fallback, translations stand beside it.

use crate::audit::{By, audit_in};
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::templates::StoredTemplate;
use crate::versions;
use tidings_campaign::language::{Language, lookup};
use tidings_campaign::template::{Newsletter, Source, Translation};
use tidings_campaign::time::Timestamp;

#[derive(sqlx::FromRow)]
struct TranslationRow {
    language: String,
    subject: Option<String>,
    html: String,
    text: Option<String>,
    updated_at: i64,
}

/// See [`Store::put_translation`].
pub(crate) async fn put(
    tx: &mut Tx,
    (source, language): (&Source, &Language),
    subject: Option<&str>,
    by: &By,
    now: Timestamp,
) -> Result<(), StoreError> {
    const PUT: &str = "INSERT INTO template_translations (template_id, language, subject, html, text, updated_at) \
        SELECT id, $1, $2, $3, $4, $5 FROM templates WHERE name = $6 \
        ON CONFLICT (template_id, language) DO UPDATE SET subject = excluded.subject, \
        html = excluded.html, text = excluded.text, updated_at = excluded.updated_at";
    versions::keep_former(tx, &source.name, Some(language)).await?;
    let rows = on_tx!(&mut *tx, conn => sqlx::query(PUT)
        .bind(language.as_str()).bind(subject).bind(&source.html).bind(&source.text).bind(now.0)
        .bind(&source.name).execute(conn).await.map(|done| done.rows_affected()))?;
    if rows == 0 {
        return Err(no_template(&source.name));
    }
    versions::keep(tx, (source, Some(language)), subject, by, now).await
}

impl Store {
    /// Adds a translation of the template `source.name`, which must exist, or replaces the one in this language.
    /// Campaigns that have started keep what they started with.
    pub async fn put_translation(
        &self,
        source: &Source,
        language: &Language,
        subject: Option<&str>,
        by: &By,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        put(&mut tx, (source, language), subject, by, now).await?;
        tx.commit().await
    }

    /// The languages of a template besides its fallback, in alphabetical order.
    pub async fn languages_of(&self, template: &str) -> Result<Vec<Language>, StoreError> {
        const LANGUAGES: &str = "SELECT x.language FROM template_translations x \
            JOIN templates t ON t.id = x.template_id WHERE t.name = $1 ORDER BY x.language";
        let tags: Vec<String> =
            on_pool!(self, pool => sqlx::query_scalar(LANGUAGES).bind(template).fetch_all(pool).await)?;
        tags.iter().map(|tag| parse(tag, template)).collect()
    }

    /// Every template's languages besides the fallback: pairs of a template's name and a language.
    pub(crate) async fn all_languages(&self) -> Result<Vec<(String, Language)>, StoreError> {
        const ALL: &str = "SELECT t.name, x.language FROM template_translations x \
            JOIN templates t ON t.id = x.template_id ORDER BY x.language";
        let rows: Vec<(String, String)> = on_pool!(self, pool => sqlx::query_as(ALL).fetch_all(pool).await)?;
        let parsed = |(name, tag): (String, String)| parse(&tag, &name).map(|language| (name, language));
        rows.into_iter().map(parsed).collect()
    }

    /// A template in just this language; none if there is none.
    pub async fn find_translation(
        &self,
        template: &str,
        language: &Language,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        const FIND: &str = "SELECT x.language, x.subject, x.html, x.text, x.updated_at FROM template_translations x \
            JOIN templates t ON t.id = x.template_id WHERE t.name = $1 AND x.language = $2";
        let row: Option<TranslationRow> = on_pool!(self, pool => sqlx::query_as(FIND).bind(template)
            .bind(language.as_str()).fetch_optional(pool).await)?;
        Ok(row.map(|row| row.stored(template)))
    }

    /// A template in the language that suits somebody who reads `language`, or its fallback; none if there is neither.
    pub async fn find_template_for(
        &self,
        name: &str,
        language: &Language,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        let languages = self.languages_of(name).await?;
        match lookup(language.as_str(), languages.iter()) {
            Some(at) => self.find_translation(name, &languages[at]).await,
            None => self.find_template(name).await,
        }
    }

    /// The template of this name, which must exist, in all its languages, each with the templates that it refers to:
    /// in the same language where they have it, else their fallback. A translation without a subject of its own
    /// gets `subject`.
    pub async fn load_newsletter(&self, name: &str, subject: &str) -> Result<Newsletter, StoreError> {
        const ALL: &str = "SELECT x.language, x.subject, x.html, x.text, x.updated_at FROM template_translations x \
            JOIN templates t ON t.id = x.template_id WHERE t.name = $1 ORDER BY x.language";
        let fallback = self.load_content(name, subject).await?;
        let rows: Vec<TranslationRow> =
            on_pool!(self, pool => sqlx::query_as(ALL).bind(name).fetch_all(pool).await)?;
        let mut translations = Vec::new();
        for row in rows {
            let language = parse(&row.language, name)?;
            let stored = row.stored(name);
            let subject = stored.subject.as_deref().unwrap_or(subject);
            let content = self
                .load_partials_for(stored.source, subject, Some(&language))
                .await?;
            translations.push(Translation { language, content });
        }
        Ok(Newsletter {
            fallback,
            translations,
        })
    }

    /// Removes a template in one language; false if there is none. Campaigns that have started keep it.
    pub async fn remove_translation(
        &self,
        template: &str,
        language: &Language,
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const REMOVE: &str = "DELETE FROM template_translations WHERE language = $1 \
            AND template_id = (SELECT id FROM templates WHERE name = $2)";
        let mut tx = self.begin_write().await?;
        let rows = on_tx!(&mut tx, conn => sqlx::query(REMOVE).bind(language.as_str()).bind(template)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if rows == 0 {
            return Ok(false);
        }
        versions::forget(&mut tx, template, Some(language)).await?;
        let about = versions::about(template, Some(language));
        audit_in(&mut tx, by, "removed a template", (&about, ""), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a template in all its languages; false if there is none. Refused while a campaign that has not started
    /// is to send it. Whether other templates refer to it is not asked.
    pub async fn remove_template(&self, name: &str, by: &By, now: Timestamp) -> Result<bool, StoreError> {
        const IN_USE: &str = "SELECT id FROM campaigns WHERE template_name = $1 AND started_at IS NULL \
            AND state <> 'cancelled' \
            AND NOT EXISTS (SELECT 1 FROM campaign_drafts d WHERE d.campaign_id = campaigns.id) ORDER BY id LIMIT 1";
        const TRANSLATIONS: &str = "DELETE FROM template_translations \
            WHERE template_id = (SELECT id FROM templates WHERE name = $1)";
        const TEMPLATE: &str = "DELETE FROM templates WHERE name = $1";
        let mut tx = self.begin_write().await?;
        let campaign: Option<i64> = on_tx!(&mut tx, conn => sqlx::query_scalar(IN_USE).bind(name)
            .fetch_optional(conn).await)?;
        if let Some(campaign) = campaign {
            return Err(StoreError::TemplateInUse {
                name: name.to_owned(),
                campaign: tidings_campaign::ids::CampaignId(campaign),
            });
        }
        versions::forget(&mut tx, name, None).await?;
        on_tx!(&mut tx, conn => sqlx::query(TRANSLATIONS).bind(name).execute(conn).await.map(drop))?;
        let rows = on_tx!(&mut tx, conn => sqlx::query(TEMPLATE).bind(name).execute(conn).await
            .map(|done| done.rows_affected()))?;
        if rows == 0 {
            return Ok(false);
        }
        let about = versions::about(name, None);
        audit_in(&mut tx, by, "removed a template", (&about, ""), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl TranslationRow {
    fn stored(self, name: &str) -> StoredTemplate {
        StoredTemplate {
            source: Source {
                name: name.to_owned(),
                html: self.html,
                text: self.text,
            },
            subject: self.subject,
            updated_at: Timestamp(self.updated_at),
        }
    }
}

fn parse(tag: &str, template: &str) -> Result<Language, StoreError> {
    Language::parse(tag).map_err(|error| bad_row("template_translations", template, error))
}

fn no_template(name: &str) -> StoreError {
    StoreError::NotFound {
        what: "template",
        name: name.to_owned(),
    }
}
