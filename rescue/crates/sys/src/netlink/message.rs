//! rtnetlink messages as bytes: building and reading, no socket.
//!
//! Layouts: Linux `include/uapi/linux/{netlink,rtnetlink,if_link,if_addr}.h`.
//! Everything is in the machine's own byte order.

use std::net::Ipv4Addr;

use super::Link;

const HEADER: usize = 16;
const ALIGN: usize = 4;

pub(super) const ERROR: u16 = 2;
pub(super) const DONE: u16 = 3;
pub(super) const NEWLINK: u16 = 16;
pub(super) const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const NEWROUTE: u16 = 24;

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const REPLACE: u16 = 0x100;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;

const AF_INET: u8 = 2;
const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_LOWER_UP: u32 = 0x1_0000;
const ARPHRD_ETHER: u16 = 1;

/// One request on its way to the kernel.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&0u32.to_ne_bytes()); // the length, at the end
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes()); // the sequence, when sent
        bytes.extend_from_slice(&0u32.to_ne_bytes()); // port: the kernel's
        Self { bytes }
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        // Values here are 4 to 16 bytes: they fit.
        let len = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        while !self.bytes.len().is_multiple_of(ALIGN) {
            self.bytes.push(0);
        }
        self
    }

    /// `ifinfomsg` for interface `index`; `flags` of those in `change`.
    fn link(kind: u16, nl_flags: u16, index: u32, flags: u32, change: u32) -> Self {
        let mut message = Self::new(kind, nl_flags);
        message.bytes.extend_from_slice(&[0, 0, 0, 0]);
        message.bytes.extend_from_slice(&index.to_ne_bytes());
        message.bytes.extend_from_slice(&flags.to_ne_bytes());
        message.bytes.extend_from_slice(&change.to_ne_bytes());
        message
    }

    /// `ifaddrmsg` plus the address.
    fn address(kind: u16, nl_flags: u16, index: u32, address: Ipv4Addr, prefix: u8) -> Self {
        let mut message = Self::new(kind, nl_flags);
        message.bytes.extend_from_slice(&[AF_INET, prefix, 0, 0]);
        message.bytes.extend_from_slice(&index.to_ne_bytes());
        message
            .attribute(IFA_LOCAL, &address.octets())
            .attribute(IFA_ADDRESS, &address.octets())
    }

    /// The bytes to send, numbered `sequence`.
    pub(super) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let len = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        for (at, value) in [(0, len), (8, sequence)] {
            if let Some(place) = self.bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&value.to_ne_bytes());
            }
        }
        self.bytes
    }
}

/// "Name all interfaces."
pub(super) fn list_links() -> Message {
    Message::link(GETLINK, DUMP, 0, 0, 0)
}

/// "Bring the interface up."
pub(super) fn set_up(index: u32) -> Message {
    Message::link(NEWLINK, ACK, index, IFF_UP, IFF_UP)
}

/// "Send no packet larger than `mtu` bytes."
pub(super) fn set_mtu(index: u32, mtu: u32) -> Message {
    Message::link(NEWLINK, ACK, index, 0, 0).attribute(IFLA_MTU, &mtu.to_ne_bytes())
}

/// "The interface has this address, in a network of `prefix` bits."
pub(super) fn add_address(index: u32, address: Ipv4Addr, prefix: u8) -> Message {
    let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let broadcast = Ipv4Addr::from(u32::from(address) | host_bits);
    Message::address(NEWADDR, ACK | CREATE | REPLACE, index, address, prefix)
        .attribute(IFA_BROADCAST, &broadcast.octets())
}

/// "The interface no longer has this address."
pub(super) fn remove_address(index: u32, address: Ipv4Addr, prefix: u8) -> Message {
    Message::address(DELADDR, ACK, index, address, prefix)
}

