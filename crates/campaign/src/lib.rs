//! What to send, and to whom. Pure: no sockets, no SQL, no async, no ambient clock.

pub mod address;
pub mod csv_import;
pub mod eligibility;
mod html;
pub mod ids;
pub mod language;
pub mod leaving;
pub mod letter;
pub mod lifecycle;
pub mod merge;
pub mod message;
pub mod preferences;
pub mod preview;
pub mod provider;
pub mod recipient;
pub mod rows;
pub mod schedule;
pub mod sign_up;
pub mod spreadsheet_safe;
pub mod starters;
pub mod suppression;
pub mod template;
mod text_part;
pub mod time;
pub mod token;
pub mod tracking;
