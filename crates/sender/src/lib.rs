//! Moving planned deliveries to relays. A [`sender::Sender`] leases ranges of a campaign's ledger and feeds them to
//! sessions (one task per SMTP connection); the recorder writes what they report, many at a time.

mod brake;
pub mod cancelled;
pub mod certificate;
mod circuit;
pub mod connection;
pub mod dispatch;
mod fault;
mod feed;
pub mod guard;
pub mod job;
pub mod judging;
mod letters;
pub mod limits;
pub mod lock;
mod login;
pub mod oauth;
pub mod own_files;
pub mod pace;
pub mod planner;
mod providers;
mod quota;
pub mod recorder;
pub mod rehearsal;
pub mod relay;
pub mod reply;
pub mod retry;
pub mod run;
pub mod schedule;
pub mod sender;
pub mod session;
mod shaping;
mod sharing;
pub mod timeouts;
pub mod tls;
mod transcript;
