//! IPv4 packets of an interface that has no address yet: what DHCP needs.
#![allow(unsafe_code)]

use std::io::Result;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike, bind, recv, sendto, socket,
};

const BROADCAST: [u8; 6] = [0xff; 6];

/// Sends and receives whole IPv4 packets (from their IP header on) of one
/// Ethernet interface.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    index: i32,
}

impl PacketSocket {
    /// A socket for the interface of that `index`.
    ///
    /// # Errors
    /// The kernel's: `EPERM` without `CAP_NET_RAW`, `ENODEV`.
    pub fn open(index: u32) -> Result<Self> {
        let index = i32::try_from(index).map_err(|_| Errno::ENODEV)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Protocol 0: nothing arrives before the bind names the interface.
        let fd = socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
        bind(fd.as_raw_fd(), &address(index, [0; 6])?)?;
        Ok(Self { fd, index })
    }

    /// Sends one packet to everybody on the wire.
    ///
    /// # Errors
    /// The kernel's: `ENETDOWN` while the interface is down.
    pub fn broadcast(&self, packet: &[u8]) -> Result<()> {
        let to = address(self.index, BROADCAST)?;
        sendto(self.fd.as_raw_fd(), packet, &to, MsgFlags::empty())?;
        Ok(())
    }

    /// The next packet into `buffer`; `None` when `limit` passed first.
    ///
    /// # Errors
    /// The kernel's: `ENETDOWN` when the interface went down.
    pub fn receive(&self, buffer: &mut [u8], limit: Duration) -> Result<Option<usize>> {
        if !crate::poll::readable(self.fd.as_fd(), limit)? {
            return Ok(None);
        }
        match recv(self.fd.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(len) => Ok(Some(len)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// "IPv4 on this interface, to this hardware address."
fn address(index: i32, mac: [u8; 6]) -> Result<LinkAddr> {
    let mut hardware = [0; 8];
    let [a, b, c, d, e, f] = mac;
    hardware[..6].copy_from_slice(&[a, b, c, d, e, f]);
    let raw = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_IP as u16).to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: hardware,
    };
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `raw` is a live `sockaddr_ll` whose family says so, and `len` is
    // its size; `from_raw` copies it and keeps no pointer.
    unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(len)) }
        .ok_or_else(|| Errno::EINVAL.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_was_made_of() {
        let made = address(7, [1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(made.ifindex(), 7);
        assert_eq!(made.addr(), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(made.protocol(), 0x0800u16.to_be());
    }
}
