//! Sessions with iSCSI targets that the kernel keeps: a connection that is logged
//! in is handed to it, and it makes disks of what it finds there.
//!
//! The login itself is not here. See `drivers/scsi/scsi_transport_iscsi.c`.

mod message;

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockType, bind, recv, send, socket,
};

use message::{Answer, LENGTH, numbers};

/// How long the kernel may take. To end a session it waits for its disks.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session has one connection here.
const CONNECTION: u32 = 0;

/// "Nobody will use this connection again."
const TERMINATE: u32 = 1;

/// A session of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its number: "session3" in /sys.
    pub id: u32,
    /// The number of its SCSI host.
    pub host: u32,
}

/// What the kernel has to know of a session (`enum iscsi_param`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Param {
    /// Bytes we take in one message.
    MaxReceive = 0,
    /// Bytes the target takes in one message.
    MaxSend = 1,
    /// Headers have checksums.
    HeaderDigest = 2,
    /// Data has checksums.
    DataDigest = 3,
    /// Written data waits until it is asked for.
    InitialR2t = 4,
    /// Requests for data at once.
    MaxR2t = 5,
    /// Written data comes with the command.
    ImmediateData = 6,
    /// Bytes written before they are asked for.
    FirstBurst = 7,
    /// Bytes asked for at once.
    MaxBurst = 8,
    /// Messages with data come in order.
    PduInOrder = 9,
    /// Their sequences, too.
    SequenceInOrder = 10,
    /// How errors are recovered from.
    ErrorRecovery = 11,
    /// The status number that comes next.
    ExpStatSn = 14,
    /// The target's name.
    TargetName = 15,
    /// Its portal group.
    PortalGroup = 16,
    /// Address that was asked for.
    Address = 17,
    /// And port.
    Port = 18,
    /// Seconds until commands fail after the connection did.
    RecoveryTimeout = 19,
    /// Seconds a ping may take.
    PingTimeout = 30,
    /// Seconds of silence before a ping.
    ReceiveTimeout = 31,
    /// Our name.
    InitiatorName = 34,
}

/// The kernel's iSCSI.
#[derive(Debug)]
pub struct Iscsi {
    fd: OwnedFd,
    transport: u64,
}

impl Iscsi {
    /// Opens the channel to a transport; `transport` is its handle, as in
    /// /sys/class/iscsi_transport/tcp/handle.
    ///
    /// # Errors
    /// The kernel's: `EPROTONOSUPPORT` without the driver, `EPERM` in a sandbox.
    pub fn open(transport: u64) -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let protocol = nix::sys::socket::SockProtocol::NetlinkISCSI;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self { fd, transport })
    }

    /// Makes a session with one connection, neither of which does anything yet.
    ///
    /// # Errors
    /// The kernel's.
    pub fn create(&self, first_command: u32, commands: u16, depth: u16) -> Result<Session> {
        let mut asked = numbers(&[first_command]);
        asked.extend_from_slice(&commands.to_ne_bytes());
        asked.extend_from_slice(&depth.to_ne_bytes());
        let [id, host] = self.ask(message::CREATE_SESSION, &asked, &[])?;
        if let Err(error) = self.ask(message::CREATE_CONN, &numbers(&[id, CONNECTION]), &[]) {
            let _ = self.ask(message::DESTROY_SESSION, &numbers(&[id]), &[]);
            return Err(error);
        }
        Ok(Session { id, host })
    }

    /// Gives the session its TCP connection; the kernel keeps it open by itself.
    ///
    /// # Errors
    /// The kernel's: `EINVAL` when it is no connection.
    pub fn bind(&self, session: Session, stream: BorrowedFd<'_>) -> Result<()> {
        let number = u64::try_from(stream.as_raw_fd()).map_err(|_| Errno::EBADF)?;
        let mut asked = numbers(&[session.id, CONNECTION]);
        asked.extend_from_slice(&number.to_ne_bytes());
        asked.extend_from_slice(&numbers(&[1])); // the leading connection
        self.do_it(message::BIND_CONN, &asked, &[])
    }

    /// Tells what was negotiated.
    ///
    /// # Errors
    /// The kernel's: `EINVAL` for a value that makes no sense.
    pub fn set(&self, session: Session, param: Param, value: &str) -> Result<()> {
        let mut data = value.as_bytes().to_vec();
        data.push(0);
        let length = u32::try_from(data.len()).map_err(|_| Errno::E2BIG)?;
        let asked = numbers(&[session.id, CONNECTION, param as u32, length]);
        self.ask(message::SET_PARAM, &asked, &data).map(drop)
    }

    /// Commands may go over the connection from now on.
    ///
    /// # Errors
    /// The kernel's: `EINVAL` when what was set does not fit together.
    pub fn start(&self, session: Session) -> Result<()> {
        self.do_it(
            message::START_CONN,
            &numbers(&[session.id, CONNECTION]),
            &[],
        )
    }

    /// Closes the connection and takes the session's disks away; `id` is its number.
    ///
    /// # Errors
    /// The kernel's: `EINVAL` when there is no such session.
    pub fn destroy(&self, id: u32) -> Result<()> {
        let both = numbers(&[id, CONNECTION]);
        let mut stop = both.clone();
        stop.extend_from_slice(&0u64.to_ne_bytes()); // a handle that nobody uses
        stop.extend_from_slice(&numbers(&[TERMINATE]));
        // A session whose connection was never made has nothing to stop.
        let _ = self.ask(message::STOP_CONN, &stop, &[]);
        let _ = self.ask(message::DESTROY_CONN, &both, &[]);
        self.ask(message::DESTROY_SESSION, &numbers(&[id]), &[])
            .map(drop)
    }

    /// For requests whose answer is an error number.
    fn do_it(&self, kind: u32, asked: &[u8], data: &[u8]) -> Result<()> {
        let [code, _] = self.ask(kind, asked, data)?;
        match code.cast_signed() {
            0 => Ok(()),
            code => Err(Error::from_raw_os_error(code.saturating_neg())),
        }
    }

    fn ask(&self, kind: u32, asked: &[u8], data: &[u8]) -> Result<[u32; 2]> {
        let bytes = message::request(kind, self.transport, asked, data);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut buffer = [0; LENGTH * 2];
        loop {
            if !crate::poll::readable(self.fd.as_fd(), PATIENCE)? {
                return Err(ErrorKind::TimedOut.into());
            }
            let length = match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let message = buffer.get(..length).unwrap_or_default();
            match message::answer(message, kind) {
                Some(Answer::Done(numbers)) => return Ok(numbers),
                Some(Answer::Refused(number)) => return Err(Error::from_raw_os_error(number)),
                None => {}
            }
        }
    }
}
