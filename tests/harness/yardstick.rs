//! What excuses a promise about time on a machine that is busy with other tests: what was measured meanwhile, and nothing else.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Within so long whatever is changed has taken effect at the receiver.
const EFFECT: Duration = Duration::from_secs(2);
/// Threads that must have their turn one after the other until a change has taken effect: the sender's look at the campaign, the
/// recorder, the session, the relay, and the test that looks.
const TURNS: u32 = 5;
/// What must be on the disk before a change has taken effect: the change, and what the recorder was writing then.
const COMMITS: u32 = 2;

/// Sleeps a little, again and again, and notes how much too late it was woken: so late is each thread of a machine that is busy
/// with other tests, whatever it does. Writes a few octets to the disk in between, and notes how long that took.
pub struct Yardstick {
    is_over: Arc<AtomicBool>,
    sleeper: Option<JoinHandle<Lateness>>,
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
        const NAPS_BETWEEN_WRITES: usize = 20;
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let sleeper = std::thread::spawn(move || {
            let mut late = Lateness::default();
            let file = tempfile::tempfile().expect("a temporary file");
            while !seen.load(Ordering::Relaxed) {
                let due = Instant::now() + NAP;
                std::thread::sleep(NAP);
                let woken = Instant::now();
                late.naps.push(Nap { due, woken });
                if late.naps.len() % NAPS_BETWEEN_WRITES == 0 {
                    write(&file);
                    late.longest_write = late.longest_write.max(woken.elapsed());
                }
            }
            late
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
        sleeper.join().expect("a thread that sleeps and writes")
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Puts an octet more on the disk.
fn write(mut file: &File) {
    let written = file.write_all(b".").and_then(|()| file.sync_data());
    written.expect("a temporary file that can be written");
}

/// How late threads were woken, and when; and how long the disk took at worst.
#[derive(Default)]
pub struct Lateness {
    naps: Vec<Nap>,
    longest_write: Duration,
}

impl Lateness {
    /// How much later than on an idle machine something can have happened: as long as each of [`TURNS`] threads had to wait at
    /// worst, and the disk for each of [`COMMITS`].
    pub fn excuse(&self) -> Duration {
        worst(self.naps.iter()) * TURNS + self.longest_write * COMMITS
    }

    /// The same of what happened between two moments.
    pub fn excuse_between(&self, from: Instant, to: Instant) -> Duration {
        worst(self.naps.iter().filter(|nap| nap.woken >= from && nap.due <= to)) * TURNS
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
        let naps = vec![nap(10, 0), nap(20, 300), nap(330, 2), nap(342, 1)];
        let lateness = Lateness {
            naps,
            longest_write: Duration::from_millis(40),
        };
        let excused = |from: u64, to: u64| {
            let at = |ms| begun + Duration::from_millis(ms);
            lateness.excuse_between(at(from), at(to)).as_millis()
        };
        assert_eq!(lateness.excuse().as_millis(), 1_580);
        assert_eq!((excused(0, 15), excused(100, 200)), (0, 1_500));
        assert_eq!((excused(325, 335), excused(340, 400)), (10, 5));
    }
}
