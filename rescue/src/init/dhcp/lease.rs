//! What a DHCP server grants: pure.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::message::{Message, option};

/// The MTU below which IPv4 need not work at all (RFC 791), and the largest.
const MTU: std::ops::RangeInclusive<u16> = 576..=9216;

/// An address and what comes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of the network's part.
    pub prefix: u8,
    /// Who granted it.
    pub server: Ipv4Addr,
    /// Ways out of the network: destination, bits, gateway (0.0.0.0: directly).
    pub routes: Vec<(Ipv4Addr, u8, Ipv4Addr)>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Time servers.
    #[serde(default)]
    pub ntp: Vec<Ipv4Addr>,
    /// The domain short names are completed with.
    pub domain: Option<String>,
    /// The name the network has for this machine.
    pub host_name: Option<String>,
    /// Largest packet in bytes.
    pub mtu: Option<u16>,
    /// How long it lasts, when to ask its server again, when to ask anyone.
    pub times: Times,
}

/// Durations of a lease in seconds, from the moment it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When its server is asked again.
    pub renew: u32,
    /// When any server is asked.
    pub rebind: u32,
    /// When it ends.
    pub end: u32,
}

impl Lease {
    /// What an offer or acknowledgement grants; `None` when it grants nothing
    /// usable.
    #[must_use]
    pub fn from_message(message: &Message) -> Option<Self> {
        let address = message.yours;
        let unusable = address.is_unspecified() || address.is_multicast() || address.is_loopback();
        if unusable || address.is_broadcast() {
            return None;
        }
        let prefix = match message.addresses(option::MASK).first() {
            Some(mask) => prefix(*mask)?,
            None => class_prefix(address),
        };
        Some(Self {
            address,
            prefix,
            server: *message.addresses(option::SERVER).first()?,
            routes: routes(message),
            dns: message.addresses(option::DNS),
            ntp: message.addresses(option::NTP),
            domain: name(message, option::DOMAIN),
            host_name: name(message, option::HOST_NAME),
            mtu: mtu(message),
            times: times(message),
        })
    }
}

/// The bits of a mask; `None` when its ones are not at the front.
fn prefix(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let ones = bits.leading_ones();
    (bits.count_ones() == ones).then_some(u8::try_from(ones).ok()?)
}

/// What a network of that class had before there were masks.
fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}

/// Classless routes (RFC 3442), or the router when there are none.
fn routes(message: &Message) -> Vec<(Ipv4Addr, u8, Ipv4Addr)> {
    if let Some(bytes) = message.option(option::ROUTES) {
        return classless(bytes);
    }
    let routers = message.addresses(option::ROUTER);
    let default = |router| (Ipv4Addr::UNSPECIFIED, 0, router);
    routers.first().copied().map(default).into_iter().collect()
}

/// Width in bits, as many bytes of the destination as those need, gateway.
fn classless(mut bytes: &[u8]) -> Vec<(Ipv4Addr, u8, Ipv4Addr)> {
    let mut out = Vec::new();
    while let Some((&prefix, rest)) = bytes.split_first() {
        let significant = usize::from(prefix).div_ceil(8);
        let Some((destination, rest)) = rest.split_at_checked(significant) else {
            break;
        };
        let Some((gateway, rest)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let mut octets = [0; 4];
        for (to, from) in octets.iter_mut().zip(destination) {
            *to = *from;
        }
        if prefix <= 32 {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            let network = Ipv4Addr::from(u32::from_be_bytes(octets) & mask);
            out.push((network, prefix, Ipv4Addr::from(*gateway)));
        }
        bytes = rest;
    }
    out
}

/// A name that is safe to put into a file or on a screen.
fn name(message: &Message, number: u8) -> Option<String> {
    let text = std::str::from_utf8(message.option(number)?).ok()?;
    let text = text.trim_end_matches('\0');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!text.is_empty() && text.len() <= 253 && text.chars().all(plain)).then(|| text.to_owned())
}

fn mtu(message: &Message) -> Option<u16> {
    let bytes: [u8; 2] = message.option(option::MTU)?.try_into().ok()?;
    Some(u16::from_be_bytes(bytes)).filter(|mtu| MTU.contains(mtu))
}

