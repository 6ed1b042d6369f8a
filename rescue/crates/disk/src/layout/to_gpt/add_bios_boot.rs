//! A BIOS boot partition for a disk that has a GPT, and whatever UEFI starts.

use uuid::Uuid;

use super::super::{Layout, TAIL};
use super::more::{Given, Words};
use super::{ALIGNMENT, ToGptRefusal, types};
use crate::{Extent, Partition, ReadAt, Table, complement, normalize};

/// Bytes of one: what installers make. The first gap of a disk whose partitions are
/// aligned has a little less.
const USUAL: u64 = 1 << 20;

/// A GPT with a BIOS boot partition more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiosBoot {
    /// How it goes onto the target.
    pub layout: Layout,
    /// The same, as [`read_table`](crate::read_table) reads it.
    pub table: Table,
    /// Number of the new partition.
    pub number: u32,
    /// Where it is, in bytes.
    pub extent: Extent,
}

/// Where a BIOS boot partition of at least `least` bytes may be on a target of
/// `target_size` bytes, the best first: in front of the partitions, then in the gaps
/// between and behind them. What an image has there is not looked at.
#[must_use]
pub fn bios_boot_places(table: &Table, target_size: u64, least: u64) -> Vec<Extent> {
    let unit = table.sector.bytes();
    let partitions = table.partitions.iter().map(Partition::extent);
    let structures = table.structures.iter().filter(|s| !s.role.is_backup());
    let used = partitions.chain(structures.map(|s| s.extent)).collect();
    let end = target_size.saturating_sub(TAIL);
    let gaps = complement(&normalize(used), end).into_iter();
    let place = |gap: Extent| {
        let whole = gap.start.next_multiple_of(unit);
        let aligned = gap.start.next_multiple_of(ALIGNMENT);
        let from = |start: u64| {
            let len = gap.end().checked_sub(start)?.min(USUAL.max(least));
            let len = len - len % unit;
            (len >= least).then_some(Extent { start, len })
        };
        // (Behind a partition it begins as others do, in front of the first where it can.)
        match gap.start < ALIGNMENT {
            true => from(whole),
            false => from(aligned).or_else(|| from(whole)),
        }
    };
    gaps.filter_map(place).collect()
}

