//! What the process that edits and the one that asked it say to each other,
//! over a socket that is the former's standard input.
//!
//! First the asker sends a [`Task`] (its length, u32, little-endian as all
//! numbers here, and JSON) and the bytes of its files, one after the other. Then
//! the editor sends requests: [`READ`], an offset (u64) and a length (u32); or
//! [`WRITE`], the same and the bytes. They are answered by [`GOOD`] (and the bytes
//! read) or by [`BAD`]. At last comes [`ANSWER`], a length and JSON, and then a length
//! and what was found out, if something was to be.

use std::ffi::OsString;
use std::io::{Error, ErrorKind, Read, Result, Write};

use serde::{Deserialize, Serialize};

pub(super) use crate::deadline::array;

use super::{LinuxFs, NewFile, VolumeError};

pub(super) const READ: u8 = b'r';
pub(super) const WRITE: u8 = b'w';
pub(super) const ANSWER: u8 = b'a';
pub(super) const GOOD: u8 = 0;
pub(super) const BAD: u8 = 1;

/// No request moves more bytes than this.
pub(super) const MOVE_MOST: u32 = 1 << 20;
/// No JSON is longer than this.
const TEXT_MOST: u32 = 1 << 20;

/// Which of the two processes is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    /// The one that serves the volume.
    Serve,
    /// The one that writes files on it; only its answer is in this protocol.
    Write,
}

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) part: Part,
    /// Bytes of the volume.
    pub(super) size: u64,
    /// The parts of the volume that Linux mounts itself; ntfs-3g does it when there are none.
    pub(super) mounts: Vec<Mounted>,
    /// Where the system's root is on the first of them.
    pub(super) folder: String,
    /// What to find out there ([`crate::identity::look::in_tree`]), instead of writing.
    pub(super) job: Option<String>,
    /// The `ntfs-3g` to use.
    pub(super) program: OsString,
    /// The asker's mount namespace, as the kernel names it.
    pub(super) namespace: OsString,
    /// Whether the editor is in another one already.
    pub(super) apart: bool,
    pub(super) seconds: u64,
    pub(super) files: Vec<Announced>,
}

/// A file system of Linux.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mounted {
    /// Where it begins in the volume, in bytes.
    pub(super) start: u64,
    /// Bytes of it.
    pub(super) len: u64,
    pub(super) kind: LinuxFs,
    /// Where the system has it: "/", "/boot".
    pub(super) at: String,
    /// What of it, as the kernel is told: "subvol=@boot".
    pub(super) subvolume: Option<String>,
}

/// A file whose bytes follow, so many.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Announced {
    /// All of it but for these.
    pub(super) file: NewFile,
    pub(super) len: u64,
}

/// No finding is longer than this: modules for several kernels, in base 64.
const FOUND_MOST: u32 = 512 << 20;

/// What comes back.
pub(super) type Answer = std::result::Result<(), VolumeError>;

/// Sends JSON.
pub(super) fn send(out: &mut impl Write, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let len = u32::try_from(bytes.len()).ok();
    let len = len.filter(|len| *len <= TEXT_MOST);
    let len = len.ok_or_else(|| too_long(bytes.len() as u64))?;
    out.write_all(&len.to_le_bytes())?;
    out.write_all(&bytes)
}

/// Receives what [`send`] sent.
pub(super) fn receive<T: for<'de> Deserialize<'de>>(from: &mut impl Read) -> Result<T> {
    let len = u32::from_le_bytes(array(from)?);
    if len > TEXT_MOST {
        return Err(too_long(len.into()));
    }
    let mut bytes = vec![0; len as usize];
    from.read_exact(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Sends an answer, and what was found out.
pub(super) fn send_answer(out: &mut impl Write, answer: &Answer, found: &[u8]) -> Result<()> {
    let len = u32::try_from(found.len()).ok();
    let len = len.filter(|len| *len <= FOUND_MOST);
    let len = len.ok_or_else(|| too_long(found.len() as u64))?;
    out.write_all(&[ANSWER])?;
    send(out, answer)?;
    out.write_all(&len.to_le_bytes())?;
    out.write_all(found)
}

/// Receives what [`send_answer`] sent, but for [`ANSWER`].
pub(super) fn receive_answer(from: &mut impl Read) -> Result<(Answer, Vec<u8>)> {
    let answer = receive(from)?;
    let len = u32::from_le_bytes(array(from)?);
    if len > FOUND_MOST {
        return Err(too_long(len.into()));
    }
    // Memory only for what comes.
    let mut found = Vec::new();
    from.take(len.into()).read_to_end(&mut found)?;
    match found.len() == len as usize {
        true => Ok((answer, found)),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn too_long(len: u64) -> Error {
    let text = format!("a message has {len} bytes, expected at most {TEXT_MOST}");
    Error::new(ErrorKind::InvalidData, text)
}
