//! What the target does not get until the very end, and in which order it
//! then gets it.
//!
//! While data is written, the first MiB stays zero (but for the journal) and
//! no copy of the table exists: the disk cannot be taken for a whole one. At
//! the end come, each on stable storage before the next: the backup GPT; the
//! rest of the first MiB (boot code); the primary GPT; sector 0. Only the last
//! of these makes firmware and kernels see the disk.

use std::io;

use disk::{
    Extent, Layout, ReadAt, SectorSize, StructureRole, Table, TableKind, WriteRole, complement,
    normalize,
};

/// How much of the disk's beginning is withheld: what lies before the first
/// partition since partitions are aligned to 1 MiB.
pub(super) const HEAD: u64 = 1 << 20;

/// The step that leaves the journal alone.
pub(super) const BACKUP: &str = "the backup partition table";
/// The step with which boot code comes.
const FIRST_MIB: &str = "the first MiB";

/// One step of activation: written, flushed, and read back when asked for.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What it writes, for messages.
    pub(super) what: &'static str,
    /// Offsets and bytes, in whole sectors.
    pub(super) writes: Vec<(u64, Vec<u8>)>,
}

/// Where it writes, not what: that is a MiB of numbers.
impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places = self.writes.iter().map(|(at, bytes)| (at, bytes.len()));
        f.debug_struct("Step")
            .field("what", &self.what)
            .field("writes", &places.collect::<Vec<_>>())
            .finish()
    }
}

/// What is withheld and how it is written in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Withheld {
    /// Parts of the image that are not written with the rest, normalised.
    pub(super) extents: Vec<Extent>,
    /// In the order in which they must reach the disk.
    pub(super) steps: Vec<Step>,
}

/// Collects what to withhold of the image's disk `source`.
///
/// # Errors
/// When the image cannot be read.
pub(super) fn withhold(
    source: &dyn ReadAt,
    table: &Table,
    layout: &Layout,
    sector: SectorSize,
) -> io::Result<Withheld> {
    let head = read(source, head_of(source.size()))?;
    let sector_zero = Extent {
        start: 0,
        len: sector.bytes().min(source.size()),
    };
    let mut backup = layout_writes(layout, |role| {
        !matches!(role, WriteRole::PrimaryGpt | WriteRole::Mbr)
    });
    let mut primary = layout_writes(layout, |role| role == WriteRole::PrimaryGpt);
    let mut boot = layout_writes(layout, |role| role == WriteRole::Mbr);
    if !layout.writes.iter().any(|w| w.role == WriteRole::BackupGpt) {
        backup.extend(structures(source, table, StructureRole::is_backup)?);
    }
    if primary.is_empty() {
        primary = structures(source, table, is_primary)?;
    }
    if boot.is_empty() {
        boot = vec![read(source, sector_zero)?];
    }
    let tail = match table.kind {
        // No structure is known, yet something may look like a backup table.
        TableKind::None => tail_of(source.size(), sector),
        TableKind::Gpt | TableKind::Mbr => None,
    };
    if let Some(tail) = tail {
        backup.push(read(source, tail)?);
    }
    let later = primary.iter().chain(&boot).map(extent_of).collect();
    let rest = pieces(&head, &normalize(later));

    let of_table = table.structures.iter();
    let of_table = of_table.filter(|s| s.role != StructureRole::Ebr);
    let extents = of_table
        .map(|s| s.extent)
        .chain(layout.replaced.iter().copied())
        .chain([head_of(source.size()), sector_zero])
        .chain(tail);
    Ok(Withheld {
        extents: normalize(extents.collect()),
        steps: steps([backup, rest, primary, boot]),
    })
}

impl Withheld {
    /// What is in `extent` is not the image's either.
    pub(super) fn also(&mut self, extent: Extent) {
        self.extents.push(extent);
        self.extents = normalize(std::mem::take(&mut self.extents));
    }

    /// `extent` gets `bytes`, all of them boot code, in place of what the image has there.
    pub(super) fn add(&mut self, extent: Extent, bytes: &[u8]) {
        self.also(extent);
        let write = (extent.start, bytes.to_vec());
        let first = self.steps.iter_mut().find(|step| step.what == FIRST_MIB);
        match first {
            // (Later writes of a step go over earlier ones.)
            Some(step) => step.writes.push(write),
            None => {
                let at = usize::from(self.steps.first().is_some_and(|s| s.what == BACKUP));
                let step = Step {
                    what: FIRST_MIB,
                    writes: vec![write],
                };
                self.steps.insert(at, step);
            }
        }
    }
}

/// Whether nothing of `extent` is in `withheld` (normalised).
pub(super) fn is_free(withheld: &[Extent], extent: Extent) -> bool {
    let next = withheld.partition_point(|w| w.end() <= extent.start);
    let next = withheld.get(next);
    next.is_none_or(|w| w.start >= extent.end())
}

/// The parts of `extent` that are not in `withheld` (normalised).
pub(super) fn writable(withheld: &[Extent], extent: Extent) -> Vec<Extent> {
    if is_free(withheld, extent) {
        return vec![extent];
    }
    let first = withheld.partition_point(|w| w.end() <= extent.start);
    let near = withheld.get(first..).unwrap_or_default().iter();
    let inside = near.take_while(|w| w.start < extent.end()).map(|w| {
        let start = w.start.max(extent.start);
        Extent {
            start: start.saturating_sub(extent.start),
            len: w.end().min(extent.end()).saturating_sub(start),
        }
    });
    let inside: Vec<Extent> = inside.collect();
    let parts = complement(&inside, extent.len).into_iter();
    let absolute = |e: Extent| Extent {
        start: e.start.saturating_add(extent.start),
        ..e
    };
    parts.map(absolute).collect()
}

