//! What the process that edits and the one that asked it say to each other,
//! over a socket that is the former's standard input.
//!
//! First the asker sends a [`Task`] (its length, u32, little-endian as all
//! numbers here, and JSON) and the bytes of its files, one after the other. Then
//! the editor sends requests: [`READ`], an offset (u64) and a length (u32); or
//! [`WRITE`], the same and the bytes. They are answered by [`GOOD`] (and the bytes
//! read) or by [`BAD`]. At last comes [`ANSWER`], a length and JSON.

use std::ffi::OsString;
use std::io::{Error, ErrorKind, Read, Result, Write};

use serde::{Deserialize, Serialize};

pub(super) use crate::deadline::array;

use super::VolumeError;

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
    /// The kernel's name of the file system that it is to write itself; else ntfs-3g does.
    pub(super) kernel: Option<String>,
    /// The `ntfs-3g` to use.
    pub(super) program: OsString,
    /// The asker's mount namespace, as the kernel names it.
    pub(super) namespace: OsString,
    /// Whether the editor is in another one already.
    pub(super) apart: bool,
    pub(super) seconds: u64,
    pub(super) files: Vec<Announced>,
}

/// A file whose bytes follow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Announced {
    pub(super) path: String,
    pub(super) after: u64,
    pub(super) len: u64,
    pub(super) create_folders: bool,
}

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

fn too_long(len: u64) -> Error {
    let text = format!("a message has {len} bytes, expected at most {TEXT_MOST}");
    Error::new(ErrorKind::InvalidData, text)
}
