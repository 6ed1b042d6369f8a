//! The base block: the first 4096 bytes of a hive, and of its logs.
//!
//! Layout from msuhanov's specification of the format, checked on real hives:
//! 0 `regf`, 4 and 8 the sequence numbers, 12 FILETIME, 20 major, 24 minor
//! version, 28 type (0 hive, 1 and 2 old logs, 6 new logs), 32 format, 36 root
//! cell, 40 bytes of all bins, 48 the file's name, 508 checksum of what is
//! before it.

use crate::bytes::{put, range, tag, u32_at, u64_at};
use crate::error::damaged;
use crate::units::{BASE_SIZE, BINS_LIMIT, PAGE};
use crate::{CellOffset, FileTime, Result};

pub(crate) const SEQUENCE_1: usize = 4;
pub(crate) const SEQUENCE_2: usize = 8;
pub(crate) const BINS_SIZE: usize = 40;
const CHECKSUM: usize = 508;

/// Types of base blocks.
pub(crate) const TYPE_HIVE: u32 = 0;
pub(crate) const TYPES_OLD_LOG: [u32; 2] = [1, 2];
pub(crate) const TYPE_NEW_LOG: u32 = 6;

/// What a base block says. Its checksum may be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) sequence_1: u32,
    pub(crate) sequence_2: u32,
    pub(crate) time: FileTime,
    pub(crate) minor: u32,
    pub(crate) kind: u32,
    pub(crate) root: CellOffset,
    pub(crate) bins_size: u32,
    pub(crate) checksum_holds: bool,
}

impl Base {
    /// Reads a base block, or the copy of its first 512 bytes that begins a log.
    pub(crate) fn parse(data: &[u8]) -> Result<Self> {
        let Some(head) = range(data, 0, 512) else {
            let found = format!("{} bytes", data.len());
            return damaged("base block", 0, "at least 512 bytes", found);
        };
        let field = |at| u32_at(head, at).unwrap_or_default();
        let signature = range(head, 0, 4).unwrap_or_default();
        if signature != b"regf" {
            return damaged(
                "signature of a registry hive",
                0,
                "\"regf\"",
                tag(signature),
            );
        }
        let base = Self {
            sequence_1: field(SEQUENCE_1),
            sequence_2: field(SEQUENCE_2),
            time: FileTime(u64_at(head, 12).unwrap_or_default()),
            minor: field(24),
            kind: field(28),
            root: CellOffset(field(36)),
            bins_size: field(BINS_SIZE),
            checksum_holds: checksum(head) == field(CHECKSUM),
        };
        expect("major version of the hive", 20, field(20), 1)?;
        if !(3..=6).contains(&base.minor) {
            let found = base.minor.to_string();
            return damaged("minor version of the hive", 24, "3 to 6", found);
        }
        expect("format of the hive", 32, field(32), 1)?;
        check_bins_size(base.bins_size, BINS_SIZE as u64)?;
        Ok(base)
    }

    /// Whether data may be missing from the bins: only then logs count.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.checksum_holds || self.sequence_1 != self.sequence_2
    }

    /// Hash leaves came with 1.5 (XP), lists with hints with 1.3 (NT 4).
    pub(crate) fn has_hash_leaves(&self) -> bool {
        self.minor >= 5
    }

    /// Data in segments came with 1.4.
    pub(crate) fn has_big_data(&self) -> bool {
        self.minor >= 4
    }
}

/// Whole pages, at least one, below the volatile half.
pub(crate) fn check_bins_size(size: u32, position: u64) -> Result<()> {
    if size == 0 || !size.is_multiple_of(PAGE) || size > BINS_LIMIT {
        let expected = format!("a multiple of {PAGE} up to {BINS_LIMIT}");
        return damaged("size of all bins", position, expected, size.to_string());
    }
    Ok(())
}

fn expect(what: &'static str, at: u64, found: u32, expected: u32) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    damaged(what, at, expected.to_string(), found.to_string())
}

/// The checksum of a base block: its first 127 dwords joined by exclusive or,
/// with the two values that could mean "none" moved.
#[must_use]
pub fn checksum(base: &[u8]) -> u32 {
    let dwords = (0..CHECKSUM).step_by(4).filter_map(|at| u32_at(base, at));
    match dwords.fold(0, |sum, dword| sum ^ dword) {
        u32::MAX => u32::MAX - 1,
        0 => 1,
        sum => sum,
    }
}

/// Sets both sequence numbers and the size, then the checksum.
pub(crate) fn seal(data: &mut [u8], sequence: u32, bins_size: u32) -> Option<()> {
    put(data, SEQUENCE_1, &sequence.to_le_bytes())?;
    put(data, SEQUENCE_2, &sequence.to_le_bytes())?;
    put(data, BINS_SIZE, &bins_size.to_le_bytes())?;
    let sum = checksum(range(data, 0, BASE_SIZE)?);
    put(data, CHECKSUM, &sum.to_le_bytes())
}
