//! A file system that is one file: the kernel's FUSE protocol, as far as such a
//! file needs it.
//!
//! Source of numbers and layouts: `include/uapi/linux/fuse.h` of the Linux
//! kernel (protocol 7.31). All numbers are in the machine's own byte order.

use std::fs::File;
use std::io::{ErrorKind, Read, Result, Write};

use disk::WriteAt;
use sys::Errno;

const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const DESTROY: u32 = 38;
const BATCH_FORGET: u32 = 42;

/// Bytes of the header of every request.
const HEADER: usize = 40;
/// Bytes of what comes between it and the data of a write.
const WRITE_HEAD: usize = 40;
/// The most that is read or written at once, in bytes: 32 pages, what the
/// kernel does when nothing else is agreed on.
const MOST: u32 = 128 << 10;
/// The protocol spoken: the oldest with these layouts that all kernels of the
/// last years know.
const VERSION: (u32, u32) = (7, 31);
/// Writes may be of more than one page.
const BIG_WRITES: u32 = 1 << 5;
/// A regular file that its owner reads and writes.
const MODE: u32 = 0o100_600;

/// Whose the file is: user and group. Ids that the mounting user namespace does
/// not know would keep the file from being written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner(pub(super) u32, pub(super) u32);

/// Answers for `volume` until it is unmounted.
///
/// # Errors
/// When the kernel speaks what is not understood.
pub(super) fn serve(mut device: &File, volume: &dyn WriteAt, owner: Owner) -> Result<()> {
    let mut request = vec![0; HEADER + WRITE_HEAD + MOST as usize + 4096];
    loop {
        let len = match device.read(&mut request) {
            Ok(len) => len,
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENODEV) => return Ok(()),
                // A request that was taken back, or a signal.
                Some(Errno::ENOENT | Errno::EINTR | Errno::EAGAIN) => continue,
                _ => return Err(error),
            },
        };
        let bytes = request.get(..len).unwrap_or_default();
        let request = Request::parse(bytes).ok_or(ErrorKind::InvalidData)?;
        let Some(outcome) = answer(&request, volume, owner) else {
            continue;
        };
        let reply = frame(request.unique, outcome);
        match device.write(&reply) {
            Ok(_) => {}
            // Nobody waits for the answer any more.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if request.opcode == DESTROY {
            return Ok(());
        }
    }
}

struct Request<'b> {
    opcode: u32,
    unique: u64,
    body: &'b [u8],
}

impl<'b> Request<'b> {
    fn parse(bytes: &'b [u8]) -> Option<Self> {
        Some(Self {
            opcode: u32_at(bytes, 4)?,
            unique: u64_at(bytes, 8)?,
            body: bytes.get(HEADER..)?,
        })
    }
}

type Outcome = std::result::Result<Vec<u8>, Errno>;

/// The answer's body; `None` where none is expected.
fn answer(request: &Request<'_>, volume: &dyn WriteAt, owner: Owner) -> Option<Outcome> {
    let body = request.body;
    Some(match request.opcode {
        FORGET | BATCH_FORGET | INTERRUPT => return None,
        INIT => Ok(init()),
        GETATTR => Ok(attributes(volume.size(), owner)),
        // A file handle and flags, none of which are needed.
        OPEN => Ok(vec![0; 16]),
        READ => read(body, volume),
        WRITE => write(body, volume),
        FLUSH | RELEASE | DESTROY => Ok(Vec::new()),
        FSYNC => volume.flush().map(|()| Vec::new()).map_err(|_| Errno::EIO),
        _ => Err(Errno::ENOSYS),
    })
}

/// `fuse_out_header` and what follows.
fn frame(unique: u64, outcome: Outcome) -> Vec<u8> {
    let (error, body) = match outcome {
        Ok(body) => (0, body),
        Err(errno) => (-(errno as i32), Vec::new()),
    };
    let len = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(16 + body.len());
    out.extend(len.to_ne_bytes());
    out.extend(error.to_ne_bytes());
    out.extend(unique.to_ne_bytes());
    out.extend(body);
    out
}

