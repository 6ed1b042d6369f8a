//! Which blocks a filesystem uses.
//!
//! [`map`] starts from "everything is used" and clears only what the
//! filesystem's own structures prove to be free. What cannot be proven (a
//! damaged bitmap, an unknown feature, a dirty journal that cannot be
//! overlaid) stays used, and a note says why.
#![forbid(unsafe_code)]

use disk::Extent;
use serde::{Deserialize, Serialize};

/// What a partition holds, by its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FsKind {
    Ext2,
    Ext3,
    Ext4,
    Ntfs,
    Fat12,
    Fat16,
    Fat32,
    Swap,
    /// Recognised, but captured whole for now: XFS, btrfs, exFAT, LVM2, LUKS,
    /// md RAID, BitLocker, ReFS, ISO 9660, ….
    Xfs,
    Btrfs,
    Exfat,
    Lvm2,
    Luks,
    MdRaid,
    Bitlocker,
    Refs,
    Iso9660,
    Squashfs,
    Zfs,
    Apfs,
    F2fs,
    Unknown,
}

/// How far the used-block map could be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// Cleanly unmounted: the bitmaps are exact.
    Clean,
    /// The journal was dirty; its newer bitmaps were laid over the old ones.
    JournalOverlay,
    /// Not used: every block is captured, only all-zero blocks are skipped.
    Raw,
}

/// The used-block map of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsMap {
    pub kind: FsKind,
    pub label: Option<String>,
    pub uuid: Option<String>,
    /// Allocation unit in bytes; 0 when unknown.
    pub block_size: u64,
    /// Runs proven free, in bytes from the partition's start, normalised.
    /// Everything else is used, what lies behind the filesystem included.
    pub free: Vec<Extent>,
    pub consistency: Consistency,
    /// Sentences for the operator: why a map fell back, what was unusual.
    pub notes: Vec<String>,
}
