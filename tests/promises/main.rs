//! What Tidings promises, one file per promise, through the real binary. Run with `cargo xtask test`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod again;
mod archive;
mod attachments;
mod bad_input;
mod bounces;
mod campaigns;
mod commands;
mod configuration;
mod crash;
mod dashboard;
mod disk_full;
mod dns;
mod exports;
mod feedback;
mod hits;
mod import;
mod import_formats;
mod import_jobs;
mod in_a_browser;
mod interop;
mod keys;
mod layers;
mod listener;
mod machine_output;
mod mailboxes;
mod messages;
mod migrations;
mod protocol;
mod refusals;
mod relay_diagnosis;
mod relay_faults;
mod relays;
mod restore;
mod sign_up;
mod statistics;
mod stop;
mod store;
mod suppression_by_bounce;
mod templates;
mod thresholds;
mod tracking;
mod translations;
mod unsubscribe;
mod webhooks;
