//! What the kernel tells, read from bytes.
//!
//! Layouts: Linux `include/uapi/linux/{rtnetlink,if_link,if_addr}.h`; options of
//! router advertisements: RFC 8106.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::message::{Part, attributes, u16_at, u32_at};
use super::{Assigned, Link, News, ResolverNews};

pub(super) const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
pub(super) const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const NEWNDUSEROPT: u16 = 68;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_INFO_KIND: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_LOWER_UP: u32 = 0x1_0000;
const ARPHRD_ETHER: u16 = 1;
const SCOPE_LINK: u8 = 253;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const IFA_F_PERMANENT: u32 = 0x80;

const ROUTER_ADVERTISEMENT: u8 = 134;
const OPTION_RDNSS: u8 = 25;

/// What a message is about, if it is about something we follow.
pub(super) fn read(part: &Part<'_>) -> Option<News> {
    match part.kind {
        NEWLINK => link(part.body).map(News::Link),
        DELLINK => link(part.body).map(News::LinkGone),
        NEWADDR => address(part.body).map(News::Address),
        DELADDR => address(part.body).map(News::AddressGone),
        NEWNDUSEROPT => resolver(part.body).map(News::Resolver),
        _ => None,
    }
}

/// Reads the interface a [`NEWLINK`] or [`DELLINK`] message is about.
pub(super) fn link(body: &[u8]) -> Option<Link> {
    let flags = u32_at(body, 8)?;
    let mut link = Link {
        index: u32_at(body, 4)?,
        name: String::new(),
        mac: None,
        permanent_mac: None,
        mtu: 0,
        ethernet: u16_at(body, 2)? == ARPHRD_ETHER,
        loopback: flags & IFF_LOOPBACK != 0,
        up: flags & IFF_UP != 0,
        carrier: flags & IFF_LOWER_UP != 0,
        master: None,
        kind: None,
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            IFLA_ADDRESS => link.mac = value.try_into().ok(),
            IFLA_PERM_ADDRESS => link.permanent_mac = value.try_into().ok(),
            IFLA_MTU => link.mtu = u32_at(value, 0).unwrap_or(0),
            IFLA_IFNAME => link.name = text(value),
            IFLA_MASTER => link.master = u32_at(value, 0),
            IFLA_LINKINFO => {
                let word = attributes(value).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                link.kind = word.map(|(_, word)| text(word));
            }
            _ => {}
        }
    }
    Some(link)
}

/// Text up to its zero byte.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// Reads the address a [`NEWADDR`] or [`DELADDR`] message is about.
pub(super) fn address(body: &[u8]) -> Option<Assigned> {
    let (family, prefix) = (*body.first()?, *body.get(1)?);
    let (mut flags, scope) = (u32::from(*body.get(2)?), *body.get(3)?);
    let (mut local, mut peer) = (None, None);
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            IFA_LOCAL => local = ip(family, value),
            // The same, but on links with two ends, where it is the other's.
            IFA_ADDRESS => peer = ip(family, value),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    Some(Assigned {
        index: u32_at(body, 4)?,
        address: local.or(peer)?,
        prefix,
        global: scope < SCOPE_LINK,
        usable: flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) == 0,
        duplicate: flags & IFA_F_DADFAILED != 0,
        permanent: flags & IFA_F_PERMANENT != 0,
    })
}

