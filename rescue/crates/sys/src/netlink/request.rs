//! What the kernel is asked, as bytes.
//!
//! Layouts: Linux `include/uapi/linux/{rtnetlink,if_link,if_addr,if_bonding}.h`.

use std::net::{IpAddr, Ipv4Addr};

use super::Kind;
use super::message::{Message, attribute};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;

const ACK: u16 = 0x4;
const REPLACE: u16 = 0x100;
const EXCLUSIVE: u16 = 0x200;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_BOND_MODE: u16 = 1;
const IFLA_BOND_MIIMON: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFF_UP: u32 = 0x1;

/// How often a bond looks whether its links still have carrier.
const MIIMON_MS: u32 = 100;

/// `ifinfomsg` for interface `index`; `flags` of those in `change`.
fn link(kind: u16, nl_flags: u16, index: u32, flags: u32, change: u32) -> Message {
    Message::new(kind, nl_flags)
        .put(&[0, 0, 0, 0])
        .put(&index.to_ne_bytes())
        .put(&flags.to_ne_bytes())
        .put(&change.to_ne_bytes())
}

/// "Name all interfaces."
pub(super) fn list_links() -> Message {
    link(GETLINK, DUMP, 0, 0, 0)
}

/// "Name all addresses."
pub(super) fn list_addresses() -> Message {
    Message::new(GETADDR, DUMP)
        .put(&[AF_UNSPEC, 0, 0, 0])
        .put(&0u32.to_ne_bytes())
}

/// "Bring the interface up", or down.
pub(super) fn set_up(index: u32, up: bool) -> Message {
    link(NEWLINK, ACK, index, if up { IFF_UP } else { 0 }, IFF_UP)
}

/// "Send no packet larger than `mtu` bytes."
pub(super) fn set_mtu(index: u32, mtu: u32) -> Message {
    link(NEWLINK, ACK, index, 0, 0).attribute(IFLA_MTU, &mtu.to_ne_bytes())
}

/// "The interface is a part of that other one"; of none, when it is 0.
pub(super) fn set_master(index: u32, master: u32) -> Message {
    link(NEWLINK, ACK, index, 0, 0).attribute(IFLA_MASTER, &master.to_ne_bytes())
}

/// "There is an interface of that kind."
pub(super) fn add_link(name: &str, kind: Kind) -> Message {
    let (word, mut data) = (kind.word(), Vec::new());
    let mut message = link(NEWLINK, ACK | CREATE | EXCLUSIVE, 0, 0, 0)
        .attribute(IFLA_IFNAME, format!("{name}\0").as_bytes());
    match kind {
        Kind::Vlan { parent, id } => {
            message = message.attribute(IFLA_LINK, &parent.to_ne_bytes());
            attribute(&mut data, IFLA_VLAN_ID, &id.to_ne_bytes());
        }
        Kind::Bond { mode } => {
            attribute(&mut data, IFLA_BOND_MODE, &[mode]);
            attribute(&mut data, IFLA_BOND_MIIMON, &MIIMON_MS.to_ne_bytes());
        }
    }
    let mut info = Vec::new();
    attribute(&mut info, IFLA_INFO_KIND, word.as_bytes());
    attribute(&mut info, IFLA_INFO_DATA, &data);
    message.attribute(IFLA_LINKINFO, &info)
}

/// "There is no such interface any more."
pub(super) fn remove_link(index: u32) -> Message {
    link(DELLINK, ACK, index, 0, 0)
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// No more bits than the address has.
fn within(address: IpAddr, prefix: u8) -> u8 {
    prefix.min(if address.is_ipv4() { 32 } else { 128 })
}

/// `ifaddrmsg` plus the address.
fn address(kind: u16, nl_flags: u16, index: u32, address: IpAddr, prefix: u8) -> Message {
    let bytes = octets(address);
    Message::new(kind, nl_flags)
        .put(&[family(address), within(address, prefix), 0, 0])
        .put(&index.to_ne_bytes())
        .attribute(IFA_LOCAL, &bytes)
        .attribute(IFA_ADDRESS, &bytes)
}

/// "The interface has this address, in a network of `prefix` bits."
pub(super) fn add_address(index: u32, new: IpAddr, prefix: u8) -> Message {
    let message = address(NEWADDR, ACK | CREATE | REPLACE, index, new, prefix);
    match new {
        IpAddr::V4(v4) => {
            let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            let broadcast = Ipv4Addr::from(u32::from(v4) | host_bits);
            message.attribute(IFA_BROADCAST, &broadcast.octets())
        }
        IpAddr::V6(_) => message,
    }
}

/// "The interface no longer has this address."
pub(super) fn remove_address(index: u32, old: IpAddr, prefix: u8) -> Message {
    address(DELADDR, ACK, index, old, prefix)
}

/// A way to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The network; all zeros: everything.
    pub to: IpAddr,
    /// Its bits.
    pub prefix: u8,
    /// Through which machine; if not given, directly.
    pub gateway: Option<IpAddr>,
    /// Of several ways the one with the lowest is taken.
    pub metric: u32,
}

