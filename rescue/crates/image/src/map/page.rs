//! One map page: struct of arrays, so that zstd finds the columns.
//!
//! ```text
//! 0   4  magic "R1MP"            per entry:       kind u8 (0 free, 1 zero, 2 data)
//! 4   4  entries (n)             per entry:       length in blocks u32
//! 8   4  data entries (d)        per data entry:  chunk id 32
//! 12  4  packs (p)               per data entry:  index into the pack table u16
//! 16     pack table: p × 32      per data entry:  offset of its record u32
//!                                per data entry:  stored length u32
//! ```
//!
//! Entries tile the page: each begins where the one before it ends, the last
//! one ends with the page. Lengths are in blocks of 4 KiB; only the block at
//! the region's very end may be shorter.

use std::collections::HashMap;

use super::{EntryKind, MapEntry};
use crate::bytes::Fields;
use crate::record::{BLOCK, MAX_CHUNK};
use crate::{ChunkId, Error, Locator, PackId, Result};

const MAGIC: &[u8] = b"R1MP";
/// Blocks in a page, hence the most entries it can have.
const MAX_ENTRIES: usize = (super::PAGE_SPAN / BLOCK) as usize;
/// Pack table indices are 16 bits wide.
const MAX_PACKS: usize = 1 << 16;

const FREE: u8 = 0;
const ZERO: u8 = 1;
const DATA: u8 = 2;

/// Collects the entries of one page, in order.
#[derive(Debug, Default)]
pub(crate) struct PageBuilder {
    kinds: Vec<u8>,
    lens: Vec<u32>,
    packs: Vec<PackId>,
    ordinals: HashMap<PackId, u16>,
    ids: Vec<ChunkId>,
    pack_of: Vec<u16>,
    offsets: Vec<u32>,
    stored: Vec<u32>,
}

impl PageBuilder {
    /// Appends a run of `len` bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more packs or entries than a page can hold.
    pub(crate) fn push(&mut self, len: u64, kind: &EntryKind) -> Result<()> {
        let blocks = u32::try_from(len.div_ceil(BLOCK)).unwrap_or(u32::MAX);
        if blocks as usize > MAX_ENTRIES || self.kinds.len() >= MAX_ENTRIES {
            return Err(Error::TooLarge {
                what: "the number of blocks in a map page",
                value: u64::from(blocks),
                cap: MAX_ENTRIES as u64,
            });
        }
        let code = match kind {
            EntryKind::Free => FREE,
            EntryKind::Zero => ZERO,
            EntryKind::Data(locator) => {
                let ordinal = self.ordinal(locator.pack)?;
                self.ids.push(locator.chunk);
                self.pack_of.push(ordinal);
                self.offsets.push(locator.offset);
                self.stored.push(locator.stored_len);
                DATA
            }
        };
        self.kinds.push(code);
        self.lens.push(blocks);
        Ok(())
    }

    fn ordinal(&mut self, pack: PackId) -> Result<u16> {
        if let Some(ordinal) = self.ordinals.get(&pack) {
            return Ok(*ordinal);
        }
        let next = u16::try_from(self.packs.len()).map_err(|_| Error::TooLarge {
            what: "the number of packs in a map page",
            value: self.packs.len() as u64 + 1,
            cap: MAX_PACKS as u64,
        })?;
        self.packs.push(pack);
        self.ordinals.insert(pack, next);
        Ok(next)
    }

    /// The page's plain bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            16 + self.packs.len() * 32 + self.kinds.len() * 5 + self.ids.len() * 42,
        );
        out.extend_from_slice(MAGIC);
        for count in [self.kinds.len(), self.ids.len(), self.packs.len()] {
            // Each is at most MAX_ENTRIES.
            out.extend_from_slice(&(count as u32).to_le_bytes());
        }
        self.packs
            .iter()
            .for_each(|p| out.extend_from_slice(p.as_bytes()));
        out.extend_from_slice(&self.kinds);
        self.lens
            .iter()
            .for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        self.ids
            .iter()
            .for_each(|id| out.extend_from_slice(id.as_bytes()));
        self.pack_of
            .iter()
            .for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        self.offsets
            .iter()
            .for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        self.stored
            .iter()
            .for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        out
    }
}

