//! Partition tables: GPT, MBR with logical partitions, or none.
//!
//! The rules are those of Linux, so that what is captured is what the machine
//! saw: a GPT counts only behind a protective MBR, its first copy before its
//! backup. Nothing is repaired on reading; oddities become [`Note`]s, and a
//! table that contradicts itself is an error rather than a guess.

mod error;
mod gpt;
mod gpt_copy;
mod mbr;
mod model;
#[cfg(test)]
mod tests;
mod types;
mod vbr;

pub use error::TableError;
pub(crate) use gpt::GptPair;
pub(crate) use gpt_copy::{GptCopy, SIGNATURE as GPT_SIGNATURE, field, header_crc};
pub(crate) use mbr::{ENTRIES as MBR_ENTRIES, ENTRY_SIZE as MBR_ENTRY_SIZE, MbrSector};
pub use model::{Note, NoteKind, Partition, Structure, StructureRole, Table, TableKind};
pub use types::is_esp;

use crate::{ReadAt, SectorSize};

/// Reads the partition table of a disk whose logical sectors are `sector`.
///
/// A disk without one (empty, or a filesystem over all of it) is
/// [`TableKind::None`], not an error. Of damaged tables, only a GPT with one
/// intact copy is accepted, with a note.
///
/// # Errors
/// The device failed; the table is damaged, contradicts itself or the disk's
/// size, or was made for another sector size.
pub fn read_table(dev: &dyn ReadAt, sector: SectorSize) -> Result<Table, TableError> {
    let size = dev.size();
    if size < sector.bytes().saturating_mul(2) {
        return Ok(Table::empty(sector, size));
    }
    let mut first = [0; 512];
    dev.read_exact_at(&mut first, 0)
        .map_err(|source| TableError::Read {
            what: "the first sector",
            offset: 0,
            source,
        })?;
    let Some(mbr) = MbrSector::parse(&first) else {
        return Ok(without_table(dev, sector));
    };
    if mbr.is_protective() {
        let table = gpt::read(dev, sector, &mbr)?;
        table.check()?;
        return Ok(table);
    }
    let filesystem = vbr::filesystem(&first);
    let plausible = mbr.is_table()
        && (filesystem.is_none() || (mbr.used().next().is_some() && mbr.fits(sector, size)));
    if !plausible {
        return Ok(boot_sector_only(dev, sector, filesystem));
    }
    read_mbr_or_explain(dev, sector, &mbr)
}

fn read_mbr(dev: &dyn ReadAt, sector: SectorSize, mbr: &MbrSector) -> Result<Table, TableError> {
    let mut table = mbr::read(dev, sector, mbr)?;
    table.check()?;
    note_stale_gpt(&mut table, dev);
    Ok(table)
}

/// An MBR does not say what its sectors are. If it makes no sense with the
/// given size, or its extended partition is empty, while all is there with the
/// other size, then that is the better explanation.
fn read_mbr_or_explain(
    dev: &dyn ReadAt,
    given: SectorSize,
    mbr: &MbrSector,
) -> Result<Table, TableError> {
    let lacks_chain = |t: &Table| t.notes.iter().any(|n| n.kind == NoteKind::EmptyExtended);
    let table = read_mbr(dev, given, mbr);
    if table.as_ref().is_ok_and(|t| !lacks_chain(t)) {
        return table;
    }
    let found = given.other();
    match read_mbr(dev, found, mbr) {
        Ok(other) if !lacks_chain(&other) => Err(TableError::WrongSectorSize {
            given,
            found,
            evidence: "only then are all its partitions there and on the disk",
        }),
        _ => table,
    }
}

fn without_table(dev: &dyn ReadAt, sector: SectorSize) -> Table {
    let mut table = Table::empty(sector, dev.size());
    note_stale_gpt(&mut table, dev);
    table
}

fn boot_sector_only(
    dev: &dyn ReadAt,
    sector: SectorSize,
    filesystem: Option<&'static str>,
) -> Table {
    let mut table = without_table(dev, sector);
    match filesystem {
        Some(name) => table.note(
            NoteKind::FilesystemOnDisk,
            format!("The disk is not partitioned: it begins with the boot sector of {name}."),
        ),
        None => table.note(
            NoteKind::NotATable,
            "The first sector has a boot signature but no partition table.".to_owned(),
        ),
    }
    table
}

fn note_stale_gpt(table: &mut Table, dev: &dyn ReadAt) {
    if GptCopy::read(dev, table.sector, 1).is_ok() {
        table.note(
            NoteKind::StaleGpt,
            "There is a GPT without its protective MBR; like Linux, this ignores it.".to_owned(),
        );
    }
}
