//! The dashboard, and the pages that recipients reach: an actix-web server that shows what the counters say.
//!
//! Where to look: [`WebSettings`] and [`bind`] in `server.rs`; who may reach what in `access.rs` and `people.rs`; the frame of the
//! dashboard's pages in `shell.rs`, each page in a file of `routes/`, figures as people read them in `figures/`, and what changes
//! while one looks in `live.rs`; style and scripts in `assets.rs`; the unsubscribe link in `routes/unsubscribe.rs`, and how
//! one-clicks are gathered in `one_clicks.rs`; what recipients see and change of themselves in `routes/preferences.rs`; what
//! recipients read, in their
//! languages, in `public/`; newsletters in a browser in `newsletters.rs`, `routes/view.rs` and `routes/archive.rs`; the open
//! pixel and tracked links in `routes/hits.rs`, and how they are recorded in `hits.rs`; signing up for lists in `sign_up.rs`, `routes/sign_up.rs` and `routes/opt_in.rs`; the configuration
//! as it is shown and changed in `operator.rs` and `routes/settings/`.

mod access;
mod assets;
mod composer;
mod download;
mod figures;
mod hits;
mod live;
mod newsletters;
mod one_clicks;
pub mod operator;
mod pages;
mod people;
mod preferences;
mod public;
mod routes;
mod server;
mod shell;
mod sign_up;
mod site;

pub use composer::{Composed, Composer};
pub use hits::HitSettings;
pub use live::ThresholdsNow;
pub use people::Secret;
pub use preferences::PreferenceSettings;
pub use public::brand::{Brand, BrandError, Colour, Logo};
pub use server::{BoundServer, WebError, WebSettings, bind};
pub use sign_up::{NetworksKept, SignUpSettings, embeddable_form};