/// Parses and checks the page of a region's bytes `start..start + len`.
/// `object` names it in errors.
///
/// # Errors
/// [`Error::Damaged`].
pub(crate) fn parse(object: &str, bytes: &[u8], start: u64, len: u64) -> Result<Vec<MapEntry>> {
    let mut fields = Fields::new(object, 0, bytes);
    fields.magic(MAGIC, "a map page")?;
    let entries = fields.count("entries in a map page", MAX_ENTRIES)?;
    let data = fields.count("data entries", entries)?;
    let packs = fields.count("packs in a map page", data.min(MAX_PACKS))?;
    let mut pack_table = Vec::with_capacity(packs);
    for _ in 0..packs {
        pack_table.push(PackId::from_bytes(fields.array()?));
    }
    let kinds_at = fields.position();
    let kinds = fields.take(entries)?;
    // Lengths checked by `take`, so the parallel columns cannot run out early.
    let mut lens = Fields::new(object, fields.position(), fields.take(entries * 4)?);
    let mut chunks = DataColumns {
        pack_table,
        ids: Fields::new(object, fields.position(), fields.take(data * 32)?),
        pack_of: Fields::new(object, fields.position(), fields.take(data * 2)?),
        offsets: Fields::new(object, fields.position(), fields.take(data * 4)?),
        stored: Fields::new(object, fields.position(), fields.take(data * 4)?),
    };
    fields.end()?;

    let mut out = Vec::with_capacity(entries);
    let mut at = 0u64;
    for (index, kind) in kinds.iter().enumerate() {
        let position = lens.position();
        let run = u64::from(lens.u32()?) * BLOCK;
        let left = len - at;
        if run == 0 || run > left.next_multiple_of(BLOCK) {
            return Err(Error::damaged(
                object,
                position,
                format!("a run of 1 to {left} bytes"),
                format!("{run}"),
            ));
        }
        let run = run.min(left);
        let kind = match *kind {
            FREE => EntryKind::Free,
            ZERO => EntryKind::Zero,
            DATA => EntryKind::Data(chunks.next(object, run)?),
            other => {
                return Err(Error::damaged(
                    object,
                    kinds_at + index as u64,
                    "kind 0, 1 or 2",
                    format!("{other}"),
                ));
            }
        };
        out.push(MapEntry {
            start: start + at,
            len: run,
            kind,
        });
        at += run;
    }
    chunks.ids.end()?;
    if at != len {
        return Err(Error::damaged(
            object,
            lens.position(),
            format!("runs that tile {len} bytes"),
            format!("{at} bytes of runs"),
        ));
    }
    Ok(out)
}

struct DataColumns<'a> {
    pack_table: Vec<PackId>,
    ids: Fields<'a>,
    pack_of: Fields<'a>,
    offsets: Fields<'a>,
    stored: Fields<'a>,
}

impl DataColumns<'_> {
    fn next(&mut self, object: &str, len: u64) -> Result<Locator> {
        let position = self.ids.position();
        let chunk = ChunkId::from_bytes(self.ids.array()?);
        let pack_at = self.pack_of.position();
        let ordinal = self.pack_of.u16()?;
        let pack = *self.pack_table.get(usize::from(ordinal)).ok_or_else(|| {
            Error::damaged(
                object,
                pack_at,
                format!("one of {} packs", self.pack_table.len()),
                format!("pack {ordinal}"),
            )
        })?;
        let locator = Locator {
            chunk,
            pack,
            offset: self.offsets.u32()?,
            stored_len: self.stored.u32()?,
            raw_len: u32::try_from(len).unwrap_or(u32::MAX),
        };
        match locator.check(MAX_CHUNK) {
            Ok(()) => Ok(locator),
            Err(found) => Err(Error::damaged(object, position, "a possible chunk", found)),
        }
    }
}
