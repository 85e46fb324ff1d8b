//! Sending without a ledger, to see how it goes.

use crate::dispatch::{Dispatcher, Routing};
use crate::judging::JudgingNow;
use crate::recorder::Recorder;
use crate::relay::RelaySettings;
use crate::session::{self, SessionContext};
use std::sync::Arc;
use tidings_campaign::time::Clock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Starts a relay without limits that sends what is brought to the dispatcher; for rehearsals. Sessions end with
/// [`Dispatcher::close`].
pub fn rehearse(
    dispatcher: &Dispatcher,
    relay: RelaySettings,
    recorder: Recorder,
    judging: &JudgingNow,
    clock: Clock,
) -> JoinSet<()> {
    let routing = Routing {
        relays: vec![relay],
        ..Routing::default()
    };
    let mut sessions = JoinSet::new();
    for (relay_id, settings) in dispatcher.change(&routing, |_| false).opened {
        let context = SessionContext {
            relay: Arc::new(settings),
            dispatcher: dispatcher.clone(),
            relay_id,
            recorder: recorder.clone(),
            judging: judging.clone(),
            clock: clock.clone(),
            store: None,
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
        };
        session::start(&mut sessions, &context);
    }
    sessions
}