/// Plans a BIOS boot partition, called `unique`, at `extent` of the GPT disk `source`, whose table
/// is `table`, on a target of `target_size` bytes with sectors of the same size. The GPT
/// stays what it is, but for the new entry, the first sector that it gives to
/// partitions where that was behind it, and, on a larger target, the place of its backup.
///
/// # Errors
/// A [`ToGptRefusal`]: there is no GPT, no entry, or the place is not free.
pub fn add_bios_boot(
    table: &Table,
    source: &dyn ReadAt,
    target_size: u64,
    extent: Extent,
    unique: Uuid,
) -> Result<BiosBoot, ToGptRefusal> {
    let given = Given::new(table, source)?;
    let overlaps = |p: &&Partition| p.start < extent.end() && extent.start < p.extent().end();
    if let Some(taken) = table.partitions.iter().find(overlaps) {
        return Err(ToGptRefusal::Taken {
            number: taken.number,
            start: extent.start,
        });
    }
    let words = Words {
        what: "A BIOS boot partition",
        machine: "a BIOS starts",
        others: "UEFI",
    };
    let added = given.with(target_size, types::BIOS_BOOT, extent, unique, &words)?;
    Ok(BiosBoot {
        layout: added.layout,
        table: added.table,
        number: added.number,
        extent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{crate_reads, gpt_disk};
    use crate::{MemDisk, SectorSize, WriteAt, read_table};

    const B512: SectorSize = SectorSize::B512;
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    fn source(mib: u64, parts: &[(u64, u64)]) -> (MemDisk, Table) {
        let spans: Vec<(u64, u64)> = parts.iter().map(|(first, last)| (*first, *last)).collect();
        let disk = MemDisk::new(gpt_disk(B512, mib * 2048, &spans));
        let table = read_table(&disk, B512).unwrap();
        (disk, table)
    }

    fn written(disk: &MemDisk, layout: &Layout, target: u64) -> Vec<u8> {
        let mut bytes = disk.snapshot();
        bytes.resize(usize::try_from(target).unwrap(), 0x55);
        let disk = MemDisk::new(bytes);
        for write in &layout.writes {
            disk.write_all_at(&write.bytes, write.offset).unwrap();
        }
        disk.snapshot()
    }

    #[test]
    fn it_comes_in_front_of_the_first_partition() {
        let (disk, table) = source(16, &[(2048, 8191), (8192, 20479)]);
        for target in [16 * MIB, 20 * MIB] {
            let places = bios_boot_places(&table, target, 512 * KIB);
            let first = Extent {
                start: 34 * 512,
                len: 2014 * 512,
            };
            assert_eq!(places[0], first);
            assert_eq!((places[1].start, places[1].len), (10 * MIB, MIB));
            let unique = Uuid::from_u128(7);
            let new = add_bios_boot(&table, &disk, target, first, unique).unwrap();
            assert_eq!((new.number, new.extent), (3, first));
            let bytes = written(&disk, &new.layout, target);
            let (_, spans) = crate_reads(bytes.clone(), B512);
            assert_eq!(spans, [(2048, 8191), (8192, 20479), (34, 2047)]);
            let now = read_table(&MemDisk::new(bytes), B512).unwrap();
            assert_eq!(now, new.table);
            let added = now.partitions.iter().find(|p| p.number == 3).unwrap();
            assert_eq!(added.type_id, "21686148-6449-6e6f-744e-656564454649");
            assert_eq!(added.uuid, Some(unique.to_string()));
            let others = now.partitions.iter().filter(|p| p.number != 3);
            assert!(others.eq(table.partitions.iter()));
            assert_eq!(now.disk_id, table.disk_id);
        }
    }

    /// As fdisk makes them: the first sector for partitions is 2048.
    #[test]
    fn a_gpt_that_gives_nothing_before_its_first_mib_is_told_otherwise() {
        let (disk, _) = source(8, &[(2048, 4095)]);
        for header in [512, 8 * MIB - 512] {
            let mut bytes = vec![0; 512];
            disk.read_exact_at(&mut bytes, header).unwrap();
            bytes[40..48].copy_from_slice(&2048u64.to_le_bytes());
            bytes[16..20].fill(0);
            let crc = crc32fast::hash(&bytes[..92]);
            bytes[16..20].copy_from_slice(&crc.to_le_bytes());
            disk.write_all_at(&bytes, header).unwrap();
        }
        let table = read_table(&disk, B512).unwrap();
        assert_eq!(table.notes, []);
        let place = bios_boot_places(&table, 8 * MIB, 512 * KIB)[0];
        let new = add_bios_boot(&table, &disk, 8 * MIB, place, Uuid::from_u128(1)).unwrap();
        let bytes = written(&disk, &new.layout, 8 * MIB);
        for header in [512, 8 * MIB as usize - 512] {
            assert_eq!(bytes[header + 40..header + 48], 34u64.to_le_bytes());
        }
        let (_, spans) = crate_reads(bytes, B512);
        assert_eq!(spans, [(2048, 4095), (34, 2047)]);
    }

    #[test]
    fn without_room_or_an_entry_there_is_none() {
        let (disk, table) = source(8, &[(34, 8191), (9000, 14335)]);
        assert_eq!(bios_boot_places(&table, 8 * MIB, 512 * KIB), []);
        // (Not aligned, where only that fits.)
        let places = bios_boot_places(&table, 8 * MIB, 100 * KIB);
        assert_eq!((places[0].start, places[0].len), (8192 * 512, 808 * 512));
        let later = bios_boot_places(&table, 10 * MIB, 512 * KIB);
        assert_eq!((later[0].start, later[0].len), (7 * MIB, MIB));
        let taken = Extent {
            start: 4 * MIB - 512,
            len: MIB,
        };
        let why = add_bios_boot(&table, &disk, 8 * MIB, taken, Uuid::from_u128(1));
        assert!(matches!(why, Err(ToGptRefusal::Taken { number: 1, .. })));
        let spans: Vec<(u64, u64)> = (0..128).map(|n| (2048 + n * 8, 2055 + n * 8)).collect();
        let (disk, table) = source(8, &spans);
        let place = bios_boot_places(&table, 8 * MIB, 512 * KIB)[0];
        let why = add_bios_boot(&table, &disk, 8 * MIB, place, Uuid::from_u128(1));
        assert!(matches!(why, Err(ToGptRefusal::NoEntry(128))));
    }
}
