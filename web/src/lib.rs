//! The dashboard, and the pages that recipients reach: an actix-web server that shows what the counters say.
//!
//! Where to look: [`WebSettings`] and [`bind`] in `server.rs`; who may reach what in `access.rs`; the figures of
//! the dashboard in `live.rs` and `view.rs`; the unsubscribe link in `routes/unsubscribe.rs`; what recipients
//! see and change of themselves in `routes/preferences.rs`; what recipients read, in their
//! languages, in `public/`; newsletters in a browser in `newsletters.rs`, `routes/view.rs` and `routes/archive.rs`; the open
//! pixel and tracked links in `routes/hits.rs`, and how they are recorded in `hits.rs`; signing up for lists in `sign_up.rs`, `routes/sign_up.rs` and `routes/opt_in.rs`.

mod access;
mod hits;
mod live;
mod newsletters;
mod pages;
mod preferences;
mod public;
mod routes;
mod server;
mod sign_up;
mod site;
mod view;

pub use hits::HitSettings;
pub use preferences::PreferenceSettings;
pub use public::brand::{Brand, BrandError, Colour, Logo};
pub use server::{BoundServer, WebError, WebSettings, bind, check_listen};
pub use sign_up::{NetworksKept, SignUpSettings, embeddable_form};
