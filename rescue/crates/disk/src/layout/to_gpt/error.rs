//! Why a disk cannot get a GPT.

use crate::{LayoutRefusal, TableError, TableKind, human_bytes};

/// Why a disk cannot become one that UEFI starts. Display is a sentence with a way out,
/// where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToGptRefusal {
    /// There is no MBR to replace.
    #[error("the disk of the image has {0}, expected an MBR")]
    NotMbr(TableKind),
    /// There is no GPT to put an entry into.
    #[error("the disk of the image has {0}, expected a GPT")]
    NotGpt(TableKind),
    /// All entries of its GPT are used.
    #[error("all {0} entries of its GPT are used: there is none for another partition")]
    NoEntry(u32),
    /// The GPT does not fit the target.
    #[error("its GPT cannot be written there")]
    Layout(#[from] LayoutRefusal),
    /// The table cannot be used.
    #[error("the image's partition table cannot be used")]
    Table(#[from] TableError),
    /// There is an extended partition.
    #[error(
        "the disk has an extended partition, and logical ones in it cannot be brought into a GPT \
         by this version"
    )]
    Logical,
    /// A dynamic disk's partition.
    #[error(
        "partition {0} is of a dynamic disk (0x42), whose volumes are told by a database at the \
         disk's end: a GPT would lose them"
    )]
    Dynamic(u32),
    /// A type without a counterpart.
    #[error("partition {number} is of type {kind} ({name}), for which GPT has no known type")]
    UnknownType {
        /// Its number.
        number: u32,
        /// Its MBR type.
        kind: String,
        /// The type in words.
        name: String,
    },
    /// A partition lies where the GPT goes.
    #[error(
        "partition {number} lies in bytes {start} to {end}, but a GPT leaves partitions only \
         bytes {first} to {last} of this target; {way_out}"
    )]
    InTheWay {
        /// Its number.
        number: u32,
        /// Its first byte.
        start: u64,
        /// One past its last byte.
        end: u64,
        /// First byte for partitions.
        first: u64,
        /// One past the last byte for them.
        last: u64,
        /// What would help.
        way_out: &'static str,
    },
    /// There is no room for an ESP.
    #[error(
        "the target has no room for an EFI system partition: {} in one piece are needed, the \
         largest gap between and behind the partitions has {}; choose a larger target: one of {} \
         bytes ({}) would do",
        human_bytes(*needed),
        human_bytes(*largest),
        enough,
        human_bytes(*enough)
    )]
    NoRoom {
        /// Bytes needed.
        needed: u64,
        /// Bytes of the largest gap.
        largest: u64,
        /// Bytes of a target that has room.
        enough: u64,
    },
    /// The place for a partition is not free.
    #[error("partition {number} is where a new one would be, at byte {start}")]
    Taken {
        /// Its number.
        number: u32,
        /// First byte of the new one.
        start: u64,
    },
    /// The partition that was to become the ESP cannot.
    #[error(
        "partition {0} cannot become the EFI system partition: it is not there, or begins in the \
         first MiB of the disk"
    )]
    NotReusable(u32),
    /// What was made is not right: a fault of this program.
    #[error("the new partition table contradicts itself: {0}")]
    Inconsistent(String),
}
