//! What the promises in `tests/promises` are written with: the real binary, a database of its own on either engine,
//! and a relay that counts what it accepted.
//!
//! ```ignore
//! on_both_engines!(every_recipient_gets_the_campaign, |app| {
//!     app.import("readers", 100);
//!     let campaign = app.campaign("readers");
//!     let show = app.send(campaign);
//!     assert_eq!(show.count("accepted"), 100);
//!     assert_eq!(app.relay.accepted_by_recipient().len(), 100);
//! });
//! ```

mod app;
mod arrivals;
mod authority;
mod browser;
mod cluster;
mod database;
mod dns_server;
mod faultsink;
mod fresh_store;
mod imap_server;
mod jail;
mod mail_client;
mod mail_server;
mod ports;
mod postgres;
mod process;
mod proxy;
mod random;
mod relay;
mod rendering;
pub mod reports;
mod server;
mod settings;
mod show;
mod small_cluster;
mod small_disk;
mod yardstick;

pub use app::App;
pub use arrivals::Arrivals;
pub use authority::{Authority, Issued};
pub use browser::{Browser, Theme};
pub use cluster::Cluster;
pub use database::{Database, Engine};
pub use dns_server::DnsServer;
pub use faultsink::Faultsink;
pub use fresh_store::FreshStore;
pub use imap_server::ImapServer;
pub use mail_client::MailClient;
pub use mail_server::{Encryption, Kind as MailServerKind, MailServer, PASSWORD, USER};
pub use ports::free_port;
pub use process::{Output, Running};
pub use proxy::Proxy;
pub use random::Random;
pub use relay::Relay;
pub use rendering::Rendering;
pub use server::Server;
pub use settings::Settings;
pub use show::{Show, assert_ledger_adds_up};
pub use small_cluster::SmallCluster;
pub use small_disk::SmallDisk;
pub use tidings_scripted_relay as script;
pub use yardstick::{Lateness, Yardstick};

/// The value that `cargo xtask test` hands to the tests; without it the test fails and says so.
fn from_xtask(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests with `cargo xtask test`"))
}

/// Sets the permissions of a file or folder.
fn permit(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a file of ours");
}

/// A machine may be so many times as slow as ours is while nothing else runs.
const BUSY: u64 = 3;

/// Calls `done` until it is true; panics with `what` when it is not within `seconds` on a machine that has nothing else to do. What
/// a promise says about time is measured with a [`Yardstick`] instead.
#[track_caller]
pub fn wait_until(what: &str, seconds: u64, mut done: impl FnMut() -> bool) {
    let seconds = seconds * BUSY;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while !done() {
        assert!(
            std::time::Instant::now() < deadline,
            "after {seconds} s still not: {what}"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Writes one promise and has it tested on both engines: `name::sqlite` and `name::postgres`. The body gets a fresh
/// [`App`].
#[macro_export]
macro_rules! on_both_engines {
    ($name:ident, |$app:ident| $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "a promise need not use anything of its file")]
            use super::*;

            fn promise($app: &$crate::App) {
                $body
            }

            #[test]
            fn sqlite() {
                promise(&$crate::App::start($crate::Engine::Sqlite));
            }

            #[test]
            fn postgres() {
                promise(&$crate::App::start($crate::Engine::Postgres));
            }
        }
    };
}

/// The same for a promise of `tidings-store` alone, without the binary. The body is async and gets a [`FreshStore`].
/// In the end the counters of every campaign must agree with its ledger.
#[macro_export]
macro_rules! store_on_both_engines {
    ($name:ident, |$store:ident| $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "a promise need not use anything of its file")]
            use super::*;

            async fn promise($store: &$crate::FreshStore) {
                $body
            }

            #[test]
            fn sqlite() {
                $crate::FreshStore::test($crate::Engine::Sqlite, promise);
            }

            #[test]
            fn postgres() {
                $crate::FreshStore::test($crate::Engine::Postgres, promise);
            }
        }
    };
}
