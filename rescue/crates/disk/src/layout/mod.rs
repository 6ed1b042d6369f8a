//! Fitting an image's partition table to the disk it is restored to.
//!
//! Only the table changes, never where a partition lies: on a larger disk the
//! backup GPT moves to the new end and everything that names its place is
//! changed with it. What is written is returned as bytes, in the order that
//! keeps the disk from ever pretending to be whole: stale tables cleared, then
//! backup GPT, primary GPT, MBR.

mod gpt;
mod grow;
#[cfg(test)]
mod tests;
mod to_gpt;

pub use grow::{Growth, grow_last};
pub use to_gpt::{
    BiosBoot, Converted, ToGpt, ToGptRefusal, add_bios_boot, add_esp, bios_boot_places, to_gpt,
};

use serde::{Deserialize, Serialize};

use crate::{Extent, ReadAt, SectorSize, Table, TableError, TableKind, human_bytes, normalize};

/// Formats that keep signatures at the end of a disk keep them in the last MiB
/// (backup GPT, firmware RAID, md 0.9 and 1.0, ZFS labels).
const TAIL: u64 = 1 << 20;

/// What a [`TableWrite`] is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteRole {
    /// Zeros where the source had its backup GPT, now in the middle.
    ClearOldBackup,
    /// Zeros at the target's end, beyond the image, where an earlier use of
    /// the target may have left a backup GPT or RAID signature.
    ClearTail,
    /// Backup GPT: entries, then header.
    BackupGpt,
    /// First copy of the GPT: entries, then header.
    PrimaryGpt,
    /// Sector 0, with the protective entry's new size.
    Mbr,
}

/// Bytes that go onto the target in place of what the image has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableWrite {
    /// First byte on the target.
    pub offset: u64,
    /// What to write: whole sectors.
    pub bytes: Vec<u8>,
    /// What it is.
    pub role: WriteRole,
}

impl TableWrite {
    /// Where it goes on the target.
    #[must_use]
    pub fn extent(&self) -> Extent {
        Extent {
            start: self.offset,
            len: self.bytes.len() as u64,
        }
    }
}

/// How the image's partition table goes onto the target.
///
/// Both lists are empty when the image fits as it is. An engine must not write
/// the image's bytes of `replaced`, and performs `writes` in their order at
/// the very end, with a flush wherever the role changes. Where two overlap, the
/// later one counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// In the order in which they must reach the disk.
    pub writes: Vec<TableWrite>,
    /// Extents of the image, sorted and disjoint, that are not restored
    /// because `writes` supersede them.
    pub replaced: Vec<Extent>,
    /// What changes, in sentences for the plan.
    pub changes: Vec<String>,
}

/// Why an image cannot go onto a target. Display is a whole sentence with both
/// numbers and a way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutRefusal {
    /// The target is smaller.
    #[error(
        "the image's disk has {source_size} bytes ({}), the target has {target_size} ({}): \
         {} too few; choose a target at least as large",
        human_bytes(*source_size),
        human_bytes(*target_size),
        human_bytes(source_size.saturating_sub(*target_size))
    )]
    TooSmall {
        /// Size of the image's disk in bytes.
        source_size: u64,
        /// Size of the target in bytes.
        target_size: u64,
    },
    /// The target counts in other sectors.
    #[error(
        "the image's disk has sectors of {source_sector} bytes, the target has sectors of \
         {target_sector}: partition tables, boot loaders and filesystems count in sectors, so \
         the copy would be unreadable; choose a target with {source_sector}-byte sectors, or \
         switch this one over (many NVMe and SAS disks can be reformatted to either)"
    )]
    SectorSize {
        /// Sector size of the image's disk.
        source_sector: SectorSize,
        /// Sector size of the target.
        target_sector: SectorSize,
    },
    /// The image's own table cannot be read or contradicts itself.
    #[error("the image's partition table cannot be used")]
    Table(#[from] TableError),
    /// The image's table is not in the bytes given.
    #[error("the image contradicts itself: {0}; verify it")]
    Inconsistent(String),
    /// A partition lies where a copy of the GPT has to go.
    #[error(
        "the target has no room for both copies of the GPT; choose a larger one, or one of \
         exactly the size of the image's disk"
    )]
    NoRoom(#[source] TableError),
}

