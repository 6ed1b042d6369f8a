//! GUID partition tables: which copy to believe, and what it says.

use super::gpt_copy::{GptCopy, GptFault};
use super::mbr::MbrSector;
use super::model::{NoteKind, Partition, Structure, StructureRole, Table, TableKind};
use super::{TableError, types};
use crate::{Extent, ReadAt, SectorSize};

/// GPT attribute bit 2: "legacy BIOS bootable".
const LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;

/// Both copies of a GPT, as far as they can be used.
#[derive(Debug)]
pub(crate) struct GptPair {
    pub(crate) primary: Result<GptCopy, GptFault>,
    pub(crate) backup: Result<GptCopy, GptFault>,
}

impl GptPair {
    /// Reads the copy in sector 1, and the backup where that one says it is;
    /// else in the last sector, as Linux does.
    pub(crate) fn read(dev: &dyn ReadAt, sector: SectorSize) -> Self {
        let last = (dev.size() / sector.bytes()).saturating_sub(1);
        let primary = GptCopy::read(dev, sector, 1);
        let named = primary.as_ref().map_or(last, |p| p.header.backup_lba);
        let at_named = if named > 1 && named <= last {
            GptCopy::read(dev, sector, named)
        } else {
            Err(GptFault::Alternate(named))
        };
        let backup = match at_named {
            Err(fault) if named != last && last > 1 => {
                GptCopy::read(dev, sector, last).map_err(|_| fault)
            }
            other => other,
        };
        Self { primary, backup }
    }

    /// The copy that counts: the first one, unless it is unusable.
    pub(crate) fn best(&self) -> Option<&GptCopy> {
        self.primary.as_ref().or(self.backup.as_ref()).ok()
    }

    fn structures(&self, sector: SectorSize) -> Vec<Structure> {
        let mut out = vec![Structure {
            role: StructureRole::Mbr,
            extent: Extent {
                start: 0,
                len: sector.bytes(),
            },
        }];
        let copies = [
            (
                &self.primary,
                StructureRole::PrimaryHeader,
                StructureRole::PrimaryEntries,
            ),
            (
                &self.backup,
                StructureRole::BackupHeader,
                StructureRole::BackupEntries,
            ),
        ];
        for (copy, header, entries) in copies {
            let Ok(copy) = copy else { continue };
            for (role, extent) in [
                (header, copy.header_extent()),
                (entries, copy.entries_extent()),
            ] {
                if extent.len > 0 {
                    out.push(Structure { role, extent });
                }
            }
        }
        out
    }
}

/// Reads the GPT that the protective `mbr` announces.
pub(super) fn read(
    dev: &dyn ReadAt,
    sector: SectorSize,
    mbr: &MbrSector,
) -> Result<Table, TableError> {
    let pair = GptPair::read(dev, sector);
    let Some(best) = pair.best() else {
        return Err(unusable(dev, sector, &pair));
    };
    let mut table = Table::empty(sector, dev.size());
    table.kind = TableKind::Gpt;
    table.disk_id = Some(best.header.disk_guid.hyphenated().to_string());
    table.structures = pair.structures(sector);
    for (number, entry) in best.entries.iter().filter(|(_, e)| e.is_used()) {
        table.partitions.push(partition(*number, entry, sector)?);
    }
    note_copies(&mut table, &pair);
    note_partitions(&mut table, best, mbr);
    Ok(table)
}

/// Why neither copy serves; most often the sector size is another one.
fn unusable(dev: &dyn ReadAt, sector: SectorSize, pair: &GptPair) -> TableError {
    let other = sector.other();
    if GptCopy::read(dev, other, 1).is_ok() {
        return TableError::WrongSectorSize {
            given: sector,
            found: other,
            evidence: "that is where an intact GPT header is",
        };
    }
    let text = |copy: &Result<GptCopy, GptFault>| {
        copy.as_ref().err().map_or_else(String::new, GptFault::text)
    };
    TableError::GptUnusable {
        primary: text(&pair.primary),
        backup: text(&pair.backup),
    }
}

fn partition(
    number: u32,
    entry: &gpt::partition::Partition,
    sector: SectorSize,
) -> Result<Partition, TableError> {
    let (first, last) = (entry.first_lba, entry.last_lba);
    let sectors = last.checked_sub(first).and_then(|n| n.checked_add(1));
    let len = sectors.and_then(|n| n.checked_mul(sector.bytes()));
    let start = first.checked_mul(sector.bytes());
    let (Some(start), Some(len)) = (start, len) else {
        return Err(TableError::Bounds {
            number,
            first,
            last,
        });
    };
    let type_id = entry.part_type_guid.guid.hyphenated().to_string();
    Ok(Partition {
        number,
        start,
        len,
        type_name: types::gpt_type_name(&type_id).to_owned(),
        type_id,
        name: Some(entry.name.clone()).filter(|n| !n.is_empty()),
        uuid: Some(entry.part_guid.hyphenated().to_string()),
        bootable: entry.flags & LEGACY_BIOS_BOOTABLE != 0,
        logical: false,
        attributes: entry.flags,
    })
}

fn note_copies(table: &mut Table, pair: &GptPair) {
    let last = (table.disk_size / table.sector.bytes()).saturating_sub(1);
    match (&pair.primary, &pair.backup) {
        (Err(fault), _) => table.note(
            NoteKind::PrimaryGptDamaged,
            format!(
                "The first copy of the GPT is damaged ({}); the backup was used.",
                fault.text()
            ),
        ),
        (Ok(_), Err(fault)) => table.note(
            NoteKind::BackupGptDamaged,
            format!("The backup copy of the GPT is damaged ({}).", fault.text()),
        ),
        (Ok(primary), Ok(backup)) if differ(primary, backup) => table.note(
            NoteKind::BackupGptDiffers,
            "The two copies of the GPT differ; the first one was used.".to_owned(),
        ),
        (Ok(_), Ok(_)) => {}
    }
    if let Ok(backup) = &pair.backup
        && backup.lba != last
    {
        table.note(
            NoteKind::BackupGptNotAtEnd,
            format!(
                "The backup GPT is in sector {}, but the disk ends with sector {last}: the disk \
                 was enlarged and its table was not.",
                backup.lba
            ),
        );
    }
}

fn differ(primary: &GptCopy, backup: &GptCopy) -> bool {
    primary.entry_bytes != backup.entry_bytes
        || primary.header.disk_guid != backup.header.disk_guid
        || primary.header.first_usable != backup.header.first_usable
        || primary.header.last_usable != backup.header.last_usable
}

fn note_partitions(table: &mut Table, best: &GptCopy, mbr: &MbrSector) {
    let outside: Vec<String> = best
        .entries
        .iter()
        .filter(|(_, e)| e.is_used())
        .filter(|(_, e)| {
            e.first_lba < best.header.first_usable || e.last_lba > best.header.last_usable
        })
        .map(|(number, _)| number.to_string())
        .collect();
    if !outside.is_empty() {
        table.note(
            NoteKind::OutsideUsable,
            format!(
                "Outside sectors {} to {}, which the GPT calls usable: partition {}.",
                best.header.first_usable,
                best.header.last_usable,
                outside.join(", ")
            ),
        );
    }
    let hybrid = mbr.used().filter(|(_, e)| !e.is_protective()).count();
    if hybrid > 0 {
        table.note(
            NoteKind::HybridMbr,
            format!(
                "The protective MBR has further entries: {hybrid} (hybrid MBR). The GPT counts; \
                 the MBR is kept as it is."
            ),
        );
    }
}
