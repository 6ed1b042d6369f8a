//! From the map of a page to reads and zero runs: pure planning.
//!
//! Chunks are read in the order of their packs, neighbours with small gaps in
//! one request; what is decoded is put together again in the order of the
//! disk, so that writes are long. Small zero runs and small free gaps behind a
//! chunk are written with it as zeros (free space may hold anything), because
//! one long write is cheaper than several short ones.

use disk::Extent;
use image::{EntryKind, Locator, MapEntry, PackId};

use crate::restore::units::{Bitmap, Units};
use crate::restore::withheld;

/// Gaps in a pack up to this many bytes are read along.
const MAX_GAP: u64 = 256 << 10;
/// A read spans at most this many bytes.
pub(super) const MAX_READ: usize = 4 << 20;
/// A zero run up to this many bytes is written with the chunk before it.
const MAX_ZERO_FILL: u64 = 256 << 10;
/// A free gap up to this many bytes is filled.
const MAX_FREE_FILL: u64 = 64 << 10;
/// One zero job covers at most this many bytes, so that progress moves.
const MAX_ZERO_JOB: u64 = 256 << 20;

/// Where a chunk goes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// First byte on the disk.
    pub(super) start: u64,
    /// Zero bytes to be written behind the chunk.
    pub(super) fill: u32,
    /// How many of them the map calls zero, for the progress.
    pub(super) zeros: u32,
}

/// A chunk and all its places in this batch: decoded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) locator: Locator,
    pub(super) place: Place,
    pub(super) more: Vec<Place>,
}

impl Item {
    /// What `place` covers on the disk, its fill included.
    pub(super) fn extent(&self, place: Place) -> Extent {
        Extent {
            start: place.start,
            len: u64::from(self.locator.raw_len).saturating_add(place.fill.into()),
        }
    }

    /// Bytes of data and zeros that writing `place` does.
    pub(super) fn counts(&self, place: Place) -> u64 {
        u64::from(self.locator.raw_len).saturating_add(place.zeros.into())
    }

    /// The extents of all places.
    pub(super) fn extents(&self) -> impl Iterator<Item = Extent> {
        let places = std::iter::once(&self.place).chain(&self.more);
        places.map(|place| self.extent(*place))
    }
}

/// One range of a pack and the chunks to take out of it, in disk order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) pack: PackId,
    pub(super) offset: u64,
    pub(super) len: usize,
    pub(super) items: Vec<Item>,
}

/// The work of one map page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) reads: Vec<Read>,
    /// Runs that must read back as zero.
    pub(super) zeros: Vec<Extent>,
    /// Bytes of data and zeros that need nothing: withheld, or done before.
    pub(super) skipped: u64,
}

/// What decides whether something needs to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter<'a> {
    /// Not written now, normalised.
    pub(super) withheld: &'a [Extent],
    pub(super) units: &'a Units,
    /// Units an earlier run finished.
    pub(super) done: &'a Bitmap,
}

impl Filter<'_> {
    fn is_done(&self, extent: Extent) -> bool {
        self.done.all(self.units.touched(extent))
    }

    /// Whether nothing of `extent` is withheld.
    pub(super) fn is_free(&self, extent: Extent) -> bool {
        withheld::is_free(self.withheld, extent)
    }

    /// The parts of `extent` that are not withheld.
    pub(super) fn writable(&self, extent: Extent) -> Vec<Extent> {
        withheld::writable(self.withheld, extent)
    }
}

/// Plans entries that follow each other, of a region that begins at `base` on
/// the disk.
pub(super) fn plan_page(base: u64, entries: &[MapEntry], filter: &Filter<'_>) -> Batch {
    let mut batch = Batch::default();
    let mut chunks: Vec<(Locator, Place)> = Vec::with_capacity(entries.len());
    // The last chunk, as long as nothing came between.
    let mut open = false;
    for entry in entries {
        let extent = Extent {
            start: base.saturating_add(entry.start),
            len: entry.len,
        };
        open = match entry.kind {
            EntryKind::Data(locator) => add_chunk(&mut batch, &mut chunks, locator, extent, filter),
            EntryKind::Zero => {
                let filled = open && fill(&mut chunks, extent, MAX_ZERO_FILL, filter);
                match chunks.last_mut() {
                    Some((_, place)) if filled => place.zeros += to_u32(extent.len),
                    _ => add_zeros(&mut batch, extent, filter),
                }
                filled
            }
            EntryKind::Free => open && fill(&mut chunks, extent, MAX_FREE_FILL, filter),
        };
    }
    batch.reads = reads(chunks);
    batch
}

