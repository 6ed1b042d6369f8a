//! What is going to be captured: a disk, its regions, their free space.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use disk::{Extent, ReadAt, SectorSize, Table, TableError, Window};
use image::{BLOCK, Consistency, DiskImage, Filesystem, PartitionInfo, RegionKind, TableKind};

use super::guards;
use crate::event::{Event, Sink};
use crate::identity::Place;
use crate::inventory::Disk;

/// One disk to capture: opened, looked at, not yet read.
pub struct Source {
    pub(super) device: Arc<dyn ReadAt>,
    pub(super) disk: Disk,
    pub(super) sector: SectorSize,
    pub(super) table: Table,
    pub(super) notes: Vec<String>,
    pub(super) regions: Vec<SourceRegion>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("disk", &self.disk)
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}

/// A partition or gap to capture.
#[derive(Debug)]
pub(super) struct SourceRegion {
    pub(super) kind: RegionKind,
    /// First byte on the disk.
    pub(super) start: u64,
    /// Length in bytes.
    pub(super) len: u64,
    pub(super) fs: Option<Filesystem>,
    /// Whole free blocks, in bytes from the region's start, normalised.
    pub(super) free: Vec<Extent>,
}

impl SourceRegion {
    pub(super) fn used_bytes(&self) -> u64 {
        let free = self
            .free
            .iter()
            .fold(0u64, |sum, e| sum.saturating_add(e.len));
        self.len.saturating_sub(free)
    }
}

/// What one region over the whole disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WholeDisk {
    /// A filesystem, if it looks like one.
    Filesystem,
    /// Partitions by a table that cannot be used. What looks like a filesystem
    /// over all of them is what was there before: its map must not count.
    Partitions,
}

/// Opens a disk, reads its table and the maps of its filesystems. What could
/// not be mapped is told to `sink` and will be captured whole.
///
/// # Errors
/// The disk cannot be opened or read, or its sectors are of another size.
pub fn plan(disk: Disk, sink: &dyn Sink) -> anyhow::Result<Source> {
    let path = disk.path.clone();
    let device = disk
        .open()
        .with_context(|| format!("cannot open {}", path.display()))?;
    plan_device(Arc::new(device), disk, sink)
}

/// As [`plan`], for a device that is open.
pub(super) fn plan_device(
    device: Arc<dyn ReadAt>,
    disk: Disk,
    sink: &dyn Sink,
) -> anyhow::Result<Source> {
    let path = disk.path.clone();
    let sector = disk
        .sectors()
        .with_context(|| format!("cannot capture {}", path.display()))?;
    if device.size() == 0 {
        bail!(
            "{} has no bytes: there is nothing to capture",
            path.display()
        );
    }
    let (table, mut notes) = read_table(&*device, sector, &path)?;
    let whole = match notes.is_empty() {
        true => WholeDisk::Filesystem,
        false => WholeDisk::Partitions,
    };
    notes.extend(table.notes.iter().map(|note| note.text.clone()));
    let mut regions = Vec::new();
    for region in disk::regions(&table, device.size()) {
        regions.push(plan_region(&*device, &table, region, whole, &path)?);
    }
    notes.extend(guards::notes(&regions));
    let source = Source {
        device,
        disk,
        sector,
        table,
        notes,
        regions,
    };
    source.warn(sink);
    Ok(source)
}

/// A table that makes no sense is no reason to lose the disk: it is captured
/// whole. One read with the wrong sector size is.
fn read_table(
    device: &dyn ReadAt,
    sector: SectorSize,
    path: &Path,
) -> anyhow::Result<(Table, Vec<String>)> {
    match disk::read_table(device, sector) {
        Ok(table) => Ok((table, Vec::new())),
        Err(error @ (TableError::Read { .. } | TableError::WrongSectorSize { .. })) => {
            Err(error).with_context(|| format!("cannot read the table of {}", path.display()))
        }
        Err(error) => {
            let note = format!(
                "The partition table cannot be used, so the disk is captured whole: {error}."
            );
            Ok((Table::empty(sector, device.size()), vec![note]))
        }
    }
}

fn plan_region(
    device: &dyn ReadAt,
    table: &Table,
    region: disk::Region,
    whole: WholeDisk,
    path: &Path,
) -> anyhow::Result<SourceRegion> {
    let partition = match region.kind {
        disk::RegionKind::Gap => None,
        disk::RegionKind::Partition(number) => table.partitions.iter().find(|p| p.number == number),
    };
    // A gap has no filesystem, unless it is the whole disk.
    let whole = region.start == 0 && region.len == device.size() && whole == WholeDisk::Filesystem;
    let mapped = match Window::new(device, region.start, region.len) {
        Some(window) if whole || partition.is_some_and(holds_filesystem) => {
            Some(fsmap::map(&window).with_context(|| {
                format!("cannot read the {} of {}", region.kind, path.display())
            })?)
        }
        _ => None,
    };
    let kind = match partition {
        None => RegionKind::Gap,
        Some(p) => RegionKind::Partition(PartitionInfo {
            number: p.number,
            type_id: p.type_id.clone(),
            type_name: p.type_name.clone(),
            name: p.name.clone(),
            uuid: p.uuid.clone(),
            bootable: p.bootable,
            logical: p.logical,
        }),
    };
    let free = mapped.as_ref().map_or(&[][..], |m| &m.free);
    Ok(SourceRegion {
        kind,
        start: region.start,
        len: region.len,
        free: whole_blocks(free, region.len),
        fs: mapped.map(filesystem),
    })
}

