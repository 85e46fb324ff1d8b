//! The end of a sender: what is on the wire is finished, the rest given back, and the ledger written.

use super::*;

impl Sender {
    /// Finishes what is on the wire, gives back the rest and waits for the ledger.
    pub(super) async fn stop(mut self) -> Result<(), SenderError> {
        let deadline = Instant::now() + self.settings.deadline;
        for running in self.running.values() {
            running.run.stop();
        }
        self.finish.cancel();
        // What waits is let go, so that its leases are given back.
        self.dispatcher.close();
        let all_done = async { while self.sessions.join_next().await.is_some() {} };
        if timeout(self.settings.deadline, all_done).await.is_err() {
            // Answers that have not come by now are recorded as lost.
            self.abort.cancel();
            let all_done = async { while self.sessions.join_next().await.is_some() {} };
            let _ = timeout(LAST_WORDS, all_done).await;
            self.sessions.shutdown().await;
        }
        // Nothing uses a limit any more: others may have what this process held.
        self.share_end.cancel();
        let shares = async { while self.sharing.join_next().await.is_some() {} };
        let _ = timeout(left(deadline), shares).await;
        self.sharing.shutdown().await;
        let feeds = async {
            for running in self.running.values_mut() {
                let _ = (&mut running.feed).await;
            }
        };
        let _ = timeout(left(deadline), feeds).await;
        for running in self.running.values() {
            running.feed.abort();
        }
        let look_ups = async { while self.look_ups.join_next().await.is_some() {} };
        let _ = timeout(left(deadline), look_ups).await;
        self.look_ups.shutdown().await;
        // Deliveries that no session took hold their leases, and those hold the recorder; letters hold their task.
        drop((self.dispatcher, self.running));
        let letters = async { while self.letters.join_next().await.is_some() {} };
        let are_recorded = timeout(left(deadline), letters).await.is_ok();
        self.letters.shutdown().await;
        self.keeping.shutdown().await;
        // With the last handle the recorder writes what is left and ends.
        drop(self.recorder);
        let recorded = match self.recording.is_finished() {
            true => Ok(()),
            false => match timeout(left(deadline), self.recording).await {
                Ok(Ok(outcome)) => outcome.map_err(SenderError::from),
                Ok(Err(_)) => Ok(()),
                Err(_) => Err(SenderError::NotRecorded),
            },
        };
        match are_recorded {
            true => recorded,
            false => recorded.and(Err(SenderError::NotRecorded)),
        }
    }
}

/// What the end of sessions, feeds and recorder get each when the deadline is over.
const LAST_WORDS: Duration = Duration::from_millis(250);

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(LAST_WORDS)
}
