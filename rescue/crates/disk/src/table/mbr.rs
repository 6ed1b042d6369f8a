//! Master boot records and the chains of extended boot records in them.
//!
//! Layout: UEFI 2.10 §5.2 and the de facto standard described by A. Brouwer
//! ("Partition types", "Extended partitions"). Which entries count, and how
//! logical partitions are numbered, follows what Linux does.

use super::model::{NoteKind, Partition, Structure, StructureRole, Table, TableKind};
use super::{TableError, types};
use crate::bytes::{array, le_u16, le_u32};
use crate::{Extent, ReadAt, SectorSize};

/// Offset of the four entries.
pub(crate) const ENTRIES: usize = 446;
/// Size of an entry.
pub(crate) const ENTRY_SIZE: usize = 16;
const SIGNATURE: usize = 440;
const BOOT_SIGNATURE: (usize, u16) = (510, 0xaa55);
const ACTIVE: u8 = 0x80;
/// GPT protective.
const PROTECTIVE: u8 = 0xee;
/// Number of the first logical partition.
const FIRST_LOGICAL: u32 = 5;
/// Linux stops at 256 partitions of a disk.
const MAX_LOGICAL: usize = 256;

/// One of the four entries of a (master or extended) boot record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MbrEntry {
    /// 0x80: active.
    pub(crate) flag: u8,
    /// Type; 0: unused.
    pub(crate) kind: u8,
    /// First sector.
    pub(crate) start: u32,
    /// Length in sectors; 0: unused.
    pub(crate) sectors: u32,
}

impl MbrEntry {
    fn parse(bytes: [u8; ENTRY_SIZE]) -> Option<Self> {
        let [flag, _, _, _, kind, ..] = bytes;
        Some(Self {
            flag,
            kind,
            start: le_u32(&bytes, 8)?,
            sectors: le_u32(&bytes, 12)?,
        })
    }

    /// Linux takes an `0xee` entry for GPT only if it starts in sector 1.
    pub(crate) const fn is_protective(self) -> bool {
        self.kind == PROTECTIVE && self.start == 1
    }

    const fn is_used(self) -> bool {
        self.kind != 0 && self.sectors != 0
    }

    const fn is_extended(self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    /// Where it lies if its start counts from sector `base`.
    fn extent(self, base: u64, sector: SectorSize) -> Option<Extent> {
        let first = base.checked_add(u64::from(self.start))?;
        let start = first.checked_mul(sector.bytes())?;
        Extent::new(start, u64::from(self.sectors).checked_mul(sector.bytes())?)
    }
}

/// A sector with a boot signature, read as a boot record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MbrSector {
    entries: [MbrEntry; 4],
    signature: u32,
}

impl MbrSector {
    /// `None` without boot signature. Says nothing about the entries' sense.
    pub(crate) fn parse(sector: &[u8]) -> Option<Self> {
        let (at, value) = BOOT_SIGNATURE;
        if le_u16(sector, at)? != value {
            return None;
        }
        let entry = |slot: usize| {
            let at = ENTRIES.checked_add(slot.checked_mul(ENTRY_SIZE)?)?;
            MbrEntry::parse(array(sector, at)?)
        };
        Some(Self {
            entries: [entry(0)?, entry(1)?, entry(2)?, entry(3)?],
            signature: le_u32(sector, SIGNATURE)?,
        })
    }

    /// Used entries with their slot, 0 to 3.
    pub(crate) fn used(&self) -> impl Iterator<Item = (u8, MbrEntry)> + '_ {
        (0u8..).zip(self.entries).filter(|(_, e)| e.is_used())
    }

    /// Announces a GPT, alone or as a hybrid.
    pub(crate) fn is_protective(&self) -> bool {
        self.used().any(|(_, e)| e.is_protective())
    }

    /// Whether it has an extended partition, be it an empty one.
    pub(crate) fn has_extended(&self) -> bool {
        self.used().any(|(_, e)| e.is_extended())
    }

    /// Whether this can be a partition table at all: every active flag is one,
    /// and there is an entry or at least the signature that tools give a disk
    /// when they label it. (Boot code alone is no table.)
    pub(crate) fn is_table(&self) -> bool {
        self.entries.iter().all(|e| e.flag == 0 || e.flag == ACTIVE)
            && (self.used().next().is_some() || self.signature != 0)
    }

    /// Every used entry starts after this sector and ends on the disk.
    pub(crate) fn fits(&self, sector: SectorSize, disk_size: u64) -> bool {
        self.used()
            .all(|(_, e)| e.start > 0 && e.extent(0, sector).is_some_and(|x| x.end() <= disk_size))
    }
}

