//! What can go wrong with the database, in words for the person who has to act.

use std::path::PathBuf;
use tidings_campaign::ids::{CampaignId, ImportId};
use tidings_campaign::lifecycle::{CampaignState, DeliveryState};
use tidings_campaign::schedule::Missed;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither `sqlite://` nor `postgres://`.
    #[error("`{0}` is not a database scheme: use sqlite://FILE or postgres://USER@HOST/NAME")]
    UnknownScheme(String),
    /// The folder of the SQLite file.
    #[error("cannot use the folder {folder}: {source}")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database does not open.
    #[error("cannot open {what}: {source}")]
    Open {
        /// Which.
        what: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Migrations that this program does not know have been applied.
    #[error(
        "the database was made by a newer version of tidings (it has migration {found}, this program knows up to {known}): use that version or newer"
    )]
    Newer {
        /// The newest migration in the database.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A migration failed.
    #[error("cannot bring the database up to date: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// The disk is full, or the file may not grow.
    #[error("the database cannot be written, the disk is full: make room and start again (nothing is lost)")]
    DiskFull,
    /// A statement failed.
    #[error("database: {0}")]
    Sql(sqlx::Error),
    /// PostgreSQL was waited for, for so long, and did not answer.
    #[error("the database did not answer within {0:?}")]
    NoAnswer(std::time::Duration),
    /// It has become silent or gone while something was asked.
    #[error("the database has stopped answering")]
    Silent,
    /// A row that this program cannot have written.
    #[error("table {table}, row {row}: {problem}")]
    BadRow {
        /// Where.
        table: &'static str,
        /// Which.
        row: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Something that must exist does not.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// A name that is not enough to say which node is meant.
    #[error("several nodes are called `{name}`: name one by its owner: {}", .owners.join(", "))]
    SeveralNodes {
        /// The name.
        name: String,
        /// Those that are called so.
        owners: Vec<String>,
    },
    /// A template that a campaign is to send.
    #[error("campaign {campaign} is to send the template `{name}` and has not started: cancel it first")]
    TemplateInUse {
        /// The template.
        name: String,
        /// The first of the campaigns.
        campaign: CampaignId,
    },
    /// The state of a campaign does not allow it.
    #[error(transparent)]
    NotAllowed(#[from] tidings_campaign::lifecycle::NotAllowed),
    /// A campaign that would be held again at once.
    #[error("it cannot go on: {missed}, `tidings campaign schedule {campaign} --now` or --at a later time")]
    Missed {
        /// The campaign.
        campaign: CampaignId,
        /// By how much.
        missed: Missed,
    },
    /// Nobody would be reached, because nothing was chosen.
    #[error("choose at least one state: rejected, expired, withheld or unknown")]
    NoState,
    /// A campaign to those not reached, while it is not known yet who is reached.
    #[error(
        "campaign {parent} is {state}: those it did not reach are known when it is finished or cancelled"
    )]
    ParentNotDone {
        /// The campaign.
        parent: CampaignId,
        /// Where it is.
        state: CampaignState,
    },
    /// What would have to be known of each recipient is not there any more.
    #[error(
        "the single deliveries of campaign {campaign} were removed by retention on {day}: who was reached is not known any more"
    )]
    DeliveriesRemoved {
        /// The campaign.
        campaign: CampaignId,
        /// When, in UTC: `2026-12-01`.
        day: String,
    },
    /// What somebody else has written since would be lost.
    #[error("somebody else has changed campaign {0} since you opened it")]
    WrittenMeanwhile(CampaignId),
    /// The same of a template.
    #[error("somebody else has saved {0} since you opened it")]
    TemplateSavedMeanwhile(String),
    /// What a campaign says is fixed from its start on.
    #[error(
        "campaign {campaign} is {state}: what it says is fixed; use it again as a draft to write another"
    )]
    WritingIsFixed {
        /// The campaign.
        campaign: CampaignId,
        /// Where it is.
        state: CampaignState,
    },
    /// Only what was never to go out is removed.
    #[error("campaign {campaign} is {state}: only a draft can be removed; cancel it instead")]
    NoDraft {
        /// The campaign.
        campaign: CampaignId,
        /// Where it is.
        state: CampaignState,
    },
    /// A state in which no delivery stays.
    #[error(
        "a delivery that is {0} has no outcome yet: choose among accepted, rejected, expired, withheld, unknown"
    )]
    NoOutcome(DeliveryState),
    /// A lock file beside the SQLite file.
    #[error("cannot lock {file}: {source}")]
    LockFile {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An import that is not where it would have to be for this.
    #[error("import {import} is {state}: {advice}")]
    ImportNotAllowed {
        /// Which.
        import: ImportId,
        /// Where it is.
        state: String,
        /// What can be done.
        advice: &'static str,
    },
    /// A finding that is not there, or that nobody may take on.
    #[error(
        "this finding is not among the amber ones of the campaign's newest pre-flight list: look at the list again"
    )]
    NotInPreflight,
    /// Others wrote the same rows again and again.
    #[error("the database is contended: the same rows are written by others; try again")]
    Contended,
    /// An installation that is taken elsewhere, or from elsewhere.
    #[error(transparent)]
    Transfer(#[from] crate::transfer::TransferError),
    /// The operating system has no randomness to give.
    #[error("no random numbers from the operating system: {0}")]
    Random(getrandom::Error),
}

