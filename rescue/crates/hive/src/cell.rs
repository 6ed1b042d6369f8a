//! Bins and the cells that tile them.
//!
//! A bin: 0 `hbin`, 4 its own offset, 8 its size (a multiple of 4096), cells
//! from 32 on. A cell: its size with this field (i32, a multiple of 8,
//! negative when in use), then its body. Cells never cross bins.

use std::collections::BTreeMap;

use crate::bitset::BitSet;
use crate::bytes::{range, tag, u16_at, u32_at};
use crate::error::damaged;
use crate::units::{BASE_SIZE, PAGE};
use crate::{CellOffset, Result};

pub(crate) const BIN_HEADER: u32 = 32;
/// The size field of a cell.
pub(crate) const CELL_HEADER: usize = 4;

/// Which cells there are. Kept up to date by edits.
#[derive(Debug, Clone, Default)]
pub(crate) struct CellMap {
    /// Where cells in use begin.
    pub(crate) used: BitSet,
    /// Free cells and their sizes.
    pub(crate) free: BTreeMap<u32, u32>,
    pub(crate) bins: u32,
}

impl CellMap {
    /// Walks all bins; what it returns is a complete tiling.
    pub(crate) fn scan(data: &[u8], bins_size: u32) -> Result<Self> {
        let mut map = Self::default();
        let mut at = 0;
        while at < bins_size {
            let end = at + bin(data, at, bins_size - at)?;
            map.scan_bin(data, at + BIN_HEADER, end)?;
            map.bins += 1;
            at = end;
        }
        Ok(map)
    }

    fn scan_bin(&mut self, data: &[u8], mut at: u32, end: u32) -> Result<()> {
        while at < end {
            let offset = CellOffset(at);
            let raw = i32_at(data, offset.index()).unwrap_or_default();
            let size = raw.unsigned_abs();
            if size < 8 || !size.is_multiple_of(8) || size > end - at {
                let expected = format!("a multiple of 8 up to {}", end - at);
                return damaged(
                    "size of a cell",
                    offset.position(),
                    expected,
                    raw.to_string(),
                );
            }
            if raw < 0 {
                self.used.insert(offset);
            } else {
                self.free.insert(at, size);
            }
            at += size;
        }
        Ok(())
    }
}

/// The size of the bin at `at`, with `left` bytes of bins from there on.
fn bin(data: &[u8], at: u32, left: u32) -> Result<u32> {
    let position = CellOffset(at).position();
    let Some(header) = range(data, CellOffset(at).index(), BIN_HEADER as usize) else {
        let expected = "a bin, as the base block's size of all bins says";
        let end = data.len().to_string();
        return damaged(
            "bin",
            position,
            expected,
            format!("the file's end at byte {end}"),
        );
    };
    let signature = range(header, 0, 4).unwrap_or_default();
    if signature != b"hbin" {
        return damaged("signature of a bin", position, "\"hbin\"", tag(signature));
    }
    let own = u32_at(header, 4).unwrap_or_default();
    if own != at {
        return damaged(
            "a bin's own offset",
            position + 4,
            at.to_string(),
            own.to_string(),
        );
    }
    let size = u32_at(header, 8).unwrap_or_default();
    if size == 0 || !size.is_multiple_of(PAGE) || size > left {
        let expected = format!("a multiple of {PAGE} up to {left}");
        return damaged("size of a bin", position + 8, expected, size.to_string());
    }
    if range(data, CellOffset(at).index(), size as usize).is_none() {
        let found = format!("the file's end at byte {}", data.len());
        return damaged("bin", position, format!("{size} bytes"), found);
    }
    Ok(size)
}

pub(crate) fn i32_at(data: &[u8], at: usize) -> Option<i32> {
    u32_at(data, at).map(u32::cast_signed)
}

/// The body of a cell in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell<'h> {
    pub(crate) offset: CellOffset,
    pub(crate) body: &'h [u8],
}

impl<'h> Cell<'h> {
    /// The cell at `offset` of a hive whose cells are `map`.
    pub(crate) fn get(
        data: &'h [u8],
        map: &CellMap,
        offset: CellOffset,
        what: &'static str,
    ) -> Result<Self> {
        let position = offset.position();
        if !map.used.contains(offset) {
            return damaged(what, position, "a cell in use", "none begins here");
        }
        let size = i32_at(data, offset.index()).unwrap_or_default();
        let len = (size.unsigned_abs() as usize).saturating_sub(CELL_HEADER);
        match range(data, offset.index().saturating_add(CELL_HEADER), len) {
            Some(body) => Ok(Self { offset, body }),
            None => damaged(what, position, "a cell", "the end of the file"),
        }
    }

    /// Byte position in the file of a field of the body.
    pub(crate) fn position(&self, at: usize) -> u64 {
        self.offset.position() + (CELL_HEADER + at) as u64
    }

    /// Checks the two letters that most cells begin with.
    pub(crate) fn expect(&self, what: &'static str, signature: &[u8; 2]) -> Result<()> {
        let found = range(self.body, 0, 2).unwrap_or_default();
        if found == signature {
            return Ok(());
        }
        damaged(what, self.position(0), tag(signature), tag(found))
    }

    pub(crate) fn bytes(&self, what: &'static str, at: usize, len: usize) -> Result<&'h [u8]> {
        match range(self.body, at, len) {
            Some(bytes) => Ok(bytes),
            None => {
                let have = self.body.len().saturating_sub(at);
                let expected = format!("{len} bytes in its cell");
                damaged(
                    what,
                    self.position(at),
                    expected,
                    format!("room for {have}"),
                )
            }
        }
    }

    pub(crate) fn u16(&self, what: &'static str, at: usize) -> Result<u16> {
        Ok(u16_at(self.bytes(what, at, 2)?, 0).unwrap_or_default())
    }

    pub(crate) fn u32(&self, what: &'static str, at: usize) -> Result<u32> {
        Ok(u32_at(self.bytes(what, at, 4)?, 0).unwrap_or_default())
    }
}

const _: () = assert!(BASE_SIZE == PAGE as usize);
