//! ext2, ext3, ext4.
//!
//! Every group has a bitmap, one bit per cluster. The map of the filesystem is
//! those bitmaps with all metadata the descriptors name laid over them, so
//! that no single damaged bitmap can free a structure the filesystem needs.
//!
//! A dirty journal will be replayed after a restore. Its newer bitmaps and
//! descriptors are laid over those on disk, and what either calls used is used.

mod bitmap;
mod descriptors;
mod inode;
mod jbd2;
mod journal;
mod superblock;

use descriptors::Group;
use journal::{Journal, Overlay};
use superblock::Superblock;
pub(crate) use superblock::kind;

use crate::Mapped;
use crate::bytes::{Source, slice, times};
use crate::error::{Stop, raw};

/// The filesystem's blocks, as a mount would see them.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) sb: &'a Superblock,
    pub(crate) overlay: Option<&'a Overlay>,
}

impl View<'_> {
    /// Block `number`, from the journal where that has a newer copy.
    pub(crate) fn block(&self, what: &'static str, number: u64) -> Result<Vec<u8>, Stop> {
        if let Some(overlay) = self.overlay
            && let Some(newer) = overlay.block(self, number)?
        {
            return Ok(newer);
        }
        self.on_disk(what, number)
    }

    /// Block `number` as it lies on the disk.
    pub(crate) fn on_disk(&self, what: &'static str, number: u64) -> Result<Vec<u8>, Stop> {
        if number >= self.sb.blocks {
            return raw(format!(
                "{what}: block {number} of a filesystem with {} blocks",
                self.sb.blocks
            ));
        }
        let at = times(number, self.sb.block_size)?;
        self.source.read(what, at, self.sb.block_size)
    }
}

pub(crate) fn map(source: Source<'_>) -> Result<Mapped, Stop> {
    let bytes = source.read("ext superblock", superblock::OFFSET, superblock::LEN)?;
    let sb = Superblock::parse(&bytes, source.size())?;
    if let Some(why) = sb.distrust() {
        return raw(why);
    }
    let disk = View {
        source,
        sb: &sb,
        overlay: None,
    };
    let groups = descriptors::load(&disk)?;
    let Some(overlay) = overlay(&disk, &groups)? else {
        return bitmap::map(&disk, &groups, None);
    };
    check_newer_superblock(&disk, &overlay)?;
    let newer = View {
        overlay: Some(&overlay),
        ..disk
    };
    bitmap::map(&newer, &descriptors::load(&newer)?, Some(&groups))
}

/// What waits in the journal; `None` when nothing can.
fn overlay(disk: &View<'_>, groups: &[Group]) -> Result<Option<Overlay>, Stop> {
    let sb = disk.sb;
    if !sb.has_journal() {
        return Ok(None);
    }
    let journal = match Journal::open(disk, groups) {
        Ok(journal) => journal,
        // After a clean unmount the journal does not matter.
        Err(Stop::Raw(_)) if !sb.needs_recovery() => return Ok(None),
        Err(stop) => return Err(stop),
    };
    // e2fsck replays a log that is not empty even if the flag is clear.
    if journal.is_empty() && !sb.needs_recovery() {
        return Ok(None);
    }
    let mut wanted: Vec<u64> = vec![sb.own_block()];
    wanted.extend((0..sb.desc_blocks()).map(|i| descriptors::location(sb, i)));
    wanted.extend(groups.iter().map(|g| g.block_bitmap));
    wanted.sort_unstable();
    journal.overlay(disk, &wanted).map(Some)
}

/// The superblock the journal holds must describe the same filesystem.
fn check_newer_superblock(disk: &View<'_>, overlay: &Overlay) -> Result<(), Stop> {
    let Some(block) = overlay.block(disk, disk.sb.own_block())? else {
        return Ok(());
    };
    let at = usize::try_from(superblock::OFFSET % disk.sb.block_size).unwrap_or(0);
    let newer = Superblock::parse(slice(&block, at, 1024)?, disk.source.size())?;
    if !newer.same_geometry(disk.sb) {
        return raw("it was being resized or changed when it was last used; run e2fsck");
    }
    if newer.has_errors() {
        return raw("its journal records errors in this filesystem; run e2fsck");
    }
    Ok(())
}
