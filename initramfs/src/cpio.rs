//! The newc form of cpio: what the kernel unpacks as an initramfs.
//!
//! Layout: Documentation/driver-api/early-userspace/buffer-format.rst of the
//! Linux sources. A header is 6 bytes of magic and 13 fields of 8 hex digits;
//! name and data are each padded to 4 bytes from the archive's start.

use std::io::Read;
use std::ops::Range;

use crate::{Error, Node, Result};

const MAGIC: &[u8; 6] = b"070701";
const HEADER: usize = 110;
const TRAILER: &str = "TRAILER!!!";
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// More than any layer we make; stops a damaged frame from filling memory.
const UNPACKED_CAP: u64 = 2 << 30;

const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFMT: u32 = 0o170_000;

pub(crate) fn write<'a>(
    nodes: impl Iterator<Item = (&'a str, &'a Node)>,
    mtime: u32,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut ino = 0;
    for (path, node) in nodes {
        ino += 1;
        append(&mut out, ino, path, node, mtime)?;
    }
    let end = Node::File {
        mode: 0,
        data: Vec::new(),
    };
    append_with_mode(&mut out, 0, TRAILER, &end, (0, 0))?;
    Ok(out)
}

fn append(out: &mut Vec<u8>, ino: u32, path: &str, node: &Node, mtime: u32) -> Result<()> {
    let mode = match node {
        Node::Dir { mode } => S_IFDIR | mode,
        Node::File { mode, .. } => S_IFREG | mode,
        Node::Symlink { .. } => S_IFLNK | 0o777,
        Node::CharDevice { mode, .. } => S_IFCHR | mode,
    };
    append_with_mode(out, ino, path, node, (mode, mtime))
}

fn append_with_mode(
    out: &mut Vec<u8>,
    ino: u32,
    path: &str,
    node: &Node,
    (mode, mtime): (u32, u32),
) -> Result<()> {
    let data: &[u8] = match node {
        Node::File { data, .. } => data,
        Node::Symlink { target } => target.as_bytes(),
        Node::Dir { .. } | Node::CharDevice { .. } => &[],
    };
    let (major, minor) = match node {
        Node::CharDevice { major, minor, .. } => (*major, *minor),
        _ => (0, 0),
    };
    let nlink = if matches!(node, Node::Dir { .. }) {
        2
    } else {
        1
    };
    let size = length(path, data.len())?;
    let name_size = length(path, path.len().saturating_add(1))?;
    out.extend_from_slice(MAGIC);
    for field in [
        ino, mode, 0, 0, nlink, mtime, size, 0, 0, major, minor, name_size, 0,
    ] {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(data);
    pad(out);
    Ok(())
}

fn length(path: &str, len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::TooLarge {
        path: path.to_owned(),
        size: len as u64,
    })
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

/// What an entry read back from an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link; the data is its target.
    Symlink,
    /// A character device.
    CharDevice,
    /// Anything else cpio knows.
    Other,
}

/// An entry read back from an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path without a leading slash.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// The time of change, seconds since 1970.
    pub mtime: u32,
    /// Contents of a file, target of a link.
    pub data: Vec<u8>,
}

/// Reads concatenated archives, each plain or one zstd frame, zero padding
/// between them: what the kernel accepts as an initramfs.
///
/// # Errors
/// [`Error::BadArchive`], [`Error::Codec`].
pub fn read_archives(mut bytes: &[u8]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    loop {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes = bytes.get(zeros..).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(entries);
        }
        if bytes.starts_with(&ZSTD_MAGIC) {
            let (plain, rest) = unpack_frame(bytes)?;
            read_plain_all(&plain, &mut entries)?;
            bytes = rest;
        } else {
            let used = read_plain(bytes, &mut entries)?;
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }
}

/// One zstd frame and what follows it.
fn unpack_frame(bytes: &[u8]) -> Result<(Vec<u8>, &[u8])> {
    let codec = |source| Error::Codec {
        action: "unpacking a layer".to_owned(),
        source,
    };
    let mut rest = bytes;
    let mut plain = Vec::new();
    let decoder = zstd::Decoder::with_buffer(&mut rest).map_err(codec)?;
    let mut limited = decoder.single_frame().take(UNPACKED_CAP);
    limited.read_to_end(&mut plain).map_err(codec)?;
    if limited.limit() == 0 {
        return Err(codec(std::io::Error::other("more than 2 GiB unpacked")));
    }
    drop(limited);
    Ok((plain, rest))
}

