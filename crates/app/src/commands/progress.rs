//! How far a long command is, on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Tells how far it is: on a terminal twice a second in one line, else every five seconds.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    next: Instant,
}

impl Progress {
    /// Nothing has been told yet.
    pub fn new() -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress {
            terminal,
            next: Instant::now() + every(terminal),
        }
    }

    /// Until it is time to tell it again.
    pub async fn time(&self) {
        tokio::time::sleep_until(self.next.into()).await;
    }

    /// Tells nothing this time.
    pub fn later(&mut self) {
        self.next = Instant::now() + every(self.terminal);
    }

    /// Tells it, if it is time to.
    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        if Instant::now() < self.next {
            return;
        }
        self.later();
        let end = if self.terminal { "\x1b[K\r" } else { "\n" };
        // Progress is a courtesy: nobody may be there to read it.
        let _ = write!(std::io::stderr(), "{}{end}", text());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\x1b[K");
        }
    }
}

fn every(terminal: bool) -> Duration {
    Duration::from_millis(if terminal { 500 } else { 5_000 })
}
