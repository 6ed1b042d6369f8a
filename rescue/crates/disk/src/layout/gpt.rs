//! Moving the backup GPT to the end of a larger disk.

use super::{Layout, LayoutRefusal, TableWrite, WriteRole};
use crate::bytes::{array, le_u32, put};
use crate::table::{GptCopy, GptPair, MBR_ENTRIES, MBR_ENTRY_SIZE, MbrSector, field, header_crc};
use crate::{
    Extent, Partition, ReadAt, SectorSize, Structure, StructureRole, Table, complement,
    human_bytes, normalize,
};

/// Where a copy of the GPT goes, in sectors.
#[derive(Debug, Clone, Copy)]
struct Place {
    header: u64,
    entries: u64,
}

/// Where both copies go, and the last sector that partitions may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    primary: Place,
    backup: Place,
    pub(super) last_usable: u64,
    entry_sectors: u64,
}

/// Adds to `layout` what makes the GPT of `source` right on a disk of
/// `target_size` bytes, which is larger.
pub(super) fn extend(
    layout: &mut Layout,
    table: &Table,
    source: &dyn ReadAt,
    target_size: u64,
) -> Result<(), LayoutRefusal> {
    let pair = GptPair::read(source, table.sector);
    let Some(best) = pair.best() else {
        let fault = pair.primary.as_ref().err().map(|f| f.text());
        return Err(LayoutRefusal::Inconsistent(format!(
            "it is said to have a GPT, but {}",
            fault.unwrap_or_default()
        )));
    };
    write(layout, table, source, target_size, &pair, best)
}

/// Adds to `layout` the GPT `new`, made of the better copy of `pair`, for a disk of
/// `target_size` bytes. `table` has its partitions.
pub(super) fn write(
    layout: &mut Layout,
    table: &Table,
    source: &dyn ReadAt,
    target_size: u64,
    pair: &GptPair,
    new: &GptCopy,
) -> Result<(), LayoutRefusal> {
    let unit = table.sector.bytes();
    let last = (target_size / unit).saturating_sub(1);
    let places = Places::new(pair, new, last);
    places.check_room(table)?;

    let old = old_backup(pair, new, source.size() / unit, unit);
    clear_old(layout, table, &old, &places);
    push_copy(layout, new, &places, WriteRole::BackupGpt)?;
    push_copy(layout, new, &places, WriteRole::PrimaryGpt)?;
    push_mbr(layout, source, unit, target_size)?;
    if target_size / unit > source.size() / unit {
        layout.changes.push(format!(
            "The backup GPT moves from byte {} to the target's end at byte {}; {} more can be \
             partitioned.",
            old.first().map_or(source.size(), |e| e.start),
            places.backup.entries.saturating_mul(unit),
            human_bytes(target_size.saturating_sub(source.size())),
        ));
    }
    if pair.primary.is_err() {
        layout
            .changes
            .push("The damaged first copy of the GPT is rewritten from the backup.".to_owned());
    }
    Ok(())
}

impl Places {
    /// The primary stays where it is; a lost one goes to its usual place. The
    /// backup is: entries, then header in sector `last`.
    pub(super) fn new(pair: &GptPair, best: &GptCopy, last: u64) -> Self {
        let entries = last.saturating_sub(best.entry_sectors());
        Self {
            primary: Place {
                header: 1,
                entries: pair.primary.as_ref().map_or(2, |p| p.header.part_start),
            },
            backup: Place {
                header: last,
                entries,
            },
            last_usable: entries.saturating_sub(1),
            entry_sectors: best.entry_sectors(),
        }
    }

    /// What the new table occupies, in bytes.
    fn structures(&self, sector: SectorSize) -> Vec<Structure> {
        let unit = sector.bytes();
        let structure = |role, lba: u64, count: u64| Structure {
            role,
            extent: Extent {
                start: lba.saturating_mul(unit),
                len: count.saturating_mul(unit),
            },
        };
        let entries = self.entry_sectors;
        let mut all = vec![
            structure(StructureRole::Mbr, 0, 1),
            structure(StructureRole::PrimaryHeader, self.primary.header, 1),
            structure(StructureRole::PrimaryEntries, self.primary.entries, entries),
            structure(StructureRole::BackupEntries, self.backup.entries, entries),
            structure(StructureRole::BackupHeader, self.backup.header, 1),
        ];
        all.retain(|s| s.extent.len > 0);
        all
    }

    /// Refuses a table that would lie on a partition or on itself.
    fn check_room(&self, table: &Table) -> Result<(), LayoutRefusal> {
        let mut after = table.clone();
        after.structures = self.structures(table.sector);
        after.disk_size = u64::MAX;
        after.check().map_err(LayoutRefusal::NoRoom)
    }
}

/// Where the source has its backup GPT; where it would have it if that copy
/// is damaged, because parts of it may still be there.
fn old_backup(pair: &GptPair, best: &GptCopy, source_sectors: u64, unit: u64) -> Vec<Extent> {
    let place = match &pair.backup {
        Ok(backup) => vec![backup.entries_extent(), backup.header_extent()],
        Err(_) => {
            let len = best.entry_sectors().saturating_add(1).min(source_sectors);
            vec![Extent {
                start: source_sectors.saturating_sub(len).saturating_mul(unit),
                len: len.saturating_mul(unit),
            }]
        }
    };
    normalize(place)
}

