//! Where sessions wait.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Where the sessions of a relay wait. Those with a connection are woken first, so that a slow campaign does not open
/// connections for nothing.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) connected: Notify,
    pub(super) cold: Notify,
    pub(super) connected_waiting: AtomicUsize,
    /// Nobody may open one more connection for now: those without need not be woken for a message.
    pub(super) crowded: AtomicBool,
    /// For when the earliest timer of a waiting session is set: one is enough for all.
    pub(super) timer: AtomicI64,
}

impl Port {
    pub(super) fn new() -> Port {
        Port {
            connected: Notify::new(),
            cold: Notify::new(),
            connected_waiting: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            timer: AtomicI64::new(i64::MAX),
        }
    }

    pub(super) fn wake_one(&self) {
        // Where it is crowded, one may be about to wait.
        if self.connected_waiting.load(Ordering::Relaxed) > 0 || self.crowded.load(Ordering::Relaxed) {
            self.connected.notify_one();
        } else {
            self.cold.notify_one();
        }
    }

    /// One that waits may connect.
    pub(super) fn let_connect(&self) {
        self.crowded.store(false, Ordering::Relaxed);
        self.cold.notify_one();
    }

    pub(super) fn wake_all(&self) {
        self.connected.notify_waiters();
        self.cold.notify_waiters();
    }
}

/// A session with a connection that waits, counted.
pub(super) struct Waits<'a>(&'a Port);

impl<'a> Waits<'a> {
    pub(super) fn at(port: &'a Port) -> Waits<'a> {
        port.connected_waiting.fetch_add(1, Ordering::Relaxed);
        Waits(port)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.connected_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
