//! What changes about the network, from now on.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockFlag, recv};

use super::message::parts;
use super::{LARGEST, News, news};

/// Interfaces and addresses that come, go or change, and what routers tell.
#[derive(Debug)]
pub struct Events {
    fd: OwnedFd,
}

impl Events {
    /// Starts to listen.
    ///
    /// # Errors
    /// The kernel's: `EPERM` in a sandbox.
    pub fn open() -> Result<Self> {
        // `RTNLGRP_…` in include/uapi/linux/rtnetlink.h count from 1.
        const LINK: u32 = 1;
        const IPV4_IFADDR: u32 = 1 << 4;
        const IPV6_IFADDR: u32 = 1 << 8;
        const ND_USEROPT: u32 = 1 << 19;
        let groups = LINK | IPV4_IFADDR | IPV6_IFADDR | ND_USEROPT;
        let fd = super::open(groups, SockFlag::SOCK_NONBLOCK)?;
        Ok(Self { fd })
    }

    /// The changes that are there already.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] when changes were lost: list everything again.
    /// Else the kernel's.
    pub fn take(&self) -> Result<Vec<News>> {
        let mut buffer = vec![0; LARGEST];
        let mut events = Vec::new();
        loop {
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(len) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    events.extend(parts(bytes).filter_map(|part| news::read(&part)));
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

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
