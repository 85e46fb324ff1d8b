//! A campaign while it is being sent: what all its deliveries share.

use crate::limits::{Limit, Spread};
use crate::own_files::OwnFiles;
use crate::pace::Rate;
use crate::retry::Retry;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::UnknownPolicy;
use tidings_campaign::message::{ListIdentity, Mailbox, MessageFactory, MessageSettings};
use tidings_campaign::template::Newsletter;
use tidings_campaign::token::KeyRing;
use tidings_campaign::tracking::{Tracking, TrackingSettings};
use tidings_feedback::verdict::Class;
use tidings_store::campaigns::Campaign;
use tidings_store::ledger::Outcome;
use tidings_store::{Store, StoreError};
use tokio::task::spawn_blocking;

/// What messages say about this instance.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Where it is reached from outside, without a slash at the end.
    pub public_url: String,
    /// Where bounces arrive; the domain of the sender's address if not given.
    pub return_path_domain: Option<String>,
    /// The stable part of `Feedback-ID`; the domain of the sender's address if not given.
    pub sender_id: Option<String>,
    /// Where the files lie that recipients' attributes name.
    pub attachments_folder: Option<PathBuf>,
    /// What becomes of links where neither campaign nor list says it.
    pub tracking: Tracking,
    /// Signs tokens.
    pub keys: KeyRing,
}

/// A campaign being sent by this process.
#[derive(Debug)]
pub struct CampaignRun {
    /// The campaign.
    pub id: CampaignId,
    /// Makes its messages.
    pub messages: MessageFactory,
    /// Where its recipients' own files are, if they get any.
    pub own_files: Option<OwnFiles>,
    /// What happens to deliveries whose answer is lost.
    pub unknown_policy: UnknownPolicy,
    /// How retries are spaced.
    pub retry: Retry,
    /// What it may use by itself.
    pub limit: Limit,
    /// The pool of relays that it names.
    pub pool: Option<String>,
    /// The domain of its sender.
    pub sender_domain: String,
    stopped: AtomicBool,
    accepted: AtomicU64,
    ended: AtomicU64,
    hard: AtomicU64,
}

/// Why a campaign cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum CannotRun {
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// What was stored does not compile: a person must look.
    #[error("{0}")]
    Content(String),
}

impl CampaignRun {
    /// Compiles a started campaign.
    pub async fn prepare(
        store: &Store,
        campaign: &Campaign,
        identity: &Identity,
        retry: Retry,
    ) -> Result<CampaignRun, CannotRun> {
        let content = campaign.content.as_deref().unwrap_or_default();
        let newsletter: Newsletter = serde_json::from_str(content)
            .map_err(|error| CannotRun::Content(format!("stored content: {error}")))?;
        let messages = factory(store, campaign, &newsletter, identity).await?;
        let own_files = own_files(campaign, identity).await?;
        let rate = campaign
            .rate
            .as_deref()
            .map(str::parse::<Rate>)
            .transpose()
            .map_err(|error| CannotRun::Content(error.to_string()))?;
        Ok(CampaignRun {
            id: campaign.id,
            unknown_policy: campaign.unknown_policy,
            retry,
            limit: Limit {
                rates: rate.into_iter().collect(),
                max_sessions: campaign.max_sessions.and_then(|n| usize::try_from(n).ok()),
                spread: campaign.spread.map(|over| Spread {
                    messages: u64::try_from(campaign.planned).unwrap_or_default(),
                    over,
                }),
            },
            pool: campaign.pool.clone(),
            sender_domain: messages.sender_domain().to_owned(),
            messages,
            own_files,
            stopped: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            hard: AtomicU64::new(0),
        })
    }

    /// Lets go of everything that is not on the wire.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Messages that relays accepted from this process.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Attempts of this process that ended, whatever the outcome.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Deliveries that this process found to be to addresses that are gone.
    pub(crate) fn hard(&self) -> u64 {
        self.hard.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, outcome: &Outcome) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Outcome::Accepted(_) => self.accepted.fetch_add(1, Ordering::Relaxed),
            Outcome::Rejected(_, ruling) if ruling.verdict.class == Class::Hard => {
                self.hard.fetch_add(1, Ordering::Relaxed)
            }
            _ => return,
        };
    }
}

/// Where the recipients' own files of a campaign are, if it gives them any; the folder is opened.
pub(crate) async fn own_files(
    campaign: &Campaign,
    identity: &Identity,
) -> Result<Option<OwnFiles>, CannotRun> {
    let folder = identity.attachments_folder.as_deref();
    match &campaign.attach_from {
        Some(attribute) => OwnFiles::open(attribute, folder).await.map(Some),
        None => Ok(None),
    }
}

/// The factory of a campaign's messages, also for trying a newsletter before it is started. What is wrong with the
/// newsletter or its files is a sentence for people.
pub async fn factory(
    store: &Store,
    campaign: &Campaign,
    newsletter: &Newsletter,
    identity: &Identity,
) -> Result<MessageFactory, CannotRun> {
    let lists = store.lists_of(campaign.id).await?;
    let lists = lists
        .into_iter()
        .map(|(id, name)| ListIdentity { id, name })
        .collect();
    let files = store.files_of(campaign.id).await?;
    let tracking = tracking(store, campaign, identity).await?;
    let settings = settings(campaign, lists, identity, tracking).map_err(CannotRun::Content)?;
    // Encoding megabytes takes a while.
    let (newsletter, keys) = (newsletter.clone(), identity.keys.clone());
    let attribute = campaign.language_attribute.clone();
    let made = spawn_blocking(move || {
        let factory = MessageFactory::new(&newsletter.fallback, settings, keys)?;
        factory
            .translated(&newsletter.translations, &attribute)?
            .with_files(&files)
    });
    match made.await {
        Ok(made) => made.map_err(|error| CannotRun::Content(error.to_string())),
        Err(panic) => Err(CannotRun::Content(panic.to_string())),
    }
}

/// What becomes of a campaign's links. Once it has started, they keep their numbers, whatever finds links then.
async fn tracking(
    store: &Store,
    campaign: &Campaign,
    identity: &Identity,
) -> Result<TrackingSettings, StoreError> {
    let lists = store.list_tracking(campaign.id).await?;
    let (kept, utm) = match campaign.started_at {
        Some(_) => (Some(store.links_of(campaign.id).await?), campaign.utm.clone()),
        None => (None, campaign.utm.clone().or(store.list_utm(campaign.id).await?)),
    };
    Ok(TrackingSettings {
        mode: Tracking::chosen(campaign.tracking, lists, identity.tracking),
        utm,
        kept,
    })
}

fn settings(
    campaign: &Campaign,
    lists: Vec<ListIdentity>,
    identity: &Identity,
    tracking: TrackingSettings,
) -> Result<MessageSettings, String> {
    let mailbox = |text: &str| Mailbox::parse(text).map_err(|error| format!("`{text}`: {error}"));
    let from = mailbox(&campaign.sender)?;
    let reply_to = campaign.reply_to.as_deref().map(mailbox).transpose()?;
    let domain = from.address.domain().to_owned();
    Ok(MessageSettings {
        return_path_domain: identity
            .return_path_domain
            .clone()
            .unwrap_or_else(|| domain.clone()),
        sender_id: identity.sender_id.clone().unwrap_or(domain),
        from,
        reply_to,
        campaign: campaign.id,
        campaign_name: campaign.name.clone(),
        lists,
        public_url: identity.public_url.clone(),
        tracking,
    })
}
