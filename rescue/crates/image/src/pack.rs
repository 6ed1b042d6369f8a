//! Packs: many records in one object.
//!
//! ```text
//! 0    header, 64 bytes:  magic "R1PACK\0\0", version u32 (0), kind u32
//!                         (0 data, 1 meta), repository id 16, zero 32
//! 64   records, one after another
//! t    table: one entry of 48 bytes per record, in order:
//!      chunk id 32, offset u32, stored length u32, plain length u32, zero 4
//!      BLAKE3 of the table, 32 bytes
//!      footer, 32 bytes:  magic "R1PKEND\0", table offset u32, entries u32,
//!                         zero 12, CRC32C of the 28 bytes before it u32
//! ```

use store::Store;

use crate::bytes::Fields;
use crate::objects::{PackKind, pack_name};
use crate::record::{EncodedChunk, MAX_META};
use crate::{ChunkId, Error, Locator, PackId, RepoId, Result};

pub(crate) const PACK_HEADER_LEN: usize = 64;
const HEADER_MAGIC: &[u8] = b"R1PACK\0\0";
const FOOTER_MAGIC: &[u8] = b"R1PKEND\0";
const FOOTER_LEN: usize = 32;
const HASH_LEN: usize = 32;
const ENTRY_LEN: usize = 48;
/// The most records in a pack.
pub(crate) const MAX_ENTRIES: usize = 1 << 18;

/// One line of a pack's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableEntry {
    pub(crate) chunk: ChunkId,
    pub(crate) offset: u32,
    pub(crate) stored_len: u32,
    pub(crate) raw_len: u32,
}

impl TableEntry {
    pub(crate) fn locator(&self, pack: PackId) -> Locator {
        Locator {
            chunk: self.chunk,
            pack,
            offset: self.offset,
            stored_len: self.stored_len,
            raw_len: self.raw_len,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.chunk.as_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.raw_len.to_le_bytes());
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Self {
            chunk: ChunkId::from_bytes(fields.array()?),
            offset: fields.u32()?,
            stored_len: fields.u32()?,
            raw_len: fields.u32()?,
        })
    }
}

pub(crate) fn header_bytes(kind: PackKind, repo: &RepoId) -> [u8; PACK_HEADER_LEN] {
    let mut header = [0; PACK_HEADER_LEN];
    header[..8].copy_from_slice(HEADER_MAGIC);
    header[12] = u8::from(kind == PackKind::Meta);
    header[16..32].copy_from_slice(repo.as_bytes());
    header
}

/// A pack being filled, in memory.
#[derive(Debug)]
pub(crate) struct PackBuilder {
    bytes: Vec<u8>,
    hasher: blake3::Hasher,
    table: Vec<TableEntry>,
}

/// A finished pack.
#[derive(Debug)]
pub(crate) struct ClosedPack {
    pub(crate) id: PackId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) table: Vec<TableEntry>,
}

impl PackBuilder {
    /// `room` bytes are set aside, so that a pack does not move as it grows.
    pub(crate) fn new(kind: PackKind, repo: &RepoId, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room);
        bytes.extend_from_slice(&header_bytes(kind, repo));
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes);
        Self {
            bytes,
            hasher,
            table: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Length so far, without the trailer.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn entries(&self) -> usize {
        self.table.len()
    }

    /// Appends a record. The caller closes packs long before 4 GiB.
    pub(crate) fn push(&mut self, chunk: &EncodedChunk) -> TableEntry {
        let entry = TableEntry {
            chunk: chunk.id,
            offset: self.bytes.len() as u32,
            stored_len: chunk.stored_len(),
            raw_len: chunk.raw_len,
        };
        self.hasher.update(&chunk.record);
        self.bytes.extend_from_slice(&chunk.record);
        self.table.push(entry);
        entry
    }

    pub(crate) fn close(mut self) -> ClosedPack {
        let table_at = self.bytes.len();
        let trailer = trailer_bytes(table_at as u32, &self.table);
        self.hasher.update(&trailer);
        self.bytes.extend_from_slice(&trailer);
        ClosedPack {
            id: PackId::from_bytes(*self.hasher.finalize().as_bytes()),
            bytes: self.bytes,
            table: self.table,
        }
    }
}