/// RFC 2131 §4.4.5: half, and seven eighths, where the server does not say.
fn times(message: &Message) -> Times {
    // Without a lease time (a BOOTP server) the address is for good: ask
    // again daily.
    let end = message.number(option::LEASE).unwrap_or(86_400).max(60);
    let rebind = message
        .number(option::T2)
        .unwrap_or(end - end / 8)
        .clamp(30, end);
    let renew = message
        .number(option::T1)
        .unwrap_or(end / 2)
        .clamp(15, rebind);
    Times { renew, rebind, end }
}

#[cfg(test)]
mod tests {
    use super::super::message::Kind;
    use super::*;
    use proptest::prelude::*;

    fn ack(options: Vec<(u8, Vec<u8>)>) -> Message {
        Message {
            is_reply: true,
            kind: Kind::Ack,
            transaction: 0,
            seconds: 0,
            client: Ipv4Addr::UNSPECIFIED,
            yours: Ipv4Addr::new(10, 0, 2, 15),
            mac: [0; 6],
            options,
        }
    }

    #[test]
    fn what_a_usual_server_grants() {
        let lease = Lease::from_message(&ack(vec![
            (option::SERVER, vec![10, 0, 2, 2]),
            (option::MASK, vec![255, 255, 255, 0]),
            (option::ROUTER, vec![10, 0, 2, 2, 10, 0, 2, 9]),
            (option::DNS, vec![10, 0, 2, 3]),
            (option::DOMAIN, b"example.org\0".to_vec()),
            (option::HOST_NAME, b"evil\nname".to_vec()),
            (option::MTU, vec![0x05, 0x78]),
            (option::LEASE, 86400u32.to_be_bytes().to_vec()),
        ]))
        .unwrap();
        assert_eq!(lease.prefix, 24);
        let router = Ipv4Addr::new(10, 0, 2, 2);
        assert_eq!(lease.routes, [(Ipv4Addr::UNSPECIFIED, 0, router)]);
        assert_eq!(lease.dns, [Ipv4Addr::new(10, 0, 2, 3)]);
        assert_eq!(lease.domain.as_deref(), Some("example.org"));
        assert_eq!(lease.host_name, None);
        assert_eq!(lease.mtu, Some(1400));
        assert_eq!(lease.times.renew, 43200);
        assert_eq!(lease.times.rebind, 75600);
    }

    #[test]
    fn classless_routes_replace_the_router() {
        let bytes = [
            32, 169, 254, 169, 254, 10, 0, 0, 1, 0, 10, 0, 0, 1, 12, 172, 31, 10, 0, 0, 1,
        ];
        let routes = classless(&bytes);
        let gateway = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(
            routes,
            [
                (Ipv4Addr::new(169, 254, 169, 254), 32, gateway),
                (Ipv4Addr::UNSPECIFIED, 0, gateway),
                (Ipv4Addr::new(172, 16, 0, 0), 12, gateway),
            ]
        );
        assert!(classless(&[24, 10, 0]).is_empty());
    }

    #[test]
    fn nonsense_is_no_lease() {
        assert_eq!(Lease::from_message(&ack(vec![])), None, "no server");
        let holes = vec![
            (option::SERVER, vec![1; 4]),
            (option::MASK, vec![255, 0, 255, 0]),
        ];
        assert_eq!(Lease::from_message(&ack(holes)), None, "mask with holes");
    }

    proptest! {
        #[test]
        fn times_are_in_order(lease: Option<u32>, t1: Option<u32>, t2: Option<u32>) {
            let given = [(option::LEASE, lease), (option::T1, t1), (option::T2, t2)];
            let options = given
                .into_iter()
                .filter_map(|(n, v)| Some((n, v?.to_be_bytes().to_vec())))
                .collect();
            let times = times(&ack(options));
            prop_assert!(times.renew <= times.rebind && times.rebind <= times.end);
            prop_assert!(times.renew >= 15);
        }

        #[test]
        fn nothing_makes_it_panic(
            options in prop::collection::vec((any::<u8>(), any::<Vec<u8>>()), 0..8)
        ) {
            let _ = Lease::from_message(&ack(options));
        }
    }
}