/// Writes zeros over the old backup, except where a partition or a new copy is.
fn clear_old(layout: &mut Layout, table: &Table, old: &[Extent], places: &Places) {
    let partitions = table.partitions.iter().map(Partition::extent);
    let structures = places.structures(table.sector);
    let keep = partitions.chain(structures.iter().map(|s| s.extent));
    let free = complement(&normalize(keep.collect()), table.disk_size);
    for extent in intersect(old, &free) {
        layout.writes.push(TableWrite {
            offset: extent.start,
            bytes: vec![0; usize::try_from(extent.len).unwrap_or(0)],
            role: WriteRole::ClearOldBackup,
        });
    }
}

/// What two normalised lists have in common.
fn intersect(a: &[Extent], b: &[Extent]) -> Vec<Extent> {
    let mut out = Vec::new();
    for x in a {
        for y in b {
            let start = x.start.max(y.start);
            let end = x.end().min(y.end());
            if start < end {
                out.push(Extent {
                    start,
                    len: end - start,
                });
            }
        }
    }
    out
}

/// Adds entries, then header, of the copy that `role` names.
pub(super) fn push_copy(
    layout: &mut Layout,
    best: &GptCopy,
    places: &Places,
    role: WriteRole,
) -> Result<(), LayoutRefusal> {
    let unit = best.header_extent().len;
    let (place, alternate) = match role {
        WriteRole::BackupGpt => (places.backup, places.primary.header),
        _ => (places.primary, places.backup.header),
    };
    let header = patched_header(best, place, alternate, places.last_usable)
        .ok_or_else(|| LayoutRefusal::Inconsistent("its GPT header is cut short".to_owned()))?;
    let entries = best.padded_entries();
    if !entries.is_empty() {
        layout.writes.push(TableWrite {
            offset: place.entries.saturating_mul(unit),
            bytes: entries,
            role,
        });
    }
    layout.writes.push(TableWrite {
        offset: place.header.saturating_mul(unit),
        bytes: header,
        role,
    });
    Ok(())
}

/// The header sector of `best` as the copy at `place` must have it.
fn patched_header(
    best: &GptCopy,
    place: Place,
    alternate: u64,
    last_usable: u64,
) -> Option<Vec<u8>> {
    let mut bytes = best.header_bytes.clone();
    put(&mut bytes, field::MY_LBA, &place.header.to_le_bytes())?;
    put(&mut bytes, field::ALTERNATE_LBA, &alternate.to_le_bytes())?;
    put(&mut bytes, field::LAST_USABLE, &last_usable.to_le_bytes())?;
    put(&mut bytes, field::ENTRIES_LBA, &place.entries.to_le_bytes())?;
    let crc = header_crc(&bytes, le_u32(&bytes, field::HEADER_SIZE)?)?;
    put(&mut bytes, field::HEADER_CRC, &crc.to_le_bytes())?;
    Some(bytes)
}

/// Adds sector 0 with the protective entry stretched to the new size.
pub(super) fn push_mbr(
    layout: &mut Layout,
    source: &dyn ReadAt,
    unit: u64,
    target_size: u64,
) -> Result<(), LayoutRefusal> {
    let mut bytes = vec![0; usize::try_from(unit).unwrap_or(512)];
    source
        .read_exact_at(&mut bytes, 0)
        .map_err(|source| crate::TableError::Read {
            what: "the first sector",
            offset: 0,
            source,
        })?;
    stretch_protective(&mut bytes, source.size() / unit, target_size / unit).ok_or_else(|| {
        LayoutRefusal::Inconsistent("it has a GPT, but no protective MBR".to_owned())
    })?;
    layout.writes.push(TableWrite {
        offset: 0,
        bytes,
        role: WriteRole::Mbr,
    });
    Ok(())
}

/// A protective entry covers the disk as far as 32 bits reach (UEFI 2.10,
/// table 5.4). One that deliberately covers less (hybrid) is left alone.
fn stretch_protective(mbr: &mut [u8], old_sectors: u64, new_sectors: u64) -> Option<()> {
    let reach = |sectors: u64| u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX);
    let parsed = MbrSector::parse(mbr)?;
    let (slot, entry) = parsed.used().find(|(_, e)| e.is_protective())?;
    let alone = parsed.used().count() == 1;
    let whole = entry.sectors == reach(old_sectors) || entry.sectors == u32::MAX;
    if !(alone || whole) {
        return Some(());
    }
    let at = MBR_ENTRIES.checked_add(usize::from(slot).checked_mul(MBR_ENTRY_SIZE)?)?;
    // 0xffffffff always means "all of it".
    let sectors = if entry.sectors == u32::MAX {
        u32::MAX
    } else {
        reach(new_sectors)
    };
    put(mbr, at.checked_add(12)?, &sectors.to_le_bytes())?;
    let old_end: [u8; 3] = array(mbr, at.checked_add(5)?)?;
    put(mbr, at.checked_add(5)?, &chs_end(sectors, old_end))
}

/// CHS address of the protective entry's last sector: the usual geometry of
/// 255 heads and 63 sectors. One too large for the field stays as it was if
/// that already said so (tools write 0xfeffff or 0xffffff).
pub(super) fn chs_end(sectors: u32, old: [u8; 3]) -> [u8; 3] {
    let (cylinder, rest) = (sectors / (255 * 63), sectors % (255 * 63));
    let (head, sector) = (rest / 63, rest % 63 + 1);
    match (
        u16::try_from(cylinder),
        u8::try_from(head),
        u8::try_from(sector),
    ) {
        (Ok(c), Ok(h), Ok(s)) if c < 1024 => {
            let [low, high] = c.to_le_bytes();
            [h, s | (high << 6), low]
        }
        _ if old == [0xfe, 0xff, 0xff] => old,
        _ => [0xff; 3],
    }
}
