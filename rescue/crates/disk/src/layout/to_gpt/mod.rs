//! A GPT in place of a disk's MBR, for machines that start by UEFI.
//!
//! Partitions stay where they are and keep their numbers; what they are is told by
//! the types below. One of them becomes the EFI system partition (ESP), or a new one
//! is made where nothing is. Nothing here knows what systems are on the disk:
//! whoever does says which partition may become the ESP, and fills it.
//!
//! Sources: UEFI 2.10 §5.2 and §5.3; the types and attributes that Microsoft's
//! manual of MBR2GPT gives partitions.

mod add_bios_boot;
mod add_esp;
mod entries;
mod error;
mod more;
#[cfg(test)]
mod tests;
mod types;

use uuid::Uuid;

pub use add_bios_boot::{BiosBoot, add_bios_boot, bios_boot_places};
pub use add_esp::add_esp;
pub use error::ToGptRefusal;

use super::{DiskEnds, Layout, TAIL, TableWrite, WriteRole, clear_tail, replaced};
use crate::table::MbrSector;
use crate::{
    Extent, Partition, ReadAt, Table, TableKind, complement, human_bytes, normalize, read_table,
};
use entries::{Entry, Places};

/// Partitions begin at multiples of this many bytes; nothing is put before it.
const ALIGNMENT: u64 = 1 << 20;

/// What the new table is to have.
pub struct ToGpt<'a> {
    /// The partition that becomes the ESP. What it holds is lost.
    pub reuse: Option<u32>,
    /// Bytes of a new ESP, where none is reused.
    pub esp_size: u64,
    /// Whether logical partitions may become ordinary ones. (They keep their numbers; the
    /// extended partition around them is gone.)
    pub logical: bool,
    /// The unique GUID of the partition that begins at that byte, or of the disk. It
    /// must give the same for the same: an interrupted restore goes on.
    pub guid: &'a dyn Fn(Option<u64>) -> Uuid,
}

impl std::fmt::Debug for ToGpt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToGpt")
            .field("reuse", &self.reuse)
            .field("esp_size", &self.esp_size)
            .field("logical", &self.logical)
            .finish_non_exhaustive()
    }
}

/// A disk's table as a GPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// How it goes onto the target.
    pub layout: Layout,
    /// The same, as [`read_table`] reads it.
    pub table: Table,
    /// Number of the ESP.
    pub esp: u32,
    /// Where the ESP is, in bytes: all of it has to be written.
    pub esp_extent: Extent,
    /// Whether it was a partition of the image.
    pub reused: bool,
    /// Whether the disk had a GPT, which is kept, and what a BIOS starts with it.
    pub kept: bool,
}

/// Plans a GPT for the MBR disk `source`, whose table is `table`, on a target of
/// `target_size` bytes with sectors of the same size.
///
/// # Errors
/// A [`ToGptRefusal`]: there are logical partitions, dynamic disks or unknown types,
/// or there is no room for a GPT or an ESP.
pub fn to_gpt(
    table: &Table,
    source: &dyn ReadAt,
    target_size: u64,
    wanted: &ToGpt<'_>,
) -> Result<Converted, ToGptRefusal> {
    check(table, source, wanted.logical)?;
    let unit = table.sector.bytes();
    let places = Places::new(table.sector, target_size)?;
    for partition in &table.partitions {
        places.check(partition)?;
    }
    let (esp, esp_extent) = match wanted.reuse {
        Some(number) => (number, reused(table, number)?),
        None => (
            free_number(table),
            new_place(table, target_size, wanted.esp_size)?,
        ),
    };
    let mut entries = Vec::new();
    for partition in &table.partitions {
        let kind = match partition.number == esp {
            true => types::ESP,
            false => types::of(partition)?,
        };
        entries.push(entry(
            partition.number,
            partition.extent(),
            unit,
            kind,
            wanted,
        ));
    }
    if wanted.reuse.is_none() {
        entries.push(entry(esp, esp_extent, unit, types::ESP, wanted));
    }
    let mut layout = Layout::default();
    if target_size > source.size() {
        clear_tail(&mut layout, source.size(), target_size, table.sector);
    }
    places.write(&mut layout, (wanted.guid)(None), &entries)?;
    layout.replaced = replaced(&layout.writes, source.size());
    let reused = wanted.reuse.is_some();
    tell(&mut layout, table, esp, esp_extent, reused);
    let table = read_back(&layout, target_size, table)?;
    Ok(Converted {
        layout,
        table,
        esp,
        esp_extent,
        reused,
        kept: false,
    })
}

/// What a table must not have.
fn check(table: &Table, source: &dyn ReadAt, logical: bool) -> Result<(), ToGptRefusal> {
    if table.kind != TableKind::Mbr {
        return Err(ToGptRefusal::NotMbr(table.kind));
    }
    table.check()?;
    let mut first = [0; 512];
    let read = source.read_exact_at(&mut first, 0);
    read.map_err(|source| crate::TableError::Read {
        what: "the first sector",
        offset: 0,
        source,
    })?;
    let extended = MbrSector::parse(&first).is_some_and(|mbr| mbr.has_extended());
    if !logical && (extended || table.partitions.iter().any(|p| p.logical)) {
        return Err(ToGptRefusal::Logical);
    }
    Ok(())
}

