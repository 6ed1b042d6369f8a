//! What the kernel tells about devices that come and go.
//!
//! The format is the kernel's `lib/kobject_uevent.c`: "ACTION@DEVPATH", then
//! `KEY=VALUE` strings, all ended by NUL.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt,
    socket, sockopt,
};

/// The largest message the kernel sends (UEVENT_BUFFER_SIZE is 2048, plus the
/// header), with room.
const LARGEST: usize = 16 << 10;

/// Room for the messages of a machine with many disks while a driver loads.
const QUEUE: usize = 16 << 20;

/// The kernel's own multicast group; udev would use another.
const KERNEL_GROUP: u32 = 1;

/// One device that came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uevent {
    /// "add", "remove", "change", "bind", ….
    pub action: String,
    /// Path under /sys.
    pub devpath: String,
    /// SUBSYSTEM, MODALIAS, DEVNAME and the like.
    pub values: BTreeMap<String, String>,
}

impl Uevent {
    /// One of [`Uevent::values`].
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }
}

/// Reads one message; `None` when it is not one of the kernel's.
#[must_use]
pub fn parse(message: &[u8]) -> Option<Uevent> {
    let text = std::str::from_utf8(message).ok()?;
    let mut parts = text.split('\0');
    let (action, devpath) = parts.next()?.split_once('@')?;
    if action.is_empty() || !devpath.starts_with('/') {
        return None;
    }
    let values = parts
        .filter_map(|p| p.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Some(Uevent {
        action: action.to_owned(),
        devpath: devpath.to_owned(),
        values,
    })
}

/// The kernel's device messages, from now on.
#[derive(Debug)]
pub struct Uevents {
    fd: OwnedFd,
}

impl Uevents {
    /// Starts to listen. Messages queue until [`Uevents::next`] takes them.
    ///
    /// # Errors
    /// The kernel's: `EPERM` in a sandbox.
    pub fn open() -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
        // Needs CAP_NET_ADMIN; without it the queue stays at its default.
        let _ = setsockopt(&fd, sockopt::RcvBufForce, &QUEUE);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        Ok(Self { fd })
    }

    /// The next message that is there already; `None` when there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] when the queue ran over and messages are
    /// lost: look at all devices again. Else the kernel's.
    pub fn next(&self) -> Result<Option<Uevent>> {
        let mut buffer = vec![0; LARGEST];
        loop {
            match recvfrom::<NetlinkAddr>(self.fd.as_raw_fd(), &mut buffer) {
                // Only the kernel has port 0: nobody else may tell us of devices.
                Ok((len, Some(from))) if from.pid() == 0 => {
                    if let Some(event) = parse(buffer.get(..len).unwrap_or_default()) {
                        return Ok(Some(event));
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::ENOBUFS) => {
                    return Err(Error::new(ErrorKind::Interrupted, "device messages lost"));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_kernel_is_read() {
        let message = b"add@/devices/pci0000:00/0000:00:03.0\0ACTION=add\0\
            DEVPATH=/devices/pci0000:00/0000:00:03.0\0SUBSYSTEM=pci\0\
            MODALIAS=pci:v00008086d0000100E\0SEQNUM=1234\0";
        let event = parse(message).unwrap();
        assert_eq!(event.action, "add");
        assert_eq!(event.devpath, "/devices/pci0000:00/0000:00:03.0");
        assert_eq!(event.value("MODALIAS"), Some("pci:v00008086d0000100E"));
        assert_eq!(event.value("DEVNAME"), None);
    }

    #[test]
    fn what_is_not_the_kernels_is_refused() {
        for bad in [
            &b""[..],
            b"libudev\0\xfe\xed",
            b"add",
            b"@/x",
            b"add@x",
            b"\xff@/",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
