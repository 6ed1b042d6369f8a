//! Letting a disk's last partition reach its end.

use super::gpt::{Places, push_copy, push_mbr};
use super::{Layout, LayoutRefusal, TableWrite, WriteRole};
use crate::bytes::{le_u32, put};
use crate::table::{GptCopy, GptPair, field};
use crate::{Extent, ReadAt, SectorSize};

/// Partitions end at multiples of this many bytes.
const ALIGNMENT: u64 = 1 << 20;
/// Last LBA of an entry (UEFI 2.10, table 5.6).
const LAST_LBA: usize = 40;

/// The last partition of a GPT disk, larger than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// Its number.
    pub partition: u32,
    /// Where it is afterwards, in bytes.
    pub extent: Extent,
    /// In the order in which they must reach the disk: the backup first, then
    /// the first copy. Whatever number of them has arrived, one copy is valid.
    pub writes: Vec<TableWrite>,
}

/// How the last partition of the GPT disk `disk` can reach its end; `None` when
/// less than one MiB would be gained.
///
/// # Errors
/// [`LayoutRefusal::Inconsistent`] when there is no usable GPT.
pub fn grow_last(disk: &dyn ReadAt, sector: SectorSize) -> Result<Option<Growth>, LayoutRefusal> {
    let unit = sector.bytes();
    let pair = GptPair::read(disk, sector);
    let Some(best) = pair.best() else {
        return Err(LayoutRefusal::Inconsistent(
            "it has no usable GPT".to_owned(),
        ));
    };
    let Some((number, last)) = best.entries.iter().max_by_key(|(_, e)| e.last_lba) else {
        return Ok(None);
    };
    let places = Places::new(&pair, best, (disk.size() / unit).saturating_sub(1));
    let usable = places.last_usable.saturating_add(1).saturating_mul(unit);
    let end = usable - usable % ALIGNMENT;
    let old_end = last.last_lba.saturating_add(1).saturating_mul(unit);
    if end < old_end.saturating_add(ALIGNMENT) {
        return Ok(None);
    }
    let start = last.first_lba.saturating_mul(unit);
    let cut = || LayoutRefusal::Inconsistent("its GPT header is cut short".to_owned());
    let new = with_end(best, *number, (end / unit).saturating_sub(1)).ok_or_else(cut)?;
    let mut layout = Layout::default();
    push_copy(&mut layout, &new, &places, WriteRole::BackupGpt)?;
    push_copy(&mut layout, &new, &places, WriteRole::PrimaryGpt)?;
    push_mbr(&mut layout, disk, unit, disk.size())?;
    Ok(Some(Growth {
        partition: *number,
        extent: Extent {
            start,
            len: end.saturating_sub(start),
        },
        writes: layout.writes,
    }))
}

/// The table with partition `number` ending in sector `last`.
fn with_end(best: &GptCopy, number: u32, last: u64) -> Option<GptCopy> {
    let mut new = best.clone();
    let size = usize::try_from(le_u32(&new.header_bytes, field::ENTRY_SIZE)?).ok()?;
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    let at = index.checked_mul(size)?.checked_add(LAST_LBA)?;
    put(&mut new.entry_bytes, at, &last.to_le_bytes())?;
    let crc = crc32fast::hash(&new.entry_bytes);
    put(
        &mut new.header_bytes,
        field::ENTRIES_CRC,
        &crc.to_le_bytes(),
    )?;
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{crate_reads, gpt_disk};
    use crate::{MemDisk, WriteAt, read_table};

    const SECTORS: u64 = 8 << 11;

    /// A disk of 8 MiB copied onto one of 20 MiB.
    fn stick(sector: SectorSize) -> MemDisk {
        let per = sector.bytes() / 512;
        let parts = [(2048 / per, 4095 / per), (4096 / per, 12287 / per)];
        let mut bytes = gpt_disk(sector, SECTORS / per, &parts);
        bytes.resize(20 << 20, 0);
        MemDisk::new(bytes)
    }

    #[test]
    fn the_last_partition_reaches_the_end_and_the_table_is_right() {
        for sector in [SectorSize::B512, SectorSize::B4096] {
            let disk = stick(sector);
            let growth = grow_last(&disk, sector).unwrap().unwrap();
            assert_eq!(growth.partition, 2);
            assert_eq!(
                (growth.extent.start, growth.extent.end()),
                (2 << 20, 19 << 20)
            );
            for write in &growth.writes {
                disk.write_all_at(&write.bytes, write.offset).unwrap();
            }
            let (_, spans) = crate_reads(disk.snapshot(), sector);
            let unit = sector.bytes();
            assert_eq!(spans[1], ((2 << 20) / unit, (19 << 20) / unit - 1));
            assert_eq!(grow_last(&disk, sector).unwrap(), None, "once is enough");
        }
    }

    #[test]
    fn a_power_cut_after_any_write_leaves_a_usable_table() {
        let disk = stick(SectorSize::B512);
        let growth = grow_last(&disk, SectorSize::B512).unwrap().unwrap();
        for arrived in 0..=growth.writes.len() {
            let disk = stick(SectorSize::B512);
            for write in &growth.writes[..arrived] {
                disk.write_all_at(&write.bytes, write.offset).unwrap();
            }
            let table = read_table(&disk, SectorSize::B512).unwrap();
            assert_eq!(table.partitions.len(), 2, "after {arrived} writes");
            assert_eq!(table.partitions[1].extent().start, 2 << 20);
            // Going on from there ends where it should.
            if let Some(again) = grow_last(&disk, SectorSize::B512).unwrap() {
                for write in &again.writes {
                    disk.write_all_at(&write.bytes, write.offset).unwrap();
                }
            }
            let table = read_table(&disk, SectorSize::B512).unwrap();
            assert_eq!(table.partitions[1].extent(), growth.extent);
        }
    }

    #[test]
    fn a_full_or_tableless_disk_is_left_alone() {
        let full = MemDisk::new(gpt_disk(SectorSize::B512, 8192, &[(2048, 8158)]));
        assert_eq!(grow_last(&full, SectorSize::B512).unwrap(), None);
        assert!(grow_last(&MemDisk::zeroed(1 << 20), SectorSize::B512).is_err());
    }
}