/// Plans how the table of an image's disk goes onto a target of
/// `target_size` bytes with sectors of `target_sector`.
///
/// `source` reads the image's disk (its size must be the disk's); only its
/// table is read: the first sectors and, where the table points elsewhere,
/// those. [`DiskEnds`] serves where only the ends are at hand. `table` is what
/// [`read_table`](crate::read_table) said of it, usually from the manifest.
///
/// # Errors
/// The target is too small or has other sectors; the table is unusable; or a
/// partition is in the way of the moved backup GPT.
pub fn plan_layout(
    table: &Table,
    source: &dyn ReadAt,
    target_size: u64,
    target_sector: SectorSize,
) -> Result<Layout, LayoutRefusal> {
    if table.sector != target_sector {
        return Err(LayoutRefusal::SectorSize {
            source_sector: table.sector,
            target_sector,
        });
    }
    let source_size = source.size();
    if source_size != table.disk_size {
        return Err(LayoutRefusal::Inconsistent(format!(
            "its table is that of a disk of {} bytes, its disk has {source_size}",
            table.disk_size
        )));
    }
    if target_size < source_size {
        return Err(LayoutRefusal::TooSmall {
            source_size,
            target_size,
        });
    }
    table.check()?;
    let sectors = |bytes: u64| bytes / table.sector.bytes();
    if sectors(target_size) == sectors(source_size) {
        return Ok(Layout::default());
    }
    let mut layout = Layout::default();
    clear_tail(&mut layout, source_size, target_size, table.sector);
    match table.kind {
        TableKind::Gpt => gpt::extend(&mut layout, table, source, target_size)?,
        TableKind::Mbr => note_mbr_limit(&mut layout, table.sector, target_size),
        TableKind::None => {}
    }
    layout.replaced = replaced(&layout.writes, source_size);
    Ok(layout)
}

/// The part of the image that `writes` supersede.
fn replaced(writes: &[TableWrite], source_size: u64) -> Vec<Extent> {
    let inside = writes.iter().map(|write| Extent {
        start: write.offset,
        len: write
            .extent()
            .end()
            .min(source_size)
            .saturating_sub(write.offset),
    });
    normalize(inside.collect())
}

/// Clears whole sectors of the target's last MiB that the image does not reach.
fn clear_tail(layout: &mut Layout, source_size: u64, target_size: u64, sector: SectorSize) {
    let unit = sector.bytes();
    let end = target_size - target_size % unit;
    let from = end.saturating_sub(TAIL).max(source_size);
    let start = from.next_multiple_of(unit);
    let len = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    if len > 0 {
        layout.writes.push(TableWrite {
            offset: start,
            bytes: vec![0; len],
            role: WriteRole::ClearTail,
        });
    }
}

/// An MBR counts sectors in 32 bits.
fn note_mbr_limit(layout: &mut Layout, sector: SectorSize, target_size: u64) {
    let reach = sector.bytes().saturating_mul(1 << 32);
    if target_size > reach {
        layout.changes.push(format!(
            "The disk keeps its MBR, which reaches no further than {}; the rest of the target \
             stays unused.",
            human_bytes(reach)
        ));
    }
}

/// A disk of which only the beginning and the end are at hand. Reading
/// anything else is an error.
#[derive(Debug, Clone)]
pub struct DiskEnds {
    head: Vec<u8>,
    tail: Vec<u8>,
    size: u64,
}

impl DiskEnds {
    /// A disk of `size` bytes that begins with `head` and ends with `tail`;
    /// `None` if either is longer than the disk.
    #[must_use]
    pub fn new(head: Vec<u8>, tail: Vec<u8>, size: u64) -> Option<Self> {
        let fits = head.len() as u64 <= size && tail.len() as u64 <= size;
        fits.then_some(Self { head, tail, size })
    }

    fn find(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let within = |part: &'_ [u8], at: u64| -> Option<std::ops::Range<usize>> {
            let start = usize::try_from(offset.checked_sub(at)?).ok()?;
            let end = start.checked_add(len)?;
            (end <= part.len()).then_some(start..end)
        };
        let tail_at = self.size.saturating_sub(self.tail.len() as u64);
        if let Some(range) = within(&self.head, 0) {
            return self.head.get(range);
        }
        self.tail.get(within(&self.tail, tail_at)?)
    }
}

impl ReadAt for DiskEnds {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        let bytes = self.find(offset, buf.len()).ok_or_else(|| {
            std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                format!(
                    "{} bytes at {offset} are neither in the first {} bytes of the disk nor in \
                     the last {}",
                    buf.len(),
                    self.head.len(),
                    self.tail.len()
                ),
            )
        })?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.size
    }
}