/// SQLITE_FULL, and SQLITE_IOERR_WRITE, which is how a file-size limit (EFBIG) shows.
const DISK_FULL_CODES: [&str; 2] = ["13", "778"];

/// Beside PostgreSQL's 57P0x (it shuts down or starts up) and 08xxx (connection): serialisation and deadlock; read only, so it is
/// a standby; too many connections; a transaction in which we were silent for too long; a statement that somebody, or a time limit of the
/// server's, has cancelled; and SQLITE_BUSY.
const PASSING: [&str; 7] = ["40001", "40P01", "25006", "53300", "25P03", "57014", "5"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code());
        // 53100 is PostgreSQL's disk_full.
        match code.as_deref() {
            Some(code) if DISK_FULL_CODES.contains(&code) || code == "53100" => StoreError::DiskFull,
            _ => StoreError::Sql(error),
        }
    }
}

impl StoreError {
    /// Whether the transaction was undone because it and another wrote the same rows (PostgreSQL's 40001 and 40P01): it may
    /// be begun again at once.
    pub(crate) fn is_deadlock(&self) -> bool {
        let StoreError::Sql(sqlx::Error::Database(error)) = self else {
            return false;
        };
        error
            .code()
            .is_some_and(|code| code == "40001" || code == "40P01")
    }

    /// Whether it is an answer to the person who asked, rather than a fault of the database: as things stand, what was asked
    /// cannot be done.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            StoreError::NotAllowed(_)
                | StoreError::Missed { .. }
                | StoreError::NoState
                | StoreError::NotInPreflight
                | StoreError::ParentNotDone { .. }
                | StoreError::DeliveriesRemoved { .. }
                | StoreError::WrittenMeanwhile(_)
                | StoreError::TemplateSavedMeanwhile(_)
                | StoreError::WritingIsFixed { .. }
                | StoreError::NoDraft { .. }
                | StoreError::NoOutcome(_)
        )
    }

    /// Whether trying again in a while may help: the connection was lost or the server restarts.
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Sql(error) | StoreError::Open { source: error, .. } => match error {
                sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::Tls(_)
                | sqlx::Error::BeginFailed
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed => true,
                sqlx::Error::Database(e) => e.code().is_some_and(|code| {
                    code.starts_with("57P") || code.starts_with("08") || PASSING.contains(&&*code)
                }),
                _ => false,
            },
            StoreError::Contended | StoreError::NoAnswer(_) | StoreError::Silent => true,
            _ => false,
        }
    }
}

/// Makes the error for a row that does not parse.
pub(crate) fn bad_row(table: &'static str, row: impl ToString, problem: impl ToString) -> StoreError {
    StoreError::BadRow {
        table,
        row: row.to_string(),
        problem: problem.to_string(),
    }
}
