//! Who is asking, and what they may do: people who have signed in, programs with a token, and guests where there is no door.
//!
//! The gate (`gate.rs`) stands before every address of the dashboard but the few that let people in. It finds out who asks
//! (`visitor.rs`), whether their role is enough (`permission.rs`), and whether a change comes from a page of ours
//! (`csrf.rs`).

pub(crate) mod csrf;
pub(crate) mod gate;
pub(crate) mod password;
pub(crate) mod permission;
pub(crate) mod recovery;
mod secret;
pub(crate) mod throttle;
pub(crate) mod totp;
pub(crate) mod visitor;

pub use secret::Secret;
pub(crate) use visitor::Visitor;

use password::Passwords;
use std::sync::{Mutex, PoisonError};
use throttle::Throttle;
use tidings_store::people::Role;

/// What the door of the dashboard remembers.
pub(crate) struct Door {
    pub(crate) passwords: Passwords,
    throttle: Mutex<Throttle>,
    /// What whoever comes may do without signing in; and what their changes must bring along.
    guests: Option<(Role, String)>,
}

impl Door {
    /// `guests`: what whoever comes may do; none if people must sign in.
    pub(crate) fn new(guests: Option<Role>) -> Result<Door, getrandom::Error> {
        let guests = match guests {
            Some(role) => Some((role, Secret::random()?.expose().to_owned())),
            None => None,
        };
        Ok(Door {
            passwords: Passwords::new(),
            throttle: Mutex::new(Throttle::default()),
            guests,
        })
    }

    /// Asks or tells the throttle.
    pub(crate) fn throttle<T>(&self, ask: impl FnOnce(&mut Throttle) -> T) -> T {
        // It holds counts, which a panic elsewhere leaves whole.
        ask(&mut self.throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
