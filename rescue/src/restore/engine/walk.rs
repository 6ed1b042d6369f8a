//! The walker: turns maps into work, one page at a time.

use disk::Extent;
use image::{Decoder, MapEntry, PAGE_SPAN, Region};

use super::Shared;
use super::batch::{Batch, Read, plan_page};
use super::queue::Producer;
use super::stages::WriteJob;
use crate::restore::error::Error;

/// Entries planned at once: all of an ordinary page (about 7000), a part of
/// one cut into single blocks, so that plans stay small.
const BATCH: usize = 16 << 10;

/// Walks all regions. Ends early, without an error, when something else failed.
pub(super) fn run(
    shared: &Shared<'_>,
    reads: &Producer<'_, Read>,
    writes: &Producer<'_, WriteJob>,
) -> Result<(), Error> {
    let mut decoder = Decoder::new().map_err(|e| failed("the maps", e))?;
    for region in &shared.plan.disk.regions {
        let map = shared.plan.repository.map(region);
        let map = map.map_err(|e| failed(&region.title(), e))?;
        for number in 0..map.page_count() {
            let page = page_extent(region, number);
            let entries = map.page_with(number, &mut decoder);
            let entries = entries.map_err(|e| failed(&region.title(), e))?;
            if !walk_page(shared, region, page, &entries, reads, writes) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn failed(place: &str, source: image::Error) -> Error {
    Error::Image {
        place: place.to_owned(),
        source,
    }
}

/// What page `number` of `region` covers on the disk.
fn page_extent(region: &Region, number: usize) -> Extent {
    let offset = (number as u64).saturating_mul(PAGE_SPAN);
    Extent {
        start: region.start.saturating_add(offset),
        len: region.len.saturating_sub(offset).min(PAGE_SPAN),
    }
}

/// `false` when the work was broken off.
fn walk_page(
    shared: &Shared<'_>,
    region: &Region,
    page: Extent,
    entries: &[MapEntry],
    reads: &Producer<'_, Read>,
    writes: &Producer<'_, WriteJob>,
) -> bool {
    // Keeps the page's units open until all its work is handed out.
    shared.ledger.hold_extent(page);
    for entries in entries.chunks(BATCH) {
        let batch = plan_page(region.start, entries, &shared.filter);
        shared.ledger.count(batch.skipped);
        shared.parts.count(page.start, batch.skipped);
        shared.counted(|counts| counts.skipped += batch.skipped);
        if !hand_out(shared, batch, reads, writes) {
            return false;
        }
    }
    shared.ledger.release_extent(page);
    true
}

fn hand_out(
    shared: &Shared<'_>,
    batch: Batch,
    reads: &Producer<'_, Read>,
    writes: &Producer<'_, WriteJob>,
) -> bool {
    for zeros in batch.zeros {
        shared.ledger.hold_extent(zeros);
        if !writes.push(WriteJob::zeros(zeros)) {
            return false;
        }
    }
    for read in batch.reads {
        for extent in read.items.iter().flat_map(|item| item.extents()) {
            shared.ledger.hold_extent(extent);
        }
        if !reads.push(read) {
            return false;
        }
    }
    true
}
