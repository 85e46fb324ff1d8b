//! What a sender is told, and why one stops.

use crate::dispatch::Routing;
use crate::guard::{GuardError, Witness};
use crate::judging::JudgingNow;
use crate::retry::Retry;
use crate::run::Identity;
use std::path::PathBuf;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_dns::DnsSettings;
use tidings_store::StoreError;
use tidings_store::at_work::AtWork;
use tokio::sync::watch;

/// Which campaigns a sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every campaign that is set sending, and every letter, for as long as the sender runs.
    All,
    /// One, until it is finished or somebody stops it.
    One(CampaignId),
}

/// What a sender needs to know.
#[derive(Clone, Debug)]
pub struct SenderSettings {
    /// The relays, pools and limits; others from the moment on when they change.
    pub routing: watch::Receiver<Routing>,
    /// What refusals mean and what follows.
    pub judging: JudgingNow,
    /// What messages say about this instance.
    pub identity: Identity,
    /// How retries are spaced.
    pub retry: Retry,
    /// How long a lease lasts without being renewed; at least a second.
    pub lease: Duration,
    /// Who is asked for the providers of recipients' domains, if anybody.
    pub dns: Option<DnsSettings>,
    /// Remembers outside the database how far it got.
    pub witness: Witness,
    /// The folder of this process.
    pub data: PathBuf,
    /// Unique for every start of a process.
    pub owner: String,
    /// What this process may take, shared with its other parts.
    pub node: AtWork,
    /// How long messages on the wire may take when the sender is stopped.
    pub deadline: Duration,
}

/// Why a sender stopped.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The witness of the restore guard.
    #[error("{0}")]
    Guard(#[from] GuardError),
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// It was away when the sender was stopped.
    #[error(
        "the database was away, and not everything that relays answered could be recorded before the deadline: what was on \
         the wire is unknown when it is sent on"
    )]
    NotRecorded,
}

impl SenderError {
    /// What trying again may help against.
    pub(super) fn passing(&self) -> Option<&StoreError> {
        match self {
            SenderError::Store(error) | SenderError::Guard(GuardError::Store(error)) => {
                error.is_transient().then_some(error)
            }
            _ => None,
        }
    }
}
