//! What the process that looks and the one that asked it say to each other,
//! over a socket that is the former's standard input.
//!
//! First the asker sends a [`Task`]: its length (u32, little-endian as all
//! numbers here) and JSON. Then the looker sends requests: [`READ`], an offset
//! (u64) and a length (u32), answered by [`GOOD`] and the bytes, or by [`BAD`],
//! a length (u32) and why not; and at last [`ANSWER`], a length and JSON.

use std::ffi::OsString;
use std::io::{Error, ErrorKind, Read, Result, Write};

use image::{IdentityKey, System};
use serde::{Deserialize, Serialize};

pub(super) use crate::deadline::array;

use super::super::known::Known;
use crate::adapt::{Around, Listing, Volumes};
use crate::firmware::NewNames;
use crate::inventory::Hardware;

pub(super) const READ: u8 = b'r';
pub(super) const ANSWER: u8 = b'a';
pub(super) const GOOD: u8 = 0;
pub(super) const BAD: u8 = 1;

/// No read is of more bytes than this.
pub(super) const READ_MOST: u32 = 1 << 20;
/// No text is longer than this.
pub(super) const TEXT_MOST: u32 = 256 << 10;
/// No answer is: it may hold a large hive, before and after, in base 64.
pub(super) const ANSWER_MOST: u32 = 512 << 20;

/// What to look for, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) job: Job,
    pub(super) place: At,
}

/// What is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Job {
    /// Who the system is ([`Looked`]); the hashes depend on this.
    Identity(IdentityKey),
    /// What a Windows needs on this hardware ([`Adaptation`](crate::adapt::Adaptation)).
    Windows(Hardware, Option<Listing>, Option<NewNames>),
    /// Whether it is the root of a Linux ([`Root`](crate::volumes::Root)).
    Root,
    /// What a Linux needs; what the disk's volumes are called, and which
    /// initramfs cannot grow.
    Linux(Hardware, Volumes, Vec<String>),
    /// What a Linux has for UEFI ([`Starters`](crate::firmware::linux::Starters)).
    Starters,
    /// What it has for a BIOS ([`ForBios`](crate::firmware::linux::ForBios)).
    ForBios,
    /// What Windows starts from there, also an [`Adaptation`](crate::adapt::Adaptation).
    Starts(Around),
    /// What the EFI system partition has for the firmware to start, and which of these
    /// files it lacks ([`Esp`](crate::boot_entries::Esp)).
    Loaders(Vec<String>),
    /// What of it matters for UEFI ([`Survey`](crate::adapt::uefi::Survey)).
    Survey,
    /// The files that Windows has for an EFI system partition.
    BootFiles,
    /// The boot store for UEFI, and where the Windows is that it starts, in bytes.
    NewStore(NewNames, u64),
}

/// Where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum At {
    /// A folder that is the root of a system.
    Folder(OsString),
    /// What the asker reads from.
    Partition {
        /// Bytes of it.
        size: u64,
        kind: super::Kind,
    },
}

/// What was found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Looked {
    /// The system, disk and partition not filled in.
    pub(crate) system: Option<System>,
    /// What a technician wants to know of it beside its identity: names and values.
    pub(crate) details: Vec<(String, String)>,
    /// What else is worth knowing, in sentences.
    pub(crate) notes: Vec<String>,
    /// What has to be known when it was brought back.
    #[serde(default)]
    pub(crate) known: Vec<Known>,
}

/// What comes back: what was found, or why nothing could be told.
pub(super) type Answer<T> = std::result::Result<T, String>;

/// Sends a length and as many bytes, at most `most`.
pub(super) fn send(out: &mut impl Write, bytes: &[u8], most: u32) -> Result<()> {
    let len = u32::try_from(bytes.len()).ok();
    let len = len.filter(|len| *len <= most);
    let len = len.ok_or_else(|| too_long(bytes.len() as u64, most))?;
    out.write_all(&len.to_le_bytes())?;
    out.write_all(bytes)
}

/// Receives what [`send`] sent.
pub(super) fn receive(from: &mut impl Read, most: u32) -> Result<Vec<u8>> {
    let len = u32::from_le_bytes(array(from)?);
    if len > most {
        return Err(too_long(len.into(), most));
    }
    // Memory only for what comes.
    let mut bytes = Vec::new();
    from.take(len.into()).read_to_end(&mut bytes)?;
    match bytes.len() == len as usize {
        true => Ok(bytes),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn too_long(len: u64, most: u32) -> Error {
    let text = format!("a message has {len} bytes, expected at most {most}");
    Error::new(ErrorKind::InvalidData, text)
}
