//! A new FAT32, made in memory.

use std::io::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use disk::{ReadAt, SectorSize, WriteAt};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};

use super::{CHANGES_MOST, FatError, NewFile, Overlay, Patch, Stream, edit_with};

/// From this many bytes on a cluster has 4096; below it is a sector, so that a small
/// partition has as many as a FAT32 needs.
const LARGE: u64 = 300 << 20;
/// In a boot sector, and in its copy in sector 6: the sectors before the partition
/// (Microsoft's FAT specification 1.03, `BPB_HiddSec`).
const HIDDEN_SECTORS: u64 = 0x1C;
const BOOT_SECTORS: [u64; 2] = [0, 6];

/// What a volume is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New {
    /// Bytes.
    pub(crate) len: u64,
    pub(crate) sector: SectorSize,
    /// Where its partition begins on the disk, in bytes.
    pub(crate) start: u64,
    /// The volume's number.
    pub(crate) serial: u32,
}

/// Makes it, and puts `files` there: what is not zero then. The same gives the same
/// bytes: fatfs without a clock writes a constant time.
///
/// # Errors
/// As [`edit`](super::edit).
pub(crate) fn make<'f>(
    new: New,
    files: impl Iterator<Item = &'f NewFile>,
) -> std::result::Result<Vec<Patch>, FatError> {
    let failed = |e| FatError::of("making a FAT32", e);
    let volume = Arc::new(Overlay::new(Arc::new(Zeros(new.len)), CHANGES_MOST));
    format(&volume, new).map_err(failed)?;
    let base: Arc<dyn ReadAt> = volume.clone();
    let written = edit_with(&base, files, FsOptions::new())?;
    drop(base);
    for patch in written {
        let done = volume.write_all_at(&patch.after, patch.at);
        done.map_err(failed)?;
    }
    let volume = Arc::into_inner(volume).ok_or_else(|| failed(Error::other("it is in use")))?;
    volume.into_patches(&[]).map_err(failed)
}

fn format(volume: &Overlay, new: New) -> Result<()> {
    let bytes = new.sector.bytes();
    let cluster = if new.len < LARGE { bytes } else { 4096 };
    let narrow = |number: u64| u32::try_from(number).map_err(Error::other);
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_sector(u16::try_from(bytes).map_err(Error::other)?)
        .bytes_per_cluster(narrow(cluster)?)
        .total_sectors(narrow(new.len / bytes)?)
        .volume_id(new.serial)
        .volume_label(*b"SYSTEM     ");
    let at = AtomicU64::new(0);
    fatfs::format_volume(Stream::new(volume, &at), options)?;
    let made = FileSystem::new(Stream::new(volume, &at), FsOptions::new())?;
    // Counts what is free, and keeps that.
    made.stats()?;
    made.unmount()?;
    let hidden = narrow(new.start / bytes)?.to_le_bytes();
    BOOT_SECTORS.iter().try_for_each(|number| {
        let at = number.saturating_mul(bytes).saturating_add(HIDDEN_SECTORS);
        volume.write_all_at(&hidden, at)
    })
}

/// A volume on which nothing is yet.
struct Zeros(u64);

impl ReadAt for Zeros {
    fn read_exact_at(&self, buf: &mut [u8], _: u64) -> Result<()> {
        buf.fill(0);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.0
    }
}
