//! Writing campaigns: what people make, change, repeat and remove before anything is planned. Each change is kept in the audit
//! log, in its own transaction.

use crate::audit::{By, audit_in};
use crate::campaign_files::copy_in;
use crate::campaigns::{Campaign, LANGUAGE_ATTRIBUTE, NewCampaign, create_in, get_in, has_started};
use crate::deliveries::lock_state;
use crate::engine::{Store, Tx, on_tx};
use crate::error::StoreError;
use crate::own_content::{self, OwnContent};
use crate::steering::about;
use std::time::Duration;
use tidings_campaign::ids::{CampaignId, ListId};
use tidings_campaign::lifecycle::{CampaignState, UnknownPolicy};
use tidings_campaign::time::Timestamp;
use tidings_campaign::tracking::{Tracking, Utm};
use tidings_feedback::thresholds::OwnThresholds;

/// How late a campaign may start if nobody says anything.
const LATENESS: Duration = Duration::from_secs(3600);

/// What a person writes of a campaign. Its texts have been checked before.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// For people.
    pub name: String,
    /// To whom.
    pub lists: Vec<ListId>,
    /// The template's name; of a campaign with content of its own, the template that it began with, or nothing.
    pub template: String,
    /// A Handlebars text.
    pub subject: String,
    /// What inboxes show after it, a Handlebars text.
    pub preheader: Option<String>,
    /// `Name <address>`.
    pub sender: String,
    /// `Name <address>`.
    pub reply_to: Option<String>,
    /// What becomes of its links, if it says so.
    pub tracking: Option<Tracking>,
    /// Content of its own, the fallback first; nothing: it sends its template.
    pub own: Vec<OwnContent>,
}

impl Writing {
    /// The campaign as it would be with this: `kept` as it is kept now, or one that is not there yet.
    pub fn over(&self, kept: Option<Campaign>) -> Campaign {
        let kept = kept.unwrap_or_else(|| Campaign {
            id: CampaignId(0),
            name: String::new(),
            state: CampaignState::Draft,
            state_reason: None,
            template: String::new(),
            subject: String::new(),
            preheader: None,
            revision: 0,
            sender: String::new(),
            reply_to: None,
            rate: None,
            unknown_policy: UnknownPolicy::Hold,
            schedule: None,
            spread: None,
            cleared: None,
            greatest_lateness: LATENESS,
            pool: None,
            max_sessions: None,
            parent: None,
            attach_from: None,
            language_attribute: LANGUAGE_ATTRIBUTE.to_owned(),
            tracking: None,
            utm: Utm::default(),
            content: None,
            planned: 0,
            started_at: None,
            finished_at: None,
            deliveries_removed_at: None,
        });
        Campaign {
            name: self.name.clone(),
            template: self.template.clone(),
            subject: self.subject.clone(),
            preheader: self.preheader.clone(),
            sender: self.sender.clone(),
            reply_to: self.reply_to.clone(),
            tracking: self.tracking,
            ..kept
        }
    }
}

impl From<Writing> for NewCampaign {
    /// What a person does not write is as it is where the command says nothing.
    fn from(writing: Writing) -> NewCampaign {
        NewCampaign {
            name: writing.name,
            lists: writing.lists,
            template: writing.template,
            subject: writing.subject,
            preheader: writing.preheader,
            own: writing.own,
            sender: writing.sender,
            reply_to: writing.reply_to,
            rate: None,
            unknown_policy: UnknownPolicy::Hold,
            greatest_lateness: LATENESS,
            pool: None,
            max_sessions: None,
            parent: None,
            files: Vec::new(),
            attach_from: None,
            language_attribute: LANGUAGE_ATTRIBUTE.to_owned(),
            thresholds: OwnThresholds::default(),
            tracking: writing.tracking,
            utm: Utm::default(),
            archive_hidden: false,
        }
    }
}

impl Campaign {
    /// Whether what it says may still be changed: nothing is planned, and it is not given up.
    pub fn may_be_written(&self) -> bool {
        self.started_at.is_none() && self.state != CampaignState::Cancelled
    }
}