/// Whether a filesystem may be in a partition: these types are for boot loaders
/// and for later, and saying "no filesystem was found" of them would be noise.
fn holds_filesystem(partition: &disk::Partition) -> bool {
    const NEVER: [&str; 3] = ["BIOS boot", "PowerPC PReP boot", "Microsoft reserved (MSR)"];
    !NEVER.contains(&partition.type_name.as_str())
}

fn filesystem(map: fsmap::FsMap) -> Filesystem {
    // The stable name, "ext4", not the one for people.
    let kind = serde_json::to_value(map.kind).ok();
    let kind = kind.as_ref().and_then(|v| v.as_str()).unwrap_or("unknown");
    Filesystem {
        kind: kind.to_owned(),
        label: map.label,
        uuid: map.uuid,
        block_size: map.block_size,
        consistency: match map.consistency {
            fsmap::Consistency::Clean => Consistency::Clean,
            fsmap::Consistency::JournalOverlay => Consistency::JournalOverlay,
            fsmap::Consistency::Raw => Consistency::Raw,
        },
        notes: map.notes,
    }
}

/// The blocks of 4 KiB that lie wholly in `free`. A block at the region's end
/// may be shorter.
fn whole_blocks(free: &[Extent], len: u64) -> Vec<Extent> {
    let blocks = free.iter().filter_map(|e| {
        let start = e.start.checked_next_multiple_of(BLOCK)?;
        let end = match e.end() {
            end if end >= len => len,
            end => end - end % BLOCK,
        };
        Some(Extent {
            start,
            len: end.checked_sub(start)?,
        })
    });
    disk::normalize(blocks.collect())
}

impl Source {
    /// The file's name without its ending: a name for an image that got none.
    pub(super) fn stem(&self) -> Option<String> {
        let stem = self.disk.path.file_stem()?.to_str()?;
        Some(stem.to_owned())
    }

    /// The open device, and the parts of it that may hold a system.
    pub(crate) fn places(&self) -> (Arc<dyn ReadAt>, Vec<Place>) {
        let place = |region: &SourceRegion| {
            let kind = &region.fs.as_ref()?.kind;
            let place = |number| Place::new(number, region.start, region.len, kind);
            let id = self.table.disk_id.as_deref();
            match &region.kind {
                RegionKind::Partition(info) => Some(place(info.number)?.named(id, info)),
                RegionKind::Gap => place(0),
            }
        };
        let places = self.regions.iter().filter_map(place).collect();
        (Arc::clone(&self.device), places)
    }

    /// Bytes that are going to be read.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.regions.iter().map(SourceRegion::used_bytes).sum()
    }

    /// Size of the disk in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.device.size()
    }

    /// The sentences an operator should read, each with what it is about.
    pub(super) fn remarks(&self) -> Vec<String> {
        let path = self.disk.path.display();
        let mut out: Vec<String> = self.notes.iter().map(|n| format!("{path}: {n}")).collect();
        for region in &self.regions {
            let place = match &region.kind {
                RegionKind::Partition(info) => format!("partition {}", info.number),
                RegionKind::Gap => "the whole disk".to_owned(),
            };
            let notes = region.fs.iter().flat_map(|fs| &fs.notes);
            out.extend(notes.map(|note| format!("{path}, {place}: {note}")));
        }
        out
    }

    fn warn(&self, sink: &dyn Sink) {
        for text in self.remarks() {
            sink.emit(Event::Warning { text });
        }
    }

    /// The manifest's description of the disk, without its regions.
    pub(super) fn describe(&self, index: u32) -> DiskImage {
        DiskImage {
            index,
            source: self.disk.path.display().to_string(),
            model: self.disk.model.clone(),
            serial: self.disk.serial.clone(),
            wwn: self.disk.wwn.clone(),
            size: self.device.size(),
            sector_size: self.sector,
            physical_sector: self.disk.physical_sector,
            table: match self.table.kind {
                disk::TableKind::Gpt => TableKind::Gpt,
                disk::TableKind::Mbr => TableKind::Mbr,
                disk::TableKind::None => TableKind::None,
            },
            disk_id: self.table.disk_id.clone(),
            notes: self.notes.clone(),
            regions: Vec::new(),
        }
    }
}
