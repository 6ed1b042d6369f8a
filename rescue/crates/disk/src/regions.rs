//! The whole disk as a row of regions: partitions and what lies between.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Extent, Table};

/// What a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionKind {
    /// Outside every partition: the table itself, boot loaders embedded after
    /// it, extended boot records, alignment, unpartitioned space.
    Gap,
    /// The partition of that number.
    Partition(u32),
}

impl fmt::Display for RegionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap => f.write_str("gap"),
            Self::Partition(number) => write!(f, "partition {number}"),
        }
    }
}

/// A run of bytes that belongs to one partition or to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// What it is.
    pub kind: RegionKind,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes, never 0.
    pub len: u64,
}

impl Region {
    /// Where it lies on the disk.
    #[must_use]
    pub const fn extent(self) -> Extent {
        Extent {
            start: self.start,
            len: self.len,
        }
    }
}

/// Tiles `0..disk_size`: in order of position, every byte in exactly one
/// region, no region empty, no two gaps side by side.
///
/// That holds for any table, even one that fails [`Table::check`]: of what
/// partitions overlap, the one that starts first gets the bytes, and what lies
/// beyond `disk_size` is cut off.
#[must_use]
pub fn regions(table: &Table, disk_size: u64) -> Vec<Region> {
    let mut partitions: Vec<_> = table
        .partitions
        .iter()
        .map(|p| (p.extent(), p.number))
        .collect();
    partitions.sort_unstable();
    let mut out = Vec::new();
    let mut at = 0;
    let mut push = |kind, from: u64, to: u64| {
        if let Some(len) = to.checked_sub(from).filter(|len| *len > 0) {
            out.push(Region {
                kind,
                start: from,
                len,
            });
        }
    };
    for (extent, number) in partitions {
        let start = extent.start.clamp(at, disk_size);
        let end = extent.end().clamp(start, disk_size);
        if start == end {
            continue;
        }
        push(RegionKind::Gap, at, start);
        push(RegionKind::Partition(number), start, end);
        at = end;
    }
    push(RegionKind::Gap, at, disk_size);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Partition, SectorSize, TableKind};
    use proptest::prelude::*;

    fn table(parts: &[(u64, u64)], disk_size: u64) -> Table {
        let partition = |(number, (start, len)): (u32, &(u64, u64))| Partition {
            number,
            start: *start,
            len: *len,
            type_id: "0x83".to_owned(),
            type_name: String::new(),
            name: None,
            uuid: None,
            bootable: false,
            logical: false,
            attributes: 0,
        };
        Table {
            kind: TableKind::Mbr,
            sector: SectorSize::B512,
            disk_size,
            disk_id: None,
            partitions: (1..).zip(parts).map(partition).collect(),
            structures: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn gaps_surround_partitions() {
        let got = regions(&table(&[(60, 40), (10, 20)], 100), 100);
        let gap = |start, len| Region {
            kind: RegionKind::Gap,
            start,
            len,
        };
        let part = |number, start, len| Region {
            kind: RegionKind::Partition(number),
            start,
            len,
        };
        assert_eq!(
            got,
            [gap(0, 10), part(2, 10, 20), gap(30, 30), part(1, 60, 40)]
        );
        assert_eq!(regions(&table(&[], 7), 7), [gap(0, 7)]);
        assert_eq!(regions(&table(&[], 0), 0), []);
    }

    proptest! {
        #[test]
        fn any_table_tiles_the_disk_exactly(
            parts in prop::collection::vec((any::<u64>(), any::<u64>()), 0..8),
            near in prop::collection::vec((0u64..3000, 0u64..900), 0..8),
            size in 0u64..3000,
        ) {
            let parts: Vec<_> = parts.into_iter().chain(near).collect();
            let got = regions(&table(&parts, size), size);
            let mut at = 0;
            for r in &got {
                prop_assert_eq!(r.start, at);
                prop_assert!(r.len > 0);
                at += r.len;
            }
            prop_assert_eq!(at, size);
            for pair in got.windows(2) {
                prop_assert!(pair[0].kind != RegionKind::Gap || pair[1].kind != RegionKind::Gap);
            }
        }

        #[test]
        fn partitions_without_conflict_are_whole(
            lens in prop::collection::vec((1u64..50, 0u64..50), 0..10),
        ) {
            let mut at = 5;
            let parts: Vec<_> = lens.iter().map(|(len, space)| {
                let part = (at, *len);
                at += len + space;
                part
            }).collect();
            let got = regions(&table(&parts, at), at);
            for (number, (start, len)) in (1..).zip(parts) {
                let kind = RegionKind::Partition(number);
                let whole = Region { kind, start, len };
                prop_assert!(got.contains(&whole));
            }
        }
    }
}