fn to_u32(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn add_chunk(
    batch: &mut Batch,
    chunks: &mut Vec<(Locator, Place)>,
    locator: Locator,
    extent: Extent,
    filter: &Filter<'_>,
) -> bool {
    if filter.is_done(extent) || filter.writable(extent).is_empty() {
        batch.skipped = batch.skipped.saturating_add(extent.len);
        return false;
    }
    let place = Place {
        start: extent.start,
        fill: 0,
        zeros: 0,
    };
    chunks.push((locator, place));
    // A chunk that is written in parts takes no fill.
    filter.is_free(extent)
}

/// Adds `extent` to what is written behind the last chunk, if it is small.
fn fill(chunks: &mut [(Locator, Place)], extent: Extent, most: u64, filter: &Filter<'_>) -> bool {
    let Some((_, place)) = chunks.last_mut() else {
        return false;
    };
    let sum = u64::from(place.fill).saturating_add(extent.len);
    let small = extent.len <= most && sum <= MAX_ZERO_FILL;
    if small && filter.is_free(extent) {
        place.fill = to_u32(sum);
        return true;
    }
    false
}

/// Adds the parts of a zero run that need writing, in jobs of bounded size.
fn add_zeros(batch: &mut Batch, extent: Extent, filter: &Filter<'_>) {
    let unit = 1u64 << filter.units.shift();
    let mut needed = 0u64;
    for part in filter.writable(extent) {
        let mut at = part.start;
        while at < part.end() {
            // Region starts are no multiples of a unit; any step up to a
            // unit's size gives pieces of at most two units.
            let len = part.end().saturating_sub(at).min(unit);
            let piece = Extent { start: at, len };
            if !filter.is_done(piece) {
                needed = needed.saturating_add(len);
                join_zeros(&mut batch.zeros, piece);
            }
            at = at.saturating_add(len);
        }
    }
    let skipped = extent.len.saturating_sub(needed);
    batch.skipped = batch.skipped.saturating_add(skipped);
}

fn join_zeros(zeros: &mut Vec<Extent>, piece: Extent) {
    match zeros.last_mut() {
        Some(last)
            if last.end() == piece.start && last.len.saturating_add(piece.len) <= MAX_ZERO_JOB =>
        {
            last.len = last.len.saturating_add(piece.len);
        }
        _ => zeros.push(piece),
    }
}

/// Sorts chunks into the order of the packs and merges neighbours.
fn reads(mut chunks: Vec<(Locator, Place)>) -> Vec<Read> {
    chunks.sort_unstable_by_key(|(l, place)| (*l.pack.as_bytes(), l.offset, place.start));
    let mut reads: Vec<Read> = Vec::new();
    for (locator, place) in chunks {
        if let Some(last) = reads.last_mut().and_then(|r| r.items.last_mut())
            && last.locator == locator
        {
            last.more.push(place);
            continue;
        }
        let item = Item {
            locator,
            place,
            more: Vec::new(),
        };
        match reads.last_mut().filter(|read| joins(read, &locator)) {
            Some(read) => {
                let end = locator.end().saturating_sub(read.offset);
                read.len = usize::try_from(end).unwrap_or(usize::MAX).max(read.len);
                read.items.push(item);
            }
            None => reads.push(Read {
                pack: locator.pack,
                offset: locator.offset.into(),
                len: locator.record_len(),
                items: vec![item],
            }),
        }
    }
    for read in &mut reads {
        read.items.sort_unstable_by_key(|item| item.place.start);
    }
    reads.sort_by_cached_key(|read| read.items.first().map(|item| item.place.start));
    reads
}

/// Whether a record is near enough to be read with `read`.
fn joins(read: &Read, record: &Locator) -> bool {
    let end = read.offset.saturating_add(read.len as u64);
    let near = u64::from(record.offset) <= end.saturating_add(MAX_GAP);
    let span = record.end().saturating_sub(read.offset);
    read.pack == record.pack && near && span <= MAX_READ as u64
}