fn route(kind: u16, nl_flags: u16, index: u32, way: &Way) -> Message {
    const MAIN_TABLE: u8 = 254;
    const BY_DHCP: u8 = 16;
    const SCOPE_UNIVERSE: u8 = 0;
    const SCOPE_LINK: u8 = 253;
    const UNICAST: u8 = 1;
    // IPv6 knows no scopes of routes.
    let scope = match (way.to, way.gateway) {
        (IpAddr::V4(_), None) => SCOPE_LINK,
        _ => SCOPE_UNIVERSE,
    };
    let prefix = within(way.to, way.prefix);
    let head = [
        family(way.to),
        prefix,
        0,
        0,
        MAIN_TABLE,
        BY_DHCP,
        scope,
        UNICAST,
    ];
    let mut message = Message::new(kind, nl_flags)
        .put(&head)
        .put(&0u32.to_ne_bytes());
    if prefix > 0 {
        message = message.attribute(RTA_DST, &octets(way.to));
    }
    if let Some(gateway) = way.gateway {
        message = message.attribute(RTA_GATEWAY, &octets(gateway));
    }
    message
        .attribute(RTA_OIF, &index.to_ne_bytes())
        .attribute(RTA_PRIORITY, &way.metric.to_ne_bytes())
}

/// "Send packets that way, over the interface."
pub(super) fn add_route(index: u32, way: &Way) -> Message {
    route(NEWROUTE, ACK | CREATE | REPLACE, index, way)
}

/// "Send packets that way no longer."
pub(super) fn remove_route(index: u32, way: &Way) -> Message {
    route(DELROUTE, ACK, index, way)
}

#[cfg(test)]
mod tests {
    use super::super::message::{Part, attributes, parts};
    use super::*;

    fn body(message: Message) -> (u16, Vec<u8>) {
        let bytes = message.finish(77);
        let all: Vec<Part<'_>> = parts(&bytes).collect();
        assert_eq!((all.len(), all[0].sequence), (1, 77));
        (all[0].kind, all[0].body.to_vec())
    }

    #[test]
    fn an_address_of_either_kind() {
        let (kind, bytes) = body(add_address(3, Ipv4Addr::new(10, 0, 2, 15).into(), 24));
        assert_eq!((kind, &bytes[..4]), (NEWADDR, &[AF_INET, 24, 0, 0][..]));
        let values: Vec<_> = attributes(&bytes[8..]).collect();
        assert_eq!(
            values,
            [
                (IFA_LOCAL, &[10, 0, 2, 15][..]),
                (IFA_ADDRESS, &[10, 0, 2, 15]),
                (IFA_BROADCAST, &[10, 0, 2, 255]),
            ]
        );
        let (_, bytes) = body(add_address(3, "fd00::7".parse().unwrap(), 200));
        assert_eq!(
            &bytes[..4],
            &[AF_INET6, 128, 0, 0],
            "no more bits than it has"
        );
        let values: Vec<_> = attributes(&bytes[8..]).collect();
        assert_eq!(values.len(), 2, "there is no broadcast");
        assert_eq!((values[0].1[0], values[0].1[15]), (0xfd, 7));
    }

    #[test]
    fn a_default_route_has_no_destination() {
        let way = Way {
            to: "::".parse().unwrap(),
            prefix: 0,
            gateway: Some("fe80::1".parse().unwrap()),
            metric: 20,
        };
        let (kind, bytes) = body(add_route(3, &way));
        assert_eq!((kind, bytes[0], bytes[1]), (NEWROUTE, AF_INET6, 0));
        let kinds: Vec<u16> = attributes(&bytes[12..]).map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [RTA_GATEWAY, RTA_OIF, RTA_PRIORITY]);
        assert_eq!(body(remove_route(3, &way)).0, DELROUTE);
    }

    /// Counted out by hand from the layouts of the kernel's headers.
    #[test]
    #[cfg(target_endian = "little")]
    fn a_vlan_byte_for_byte() {
        let kind = Kind::Vlan { parent: 2, id: 42 };
        let bytes = add_link("eth0.42", kind).finish(9);
        #[rustfmt::skip]
        let expected = [
            76, 0, 0, 0, 16, 0, 0x05, 0x06, 9, 0, 0, 0, 0, 0, 0, 0, // header
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,         // ifinfomsg
            12, 0, 3, 0, b'e', b't', b'h', b'0', b'.', b'4', b'2', 0,
            8, 0, 5, 0, 2, 0, 0, 0,                                 // on top of interface 2
            24, 0, 18, 0,                                           // IFLA_LINKINFO
            8, 0, 1, 0, b'v', b'l', b'a', b'n',
            12, 0, 2, 0, 6, 0, 1, 0, 42, 0, 0, 0,                   // IFLA_VLAN_ID
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_bond_with_its_mode() {
        let (kind, bytes) = body(add_link("bond0", Kind::Bond { mode: 4 }));
        assert_eq!(kind, NEWLINK);
        let all: Vec<_> = attributes(&bytes[16..]).collect();
        let info = all.iter().find(|(kind, _)| *kind == IFLA_LINKINFO).unwrap();
        let info: Vec<_> = attributes(info.1).collect();
        assert_eq!(info[0], (IFLA_INFO_KIND, &b"bond"[..]));
        let data: Vec<_> = attributes(info[1].1).collect();
        assert_eq!(data[0], (IFLA_BOND_MODE, &[4][..]));
        assert_eq!(data[1], (IFLA_BOND_MIIMON, &100u32.to_ne_bytes()[..]));
        let (_, bytes) = body(set_master(2, 7));
        assert_eq!(attributes(&bytes[16..]).next().unwrap().0, IFLA_MASTER);
    }
}
