//! The newest of what was committed and can be looked up. One task commits everything of a process, one batch after the other: a
//! database that knows the newest knows all.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tidings_store::ledger::{Batch, Held, Outcome};
use tidings_store::{Store, StoreError};

/// A delivery that was put on the wire or accepted in the last commits. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest(Arc<Mutex<Option<Known>>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    held: Held,
    is_accepted: bool,
}

impl Newest {
    /// A batch has been committed.
    pub(super) fn follow(&self, batch: &Batch, granted: &HashSet<Held>) {
        let on_wire = batch.on_wire.iter().rev().find(|held| granted.contains(held));
        let accepted = batch.settled.iter().rev();
        let accepted = accepted
            .filter(|settled| matches!(settled.outcome, Outcome::Accepted(_)))
            .map(|settled| &settled.held);
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = on_wire.or(accepted.into_iter().next()) {
            *newest = Some(Known {
                held: *held,
                is_accepted: on_wire.is_none(),
            });
        } else if newest.is_some_and(|known| batch.settled.iter().any(|settled| settled.held == known.held)) {
            // It may go again, and look as if it had not been tried.
            *newest = None;
        }
    }

    /// Whether a database knows it.
    pub(crate) async fn is_known_to(&self, store: &Store) -> Result<bool, StoreError> {
        let newest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match newest {
            Some(known) => store.remembers(known.held, known.is_accepted).await,
            None => Ok(true),
        }
    }
}
