//! What excuses a promise about time on a machine that is busy with other tests: what was measured meanwhile, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Within so long whatever is changed has taken effect at the receiver.
const EFFECT: Duration = Duration::from_secs(2);
/// Threads that must have their turn one after the other until a change has taken effect: the sender's look at the campaign, the
/// recorder, the session, the relay, and the test that looks.
const TURNS: u32 = 5;

/// Sleeps a little, again and again, and notes how much too late it was woken: so late is each thread of a machine that is busy
/// with other tests, whatever it does.
pub struct Yardstick {
    is_over: Arc<AtomicBool>,
    sleeper: Option<JoinHandle<Vec<Nap>>>,
}

/// When a nap was to end, and when it did.
#[derive(Clone, Copy)]
struct Nap {
    due: Instant,
    woken: Instant,
}

impl Yardstick {
    /// Measures from now on.
    pub fn begin() -> Yardstick {
        const NAP: Duration = Duration::from_millis(10);
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let sleeper = std::thread::spawn(move || {
            let mut naps = Vec::new();
            while !seen.load(Ordering::Relaxed) {
                let due = Instant::now() + NAP;
                std::thread::sleep(NAP);
                let woken = Instant::now();
                naps.push(Nap { due, woken });
            }
            naps
        });
        Yardstick {
            is_over,
            sleeper: Some(sleeper),
        }
    }

    /// Panics unless this is within two seconds; on a busy machine, and as much more as it excuses.
    #[track_caller]
    pub fn assert_in_time(self, what: &str, took: Duration) {
        let excuse = self.end().excuse();
        assert!(
            took <= EFFECT + excuse,
            "{what} took effect after {took:?}; the machine excuses {excuse:?}"
        );
    }

    /// What was measured.
    pub fn end(mut self) -> Lateness {
        self.is_over.store(true, Ordering::Relaxed);
        let sleeper = self.sleeper.take().expect("it is taken only here");
        Lateness(sleeper.join().expect("a thread that only sleeps"))
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// How late threads were woken, and when.
pub struct Lateness(Vec<Nap>);

impl Lateness {
    /// How much later than on an idle machine something can have happened: as long as each of [`TURNS`] threads had to wait at
    /// worst.
    pub fn excuse(&self) -> Duration {
        worst(self.0.iter()) * TURNS
    }

    /// The same of what happened between two moments.
    pub fn excuse_between(&self, from: Instant, to: Instant) -> Duration {
        worst(self.0.iter().filter(|nap| nap.woken >= from && nap.due <= to)) * TURNS
    }
}

fn worst<'a>(naps: impl Iterator<Item = &'a Nap>) -> Duration {
    let late = naps.map(|nap| nap.woken.saturating_duration_since(nap.due));
    late.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_late_at_the_time_is_an_excuse() {
        let begun = Instant::now();
        let nap = |at: u64, late: u64| {
            let due = begun + Duration::from_millis(at);
            let woken = due + Duration::from_millis(late);
            Nap { due, woken }
        };
        let lateness = Lateness(vec![nap(10, 0), nap(20, 300), nap(330, 2), nap(342, 1)]);
        let excused = |from: u64, to: u64| {
            let at = |ms| begun + Duration::from_millis(ms);
            lateness.excuse_between(at(from), at(to)).as_millis()
        };
        assert_eq!(lateness.excuse().as_millis(), 1_500);
        assert_eq!((excused(0, 15), excused(100, 200)), (0, 1_500));
        assert_eq!((excused(325, 335), excused(340, 400)), (10, 5));
    }
}
