//! What the standards ask of a client that hands mail to a relay: each requirement has its promise.

mod extensions;
mod login;
mod sessions;
mod tls;

use std::time::Duration;
use tidings_tests::script::{Acceptance, Extensions, Mechanism, Moment, Outage, Reply, Rule, Script, Who};
use tidings_tests::{App, Authority, Engine, Show, on_both_engines, wait_until};

/// An installation whose campaigns need no second engine: what is promised happens on the wire.
fn app() -> App {
    App::start(Engine::Sqlite)
}

/// Sends a campaign to `n` readers and expects all of them to get it; what the relay took.
#[track_caller]
fn send_to(app: &App, n: usize) -> Vec<Acceptance> {
    app.import("readers", n);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);
    assert_eq!(show.count("accepted"), n as u64, "{show}");
    assert_eq!(app.relay.reached_once().len(), n);
    assert_eq!(app.relay.counts().bad_commands, 0, "the relay was told nonsense");
    app.relay.accepted()
}

fn bare() -> Extensions {
    Extensions {
        pipelining: false,
        eight_bit_mime: false,
        size: None,
        smtputf8: false,
        dsn: false,
        enhanced_status_codes: false,
    }
}

/// Lets the relay speak TLS and the installation trust it; the URL has `{port}` for the port.
fn trust(app: &App, url: &str, script: impl FnOnce(&tidings_tests::Issued) -> Script) {
    let authority = Authority::new("The Test's Authority");
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    app.relay.follow(script(&issued));
    let file = app.write("ca.pem", &authority.pem);
    app.configure(|settings| {
        settings.url = Some(url.to_owned());
        settings.more = format!("ca_file = \"{}\"\n", file.display());
    });
}

#[track_caller]
fn more(app: &App, lines: &str) {
    app.configure(|settings| settings.more.push_str(lines));
}

// ---- EHLO and its announcements
