//! Network interfaces, addresses and routes over rtnetlink.

mod message;

use std::io::{Error, ErrorKind, Result};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};

use message::{DELLINK, DONE, ERROR, Message, NEWLINK, Part};

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
}

/// A change of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// It is new, or something about it changed.
    Now(Link),
    /// It is gone.
    Gone(Link),
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
        self.ask(message::list_links(), |part| {
            if part.kind == NEWLINK {
                links.extend(message::link(part.body));
            }
        })?;
        Ok(links)
    }

    /// Switches an interface on.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` when it is gone.
    pub fn set_up(&mut self, index: u32) -> Result<()> {
        self.ask(message::set_up(index), |_| {})
    }

    /// Sets the largest packet, in bytes.
    ///
    /// # Errors
    /// The kernel's: `EINVAL` when the driver cannot do it.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<()> {
        self.ask(message::set_mtu(index, mtu), |_| {})
    }

    /// Gives an interface an address in a network of `prefix` bits.
    ///
    /// # Errors
    /// The kernel's: `ENODEV` when the interface is gone.
    pub fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.ask(message::add_address(index, address, prefix.min(32)), |_| {})
    }

    /// Takes an address away.
    ///
    /// # Errors
    /// The kernel's: `EADDRNOTAVAIL` when it has none such.
    pub fn remove_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.ask(
            message::remove_address(index, address, prefix.min(32)),
            |_| {},
        )
    }

    /// Sends packets for `network` (address and bits) over an interface,
    /// through `gateway` or directly. The lowest `metric` wins.
    ///
    /// # Errors
    /// The kernel's: `ENETUNREACH` when the gateway cannot be reached.
    pub fn add_route(
        &mut self,
        index: u32,
        network: (Ipv4Addr, u8),
        gateway: Option<Ipv4Addr>,
        metric: u32,
    ) -> Result<()> {
        let network = (network.0, network.1.min(32));
        self.ask(message::add_route(index, network, gateway, metric), |_| {})
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

/// Interfaces that come, go or change, from now on.
#[derive(Debug)]
pub struct LinkEvents {
    fd: OwnedFd,
}

impl LinkEvents {
    /// Starts to listen.
    ///
    /// # Errors
    /// The kernel's: `EPERM` in a sandbox.
    pub fn open() -> Result<Self> {
        const LINK_GROUP: u32 = 1;
        let fd = open(LINK_GROUP, SockFlag::SOCK_NONBLOCK)?;
        Ok(Self { fd })
    }

    /// The changes that are there already.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] when changes were lost: list the links
    /// again. Else the kernel's.
    pub fn take(&self) -> Result<Vec<LinkEvent>> {
        let mut buffer = vec![0; LARGEST];
        let mut events = Vec::new();
        loop {
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(len) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    events.extend(message::parts(bytes).filter_map(|p| event(&p)));
                }
                Err(Errno::EAGAIN) => return Ok(events),
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => {
                    return Err(Error::new(ErrorKind::Interrupted, "link messages lost"));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn event(part: &Part<'_>) -> Option<LinkEvent> {
    match part.kind {
        NEWLINK => message::link(part.body).map(LinkEvent::Now),
        DELLINK => message::link(part.body).map(LinkEvent::Gone),
        _ => None,
    }
}

impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
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
    fn what_the_kernel_refuses_is_an_error() {
        let mut route = Route::open().unwrap();
        assert!(route.set_up(u32::MAX >> 1).is_err());
        assert!(route.links().is_ok(), "the channel is usable afterwards");
    }
}
