//! What a campaign says: its own content, if it was given some, else its template as that stands now.

use crate::campaigns::Campaign;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::language::Language;
use tidings_campaign::template::{Content, Newsletter, Source, Translation};

/// Content of a campaign's own in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnContent {
    /// Which; none for the fallback, which is for everybody whose language has no content.
    pub language: Option<Language>,
    /// The subject in this language; the campaign's if there is none. The fallback has none: its subject is the campaign's.
    pub subject: Option<String>,
    /// The same of the preheader.
    pub preheader: Option<String>,
    /// HTML or MJML.
    pub html: String,
    /// The text; made from the HTML where it is missing.
    pub text: Option<String>,
}

#[derive(sqlx::FromRow)]
struct OwnRow {
    language: String,
    subject: Option<String>,
    preheader: Option<String>,
    html: String,
    text: Option<String>,
}

/// The name of a campaign's own content in messages about faults, and among the templates that it refers to.
pub fn own_name(campaign: CampaignId) -> String {
    format!("campaign-{campaign}")
}

impl Store {
    /// A campaign's own content, the fallback first; nothing if it sends its template.
    pub async fn own_content(&self, campaign: CampaignId) -> Result<Vec<OwnContent>, StoreError> {
        const OWN: &str = "SELECT language, subject, preheader, html, text FROM campaign_drafts \
            WHERE campaign_id = $1 ORDER BY language";
        let rows: Vec<OwnRow> =
            on_pool!(self, pool => sqlx::query_as(OWN).bind(campaign.0).fetch_all(pool).await)?;
        rows.into_iter().map(|row| row.content(campaign)).collect()
    }

    /// What a campaign that has not started says now, in all its languages, with the templates that it refers to. Everything
    /// that plans, tries or shows a campaign asks this; a started one says what was frozen then.
    pub async fn newsletter_of(&self, campaign: &Campaign) -> Result<Newsletter, StoreError> {
        let own = self.own_content(campaign.id).await?;
        self.newsletter_written(campaign, &own).await
    }

    /// The same of what is perhaps not kept yet. `own`: the fallback first; nothing for the template.
    pub async fn newsletter_written(
        &self,
        campaign: &Campaign,
        own: &[OwnContent],
    ) -> Result<Newsletter, StoreError> {
        let mut newsletter = match own.split_first() {
            None => {
                self.load_newsletter(&campaign.template, &campaign.subject)
                    .await?
            }
            Some((fallback, translations)) => {
                let mut newsletter = Newsletter::from(self.own_variant(campaign, fallback).await?);
                for own in translations {
                    let Some(language) = own.language.clone() else {
                        continue;
                    };
                    let content = self.own_variant(campaign, own).await?;
                    newsletter.translations.push(Translation { language, content });
                }
                newsletter
            }
        };
        if let Some(text) = &campaign.preheader {
            newsletter.fallback = newsletter.fallback.with_preheader(text);
            for translation in &mut newsletter.translations {
                // The campaign's is in the fallback's language: it stands where nothing else does.
                if !translation.content.has_preheader() {
                    translation.content = translation.content.clone().with_preheader(text);
                }
            }
        }
        Ok(newsletter)
    }

    async fn own_variant(&self, campaign: &Campaign, own: &OwnContent) -> Result<Content, StoreError> {
        let source = Source {
            name: own_name(campaign.id),
            html: own.html.clone(),
            text: own.text.clone(),
        };
        let subject = own.subject.as_deref().unwrap_or(&campaign.subject);
        let content = self
            .load_partials_for(source, subject, own.language.as_ref())
            .await?;
        Ok(match &own.preheader {
            Some(text) => content.with_preheader(text),
            None => content,
        })
    }
}

impl OwnRow {
    fn content(self, campaign: CampaignId) -> Result<OwnContent, StoreError> {
        let language = match self.language.as_str() {
            "" => None,
            tag => Some(Language::parse(tag).map_err(|error| bad_row("campaign_drafts", campaign, error))?),
        };
        Ok(OwnContent {
            language,
            subject: self.subject,
            preheader: self.preheader,
            html: self.html,
            text: self.text,
        })
    }
}

/// Keeps a campaign's own content in the place of what it had.
pub(crate) async fn keep_in(tx: &mut Tx, campaign: CampaignId, own: &[OwnContent]) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM campaign_drafts WHERE campaign_id = $1";
    const KEEP: &str = "INSERT INTO campaign_drafts (campaign_id, language, subject, preheader, html, text) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    on_tx!(&mut *tx, conn => sqlx::query(FORGET).bind(campaign.0).execute(conn).await.map(drop))?;
    for content in own {
        let language = content.language.as_ref().map_or("", Language::as_str);
        on_tx!(&mut *tx, conn => sqlx::query(KEEP).bind(campaign.0).bind(language).bind(&content.subject)
            .bind(&content.preheader).bind(&content.html).bind(&content.text).execute(conn).await.map(drop))?;
    }
    Ok(())
}