fn ip(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Reads `nduseroptmsg`: options of a router's advertisement that the kernel leaves
/// to others. `None` without name servers among them.
fn resolver(body: &[u8]) -> Option<ResolverNews> {
    let len = usize::from(u16_at(body, 2)?);
    if *body.first()? != AF_INET6 || *body.get(8)? != ROUTER_ADVERTISEMENT {
        return None;
    }
    let mut options = body.get(16..)?.get(..len)?;
    let mut news = None;
    while let [kind, units, ..] = options {
        let size = usize::from(*units)
            .checked_mul(8)
            .filter(|size| *size > 0)?;
        let option = options.get(..size)?;
        if *kind == OPTION_RDNSS {
            let lifetime: [u8; 4] = option.get(4..8)?.try_into().ok()?;
            let servers = option.get(8..)?.chunks_exact(16);
            news = Some(ResolverNews {
                index: u32_at(body, 4)?,
                lifetime: Duration::from_secs(u32::from_be_bytes(lifetime).into()),
                servers: servers.filter_map(server).collect(),
            });
        }
        options = options.get(size..)?;
    }
    news
}

fn server(bytes: &[u8]) -> Option<Ipv6Addr> {
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    (!address.is_unspecified() && !address.is_multicast()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::super::message::{Message, attribute, error_number, parts};
    use super::*;
    use proptest::prelude::*;

    fn first(message: Message) -> News {
        let bytes = message.finish(1);
        let part = parts(&bytes).next().unwrap();
        read(&part).unwrap()
    }

    #[test]
    fn a_link_is_read_back() {
        let mut info = Vec::new();
        attribute(&mut info, IFLA_INFO_KIND, b"vlan\0");
        let message = Message::new(NEWLINK, 0)
            .put(&[0, 0, 1, 0])
            .put(&2u32.to_ne_bytes())
            .put(&(IFF_UP | IFF_LOWER_UP).to_ne_bytes())
            .put(&[0; 4])
            .attribute(IFLA_IFNAME, b"eth0.42\0")
            .attribute(IFLA_ADDRESS, &[0x52, 0x54, 0, 0x12, 0x34, 0x56])
            .attribute(IFLA_PERM_ADDRESS, &[0x52, 0x54, 0, 0x12, 0x34, 0x57])
            .attribute(IFLA_MTU, &1500u32.to_ne_bytes())
            .attribute(IFLA_MASTER, &7u32.to_ne_bytes())
            .attribute(IFLA_LINKINFO, &info);
        let News::Link(read) = first(message) else {
            panic!("a link")
        };
        assert_eq!(
            (read.index, read.name.as_str(), read.mtu),
            (2, "eth0.42", 1500)
        );
        assert!(read.up && read.carrier && read.ethernet && !read.loopback);
        assert_eq!(read.mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        assert_eq!(read.permanent_mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x57]));
        assert_eq!((read.master, read.kind.as_deref()), (Some(7), Some("vlan")));
    }

    #[test]
    fn addresses_tell_whether_they_can_be_used() {
        let message = |scope, flags: u32| {
            Message::new(NEWADDR, 0)
                .put(&[AF_INET6, 64, 0, scope])
                .put(&3u32.to_ne_bytes())
                .attribute(
                    IFA_ADDRESS,
                    &"fd00::7".parse::<Ipv6Addr>().unwrap().octets(),
                )
                .attribute(IFA_FLAGS, &flags.to_ne_bytes())
        };
        let read = |scope, flags| match first(message(scope, flags)) {
            News::Address(address) => address,
            other => panic!("{other:?}"),
        };
        let address = read(0, IFA_F_PERMANENT);
        assert_eq!((address.index, address.prefix), (3, 64));
        assert_eq!(address.address, "fd00::7".parse::<IpAddr>().unwrap());
        assert!(address.usable && address.global && address.permanent);
        assert!(!read(0, IFA_F_TENTATIVE).usable, "still being probed");
        let twice = read(0, IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_PERMANENT);
        assert!(!twice.usable && twice.duplicate);
        assert!(!read(SCOPE_LINK, IFA_F_PERMANENT).global);
    }

    fn advertised(options: &[u8]) -> Vec<u8> {
        let mut body = vec![AF_INET6, 0];
        body.extend(u16::try_from(options.len()).unwrap().to_ne_bytes());
        body.extend(5u32.to_ne_bytes());
        body.extend([ROUTER_ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0]);
        body.extend(options);
        body
    }

    #[test]
    fn name_servers_of_a_router() {
        let mut options = vec![24, 1, 0, 0, 0, 0, 0, 0]; // another option first
        options.extend([OPTION_RDNSS, 5, 0, 0, 0, 0, 0x0e, 0x10]);
        for server in ["fd77::1", "fe80::1"] {
            options.extend(server.parse::<Ipv6Addr>().unwrap().octets());
        }
        let news = resolver(&advertised(&options)).unwrap();
        assert_eq!((news.index, news.lifetime), (5, Duration::from_secs(3600)));
        let servers: Vec<String> = news.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["fd77::1", "fe80::1"]);
        assert_eq!(resolver(&advertised(&[24, 1, 0, 0, 0, 0, 0, 0])), None);
        assert_eq!(
            resolver(&advertised(&[OPTION_RDNSS, 0, 0, 0])),
            None,
            "an endless one"
        );
        assert_eq!(
            resolver(&advertised(&[OPTION_RDNSS, 3, 0, 0, 0])),
            None,
            "cut short"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for part in parts(&bytes) {
                let _ = error_number(part.body);
            }
            let all = [NEWLINK, DELLINK, NEWADDR, DELADDR, NEWNDUSEROPT, 0];
            for kind in all {
                let _ = read(&Part { kind, sequence: 0, body: &bytes });
            }
            let _ = resolver(&advertised(&bytes));
        }
    }
}
