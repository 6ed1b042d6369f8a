//! What can be wrong with a partition table.

use std::io;

use crate::{SectorSize, human_bytes};

/// Why a disk's partition table cannot be used. Nothing is guessed from such a
/// table; offsets are bytes from the start of the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The device failed while a part of the table was read.
    #[error("reading {what} at byte {offset}")]
    Read {
        /// What was being read.
        what: &'static str,
        /// Where.
        offset: u64,
        /// The device's own error.
        source: io::Error,
    },
    /// The table makes sense only when counted in sectors of another size.
    #[error(
        "this disk was partitioned with sectors of {found} bytes but is read with sectors of \
         {given}: {evidence}; attach it where its sectors are {found} bytes, or say that they are"
    )]
    WrongSectorSize {
        /// Sector size the caller gave.
        given: SectorSize,
        /// Sector size at which the table is valid.
        found: SectorSize,
        /// What shows it.
        evidence: &'static str,
    },
    /// A protective MBR announces a GPT, but both copies are unusable.
    #[error(
        "the protective MBR announces a GPT, but neither copy can be used (first: {primary}; \
         backup: {backup}); repair it with gdisk, or capture the disk without its partitions"
    )]
    GptUnusable {
        /// What is wrong with the copy at sector 1.
        primary: String,
        /// What is wrong with the copy at the end.
        backup: String,
    },
    /// A GPT entry that ends before it begins, or overflows 64 bits.
    #[error(
        "partition {number} runs from sector {first} to sector {last}: \
         expected an end not before the start"
    )]
    Bounds {
        /// Number of the partition.
        number: u32,
        /// First sector it names.
        first: u64,
        /// Last sector it names.
        last: u64,
    },
    /// Something lies, in part or wholly, after the last byte of the disk.
    #[error(
        "{item} runs from byte {start} for {len} bytes, beyond the disk's end at byte {disk_size} \
         ({}): the disk or its copy was cut short, or its sector size is not what it was",
        human_bytes(*disk_size)
    )]
    BeyondEnd {
        /// The partition or structure.
        item: String,
        /// First byte.
        start: u64,
        /// Length in bytes.
        len: u64,
        /// Size of the disk in bytes.
        disk_size: u64,
    },
    /// Two things claim the same bytes.
    #[error("{first} and {second} overlap at byte {at}: no byte may belong to both")]
    Overlap {
        /// The one that starts first.
        first: String,
        /// The other one.
        second: String,
        /// First byte claimed by both.
        at: u64,
    },
    /// Two partitions carry the same number.
    #[error("two partitions are numbered {0}")]
    DuplicateNumber(u32),
    /// The chain of extended boot records is broken.
    #[error("extended boot record at byte {offset}: {problem}")]
    Ebr {
        /// Position of the record.
        offset: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More partitions than any system can have.
    #[error("more than {0} logical partitions: the chain of extended boot records is damaged")]
    TooManyLogical(usize),
}

/// An error and its sources on one line, for notes that quote a fault.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