/// "`destination`/`prefix` is reached over the interface, through `gateway` or
/// directly; of several such routes the lowest `metric` wins."
pub(super) fn add_route(
    index: u32,
    (destination, prefix): (Ipv4Addr, u8),
    gateway: Option<Ipv4Addr>,
    metric: u32,
) -> Message {
    const MAIN_TABLE: u8 = 254;
    const BY_DHCP: u8 = 16;
    const SCOPE_UNIVERSE: u8 = 0;
    const SCOPE_LINK: u8 = 253;
    const UNICAST: u8 = 1;
    let scope = if gateway.is_some() {
        SCOPE_UNIVERSE
    } else {
        SCOPE_LINK
    };
    let mut message = Message::new(NEWROUTE, ACK | CREATE | REPLACE);
    let head = [AF_INET, prefix, 0, 0, MAIN_TABLE, BY_DHCP, scope, UNICAST];
    message.bytes.extend_from_slice(&head);
    message.bytes.extend_from_slice(&0u32.to_ne_bytes());
    if prefix > 0 {
        message = message.attribute(RTA_DST, &destination.octets());
    }
    if let Some(gateway) = gateway {
        message = message.attribute(RTA_GATEWAY, &gateway.octets());
    }
    message
        .attribute(RTA_OIF, &index.to_ne_bytes())
        .attribute(RTA_PRIORITY, &metric.to_ne_bytes())
}

/// One message from the kernel: its kind, its number, what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) kind: u16,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

/// The messages in one datagram; ends at the first that is cut short.
pub(super) fn parts(mut bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let len = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let body = bytes.get(HEADER..len)?;
        let part = Part {
            kind: u16_at(bytes, 4)?,
            sequence: u32_at(bytes, 8)?,
            body,
        };
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
        Some(part)
    })
}

/// The error number of an [`ERROR`] message; 0 means "done as asked".
pub(super) fn error_number(body: &[u8]) -> Option<i32> {
    let bytes: [u8; 4] = body.get(..4)?.try_into().ok()?;
    i32::from_ne_bytes(bytes).checked_neg()
}

/// Reads the interface a [`NEWLINK`] or [`DELLINK`] message is about.
pub(super) fn link(body: &[u8]) -> Option<Link> {
    let flags = u32_at(body, 8)?;
    let mut link = Link {
        index: u32_at(body, 4)?,
        name: String::new(),
        mac: None,
        mtu: 0,
        ethernet: u16_at(body, 2)? == ARPHRD_ETHER,
        loopback: flags & IFF_LOOPBACK != 0,
        up: flags & IFF_UP != 0,
        carrier: flags & IFF_LOWER_UP != 0,
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_ADDRESS => link.mac = value.try_into().ok(),
            IFLA_MTU => link.mtu = u32_at(value, 0).unwrap_or(0),
            IFLA_IFNAME => {
                let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
                let name = value.get(..end).unwrap_or_default();
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            _ => {}
        }
    }
    Some(link)
}

fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let value = bytes.get(4..len)?;
        let kind = u16_at(bytes, 2)? & 0x3fff; // without the "nested" flags
        bytes = bytes.get(aligned(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn aligned(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_ne_bytes(two.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_carries_its_length_and_number() {
        let bytes = add_address(3, Ipv4Addr::new(10, 0, 2, 15), 24).finish(77);
        let all: Vec<Part<'_>> = parts(&bytes).collect();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].kind, all[0].sequence), (NEWADDR, 77));
        let values: Vec<_> = attributes(&all[0].body[8..]).collect();
        assert_eq!(
            values,
            [
                (IFA_LOCAL, &[10, 0, 2, 15][..]),
                (IFA_ADDRESS, &[10, 0, 2, 15]),
                (IFA_BROADCAST, &[10, 0, 2, 255]),
            ]
        );
    }

    #[test]
    fn a_link_is_read_back() {
        let message = Message::link(NEWLINK, 0, 2, IFF_UP | IFF_LOWER_UP, 0)
            .attribute(IFLA_IFNAME, b"eth0\0")
            .attribute(IFLA_ADDRESS, &[0x52, 0x54, 0, 0x12, 0x34, 0x56])
            .attribute(IFLA_MTU, &1500u32.to_ne_bytes())
            .finish(1);
        let part = parts(&message).next().unwrap();
        let read = link(part.body).unwrap();
        assert_eq!(
            (read.index, read.name.as_str(), read.mtu),
            (2, "eth0", 1500)
        );
        assert!(read.up && read.carrier && !read.loopback);
        assert_eq!(read.mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for part in parts(&bytes) {
                let _ = link(part.body);
                let _ = error_number(part.body);
            }
            let _ = link(&bytes);
        }
    }
}
