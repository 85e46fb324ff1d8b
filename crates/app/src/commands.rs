//! One file for each command.

pub mod again;
pub mod attempts;
pub mod bounce;
pub mod campaign;
pub mod check;
pub mod export;
pub mod import;
pub mod key;
pub mod list;
pub mod node;
pub mod recipient;
pub mod rehearse;
pub mod relay;
pub mod retention;
pub mod send;
pub mod serve;
pub mod shown;
pub mod stats;
pub mod suppression;
pub mod template;
pub mod token;
pub mod transcripts;
pub mod user;
pub mod vacuum;
