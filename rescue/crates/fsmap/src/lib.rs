//! Which blocks a filesystem uses.
//!
//! [`map`] starts from "everything is used" and clears only what the
//! filesystem's own structures prove to be free. What cannot be proven (a
//! damaged bitmap, an unknown feature, a dirty journal that cannot be
//! overlaid) stays used, and a note says why.
//!
//! What it takes to read that of NTFS also reads files: [`NtfsFiles`]. Of a BitLocker
//! volume, which nobody maps, it is told what opens it: [`BitLocker`].
#![forbid(unsafe_code)]

mod bitlocker;
mod bytes;
mod error;
mod ext;
mod fat;
mod free;
mod identify;
mod ntfs;
mod swap;

use bytes::Source;
use disk::{Extent, ReadAt};
use error::Stop;
use serde::{Deserialize, Serialize};

pub use bitlocker::{Backup, BitLocker, Conversion, Made, Method, Opens, Protector, State};
pub use error::Error;
pub use identify::{Identity, identify};
pub use ntfs::{NtfsFile, NtfsFiles, Unreadable};

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

/// What a reader found out about its filesystem.
#[derive(Debug)]
pub(crate) struct Mapped {
    block_size: u64,
    free: Vec<Extent>,
    consistency: Consistency,
    notes: Vec<String>,
}

/// The used-block map of the partition `dev`.
///
/// Whatever is not understood, damaged or ambiguous comes back as
/// [`Consistency::Raw`] with nothing free and a note that says why.
///
/// # Errors
/// Only when the device cannot be read.
pub fn map(dev: &dyn ReadAt) -> Result<FsMap, Error> {
    let Identity {
        kind,
        label,
        uuid,
        others,
    } = identify(dev)?;
    let mapped = if others.is_empty() {
        dispatch(kind, Source::new(dev))
    } else {
        Err(Stop::Raw(format!(
            "it also carries the signature of {}; wipe the stale one (wipefs) to have a map",
            identify::names(&others)
        )))
    };
    let mut mapped = match mapped {
        Ok(mapped) => mapped,
        Err(Stop::Device(error)) => return Err(error),
        Err(Stop::Raw(why)) => whole(kind, &why),
    };
    if kind == FsKind::Bitlocker {
        mapped.notes.extend(bitlocker::notes(Source::new(dev))?);
    }
    Ok(FsMap {
        kind,
        label,
        uuid,
        block_size: mapped.block_size,
        free: mapped.free,
        consistency: mapped.consistency,
        notes: mapped.notes,
    })
}

fn dispatch(kind: FsKind, source: Source<'_>) -> Result<Mapped, Stop> {
    match kind {
        FsKind::Ext2 | FsKind::Ext3 | FsKind::Ext4 => ext::map(source),
        FsKind::Fat12 | FsKind::Fat16 | FsKind::Fat32 => fat::map(source),
        FsKind::Ntfs => ntfs::map(source),
        FsKind::Swap => swap::map(source),
        FsKind::Unknown => error::raw("no known signature was found"),
        FsKind::Bitlocker => error::raw("what it uses is encrypted, too"),
        _ => error::raw("this kind is not mapped yet"),
    }
}

/// Everything used, and why.
fn whole(kind: FsKind, why: &str) -> Mapped {
    Mapped {
        block_size: 0,
        free: Vec::new(),
        consistency: Consistency::Raw,
        notes: vec![format!(
            "{} is captured whole (zero blocks are still skipped): {why}",
            kind.name()
        )],
    }
}

impl FsKind {
    /// The name people know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Ntfs => "NTFS",
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
            Self::Swap => "swap",
            Self::Xfs => "XFS",
            Self::Btrfs => "btrfs",
            Self::Exfat => "exFAT",
            Self::Lvm2 => "LVM2",
            Self::Luks => "LUKS",
            Self::MdRaid => "md RAID",
            Self::Bitlocker => "BitLocker",
            Self::Refs => "ReFS",
            Self::Iso9660 => "ISO 9660",
            Self::Squashfs => "SquashFS",
            Self::Zfs => "ZFS",
            Self::Apfs => "APFS",
            Self::F2fs => "F2FS",
            Self::Unknown => "this partition",
        }
    }
}
