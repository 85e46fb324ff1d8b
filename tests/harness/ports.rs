//! Ports of loopback that nobody else uses while these tests run, another run of them neither. A port may be free for a moment: a relay
//! starts again, a server of another language takes its time. Another run that got it then would deliver its mail to our
//! receiver, or have ours.
//!
//! So a run takes blocks of ports: it keeps the first port of each for itself, which is how others see whose the block is, and
//! gives out the rest, each once. When it ends, however it ends, the system gives the block back.

use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

/// Below the ports that the kernel gives to whoever asks for any.
const FIRST: u16 = 20_000;
const BLOCK: u16 = 64;
const BLOCKS: u16 = 199;

/// The blocks of one run.
struct Ports {
    /// The first port of each.
    kept: Vec<TcpListener>,
    /// What is left of the last.
    left: std::ops::Range<u16>,
}

static OURS: Mutex<Ports> = Mutex::new(Ports {
    kept: Vec::new(),
    left: 0..0,
});

/// A port that nobody listens on, given out once, and by no other run for as long as this one lives.
pub fn free_port() -> u16 {
    OURS.lock().unwrap_or_else(PoisonError::into_inner).next()
}

impl Ports {
    fn next(&mut self) -> u16 {
        loop {
            // What a killed run has left behind may still listen.
            if let Some(port) = self.left.find(|port| listen(*port).is_some()) {
                return port;
            }
            self.take_block();
        }
    }

    /// The first block that is free, from one on that is seldom the same as the last run's.
    fn take_block(&mut self) {
        let somewhere = std::process::id() % u32::from(BLOCKS);
        let somewhere = u16::try_from(somewhere).expect("it is below the number of blocks");
        let (first, kept) = (0..BLOCKS)
            .map(|n| FIRST + (somewhere + n) % BLOCKS * BLOCK)
            .find_map(|first| Some((first, listen(first)?)))
            .expect("a block of ports that no other run of these tests has");
        self.kept.push(kept);
        self.left = first + 1..first + BLOCK;
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn run() -> Ports {
        Ports {
            kept: Vec::new(),
            left: 0..0,
        }
    }

    #[test]
    fn two_runs_have_no_port_in_common_though_nobody_listens() {
        let (mut one, mut other) = (run(), run());
        let n = usize::from(2 * BLOCK);
        let ports: HashSet<u16> = (0..n).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ports.len(), 2 * n);
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_passed_over() {
        let mut ports = run();
        let taken = listen(ports.next() + 1).expect("it is of our block");
        let next = ports.next();
        assert_ne!(next, taken.local_addr().expect("it listens").port());
    }
}
