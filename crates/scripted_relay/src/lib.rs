//! An SMTP relay on loopback whose answers follow a script: a real listener for tests, for the demo and for
//! rehearsals. It speaks the protocol honestly and misbehaves only where the [`Script`] says so.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use tidings_scripted_relay::{Reply, Rule, Script, ScriptedRelay, Who};
//!
//! let script = Script::accepting()
//!     .rule(Rule::rcpt(Reply::new(550, "5.1.1", "no such user")).to(Who::local_starts_with("gone.")))
//!     .rule(Rule::rcpt(Reply::new(451, "4.7.1", "try again later")).to(Who::domain("slow.test")).first(1));
//! let relay = ScriptedRelay::start(script, ([127, 0, 0, 1], 0).into()).await?;
//! println!("{}", relay.url());
//! relay.stop().await;
//! # Ok(())
//! # }
//! ```

mod content;
mod dialogue;
mod judge;
mod record;
mod relay;
mod rule;
mod script;
mod session;
mod tls;

pub use record::{Acceptance, Client, Counts, Parameters};
pub use relay::{Outage, ScriptedRelay};
pub use rule::{Cut, Moment, Reply, Rule, Who};
pub use script::{Extensions, Mechanism, Script};
pub use tls::Identity;
