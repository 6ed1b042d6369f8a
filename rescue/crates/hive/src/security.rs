//! The cell of a security descriptor: `sk`, shared by all keys that have the same.
//!
//! 0 `sk`, 4 next, 8 previous (a ring through all of the hive), 12 how many
//! keys refer to it, 16 bytes of the descriptor, 20 the descriptor.

use crate::cell::Cell;
use crate::{CellOffset, Result};

pub(crate) const NEXT: usize = 4;
pub(crate) const PREVIOUS: usize = 8;
pub(crate) const REFERENCES: usize = 12;

/// The links and the count of a security cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Security {
    pub(crate) next: CellOffset,
    pub(crate) previous: CellOffset,
    pub(crate) references: u32,
}

impl Security {
    pub(crate) fn parse(cell: Cell<'_>) -> Result<Self> {
        cell.expect("signature of a security descriptor", b"sk")?;
        Ok(Self {
            next: CellOffset(cell.u32("security", NEXT)?),
            previous: CellOffset(cell.u32("security", PREVIOUS)?),
            references: cell.u32("security", REFERENCES)?,
        })
    }
}

pub(crate) fn descriptor(cell: Cell<'_>) -> Result<&[u8]> {
    cell.expect("signature of a security descriptor", b"sk")?;
    let len = cell.u32("security descriptor", 16)? as usize;
    cell.bytes("security descriptor", 20, len)
}
