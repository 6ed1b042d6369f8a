//! Network interfaces, addresses and routes over rtnetlink.

mod events;
mod message;
mod news;
mod request;

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};

pub use events::Events;
pub use request::Way;

use message::{DONE, ERROR, Message, Part};

/// Larger than any datagram the kernel makes (32 KiB at most).
const LARGEST: usize = 64 << 10;

/// How long the kernel may take to answer; it answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it.
    pub index: u32,
    /// "eth0".
    pub name: String,
    /// Its hardware address, when it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// The one it was made with: a member of a bond uses another.
    pub permanent_mac: Option<[u8; 6]>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Ethernet, or something that behaves like it.
    pub ethernet: bool,
    /// "lo".
    pub loopback: bool,
    /// Switched on by the operator.
    pub up: bool,
    /// A cable is plugged in and the other side answers.
    pub carrier: bool,
    /// The interface this is a part of: a bond.
    pub master: Option<u32>,
    /// What the kernel calls it, if it is made of others: "vlan", "bond".
    pub kind: Option<String>,
}

/// An interface that is made of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A VLAN on top of an interface.
    Vlan {
        /// The number of that interface.
        parent: u32,
        /// The VLAN.
        id: u16,
    },
    /// Several that are used as one.
    Bond {
        /// How, as in `include/uapi/linux/if_bonding.h`.
        mode: u8,
    },
}

impl Kind {
    /// The kernel's word for it, as in [`Link::kind`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Vlan { .. } => "vlan",
            Self::Bond { .. } => "bond",
        }
    }
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assigned {
    /// The interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Bits of the network's part.
    pub prefix: u8,
    /// It means something beyond the cable.
    pub global: bool,
    /// It is not being probed for others that have it.
    pub usable: bool,
    /// Another machine has it.
    pub duplicate: bool,
    /// It is kept until it is taken away. (One of a router's advertisement has a time.)
    pub permanent: bool,
}

/// Name servers that a router advertised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverNews {
    /// Over which interface.
    pub index: u32,
    /// How long they may be used; zero: no longer.
    pub lifetime: Duration,
    /// They.
    pub servers: Vec<Ipv6Addr>,
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// An interface is new, or something about it changed.
    Link(Link),
    /// An interface is gone.
    LinkGone(Link),
    /// An address is new, or something about it changed.
    Address(Assigned),
    /// An address is gone.
    AddressGone(Assigned),
    /// A router told name servers.
    Resolver(ResolverNews),
}

/// Asks and tells the kernel about the network.
#[derive(Debug)]
pub struct Route {
    fd: OwnedFd,
    sequence: u32,
}

fn open(groups: u32, flags: SockFlag) -> Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    let protocol = SockProtocol::NetlinkRoute;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(fd)
}

impl Route {
    /// Opens the channel.
    ///
    /// # Errors
    /// The kernel's: `EPERM` in a sandbox.
    pub fn open() -> Result<Self> {
        let fd = open(0, SockFlag::empty())?;
        Ok(Self { fd, sequence: 0 })
    }

