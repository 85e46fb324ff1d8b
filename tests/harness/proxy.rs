//! What stands between a process and its database, and can keep everything to itself.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// A TCP proxy on loopback. Its threads end with the connections.
pub struct Proxy {
    address: SocketAddr,
    is_stalled: Arc<AtomicBool>,
    carried: Arc<Mutex<Vec<Carried>>>,
}

/// A connection that is there.
#[derive(Clone)]
struct Carried {
    server: Arc<TcpStream>,
    is_forgotten: Arc<AtomicBool>,
    is_stalled: Arc<AtomicBool>,
}

impl Proxy {
    /// To this server.
    pub fn to(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = Proxy {
            address: listener.local_addr().expect("it listens"),
            is_stalled: Arc::default(),
            carried: Arc::default(),
        };
        let (is_stalled, carried) = (Arc::clone(&proxy.is_stalled), Arc::clone(&proxy.carried));
        spawn(move || {
            for client in listener.incoming().flatten() {
                let (is_stalled, carried) = (Arc::clone(&is_stalled), Arc::clone(&carried));
                spawn(move || carry(client, server, is_stalled, &carried));
            }
        });
        proxy
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

    /// As a router that was started anew: the server's ends of all connections are gone, and whoever is at the other end is never
    /// answered again. New connections are carried.
    pub fn forget(&self) {
        for carried in self.carried.lock().expect("nobody panics with it").drain(..) {
            carried.is_forgotten.store(true, Ordering::SeqCst);
            // It may have ended already.
            let _ = carried.server.shutdown(Shutdown::Both);
        }
        self.go_on();
    }
}

fn carry(client: TcpStream, server: SocketAddr, is_stalled: Arc<AtomicBool>, all: &Mutex<Vec<Carried>>) {
    let Ok(server) = TcpStream::connect(server) else {
        return;
    };
    let both = (server.try_clone(), server.try_clone(), client.try_clone());
    let (Ok(server), Ok(from), Ok(to)) = both else {
        return;
    };
    let carried = Carried {
        server: Arc::new(server),
        is_forgotten: Arc::default(),
        is_stalled,
    };
    all.lock().expect("nobody panics with it").push(carried.clone());
    let Ok(server) = from.try_clone() else { return };
    let back = carried.clone();
    // The client's end stays open when the connection is forgotten, and is read to its end.
    spawn(move || pass(from, to, &back));
    pass(client, server, &carried);
}

fn pass(mut from: TcpStream, mut to: TcpStream, carried: &Carried) {
    let mut octets = [0; 65_536];
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    loop {
        let n = from.read(&mut octets).unwrap_or(0);
        while carried.is_stalled.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10));
        }
        if carried.is_forgotten.load(Ordering::SeqCst) {
            if n == 0 {
                return;
            }
        } else if n == 0 || to.write_all(&octets[..n]).is_err() {
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
    }
}
