//! All SQL, for both engines: one file per family of tables; [`deliveries`] is the ledger.

mod aside;
pub mod attempts;
mod bulk;
pub mod campaign_files;
pub mod campaigns;
mod cancelled;
mod children;
mod counters;
pub mod deliveries;
pub mod domain_providers;
pub mod engine;
pub mod error;
pub mod exports;
pub mod feedback;
pub mod imports;
pub mod instance;
pub mod leases;
pub mod ledger;
pub mod limit_usage;
pub mod lists;
mod outcome;
pub mod recipient_record;
pub mod recipients;
mod schema;
pub mod send_status;
pub mod signing_keys;
pub mod stats;
pub mod suppressions;
pub mod templates;
pub mod transcripts;
mod transitions;
pub mod translations;
pub mod unsubscribes;

pub use engine::{Store, Tx, place_of};
pub use error::StoreError;