    /// All interfaces.
    ///
    /// # Errors
    /// The kernel's, or `TimedOut` when it does not answer.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        self.ask(request::list_links(), |part| {
            if part.kind == news::NEWLINK {
                links.extend(news::link(part.body));
            }
        })?;
        Ok(links)
    }

    /// All addresses.
    ///
    /// # Errors
    /// The kernel's, or `TimedOut` when it does not answer.
    pub fn addresses(&mut self) -> Result<Vec<Assigned>> {
        let mut addresses = Vec::new();
        self.ask(request::list_addresses(), |part| {
            if part.kind == news::NEWADDR {
                addresses.extend(news::address(part.body));
            }
        })?;
        Ok(addresses)
    }

    /// Switches an interface on.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` when it is gone.
    pub fn set_up(&mut self, index: u32) -> Result<()> {
        self.ask(request::set_up(index, true), |_| {})
    }

    /// Switches an interface off.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` when it is gone.
    pub fn set_down(&mut self, index: u32) -> Result<()> {
        self.ask(request::set_up(index, false), |_| {})
    }

    /// Sets the largest packet, in bytes.
    ///
    /// # Errors
    /// The kernel's: `EINVAL` when the driver cannot do it.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<()> {
        self.ask(request::set_mtu(index, mtu), |_| {})
    }

    /// Makes an interface a part of a bond, or of nothing (`None`). To become one
    /// it must be switched off.
    ///
    /// # Errors
    /// The kernel's: `EBUSY`, `EPERM` when the driver cannot do it.
    pub fn set_master(&mut self, index: u32, master: Option<u32>) -> Result<()> {
        self.ask(request::set_master(index, master.unwrap_or(0)), |_| {})
    }

    /// Makes an interface of others.
    ///
    /// # Errors
    /// The kernel's: `EEXIST`; `EOPNOTSUPP` without the kernel module for it.
    pub fn add_link(&mut self, name: &str, kind: Kind) -> Result<()> {
        self.ask(request::add_link(name, kind), |_| {})
    }

    /// Unmakes an interface that was made of others.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` when it is gone.
    pub fn remove_link(&mut self, index: u32) -> Result<()> {
        self.ask(request::remove_link(index), |_| {})
    }

    /// Gives an interface an address in a network of `prefix` bits.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` when the interface is gone.
    pub fn add_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<()> {
        self.ask(request::add_address(index, address, prefix), |_| {})
    }

    /// Takes an address away.
    ///
    /// # Errors
    /// The kernel's: `EADDRNOTAVAIL` when it has none such.
    pub fn remove_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<()> {
        self.ask(request::remove_address(index, address, prefix), |_| {})
    }

    /// Sends packets a way, over an interface.
    ///
    /// # Errors
    /// The kernel's: `ENETUNREACH` when the gateway cannot be reached.
    pub fn add_route(&mut self, index: u32, way: &Way) -> Result<()> {
        self.ask(request::add_route(index, way), |_| {})
    }

    /// Sends packets that way no longer.
    ///
    /// # Errors
    /// The kernel's: `ESRCH` when there is no such route.
    pub fn remove_route(&mut self, index: u32, way: &Way) -> Result<()> {
        self.ask(request::remove_route(index, way), |_| {})
    }

    fn ask(&mut self, message: Message, mut take: impl FnMut(&Part<'_>)) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = message.finish(self.sequence);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut buffer = vec![0; LARGEST];
        loop {
            if !crate::poll::readable(self.fd.as_fd(), PATIENCE)? {
                return Err(Error::new(ErrorKind::TimedOut, "rtnetlink does not answer"));
            }
            let len = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            let answer = buffer.get(..len).unwrap_or_default();
            for part in message::parts(answer).filter(|p| p.sequence == self.sequence) {
                match part.kind {
                    DONE => return Ok(()),
                    ERROR => return outcome(part.body),
                    _ => take(&part),
                }
            }
        }
    }
}

fn outcome(body: &[u8]) -> Result<()> {
    match message::error_number(body) {
        Some(0) => Ok(()),
        Some(number) => Err(Error::from_raw_os_error(number)),
        None => Err(Error::new(
            ErrorKind::InvalidData,
            "rtnetlink error cut short",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_listed() {
        let links = Route::open().unwrap().links().unwrap();
        let lo = links.iter().find(|l| l.loopback).unwrap();
        assert_eq!(lo.name, "lo");
        assert!(!lo.ethernet);
    }

    #[test]
    fn addresses_are_listed() {
        let mut route = Route::open().unwrap();
        let links = route.links().unwrap();
        for address in route.addresses().unwrap() {
            assert!(
                links.iter().any(|l| l.index == address.index),
                "{address:?}"
            );
            assert!(
                !address.address.is_loopback() || !address.global,
                "{address:?}"
            );
        }
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error() {
        let mut route = Route::open().unwrap();
        assert!(route.set_up(u32::MAX >> 1).is_err());
        assert!(route.links().is_ok(), "the channel is usable afterwards");
    }
}