/// `fuse_init_out`.
fn init() -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for word in [VERSION.0, VERSION.1, MOST, BIG_WRITES] {
        out.extend(word.to_ne_bytes());
    }
    // Requests in the background, and when they are too many.
    for half in [12_u16, 9] {
        out.extend(half.to_ne_bytes());
    }
    // The longest write, and the unit of time stamps in nanoseconds.
    for word in [MOST, 1] {
        out.extend(word.to_ne_bytes());
    }
    out.resize(64, 0);
    out
}

/// `fuse_attr_out`: how long they hold (a second), then `fuse_attr`.
fn attributes(size: u64, owner: Owner) -> Vec<u8> {
    let mut out = Vec::with_capacity(104);
    let (number, blocks) = (1_u64, size.div_ceil(512));
    // (Behind the first: nanoseconds and padding. At the end: three times.)
    for long in [1, 0, number, size, blocks, 0, 0, 0] {
        out.extend(long.to_ne_bytes());
    }
    let (links, block_size) = (1_u32, 4096_u32);
    // Nanoseconds of three times, mode, links, owner, group, device, block, flags.
    for word in [0, 0, 0, MODE, links, owner.0, owner.1, 0, block_size, 0] {
        out.extend(word.to_ne_bytes());
    }
    out
}

fn read(body: &[u8], volume: &dyn WriteAt) -> Outcome {
    let (offset, len) = place(body).ok_or(Errno::EINVAL)?;
    let left = volume.size().saturating_sub(offset);
    let len = u64::from(len.min(MOST)).min(left);
    if len == 0 {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| Errno::EINVAL)?];
    let done = volume.read_exact_at(&mut bytes, offset);
    done.map(|()| bytes).map_err(|_| Errno::EIO)
}

fn write(body: &[u8], volume: &dyn WriteAt) -> Outcome {
    let (offset, len) = place(body).ok_or(Errno::EINVAL)?;
    let bytes = body.get(WRITE_HEAD..).unwrap_or_default();
    let bytes = bytes.get(..len as usize).ok_or(Errno::EINVAL)?;
    volume.write_all_at(bytes, offset).map_err(|_| Errno::EIO)?;
    let mut out = len.to_ne_bytes().to_vec();
    out.resize(8, 0);
    Ok(out)
}

/// Where and how many, of `fuse_read_in` and `fuse_write_in` alike.
fn place(body: &[u8]) -> Option<(u64, u32)> {
    Some((u64_at(body, 8)?, u32_at(body, 16)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(field.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_ne_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::{MemDisk, ReadAt};
    use proptest::prelude::*;

    fn body(offset: u64, len: u32, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 8];
        out.extend(offset.to_ne_bytes());
        out.extend(len.to_ne_bytes());
        out.resize(WRITE_HEAD, 0);
        out.extend(data);
        out
    }

    #[test]
    fn answers_have_the_kernels_sizes() {
        assert_eq!(init().len(), 64);
        assert_eq!(attributes(5, Owner(1, 2)).len(), 104);
        let framed = frame(7, Err(Errno::ENOSYS));
        assert_eq!(
            (u32_at(&framed, 0), u64_at(&framed, 8)),
            (Some(16), Some(7))
        );
        assert_eq!(framed[4..8], (-38_i32).to_ne_bytes());
    }

    #[test]
    fn reads_stop_at_the_end_and_writes_do_not_pass_it() {
        let disk = MemDisk::zeroed(1000);
        let written = write(&body(990, 10, &[7; 10]), &disk).unwrap();
        assert_eq!(u32_at(&written, 0), Some(10));
        assert_eq!(
            read(&body(985, 4096, &[]), &disk).unwrap(),
            [&[0; 5][..], &[7; 10]].concat()
        );
        assert_eq!(read(&body(5000, 10, &[]), &disk), Ok(Vec::new()));
        assert_eq!(write(&body(991, 10, &[7; 10]), &disk), Err(Errno::EIO));
        // Fewer bytes came than were announced.
        assert_eq!(write(&body(0, 10, &[7; 9]), &disk), Err(Errno::EINVAL));
        assert_eq!(disk.size(), 1000);
    }

    proptest! {
        #[test]
        fn any_request_has_an_answer(opcode in 0_u32..60, body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let disk = MemDisk::zeroed(64);
            let _ = answer(&Request { opcode, unique: 1, body: &body }, &disk, Owner(0, 0));
        }
    }
}
