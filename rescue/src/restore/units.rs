//! Progress in fixed units, so that an interrupted restore can resume.
//!
//! A unit is a slice of one region: regions in their order, each cut from its
//! beginning. Units never straddle regions or map pages, so the walker knows
//! when it has seen all of one.

use disk::Extent;
use image::{PAGE_SPAN, Region};

/// A journal slot holds at most this many bits.
pub(super) const MAX_UNITS: u64 = 512 << 10;
/// Log2 of the smallest unit in bytes: 1 MiB.
const MIN_SHIFT: u32 = 20;
/// Log2 of the largest: a map page.
const MAX_SHIFT: u32 = PAGE_SPAN.trailing_zeros();

/// How the image's disk is cut into units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Units {
    /// Log2 of the unit's size in bytes.
    shift: u32,
    /// Region starts and the number of their first unit.
    regions: Vec<(u64, u64)>,
    count: u64,
}

/// A run of units: first, and one past the last.
pub(super) type UnitRange = std::ops::Range<u64>;

impl Units {
    /// The finest cut whose bitmap fits a journal slot.
    pub(super) fn new(regions: &[Region]) -> Self {
        let fits = |shift: &u32| Self::with_shift(regions, *shift).count <= MAX_UNITS;
        let shift = (MIN_SHIFT..MAX_SHIFT).find(fits).unwrap_or(MAX_SHIFT);
        Self::with_shift(regions, shift)
    }

    fn with_shift(regions: &[Region], shift: u32) -> Self {
        let mut count = 0u64;
        let mut starts = Vec::with_capacity(regions.len());
        for region in regions {
            starts.push((region.start, count));
            count = count.saturating_add(region.len.div_ceil(1 << shift));
        }
        Self {
            shift,
            regions: starts,
            count,
        }
    }

    /// Number of units.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Log2 of the unit's size in bytes.
    pub(super) const fn shift(&self) -> u32 {
        self.shift
    }

    /// The units that `extent` of the disk, not empty and inside one region,
    /// touches.
    pub(super) fn touched(&self, extent: Extent) -> UnitRange {
        let at = self.regions.partition_point(|(s, _)| *s <= extent.start);
        let (start, first) = at
            .checked_sub(1)
            .and_then(|i| self.regions.get(i))
            .copied()
            .unwrap_or((0, 0));
        let unit = |byte: u64| first.saturating_add(byte.saturating_sub(start) >> self.shift);
        unit(extent.start)..unit(extent.end().saturating_sub(1)).saturating_add(1)
    }
}

/// Which units are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bitmap {
    bytes: Vec<u8>,
}

impl Bitmap {
    /// Nothing done.
    pub(super) fn new(units: u64) -> Self {
        let len = usize::try_from(units.min(MAX_UNITS).div_ceil(8)).unwrap_or(0);
        Self {
            bytes: vec![0; len],
        }
    }

    /// From a journal.
    pub(super) const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// For a journal: unit 0 is the lowest bit of the first byte.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn place(unit: u64) -> Option<(usize, u8)> {
        Some((usize::try_from(unit / 8).ok()?, 1 << (unit % 8)))
    }

    /// Marks a unit as done.
    pub(super) fn set(&mut self, unit: u64) {
        if let Some((at, bit)) = Self::place(unit)
            && let Some(byte) = self.bytes.get_mut(at)
        {
            *byte |= bit;
        }
    }

    /// Whether a unit is done.
    pub(super) fn get(&self, unit: u64) -> bool {
        Self::place(unit)
            .and_then(|(at, bit)| self.bytes.get(at).map(|byte| byte & bit != 0))
            .unwrap_or(false)
    }

    /// Whether all of these are done.
    pub(super) fn all(&self, mut range: UnitRange) -> bool {
        range.all(|unit| self.get(unit))
    }

    /// How many are done.
    pub(super) fn count(&self) -> u64 {
        self.bytes.iter().map(|b| u64::from(b.count_ones())).sum()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use image::{ChunkId, Locator, PackId, RegionKind};
    use proptest::prelude::*;

    pub(in crate::restore) fn region(start: u64, len: u64) -> Region {
        Region {
            kind: RegionKind::Gap,
            start,
            len,
            fs: None,
            data_bytes: len,
            zero_bytes: 0,
            free_bytes: 0,
            root: Locator {
                chunk: ChunkId::from_bytes([0; 32]),
                pack: PackId::from_bytes([0; 32]),
                offset: 64,
                stored_len: 1,
                raw_len: 1,
            },
        }
    }

    #[test]
    fn a_huge_disk_still_fits_a_slot() {
        let units = Units::new(&[region(0, 100 << 40)]);
        assert!(units.count() <= MAX_UNITS, "{}", units.count());
        assert!(units.count() > MAX_UNITS / 4);
        assert_eq!(Units::new(&[region(0, 1 << 30)]).shift(), MIN_SHIFT);
    }

    proptest! {
        #[test]
        fn every_byte_has_one_unit_and_units_stay_in_their_region(
            lens in prop::collection::vec(1u64..(64 << 20), 1..6), pick in 0usize..6, at in 0u64..(64 << 20)
        ) {
            let mut start = 0;
            let mut regions = Vec::new();
            for len in &lens {
                regions.push(region(start, *len));
                start += len;
            }
            let units = Units::new(&regions);
            let r = &regions[pick % regions.len()];
            let byte = Extent { start: r.start + at % r.len, len: 1 };
            let touched = units.touched(byte);
            prop_assert_eq!(touched.end - touched.start, 1);
            let whole = units.touched(Extent { start: r.start, len: r.len });
            prop_assert!(whole.start <= touched.start && touched.end <= whole.end);
            prop_assert!(whole.end <= units.count());
        }

        #[test]
        fn bits_are_remembered(set in prop::collection::btree_set(0u64..1000, 0..50)) {
            let mut bitmap = Bitmap::new(1000);
            set.iter().for_each(|u| bitmap.set(*u));
            for unit in 0..1000 {
                prop_assert_eq!(bitmap.get(unit), set.contains(&unit));
            }
            prop_assert_eq!(bitmap.count(), set.len() as u64);
        }
    }
}
