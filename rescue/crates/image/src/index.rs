//! The index: which chunks are stored, and in which pack.
//!
//! Never needed to read an image, never trusted: a capture confirms each hit
//! against the pack's own table before it relies on it. Object layout:
//!
//! ```text
//! 0   4  magic "R1IX"        16      packs: p × (kind u32, pack id 32)
//! 4   4  version (0)         …       entries: n × (chunk id 32, offset u32,
//! 8   4  packs (p)                   stored length u32, plain length u32,
//! 12  4  entries (n)                 index into the packs u32), sorted
//! ```

use store::Store;

use crate::bytes::Fields;
use crate::objects::PackKind;
use crate::pack::TableEntry;
use crate::{Error, PackId, Result};

pub(crate) const INDEX_FOLDER: &str = "index/";
const MAGIC: &[u8] = b"R1IX\0\0\0\0";
const MAX_PACKS: usize = 1 << 20;
const MAX_ENTRIES: usize = 1 << 20;
const ENTRY_LEN: usize = 48;
const PACK_LEN: usize = 36;
/// The largest index object, in bytes.
const MAX_INDEX: u64 = (16 + MAX_PACKS * PACK_LEN + MAX_ENTRIES * ENTRY_LEN) as u64;
/// An index object is written when this many entries have gathered (12 MiB).
const FLUSH_AT: usize = 1 << 18;

/// What one index object says: packs, and their tables merged and sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexPart {
    pub(crate) packs: Vec<(PackKind, PackId)>,
    /// Entry and index into `packs`.
    pub(crate) entries: Vec<(TableEntry, u32)>,
}

impl IndexPart {
    pub(crate) fn add(&mut self, kind: PackKind, pack: PackId, table: &[TableEntry]) {
        let ordinal = self.packs.len() as u32;
        self.packs.push((kind, pack));
        self.entries.extend(table.iter().map(|e| (*e, ordinal)));
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= FLUSH_AT || self.packs.len() >= MAX_PACKS
    }

    /// The object's name and bytes.
    pub(crate) fn into_object(mut self) -> (String, Vec<u8>) {
        self.entries
            .sort_unstable_by_key(|(e, pack)| (e.chunk, *pack, e.offset));
        let mut out =
            Vec::with_capacity(16 + self.packs.len() * PACK_LEN + self.entries.len() * ENTRY_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&(self.packs.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for (kind, id) in &self.packs {
            out.extend_from_slice(&u32::from(*kind == PackKind::Meta).to_le_bytes());
            out.extend_from_slice(id.as_bytes());
        }
        for (entry, pack) in &self.entries {
            entry.write(&mut out);
            out.extend_from_slice(&pack.to_le_bytes());
        }
        let name = format!("{INDEX_FOLDER}{}.idx", blake3::hash(&out));
        (name, out)
    }

    /// Reads and checks an index object.
    ///
    /// # Errors
    /// [`Error::Damaged`] or the store's own; a capture can do without.
    pub(crate) fn read(store: &dyn Store, name: &str) -> Result<Self> {
        let bytes = store.get(name, MAX_INDEX).map_err(Error::required)?;
        let computed = format!("{INDEX_FOLDER}{}.idx", blake3::hash(&bytes));
        if computed != name {
            return Err(Error::damaged(name, 0, "bytes with that BLAKE3", computed));
        }
        Self::parse(name, &bytes)
    }

    fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(name, 0, bytes);
        fields.magic(MAGIC, "an index of version 0")?;
        let packs = fields.count("packs in an index", MAX_PACKS)?;
        let entries = fields.count("entries in an index", MAX_ENTRIES)?;
        let mut part = Self::default();
        for _ in 0..packs {
            let kind = match fields.u32()? {
                0 => PackKind::Data,
                _ => PackKind::Meta,
            };
            part.packs.push((kind, PackId::from_bytes(fields.array()?)));
        }
        for _ in 0..entries {
            let entry = TableEntry::read(&mut fields)?;
            let position = fields.position();
            let pack = fields.u32()?;
            if pack as usize >= packs {
                return Err(Error::damaged(
                    name,
                    position,
                    format!("one of {packs} packs"),
                    format!("pack {pack}"),
                ));
            }
            part.entries.push((entry, pack));
        }
        fields.end()?;
        Ok(part)
    }
}
