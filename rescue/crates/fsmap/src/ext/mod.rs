//! ext2, ext3, ext4.
//!
//! Every group has a bitmap, one bit per cluster. The map of the filesystem is
//! those bitmaps with all metadata the descriptors name laid over them, so
//! that no single damaged bitmap can free a structure the filesystem needs.

mod bitmap;
mod descriptors;
mod superblock;

use superblock::Superblock;
pub(crate) use superblock::kind;

use crate::Mapped;
use crate::bytes::{Source, times};
use crate::error::{Stop, raw};

/// The filesystem's blocks.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) sb: &'a Superblock,
}

impl View<'_> {
    /// Block `number`.
    pub(crate) fn block(&self, what: &'static str, number: u64) -> Result<Vec<u8>, Stop> {
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
    let view = View { source, sb: &sb };
    if sb.needs_recovery() {
        return raw("its journal has not been replayed");
    }
    bitmap::map(&view)
}
