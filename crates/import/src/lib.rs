//! Imports as jobs: files are opened and looked at, read in a thread of their own, and written batch by batch, so that an import
//! can be gone on with after whatever ended it, and taken back.
//!
//! Where to look: what is remembered of an import in `job.rs`; opening and reading in `reading.rs`; the import under way in
//! `running.rs`; going on with one whose process is gone in `resuming.rs`; taking one back in `undo.rs`; files of rejected rows and
//! remarks in `row_file.rs`; which files of the data folder are an import's in `belonging.rs`; checks on wish in `checks.rs`; lists of suppressions in `suppression_list.rs`; why a
//! file is refused, for people with a page before them, in `page_words.rs`. What a server does with
//! these for people who look at pages is in `uploads.rs` and `importer.rs`.

mod belonging;
mod checks;
mod importer;
mod job;
mod mail_domains;
mod page_words;
mod reading;
pub mod resuming;
mod row_file;
mod running;
mod suppression_list;
mod undo;
mod uploads;
mod wishes;

pub use belonging::belongs_to_imports;
pub use checks::{Check, Checking, Found, UnknownCheck, has_remarks};
pub use importer::{Begun, Importer, Rejected, Suppressing, Trial, TrialState};
pub use job::{Job, JobFile, take_stock};
pub use reading::{Input, Source, open_all};
pub use row_file::{REJECTS, REMARKS, RowFile, RowFileKind};
pub use running::{Beside, Done, Listener, count, to_the_end};
pub use suppression_list::{SuppressionCounts, SuppressionList, suppress_by_hash};
pub use undo::{TakenBack, TakingBack, kept_file};
pub use uploads::{Incoming, NoUploadId, Purpose, UPLOADS, Upload, UploadFault, UploadId, Uploads};
pub use wishes::Wishes;