fn trailer_bytes(table_at: u32, table: &[TableEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(table.len() * ENTRY_LEN + HASH_LEN + FOOTER_LEN);
    for entry in table {
        entry.write(&mut out);
        out.extend_from_slice(&[0; 4]);
    }
    let hash = blake3::hash(&out);
    out.extend_from_slice(hash.as_bytes());
    let footer_at = out.len();
    out.extend_from_slice(FOOTER_MAGIC);
    out.extend_from_slice(&table_at.to_le_bytes());
    out.extend_from_slice(&(table.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    let crc = crc32c::crc32c(out.get(footer_at..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// Reads and checks the table of a pack: two small reads at its end.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Missing`], or the store's own.
pub(crate) fn read_table(
    store: &dyn Store,
    kind: PackKind,
    id: &PackId,
) -> Result<Vec<TableEntry>> {
    let name = pack_name(kind, id);
    let size = store.size(&name).map_err(Error::required)?;
    let (table_at, count) = read_footer(store, &name, size)?;
    let mut bytes = vec![0; count * ENTRY_LEN + HASH_LEN];
    store
        .read_range(&name, table_at, &mut bytes)
        .map_err(Error::required)?;
    parse_table(&name, table_at, &bytes, count)
}

/// Checks that a pack ends as a pack does.
///
/// # Errors
/// As [`read_table`].
pub(crate) fn check_end(store: &dyn Store, name: &str, size: u64) -> Result<()> {
    read_footer(store, name, size).map(|_| ())
}

/// Where the table begins and how many entries it has.
fn read_footer(store: &dyn Store, name: &str, size: u64) -> Result<(u64, usize)> {
    let smallest = (PACK_HEADER_LEN + HASH_LEN + FOOTER_LEN) as u64;
    if size < smallest {
        return Err(Error::damaged(
            name,
            size,
            format!("a pack of at least {smallest} bytes"),
            format!("an end after {size}"),
        ));
    }
    let footer_at = size - FOOTER_LEN as u64;
    let mut footer = [0; FOOTER_LEN];
    store
        .read_range(name, footer_at, &mut footer)
        .map_err(Error::required)?;
    let mut fields = Fields::new(name, footer_at, &footer);
    fields.magic(FOOTER_MAGIC, "a pack's end: the pack was cut off")?;
    let table_at = u64::from(fields.u32()?);
    let count = fields.count("records in a pack", MAX_ENTRIES)?;
    fields.take(12)?;
    let computed = crc32c::crc32c(&footer[..FOOTER_LEN - 4]);
    let crc = fields.u32()?;
    let table_len = (count * ENTRY_LEN + HASH_LEN + FOOTER_LEN) as u64;
    if crc != computed || table_at.checked_add(table_len) != Some(size) {
        return Err(Error::damaged(
            name,
            footer_at,
            format!("a footer with CRC32C {computed:08x} for a pack of {size} bytes"),
            format!("{crc:08x}, table of {count} at {table_at}"),
        ));
    }
    Ok((table_at, count))
}

fn parse_table(name: &str, table_at: u64, bytes: &[u8], count: usize) -> Result<Vec<TableEntry>> {
    let mut fields = Fields::new(name, table_at, bytes);
    let table = fields.take(count * ENTRY_LEN)?;
    let hash_at = fields.position();
    let (found, computed) = (fields.array::<HASH_LEN>()?, blake3::hash(table));
    if computed != found {
        return Err(Error::damaged(
            name,
            hash_at,
            format!("the table's BLAKE3 {computed}"),
            "another",
        ));
    }
    let mut fields = Fields::new(name, table_at, table);
    let mut entries = Vec::with_capacity(count);
    let mut at = PACK_HEADER_LEN as u64;
    for _ in 0..count {
        let position = fields.position();
        let entry = TableEntry::read(&mut fields)?;
        fields.take(4)?;
        let locator = entry.locator(PackId::from_bytes([0; 32]));
        let possible = locator.check(MAX_META).is_ok() && u64::from(entry.offset) == at;
        if !possible || locator.end() > table_at {
            return Err(Error::damaged(
                name,
                position,
                format!("a record at {at}, before the table at {table_at}"),
                format!("{} bytes at {}", entry.stored_len, entry.offset),
            ));
        }
        at = locator.end();
        entries.push(entry);
    }
    if at != table_at {
        return Err(Error::damaged(
            name,
            table_at,
            format!("a table right after the last record, at {at}"),
            format!("{table_at}"),
        ));
    }
    Ok(entries)
}