/// Reads the table whose first sector is `mbr`.
pub(super) fn read(
    dev: &dyn ReadAt,
    sector: SectorSize,
    mbr: &MbrSector,
) -> Result<Table, TableError> {
    let mut table = Table::empty(sector, dev.size());
    table.kind = TableKind::Mbr;
    table.disk_id = Some(format!("{:08x}", mbr.signature));
    table.structures.push(record(StructureRole::Mbr, 0, sector));
    for (slot, entry) in mbr.used().filter(|(_, e)| !e.is_extended()) {
        let number = u32::from(slot).saturating_add(1);
        add(&mut table, mbr.signature, number, entry, 0)?;
    }
    let mut chain = Chain {
        dev,
        signature: mbr.signature,
        next: FIRST_LOGICAL,
        visited: Vec::new(),
    };
    for (_, extended) in mbr.used().filter(|(_, e)| e.is_extended()) {
        chain.walk(&mut table, extended)?;
    }
    table.partitions.sort_by_key(|p| p.number);
    Ok(table)
}

/// One sector of the table. `lba` was read or is about to be.
fn record(role: StructureRole, lba: u64, sector: SectorSize) -> Structure {
    Structure {
        role,
        extent: Extent {
            start: lba.saturating_mul(sector.bytes()),
            len: sector.bytes(),
        },
    }
}

fn add(
    table: &mut Table,
    signature: u32,
    number: u32,
    entry: MbrEntry,
    base: u64,
) -> Result<(), TableError> {
    let first = base.saturating_add(u64::from(entry.start));
    let extent = entry.extent(base, table.sector).ok_or(TableError::Bounds {
        number,
        first,
        last: first.saturating_add(u64::from(entry.sectors)),
    })?;
    table.partitions.push(Partition {
        number,
        start: extent.start,
        len: extent.len,
        type_id: format!("{:#04x}", entry.kind),
        type_name: types::mbr_type_name(entry.kind).to_owned(),
        name: None,
        uuid: Some(format!("{signature:08x}-{number:02x}")),
        bootable: entry.flag == ACTIVE,
        logical: number >= FIRST_LOGICAL,
        attributes: 0,
    });
    Ok(())
}

/// The walk along the extended boot records of a disk.
struct Chain<'a> {
    dev: &'a dyn ReadAt,
    signature: u32,
    /// Number of the next logical partition.
    next: u32,
    /// Records seen, to notice a loop.
    visited: Vec<u64>,
}

impl Chain<'_> {
    /// Adds the logical partitions of one extended partition. Each record
    /// holds its partition, counted from the record, and a link to the next
    /// record, counted from the extended partition's start.
    fn walk(&mut self, table: &mut Table, extended: MbrEntry) -> Result<(), TableError> {
        let first = u64::from(extended.start);
        let mut at = first;
        loop {
            let offset = at.saturating_mul(table.sector.bytes());
            let Some(ebr) = self.record(table.sector, at)? else {
                if at != first {
                    let problem = "no boot signature: the chain leads to something else";
                    return Err(TableError::Ebr { offset, problem });
                }
                table.note(
                    NoteKind::EmptyExtended,
                    format!("The extended partition at sector {first} has no boot record: empty."),
                );
                return Ok(());
            };
            table
                .structures
                .push(record(StructureRole::Ebr, at, table.sector));
            // The third and fourth entries are unused and sometimes garbage.
            for (_, entry) in ebr.used().filter(|(slot, _)| *slot < 2) {
                if !entry.is_extended() {
                    self.add(table, entry, at)?;
                }
            }
            let link = ebr.used().find(|(_, e)| e.is_extended());
            let Some((_, link)) = link else { return Ok(()) };
            if link.start >= extended.sectors {
                let problem = "the next record would be outside the extended partition";
                return Err(TableError::Ebr { offset, problem });
            }
            at = first.saturating_add(u64::from(link.start));
        }
    }

    fn add(&mut self, table: &mut Table, entry: MbrEntry, base: u64) -> Result<(), TableError> {
        add(table, self.signature, self.next, entry, base)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Reads the record in sector `lba`; `None` if it has no boot signature.
    fn record(&mut self, sector: SectorSize, lba: u64) -> Result<Option<MbrSector>, TableError> {
        let offset = lba.saturating_mul(sector.bytes());
        if self.visited.contains(&lba) {
            let problem = "reached a second time: the chain is a loop";
            return Err(TableError::Ebr { offset, problem });
        }
        if self.visited.len() >= MAX_LOGICAL {
            return Err(TableError::TooManyLogical(MAX_LOGICAL));
        }
        self.visited.push(lba);
        let mut bytes = [0; 512];
        match self.dev.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(MbrSector::parse(&bytes)),
            Err(source) => Err(TableError::Read {
                what: "an extended boot record",
                offset,
                source,
            }),
        }
    }
}