impl Store {
    /// Makes a campaign, as a draft, in somebody's name.
    pub async fn create_campaign_by(
        &self,
        new: &NewCampaign,
        by: &By,
        now: Timestamp,
    ) -> Result<CampaignId, StoreError> {
        let mut tx = self.begin_write().await?;
        let id = create_in(&mut tx, new, now).await?;
        audit_in(&mut tx, by, "made a campaign", (&about(id), &new.name), now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Writes a campaign anew that nothing is planned of. `revision`: the one that was seen ([`Campaign::revision`]); refused if
    /// somebody else has written it since.
    pub async fn write_campaign(
        &self,
        id: CampaignId,
        writing: &Writing,
        revision: i64,
        by: &By,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const WRITE: &str = "UPDATE campaigns SET name = $1, template_name = $2, subject = $3, preheader = $4, \
            sender = $5, reply_to = $6, tracking = $7, revision = revision + 1 WHERE id = $8 AND revision = $9";
        const LEAVE: &str = "DELETE FROM campaign_lists WHERE campaign_id = $1";
        const LIST: &str = "INSERT INTO campaign_lists (campaign_id, list_id) VALUES ($1, $2)";
        let mut tx = self.begin_write().await?;
        check_unplanned(&mut tx, id).await?;
        let (before, lists_before) = (get_in(&mut tx, id).await?, list_names(&mut tx, id).await?);
        let rows = on_tx!(&mut tx, conn => sqlx::query(WRITE).bind(&writing.name).bind(&writing.template)
            .bind(&writing.subject).bind(&writing.preheader).bind(&writing.sender).bind(&writing.reply_to)
            .bind(writing.tracking.map(Tracking::as_str)).bind(id.0).bind(revision)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if rows == 0 {
            return Err(StoreError::WrittenMeanwhile(id));
        }
        on_tx!(&mut tx, conn => sqlx::query(LEAVE).bind(id.0).execute(conn).await.map(drop))?;
        for list in &writing.lists {
            on_tx!(&mut tx, conn => sqlx::query(LIST).bind(id.0).bind(list.0).execute(conn).await.map(drop))?;
        }
        own_content::keep_in(&mut tx, id, &writing.own).await?;
        let lists = list_names(&mut tx, id).await?;
        let detail = changes((&before, lists_before), (writing, lists));
        audit_in(&mut tx, by, "wrote a campaign", (&about(id), &detail), now).await?;
        tx.commit().await
    }

    /// Makes a draft like a campaign, whatever became of that one.
    pub async fn repeat_campaign(
        &self,
        like: CampaignId,
        name: &str,
        by: &By,
        now: Timestamp,
    ) -> Result<CampaignId, StoreError> {
        let new = NewCampaign {
            name: name.to_owned(),
            ..self.new_like(like).await?
        };
        let mut tx = self.begin_write().await?;
        let id = create_in(&mut tx, &new, now).await?;
        copy_in(&mut tx, like, id).await?;
        let detail = format!("like {}", about(like));
        audit_in(&mut tx, by, "made a campaign", (&about(id), &detail), now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// What makes a campaign like this one, to the same lists and without its files.
    pub(crate) async fn new_like(&self, id: CampaignId) -> Result<NewCampaign, StoreError> {
        let like = self.get_campaign(id).await?;
        let lists = self.lists_of(id).await?;
        Ok(NewCampaign {
            name: like.name,
            lists: lists.into_iter().map(|(id, _)| id).collect(),
            template: like.template,
            subject: like.subject,
            preheader: like.preheader,
            own: self.own_content(id).await?,
            sender: like.sender,
            reply_to: like.reply_to,
            rate: like.rate,
            unknown_policy: like.unknown_policy,
            greatest_lateness: like.greatest_lateness,
            pool: like.pool,
            max_sessions: like.max_sessions,
            parent: None,
            files: Vec::new(),
            attach_from: like.attach_from,
            language_attribute: like.language_attribute,
            thresholds: self.campaign_thresholds(id).await?.0,
            tracking: like.tracking,
            utm: like.utm,
            // That is decided for each issue; a child campaign is none, and in no archive anyway.
            archive_hidden: false,
        })
    }

    /// Removes a draft for good. Whatever has been scheduled or started is cancelled instead.
    pub async fn remove_draft(&self, id: CampaignId, by: &By, now: Timestamp) -> Result<(), StoreError> {
        const NAME: &str = "SELECT name FROM campaigns WHERE id = $1";
        const REMOVE: [&str; 8] = [
            "DELETE FROM preflights WHERE campaign_id = $1",
            "DELETE FROM preflight_overrides WHERE campaign_id = $1",
            "DELETE FROM campaign_drafts WHERE campaign_id = $1",
            "DELETE FROM campaign_files WHERE campaign_id = $1",
            "DELETE FROM campaign_thresholds WHERE campaign_id = $1",
            "DELETE FROM campaign_lists WHERE campaign_id = $1",
            "UPDATE letters SET campaign_id = NULL WHERE campaign_id = $1",
            "DELETE FROM campaigns WHERE id = $1",
        ];
        let mut tx = self.begin_write().await?;
        let state = lock_state(&mut tx, id).await?;
        if state != CampaignState::Draft {
            return Err(StoreError::NoDraft { campaign: id, state });
        }
        let name: String =
            on_tx!(&mut tx, conn => sqlx::query_scalar(NAME).bind(id.0).fetch_one(conn).await)?;
        for statement in REMOVE {
            on_tx!(&mut tx, conn => sqlx::query(statement).bind(id.0).execute(conn).await.map(drop))?;
        }
        audit_in(&mut tx, by, "removed a draft", (&about(id), &name), now).await?;
        tx.commit().await
    }
}

/// Refused once its deliveries are planned, and for what is given up.
async fn check_unplanned(tx: &mut Tx, id: CampaignId) -> Result<(), StoreError> {
    let state = lock_state(tx, id).await?;
    if has_started(tx, id).await? || state == CampaignState::Cancelled {
        return Err(StoreError::WritingIsFixed { campaign: id, state });
    }
    Ok(())
}

/// The names of a campaign's lists, the oldest first.
async fn list_names(tx: &mut Tx, id: CampaignId) -> Result<String, StoreError> {
    const NAMES: &str = "SELECT l.name FROM lists l JOIN campaign_lists cl ON cl.list_id = l.id \
        WHERE cl.campaign_id = $1 ORDER BY l.id";
    let names: Vec<String> = on_tx!(tx, conn => sqlx::query_scalar(NAMES).bind(id.0).fetch_all(conn).await)?;
    Ok(names.join(", "))
}

/// For the audit log: what is another than before.
fn changes((before, lists_before): (&Campaign, String), (after, lists): (&Writing, String)) -> String {
    let by_lists = || "as its lists say".to_owned();
    let tracking =
        |tracking: Option<Tracking>| tracking.map_or_else(by_lists, |mode| mode.as_str().to_owned());
    let (tracking_before, tracking) = (tracking(before.tracking), tracking(after.tracking));
    let mut words = Vec::new();
    for (word, old, new) in [
        ("name", Some(&before.name), Some(&after.name)),
        ("subject", Some(&before.subject), Some(&after.subject)),
        ("preheader", before.preheader.as_ref(), after.preheader.as_ref()),
        ("from", Some(&before.sender), Some(&after.sender)),
        ("reply-to", before.reply_to.as_ref(), after.reply_to.as_ref()),
        ("template", Some(&before.template), Some(&after.template)),
        ("lists", Some(&lists_before), Some(&lists)),
        ("tracking", Some(&tracking_before), Some(&tracking)),
    ] {
        if old != new {
            let shown = |value: Option<&String>| value.cloned().unwrap_or_else(|| "none".to_owned());
            words.push(format!("{word}: {} → {}", shown(old), shown(new)));
        }
    }
    words.push(match after.own.len() {
        0 => "content: the template".to_owned(),
        1 => "content of its own".to_owned(),
        n => format!("content of its own in {n} languages"),
    });
    words.join("; ")
}
