//! Planning a page: everything is written exactly once, and only what is to be.

use disk::{Extent, normalize};
use image::{ChunkId, EntryKind, Locator, MapEntry, PackId, Region};
use proptest::prelude::*;

use super::batch::{Batch, Filter, MAX_READ, plan_page};
use crate::restore::units::tests::region;
use crate::restore::units::{Bitmap, Units};

const BLOCK: u64 = 4096;

fn locator(pack: u8, offset: u32, blocks: u64) -> Locator {
    let raw_len = u32::try_from(blocks * BLOCK).unwrap();
    Locator {
        chunk: ChunkId::from_bytes([pack; 32]),
        pack: PackId::from_bytes([pack; 32]),
        offset,
        stored_len: raw_len / 2,
        raw_len,
    }
}

/// Entries that follow each other: (kind, blocks, pack, offset).
fn entries(raw: &[(u8, u64, u8, u32)]) -> Vec<MapEntry> {
    let mut start = 0;
    let mut out = Vec::new();
    for (kind, blocks, pack, offset) in raw {
        let len = blocks * BLOCK;
        let kind = match kind {
            0 => EntryKind::Zero,
            1 => EntryKind::Free,
            _ => EntryKind::Data(locator(*pack, *offset, *blocks)),
        };
        out.push(MapEntry { start, len, kind });
        start += len;
    }
    out
}

fn plan(raw: &[(u8, u64, u8, u32)], base: u64, withheld: &[Extent], done: &[u64]) -> Batch {
    let len = raw.iter().map(|r| r.1 * BLOCK).sum::<u64>().max(1);
    let regions: [Region; 1] = [region(base, len)];
    let units = Units::new(&regions);
    let mut bitmap = Bitmap::new(units.count());
    done.iter().for_each(|unit| bitmap.set(*unit));
    let filter = Filter {
        withheld,
        units: &units,
        done: &bitmap,
    };
    plan_page(base, &entries(raw), &filter)
}

#[test]
fn neighbours_are_read_together_and_far_ones_are_not() {
    let near = [(2, 16, 1, 64), (2, 16, 1, 100_000), (2, 16, 1, 3_000_000)];
    let batch = plan(&near, 0, &[], &[]);
    assert_eq!(batch.reads.len(), 2);
    assert_eq!(batch.reads[0].items.len(), 2);
    assert_eq!(batch.reads[0].len, 100_000 + 48 + 8 * 4096 - 64);
}

#[test]
fn a_chunk_used_twice_is_read_once() {
    let twice = [(2, 16, 1, 64), (0, 1000, 0, 0), (2, 16, 1, 64)];
    let batch = plan(&twice, 0, &[], &[]);
    assert_eq!(batch.reads.len(), 1);
    let item = &batch.reads[0].items[0];
    assert_eq!((item.place.start, item.more.len()), (0, 1));
    assert_eq!(item.more[0].start, 1016 * BLOCK);
    assert_eq!(
        batch.zeros,
        [Extent {
            start: 16 * BLOCK,
            len: 1000 * BLOCK
        }]
    );
}

#[test]
fn small_gaps_are_filled_and_large_ones_are_not() {
    let gaps = [
        (2, 8, 1, 64),
        (0, 1, 0, 0),
        (1, 2, 0, 0),
        (2, 8, 1, 40_000),
        (1, 99, 0, 0),
    ];
    let batch = plan(&gaps, 0, &[], &[]);
    let places: Vec<_> = batch.reads[0].items.iter().map(|i| i.place).collect();
    assert_eq!((places[0].fill, places[0].zeros), (3 * 4096, 4096));
    assert_eq!((places[1].fill, places[1].zeros), (0, 0));
    assert!(batch.zeros.is_empty());
}

fn entry() -> impl Strategy<Value = (u8, u64, u8, u32)> {
    (0u8..4, 1u64..128, 0u8..3, 1u32..2000).prop_map(|(kind, blocks, pack, at)| {
        // Long runs happen to zeros and free space only.
        let blocks = if kind < 2 { blocks * 40 } else { blocks };
        (kind, blocks, pack, at * 4096)
    })
}

proptest! {
    // Looks at every sector: unoptimised, the default number takes a while.
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_needed_byte_is_written_and_no_withheld_one_is_planned_alone(
        raw in prop::collection::vec(entry(), 1..60),
        base in 0u64..64,
        withheld in prop::collection::vec((0u64..40_000, 1u64..600), 0..4),
        done in prop::collection::vec(0u64..8, 0..4),
    ) {
        let base = base * 512;
        let withheld = withheld.into_iter().map(|(s, l)| Extent { start: s * 512, len: l * 512 });
        let withheld = normalize(withheld.collect());
        let batch = plan(&raw, base, &withheld, &done);
        let len: u64 = raw.iter().map(|r| r.1 * BLOCK).sum();
        let units = Units::new(&[region(base, len)]);
        let mut bitmap = Bitmap::new(units.count());
        done.iter().for_each(|unit| bitmap.set(*unit));
        let filter = Filter { withheld: &withheld, units: &units, done: &bitmap };

        let mut written: Vec<Extent> = batch.zeros.clone();
        let mut counted: u64 = batch.zeros.iter().map(|z| z.len).sum();
        for item in batch.reads.iter().flat_map(|r| &r.items) {
            written.extend(item.extents().flat_map(|e| filter.writable(e)));
            let places = std::iter::once(&item.place).chain(&item.more);
            counted += places.map(|place| item.counts(*place)).sum::<u64>();
        }
        let total = written.iter().map(|e| e.len).sum::<u64>();
        let written = normalize(written);
        let merged: u64 = written.iter().map(|e| e.len).sum();
        prop_assert_eq!(total, merged, "something is written twice");

        let covered = |at: u64| written.iter().any(|e| e.start <= at && at < e.end());
        let mut wanted = 0;
        for entry in entries(&raw) {
            if entry.kind == EntryKind::Free { continue; }
            wanted += entry.len;
            for block in 0..entry.len / 512 {
                let at = Extent { start: base + entry.start + block * 512, len: 512 };
                let skip = !filter.is_free(at) || bitmap.all(units.touched(at));
                prop_assert!(covered(at.start) || skip, "byte {} is not written", at.start);
            }
        }
        prop_assert_eq!(counted + batch.skipped, wanted);
        for e in &written {
            prop_assert!(filter.is_free(*e));
            prop_assert!(e.end() <= base + len);
        }
        for read in &batch.reads {
            prop_assert!(read.len <= MAX_READ);
            for item in &read.items {
                prop_assert!(u64::from(item.locator.offset) >= read.offset);
                prop_assert!(item.locator.end() <= read.offset + read.len as u64);
                prop_assert_eq!(item.locator.pack, read.pack);
            }
        }
    }
}
