//! Allocating and freeing cells.

use super::Edit;
use crate::cell::{BIN_HEADER, CELL_HEADER};
use crate::units::{BASE_SIZE, BINS_LIMIT, PAGE};
use crate::{CellOffset, Error, Result};

/// The smallest cell, and what their sizes are multiples of.
const UNIT: u32 = 8;

impl Edit {
    /// A cell with this body: the first free cell that is large enough, or one
    /// in a new bin.
    pub(super) fn allocate(&mut self, body: &[u8]) -> Result<CellOffset> {
        let need = cell_size(body.len())?;
        let fits = self.hive.cells.free.iter().find(|(_, size)| **size >= need);
        let (at, size) = match fits {
            Some((at, size)) => (*at, *size),
            None => self.grow(need)?,
        };
        self.hive.cells.free.remove(&at);
        self.hive.cells.used.insert(CellOffset(at));
        if size > need {
            self.set_free(at + need, size - need)?;
        }
        let offset = CellOffset(at);
        self.write_at(offset.index(), &need.wrapping_neg().to_le_bytes())?;
        self.write(offset, 0, body)?;
        // What the cell held before must not show behind the body.
        let rest = need as usize - CELL_HEADER - body.len();
        self.write(
            offset,
            body.len(),
            &[0; UNIT as usize][..rest.min(UNIT as usize)],
        )?;
        Ok(offset)
    }

    /// Frees a cell and joins it with free neighbours. Its bin stays: cells of
    /// two bins never touch, since each bin begins with a header.
    pub(super) fn free(&mut self, offset: CellOffset) -> Result<()> {
        let body = self.hive.cell(offset, "cell to free")?.body.len();
        let (mut at, mut size) = (offset.get(), (body + CELL_HEADER) as u32);
        self.hive.cells.used.remove(offset);
        let free = &mut self.hive.cells.free;
        while let Some(next) = free.remove(&(at + size)) {
            size += next;
        }
        while let Some((before, len)) = free.range(..at).next_back().map(|(a, s)| (*a, *s))
            && before + len == at
        {
            free.remove(&before);
            (at, size) = (before, size + len);
        }
        self.set_free(at, size)
    }

    /// Puts a new body in the place of a cell's old one: in the same cell when
    /// it is large enough, otherwise in a new one. Returns where it is.
    pub(super) fn replace(&mut self, offset: CellOffset, body: &[u8]) -> Result<CellOffset> {
        let room = self.hive.cell(offset, "cell to rewrite")?.body.len();
        if room >= body.len() {
            self.write(offset, 0, body)?;
            return Ok(offset);
        }
        let new = self.allocate(body)?;
        self.free(offset)?;
        Ok(new)
    }

    fn set_free(&mut self, at: u32, size: u32) -> Result<()> {
        self.hive.cells.free.insert(at, size);
        self.write_at(CellOffset(at).index(), &size.to_le_bytes())
    }

    /// Adds a bin with a free cell of at least `need` bytes: where that is, and
    /// how large. Bytes of the file behind the bins are nobody's.
    fn grow(&mut self, need: u32) -> Result<(u32, u32)> {
        let start = self.hive.base.bins_size;
        let size = (need + BIN_HEADER).next_multiple_of(PAGE);
        let full = Error::Full {
            need: size.into(),
            limit: BINS_LIMIT.into(),
        };
        let bins_size = start.checked_add(size).filter(|size| *size <= BINS_LIMIT);
        let bins_size = bins_size.ok_or(full)?;
        let len = self.hive.data.len().max(BASE_SIZE + bins_size as usize);
        self.hive.data.resize(len, 0);
        self.hive.base.bins_size = bins_size;
        self.hive.cells.bins += 1;
        let mut header = b"hbin".to_vec();
        header.extend(start.to_le_bytes());
        header.extend(size.to_le_bytes());
        header.resize(BIN_HEADER as usize, 0);
        self.write_at(CellOffset(start).index(), &header)?;
        let (at, size) = (start + BIN_HEADER, size - BIN_HEADER);
        self.set_free(at, size)?;
        Ok((at, size))
    }
}

/// Bytes of a cell with a body of `len` bytes. Windows takes no cell over 1 MiB.
fn cell_size(len: usize) -> Result<u32> {
    const LIMIT: usize = 1 << 20;
    if len + CELL_HEADER > LIMIT {
        return Err(Error::Refused {
            what: format!("store {len} bytes in one cell"),
            why: format!("cells end at {LIMIT} bytes"),
        });
    }
    Ok((len + CELL_HEADER).next_multiple_of(UNIT as usize) as u32)
}