fn entry(number: u32, extent: Extent, unit: u64, kind: types::Kind, wanted: &ToGpt<'_>) -> Entry {
    Entry {
        number,
        kind: kind.guid,
        unique: (wanted.guid)(Some(extent.start)),
        first: extent.start / unit,
        last: (extent.end() / unit).saturating_sub(1),
        attributes: kind.attributes,
        name: kind.name,
    }
}

/// The partition that becomes the ESP. The first MiB of a disk is written with its
/// table.
fn reused(table: &Table, number: u32) -> Result<Extent, ToGptRefusal> {
    let mut partitions = table.partitions.iter();
    let found = partitions.find(|p| p.number == number);
    let found = found.filter(|p| p.start >= ALIGNMENT);
    found
        .map(Partition::extent)
        .ok_or(ToGptRefusal::NotReusable(number))
}

fn free_number(table: &Table) -> u32 {
    let is_free = |number: &u32| table.partitions.iter().all(|p| p.number != *number);
    (1..).find(is_free).unwrap_or(u32::MAX)
}

/// Behind the last partition, or else in the first gap that is large enough; away from
/// the disk's ends, where tables are and what earlier uses left is cleared.
fn new_place(table: &Table, target_size: u64, needed: u64) -> Result<Extent, ToGptRefusal> {
    let partitions = table.partitions.iter().map(Partition::extent);
    let head = Extent {
        start: 0,
        len: ALIGNMENT,
    };
    let end = target_size.saturating_sub(TAIL);
    let used = normalize(partitions.chain([head]).collect());
    let gaps = complement(&used, end).into_iter().filter_map(|gap| {
        let start = gap.start.next_multiple_of(ALIGNMENT);
        let len = gap.end().checked_sub(start)?;
        Some(Extent { start, len })
    });
    let gaps: Vec<Extent> = gaps.collect();
    let fits = |gap: &&Extent| gap.len >= needed;
    let last = gaps.last().filter(fits);
    let found = last.or_else(|| gaps.iter().find(fits));
    let found = found.ok_or_else(|| ToGptRefusal::NoRoom {
        needed,
        largest: gaps.iter().map(|gap| gap.len).max().unwrap_or(0),
        enough: enough(&used, needed),
    })?;
    Ok(Extent {
        start: found.start,
        len: needed,
    })
}

/// Bytes of a disk that has room for `needed` behind what is `used`.
fn enough(used: &[Extent], needed: u64) -> u64 {
    let end = used.last().map_or(0, |extent| extent.end());
    let end = end.checked_next_multiple_of(ALIGNMENT).unwrap_or(u64::MAX);
    end.saturating_add(needed).saturating_add(TAIL)
}

fn tell(layout: &mut Layout, table: &Table, esp: u32, at: Extent, reused: bool) {
    let partitions = match table.partitions.as_slice() {
        [only] if reused || only.number == esp => String::new(),
        _ => " The partitions stay where they are.".to_owned(),
    };
    layout.changes.push(format!(
        "The disk gets a GPT in place of its MBR, for a machine that starts by UEFI.{partitions}"
    ));
    if table.partitions.iter().any(|p| p.logical) {
        let text = "Its logical partitions are ordinary ones then, with the numbers that they had.";
        layout.changes.push(text.to_owned());
    }
    let size = human_bytes(at.len);
    layout.changes.push(match reused {
        true => format!(
            "Partition {esp} ({size}), from which a BIOS started it, becomes the EFI system \
             partition: what it holds in the image is not restored."
        ),
        false => format!(
            "An EFI system partition of {size} is made as partition {esp}, at byte {}.",
            at.start
        ),
    });
    let text = "A BIOS will not start the restored disk, and nothing turns it back; the image \
                stays as it is and can be restored for a BIOS again.";
    layout.changes.push(text.to_owned());
}

/// Lets the reader of tables judge what is going to be written.
fn read_back(layout: &Layout, target_size: u64, before: &Table) -> Result<Table, ToGptRefusal> {
    /// No table has more bytes.
    const MOST: u64 = 64 << 20;
    let damaged = || ToGptRefusal::Inconsistent("the new GPT has no room on the disk".to_owned());
    let is_gpt = |role| !matches!(role, WriteRole::ClearTail | WriteRole::ClearOldBackup);
    let gpt = layout.writes.iter().filter(|w| is_gpt(w.role));
    let (head, tail): (Vec<&TableWrite>, Vec<&TableWrite>) =
        gpt.partition(|w| w.role != WriteRole::BackupGpt);
    let starts = tail.iter().map(|w| w.offset).min();
    let from = starts.ok_or_else(damaged)?;
    let len = head.iter().map(|w| w.extent().end()).max();
    let ends = [
        (head, 0, len.unwrap_or(0)),
        (tail, from, target_size.saturating_sub(from)),
    ];
    if ends.iter().any(|(_, _, len)| *len > MOST) {
        return Err(damaged());
    }
    let [head, tail] = ends.map(|(writes, from, len)| {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        for write in writes {
            let at = usize::try_from(write.offset.saturating_sub(from)).unwrap_or(usize::MAX);
            crate::bytes::put(&mut bytes, at, &write.bytes)?;
        }
        Some(bytes)
    });
    let ends = head.zip(tail);
    let ends = ends.and_then(|(head, tail)| DiskEnds::new(head, tail, target_size));
    let table = read_table(&ends.ok_or_else(damaged)?, before.sector)?;
    match table.notes.iter().find(|note| !before.notes.contains(note)) {
        None => Ok(table),
        Some(note) => Err(ToGptRefusal::Inconsistent(note.text.clone())),
    }
}
