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
    /// A batch is about to be committed: what it gives back looks afterwards as if it had not been tried.
    pub(super) fn prepare(&self, batch: &Batch) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_given_back = |known: Known| {
            let mut settled = batch.settled.iter();
            settled.any(|settled| settled.held == known.held && may_look_untried(&settled.outcome))
        };
        if newest.is_some_and(is_given_back) {
            *newest = None;
        }
    }

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
        }
    }

    /// From now on it is another database's, which does not know it.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a database knows it; nobody knows of none.
    pub(crate) async fn is_known_to(&self, store: &Store) -> Result<bool, StoreError> {
        let newest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match newest {
            Some(known) => store.remembers(known.held, known.is_accepted).await,
            None => Ok(true),
        }
    }
}

fn may_look_untried(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Accepted(_) | Outcome::Rejected(..) | Outcome::Expired(..) | Outcome::Deferred(..) => false,
        Outcome::Returned | Outcome::PutAside { .. } | Outcome::Unknown { .. } | Outcome::Withheld { .. } => {
            true
        }
    }
}