const fn is_primary(role: StructureRole) -> bool {
    matches!(
        role,
        StructureRole::PrimaryHeader | StructureRole::PrimaryEntries
    )
}

fn steps(writes: [Vec<(u64, Vec<u8>)>; 4]) -> Vec<Step> {
    let names = [BACKUP, FIRST_MIB, "the partition table", "sector 0"];
    let steps = names.into_iter().zip(writes);
    steps
        .filter(|(_, writes)| !writes.is_empty())
        .map(|(what, writes)| Step { what, writes })
        .collect()
}

/// The withheld beginning of a disk of `size` bytes.
pub(super) fn head_of(size: u64) -> Extent {
    Extent {
        start: 0,
        len: size.min(HEAD),
    }
}

/// The last MiB of a disk, as far as it is not the head.
fn tail_of(size: u64, sector: SectorSize) -> Option<Extent> {
    let from = size.saturating_sub(HEAD);
    let from = from.saturating_sub(from % sector.bytes());
    let start = from.max(head_of(size).len);
    let len = size.checked_sub(start).filter(|len| *len > 0)?;
    Some(Extent { start, len })
}

fn layout_writes(layout: &Layout, wanted: impl Fn(WriteRole) -> bool) -> Vec<(u64, Vec<u8>)> {
    let writes = layout.writes.iter().filter(|w| wanted(w.role));
    writes.map(|w| (w.offset, w.bytes.clone())).collect()
}

fn structures(
    source: &dyn ReadAt,
    table: &Table,
    wanted: impl Fn(StructureRole) -> bool,
) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let found = table.structures.iter().filter(|s| wanted(s.role));
    found.map(|s| read(source, s.extent)).collect()
}

fn read(source: &dyn ReadAt, extent: Extent) -> io::Result<(u64, Vec<u8>)> {
    let mut bytes = vec![0; usize::try_from(extent.len).map_err(io::Error::other)?];
    source.read_exact_at(&mut bytes, extent.start)?;
    Ok((extent.start, bytes))
}

fn extent_of((offset, bytes): &(u64, Vec<u8>)) -> Extent {
    Extent {
        start: *offset,
        len: bytes.len() as u64,
    }
}

/// `head` without the (normalised) extents `later`.
fn pieces((start, head): &(u64, Vec<u8>), later: &[Extent]) -> Vec<(u64, Vec<u8>)> {
    let keep = complement(later, start.saturating_add(head.len() as u64));
    let piece = |e: Extent| {
        let from = usize::try_from(e.start.checked_sub(*start)?).ok()?;
        let to = from.checked_add(usize::try_from(e.len).ok()?)?;
        Some((e.start, head.get(from..to)?.to_vec()))
    };
    keep.into_iter().filter_map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::{MemDisk, WriteAt};

    fn mbr_disk(size: usize) -> MemDisk {
        let disk = MemDisk::new((0..size).map(|i| (i / 512) as u8 | 1).collect());
        let mut mbr = [9; 512];
        mbr[440..510].fill(0);
        mbr[446 + 4] = 0x83;
        mbr[446 + 8..446 + 12].copy_from_slice(&2048u32.to_le_bytes());
        mbr[446 + 12..446 + 16].copy_from_slice(&2048u32.to_le_bytes());
        mbr[510..].copy_from_slice(&[0x55, 0xaa]);
        disk.write_all_at(&mbr, 0).unwrap();
        disk
    }

    #[test]
    fn sector_zero_is_the_last_step_and_alone() {
        let source = mbr_disk(4 << 20);
        let table = disk::read_table(&source, SectorSize::B512).unwrap();
        let plan = withhold(&source, &table, &Layout::default(), SectorSize::B512).unwrap();
        assert_eq!(
            plan.extents,
            [Extent {
                start: 0,
                len: HEAD
            }]
        );
        let last = plan.steps.last().unwrap();
        assert_eq!((last.what, last.writes.len()), ("sector 0", 1));
        assert_eq!((last.writes[0].0, last.writes[0].1.len()), (0, 512));
        assert_eq!(plan.steps[0].writes[0].0, 512);
    }

    #[test]
    fn the_steps_together_are_exactly_what_was_withheld() {
        let source = mbr_disk(4 << 20);
        let table = disk::read_table(&source, SectorSize::B512).unwrap();
        let plan = withhold(&source, &table, &Layout::default(), SectorSize::B512).unwrap();
        let target = MemDisk::zeroed(4 << 20);
        for step in &plan.steps {
            for (offset, bytes) in &step.writes {
                target.write_all_at(bytes, *offset).unwrap();
            }
        }
        let (head, all) = (HEAD as usize, target.snapshot());
        assert_eq!(all[..head], source.snapshot()[..head]);
        assert!(all[head..].iter().all(|b| *b == 0));
    }

    #[test]
    fn a_disk_smaller_than_the_head_is_withheld_whole() {
        let source = MemDisk::new(vec![3; 4096]);
        let table = disk::read_table(&source, SectorSize::B512).unwrap();
        let plan = withhold(&source, &table, &Layout::default(), SectorSize::B512).unwrap();
        assert_eq!(
            plan.extents,
            [Extent {
                start: 0,
                len: 4096
            }]
        );
    }
}
