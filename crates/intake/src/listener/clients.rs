//! Who is connected: how many sessions there are, in all and from each address, and how many messages came lately.

use super::settings::Bounds;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many addresses are remembered for their rates; the rest then share one.
const REMEMBERED: usize = 10_000;

/// Who connects, as far as limits tell clients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// By a socket of this machine.
    Local,
    /// An IPv4 address.
    V4([u8; 4]),
    /// The network of an IPv6 address: whoever has one has all of its 64 bits.
    V6([u8; 8]),
    /// Everybody for whom there is no place of their own.
    Rest,
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Client {
        match address.to_canonical() {
            IpAddr::V4(address) => Client::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Client::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// The clients of a listener.
pub(super) struct Clients {
    sessions: usize,
    sessions_per_client: usize,
    open: Mutex<HashMap<Client, usize>>,
    /// Nothing: there is no limit.
    rate: Option<DefaultKeyedRateLimiter<Client>>,
}

impl Clients {
    pub(super) fn new(bounds: &Bounds) -> Arc<Clients> {
        let rate = NonZeroU32::new(bounds.messages_per_minute);
        Arc::new(Clients {
            sessions: bounds.sessions,
            sessions_per_client: bounds.sessions_per_client,
            open: Mutex::default(),
            rate: rate.map(|rate| RateLimiter::keyed(Quota::per_minute(rate))),
        })
    }

    /// Lets a client in; nothing if there are too many sessions already.
    pub(super) fn enter(self: &Arc<Self>, client: Client) -> Option<Guest> {
        let mut open = self.open();
        let all: usize = open.values().sum();
        let own = open.get(&client).copied().unwrap_or_default();
        if all >= self.sessions || own >= self.sessions_per_client {
            return None;
        }
        open.insert(client, own + 1);
        Some(Guest {
            client,
            clients: Arc::clone(self),
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this client may hand over one more message; it is counted if so.
    fn may_send(&self, client: Client) -> bool {
        let Some(rate) = &self.rate else {
            return true;
        };
        if rate.len() >= REMEMBERED {
            // Forgets those who have their whole minute to spend again.
            rate.retain_recent();
        }
        let counted = if rate.len() < REMEMBERED {
            client
        } else {
            Client::Rest
        };
        rate.check_key(&counted).is_ok()
    }
}

/// A client with an open session; dropping it ends that.
pub(super) struct Guest {
    client: Client,
    clients: Arc<Clients>,
}

impl Guest {
    /// Whether it may hand over one more message now; it is counted if so.
    pub(super) fn may_send(&self) -> bool {
        self.clients.may_send(self.client)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.clients.open();
        match open.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(open.remove(&self.client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(sessions: usize, sessions_per_client: usize, messages_per_minute: u32) -> Arc<Clients> {
        Clients::new(&Bounds {
            sessions,
            sessions_per_client,
            messages_per_minute,
            ..Bounds::default()
        })
    }

    fn at(address: &str) -> Client {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn sessions_are_counted_in_all_and_for_each_client() {
        let clients = clients(3, 2, 0);
        let ann = clients.enter(at("192.0.2.1")).unwrap();
        let _second = clients.enter(at("::ffff:192.0.2.1")).unwrap();
        assert!(clients.enter(at("192.0.2.1")).is_none());
        let _bob = clients.enter(at("2001:db8::1")).unwrap();
        assert!(clients.enter(Client::Local).is_none());
        drop(ann);
        assert!(clients.enter(at("192.0.2.1")).is_some());
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let clients = clients(3, 2, 0);
        drop(clients.enter(at("192.0.2.1")));
        assert!(clients.open().is_empty());
    }

    #[test]
    fn a_client_is_slowed_down_and_the_others_are_not() {
        let clients = clients(9, 9, 2);
        let ann = clients.enter(at("2001:db8::1")).unwrap();
        let neighbour = clients.enter(at("2001:db8::2")).unwrap();
        let bob = clients.enter(at("192.0.2.1")).unwrap();
        assert!(ann.may_send() && neighbour.may_send());
        assert!(!ann.may_send() && !neighbour.may_send());
        assert!(bob.may_send());
    }

    #[test]
    fn many_addresses_cost_no_more_memory_than_some() {
        let clients = clients(9, 9, 2);
        for number in 0..REMEMBERED as u32 + 100 {
            clients.may_send(Client::V4(number.to_be_bytes()));
        }
        assert!(clients.rate.as_ref().unwrap().len() <= REMEMBERED + 1);
    }
}
