//! Maps: what every block of a region holds, and where it is stored.
//!
//! A region's map is cut into pages of 1 GiB; each page is a record of a meta
//! pack, and so is the root that lists them. Pages and roots are named by the
//! BLAKE3 of their plain bytes: an unchanged GiB is the same page again.

mod page;
mod reader;
mod root;

pub(crate) use page::{PageBuilder, parse as parse_page};
pub use reader::{Entries, RegionMap};
pub(crate) use root::Root;

use crate::Locator;

/// Bytes of a region that one page describes.
pub const PAGE_SPAN: u64 = 1 << 30;
/// Pages a root may list.
pub(crate) const MAX_PAGES: u64 = 1 << 18;
/// The longest region, in bytes: 256 TiB.
pub(crate) const MAX_REGION: u64 = MAX_PAGES * PAGE_SPAN;

/// A run of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapEntry {
    /// First byte, from the region's start.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// What it holds.
    pub kind: EntryKind,
}

impl MapEntry {
    /// First byte after it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// What a run of a region holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// One stored chunk, of exactly the entry's length.
    Data(Locator),
    /// Zeros: must read back as zeros.
    Zero,
    /// Nothing: the filesystem does not use it, any content will do.
    Free,
}
