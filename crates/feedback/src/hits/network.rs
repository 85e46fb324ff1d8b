//! Networks of visitors, which are all that is kept of addresses, and what is known of some of them.

use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whoever has one IPv6 address has a network of at least 64 bits, and often one of 48.
const V6_BITS: u8 = 48;
const V4_BITS: u8 = 24;
/// Above all numbers of IPv4 networks.
const V6: i64 = 1 << V6_BITS;

/// The network that an address is in: 24 bits of IPv4, 48 of IPv6. The address itself is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(i64);

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Network {
        match address.to_canonical() {
            IpAddr::V4(address) => Network(i64::from(address.to_bits() >> (32 - V4_BITS))),
            IpAddr::V6(address) => {
                let top = i64::try_from(address.to_bits() >> (128 - V6_BITS)).expect("48 bits fit");
                Network(V6 | top)
            }
        }
    }

    /// As it stands in the database: the first 24 bits of IPv4; the first 48 of IPv6, plus 2⁴⁸.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// From that number.
    pub const fn from_number(number: i64) -> Option<Network> {
        let is_v4 = 0 <= number && number < 1 << V4_BITS;
        let is_v6 = V6 <= number && number < 2 * V6;
        if is_v4 || is_v6 {
            Some(Network(number))
        } else {
            None
        }
    }

    /// Its first address.
    pub fn first(self) -> IpAddr {
        match u32::try_from(self.0) {
            Ok(bits) => Ipv4Addr::from_bits(bits << (32 - V4_BITS)).into(),
            Err(_) => Ipv6Addr::from_bits(((self.0 - V6) as u128) << (128 - V6_BITS)).into(),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first();
        let bits = if first.is_ipv4() { V4_BITS } else { V6_BITS };
        write!(f, "{first}/{bits}")
    }
}

/// Classes of networks, looked up by the longest prefix.
#[derive(Debug, Default)]
pub(super) struct NetworkTable {
    names: Vec<String>,
    proxies: Vec<bool>,
    /// By the length of the prefix, in the number of [`Network`]; what is shifted out is the rest. Lengths and ranges are few, so
    /// that to look through them is faster than to hash.
    v4: BTreeMap<u8, BTreeMap<i64, u16>>,
    v6: BTreeMap<u8, BTreeMap<i64, u16>>,
}

impl NetworkTable {
    /// The class of this name, made if it is new.
    pub(super) fn class_named(&mut self, name: &str, is_proxy: bool) -> Option<u16> {
        if let Some(class) = self.find(name) {
            self.proxies[usize::from(class)] |= is_proxy;
            return Some(class);
        }
        let class = u16::try_from(self.names.len()).ok()?;
        self.names.push(name.to_owned());
        self.proxies.push(is_proxy);
        Some(class)
    }

    pub(super) fn find(&self, name: &str) -> Option<u16> {
        let place = self.names.iter().position(|known| known == name)?;
        u16::try_from(place).ok()
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds a range. False: it is narrower than the networks that are kept, so that nobody could be told to be in it.
    pub(super) fn add(&mut self, range: IpNet, class: u16) -> bool {
        let (table, most) = match range {
            IpNet::V4(_) => (&mut self.v4, V4_BITS),
            IpNet::V6(_) => (&mut self.v6, V6_BITS),
        };
        let bits = range.prefix_len();
        if bits > most {
            return false;
        }
        let prefix = Network::of(range.network()).number() >> (most - bits);
        // What was there before stays: an operator's file comes first.
        table.entry(bits).or_default().entry(prefix).or_insert(class);
        true
    }

    pub(super) fn class(&self, network: Network) -> Option<u16> {
        let (table, most) = match network.first() {
            IpAddr::V4(_) => (&self.v4, V4_BITS),
            IpAddr::V6(_) => (&self.v6, V6_BITS),
        };
        table
            .iter()
            .rev()
            .find_map(|(bits, prefixes)| prefixes.get(&(network.number() >> (most - bits))))
            .copied()
    }

    pub(super) fn is_proxy(&self, network: Network) -> bool {
        self.class(network)
            .is_some_and(|class| self.proxies[usize::from(class)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_forgotten_and_its_network_is_not() {
        for (address, shown) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("255.255.255.255", "255.255.255.0/24"),
            ("0.0.0.1", "0.0.0.0/24"),
            ("2001:db8:5:6::7", "2001:db8:5::/48"),
            ("::1", "::/48"),
            ("ffff:ffff:ffff:ffff::", "ffff:ffff:ffff::/48"),
        ] {
            let network = network(address);
            assert_eq!(network.to_string(), shown);
            assert_eq!(Network::from_number(network.number()), Some(network));
        }
        for number in [-1, 1 << 24, 1 << 49, i64::MIN] {
            assert_eq!(Network::from_number(number), None);
        }
    }

    #[test]
    fn the_longest_prefix_says_what_a_network_is() {
        let mut table = NetworkTable::default();
        let wide = table.class_named("wide", false).unwrap();
        let narrow = table.class_named("narrow", true).unwrap();
        for (range, class) in [
            ("17.0.0.0/8", wide),
            ("17.5.0.0/16", narrow),
            ("2001:db8::/32", wide),
        ] {
            assert!(table.add(range.parse().unwrap(), class));
        }
        assert!(!table.add("192.0.2.0/25".parse().unwrap(), wide));
        assert_eq!(table.class(network("17.4.3.2")), Some(wide));
        assert_eq!(table.class(network("17.5.3.2")), Some(narrow));
        assert_eq!(table.class(network("18.5.3.2")), None);
        assert_eq!(table.class(network("2001:db8:9::1")), Some(wide));
        assert_eq!(table.class(network("2001:db9::1")), None);
        assert!(table.is_proxy(network("17.5.3.2")) && !table.is_proxy(network("17.4.3.2")));
    }
}