fn read_plain_all(mut bytes: &[u8], entries: &mut Vec<Entry>) -> Result<()> {
    while bytes.iter().any(|byte| *byte != 0) {
        let used = read_plain(bytes, entries)?;
        bytes = bytes.get(used..).unwrap_or_default();
    }
    Ok(())
}

/// Reads one archive up to its trailer; returns the bytes it took.
fn read_plain(bytes: &[u8], entries: &mut Vec<Entry>) -> Result<usize> {
    let mut at = 0;
    loop {
        let header = Header::parse(bytes, at)?;
        let name_at = at.saturating_add(HEADER);
        let name = slice(bytes, name_at, header.name_size)?;
        let name = name.strip_suffix(&[0]).unwrap_or(name);
        let data_at = align(name_at.saturating_add(header.name_size));
        let data = slice(bytes, data_at, header.size)?;
        at = align(data_at.saturating_add(header.size));
        if name == TRAILER.as_bytes() {
            return Ok(at.min(bytes.len()));
        }
        entries.push(Entry {
            path: String::from_utf8_lossy(name).into_owned(),
            kind: kind(header.mode),
            mode: header.mode & 0o7777,
            mtime: header.mtime,
            data: data.to_vec(),
        });
    }
}

/// Where in a plain archive the data of the file `path` is; `None` when the
/// archive has no such file.
///
/// # Errors
/// [`Error::BadArchive`].
pub fn locate(archive: &[u8], path: &str) -> Result<Option<Range<usize>>> {
    let mut at = 0;
    loop {
        let header = Header::parse(archive, at)?;
        let name_at = at.saturating_add(HEADER);
        let name = slice(archive, name_at, header.name_size)?;
        let name = name.strip_suffix(&[0]).unwrap_or(name);
        let data_at = align(name_at.saturating_add(header.name_size));
        let data_end = data_at.saturating_add(header.size);
        slice(archive, data_at, header.size)?;
        if name == TRAILER.as_bytes() {
            return Ok(None);
        }
        if name == path.as_bytes() {
            return Ok(Some(data_at..data_end));
        }
        at = align(data_end);
    }
}

struct Header {
    mode: u32,
    mtime: u32,
    size: usize,
    name_size: usize,
}

impl Header {
    fn parse(bytes: &[u8], at: usize) -> Result<Self> {
        let rest = bytes.get(at..).unwrap_or_default();
        if !rest.starts_with(MAGIC) {
            let found = rest.get(..6).unwrap_or(rest);
            return Err(Error::BadArchive {
                offset: at,
                expected: "the newc magic 070701",
                found: format!("{:?}", String::from_utf8_lossy(found)),
            });
        }
        let header = slice(bytes, at, HEADER)?;
        Ok(Self {
            mode: field(header, at, 1)?,
            mtime: field(header, at, 5)?,
            size: field(header, at, 6)? as usize,
            name_size: field(header, at, 11)? as usize,
        })
    }
}

fn field(header: &[u8], at: usize, index: usize) -> Result<u32> {
    let start = 6 + index * 8;
    let digits = header.get(start..start + 8).unwrap_or_default();
    std::str::from_utf8(digits)
        .ok()
        .and_then(|text| u32::from_str_radix(text, 16).ok())
        .ok_or_else(|| Error::BadArchive {
            offset: at.saturating_add(start),
            expected: "8 hex digits",
            found: String::from_utf8_lossy(digits).into_owned(),
        })
}

fn slice(bytes: &[u8], at: usize, len: usize) -> Result<&[u8]> {
    at.checked_add(len)
        .and_then(|end| bytes.get(at..end))
        .ok_or_else(|| Error::BadArchive {
            offset: at,
            expected: "more bytes",
            found: format!("the end at {}, {len} wanted", bytes.len()),
        })
}

fn align(at: usize) -> usize {
    at.checked_next_multiple_of(4).unwrap_or(usize::MAX)
}

fn kind(mode: u32) -> EntryKind {
    match mode & S_IFMT {
        S_IFDIR => EntryKind::Dir,
        S_IFREG => EntryKind::File,
        S_IFLNK => EntryKind::Symlink,
        S_IFCHR => EntryKind::CharDevice,
        _ => EntryKind::Other,
    }
}

#[cfg(test)]
#[path = "cpio_tests.rs"]
mod tests;
