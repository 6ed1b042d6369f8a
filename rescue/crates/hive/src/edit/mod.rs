//! Editing a hive in place.
//!
//! Every edit is whole: it happens completely or, with an error, not at all.

mod keys;
mod lists;
mod security;
mod space;
mod undo;
mod values;

use crate::base;
use crate::units::BASE_SIZE;
use crate::{CellOffset, Error, FileTime, Hive, Result};
use undo::Undo;

/// A hive that may be edited: its whole tree was found sound.
///
/// Paths and names count without case. Symbolic links are not followed. New
/// keys get the security descriptor of their parent. Keys that Windows
/// protects from deletion are not deleted.
#[derive(Debug)]
pub struct Edit {
    hive: Hive,
    /// What touched keys say they were last written.
    when: FileTime,
    edited: bool,
    undo: Option<Undo>,
}

impl Hive {
    /// Begins to edit. Keys that are touched get `when` as the time they were
    /// last written.
    ///
    /// # Errors
    /// [`Error::Unsound`] when [`Hive::validate`] finds anything wrong.
    pub fn edit(self, when: FileTime) -> Result<Edit> {
        match self.validate() {
            Ok(_) => Ok(Edit {
                hive: self,
                when,
                edited: false,
                undo: None,
            }),
            Err(problems) => Err(Error::Unsound { problems }),
        }
    }
}

impl Edit {
    /// The hive as it is now, to be read. Its base block lags behind: bytes to
    /// be written come from [`Edit::finish`].
    #[must_use]
    pub fn hive(&self) -> &Hive {
        &self.hive
    }

    /// Checks the whole tree again and gives the file to write: its sequence
    /// number is one higher when anything was edited, its checksum right. Empty
    /// the logs beside it or leave them: a clean hive's logs do not count.
    ///
    /// # Errors
    /// [`Error::Unsound`]: a fault of ours. Nothing must be written then.
    pub fn finish(self) -> Result<Vec<u8>> {
        let mut hive = self.hive;
        if !self.edited {
            return Ok(hive.data);
        }
        if let Err(problems) = hive.validate() {
            return Err(Error::Unsound { problems });
        }
        let sequence = hive.base.sequence_1.wrapping_add(1);
        base::seal(&mut hive.data, sequence, hive.base.bins_size);
        Ok(hive.data)
    }

    /// Overwrites bytes of the hive, `at` bytes into a cell's body.
    fn write(&mut self, cell: CellOffset, at: usize, bytes: &[u8]) -> Result<()> {
        let body = cell.index() + crate::cell::CELL_HEADER;
        self.write_at(body + at, bytes)
    }

    fn write_u32(&mut self, cell: CellOffset, at: usize, value: u32) -> Result<()> {
        self.write(cell, at, &value.to_le_bytes())
    }

    /// Overwrites bytes of the file, and remembers what was there.
    fn write_at(&mut self, position: usize, bytes: &[u8]) -> Result<()> {
        let end = BASE_SIZE + self.hive.base.bins_size as usize;
        let inside = position
            .checked_add(bytes.len())
            .is_some_and(|to| to <= end);
        let old = crate::bytes::range(&self.hive.data, position, bytes.len());
        let Some(old) = old.filter(|_| inside) else {
            let expected = format!("room for {} bytes", bytes.len());
            return crate::error::damaged("edit", position as u64, expected, "the end of the hive");
        };
        if let Some(undo) = &mut self.undo {
            undo.remember(position, old);
        }
        crate::bytes::put(&mut self.hive.data, position, bytes);
        Ok(())
    }
}
