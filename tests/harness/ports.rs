//! Ports of loopback for servers that are not ours and cannot be asked which port they got.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to whoever asks for any, above those of the scripted relays.
static NEXT: AtomicU16 = AtomicU16::new(32_000);
const LAST: u16 = 32_767;

/// A port that nobody listens on, given out once.
pub fn free_port() -> u16 {
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed))
        .take_while(|port| *port < LAST)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
