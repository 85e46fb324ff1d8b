//! What stands between a process and its database, and can keep everything to itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// A TCP proxy on loopback. Its threads end with the connections.
pub struct Proxy {
    address: SocketAddr,
    is_stalled: Arc<AtomicBool>,
}

impl Proxy {
    /// To this server.
    pub fn to(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let is_stalled = Arc::<AtomicBool>::default();
        let stalled = Arc::clone(&is_stalled);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let stalled = Arc::clone(&stalled);
                spawn(move || carry(client, server, &stalled));
            }
        });
        Proxy { address, is_stalled }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing comes through, and no connection ends.
    pub fn stall(&self) {
        self.is_stalled.store(true, Ordering::SeqCst);
    }

    /// Everything comes through that was kept back, and what comes next.
    pub fn go_on(&self) {
        self.is_stalled.store(false, Ordering::SeqCst);
    }
}

fn carry(client: TcpStream, server: SocketAddr, stalled: &Arc<AtomicBool>) {
    let Ok(server) = TcpStream::connect(server) else {
        return;
    };
    let back = (server.try_clone(), client.try_clone());
    let (Ok(from), Ok(to)) = back else { return };
    let stalled_too = Arc::clone(stalled);
    spawn(move || pass(from, to, &stalled_too));
    pass(client, server, stalled);
}

fn pass(mut from: TcpStream, mut to: TcpStream, stalled: &AtomicBool) {
    let mut octets = [0; 65_536];
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    loop {
        let n = from.read(&mut octets).unwrap_or(0);
        while stalled.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10));
        }
        if n == 0 || to.write_all(&octets[..n]).is_err() {
            let _ = to.shutdown(std::net::Shutdown::Both);
            let _ = from.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}
