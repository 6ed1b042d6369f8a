//! Taking a failed edit back.

use super::Edit;
use crate::Result;
use crate::bytes::put;
use crate::cell::CellMap;

/// What an edit has changed so far.
#[derive(Debug)]
pub(super) struct Undo {
    len: usize,
    bins_size: u32,
    /// What was at which position, in the order of the writes.
    old: Vec<(usize, Vec<u8>)>,
}

impl Undo {
    pub(super) fn remember(&mut self, position: usize, old: &[u8]) {
        self.old.push((position, old.to_vec()));
    }
}

impl Edit {
    /// Runs an edit; when it fails, the hive is what it was before. The edit
    /// says whether it changed anything.
    pub(super) fn whole(&mut self, edit: impl FnOnce(&mut Self) -> Result<bool>) -> Result<bool> {
        self.undo = Some(Undo {
            len: self.hive.data.len(),
            bins_size: self.hive.base.bins_size,
            old: Vec::new(),
        });
        let result = edit(self);
        if let Some(undo) = self.undo.take()
            && result.is_err()
        {
            self.take_back(undo)?;
        }
        self.edited |= matches!(result, Ok(true));
        result
    }

    fn take_back(&mut self, undo: Undo) -> Result<()> {
        for (position, old) in undo.old.iter().rev() {
            put(&mut self.hive.data, *position, old);
        }
        self.hive.data.truncate(undo.len);
        self.hive.base.bins_size = undo.bins_size;
        self.hive.cells = CellMap::scan(&self.hive.data, undo.bins_size)?;
        Ok(())
    }
}
