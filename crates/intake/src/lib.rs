//! Feedback from outside: each way in brings mail or posts, [`Intake`] understands them and keeps them for good.
//!
//! Nothing is answered, moved or deleted outside before [`Intake`] has said that it is durable.

mod arrival;
pub mod imap;
mod intake;
pub mod listener;
pub mod maildir;
pub mod webhook;

pub use arrival::{Arrival, Mail, Post};
pub use intake::{Intake, IntakeError};
