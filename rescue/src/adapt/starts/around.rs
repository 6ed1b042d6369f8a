//! What is around a partition that a Windows may start from.

use disk::ReadAt;
use image::{DiskImage, Manifest, PartitionInfo, TableKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use windows::ids::PartitionId;

use crate::identity::{self, Place};

/// Bytes of sector 0 that are code.
const BOOT_CODE: usize = 440;

/// The partitions of an image, and the one that is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Around {
    /// Those of all disks: a boot store may start a Windows of another.
    pub(super) parts: Vec<Part>,
    /// The number of the disk, and of the partition on it.
    pub(super) here: (u32, u32),
    /// Whether its type says that it is an EFI system partition.
    pub(super) is_esp: bool,
    /// What a BIOS needs, on a disk with an MBR.
    pub(super) bios: Option<Bios>,
}

/// A partition that a boot store may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) disk: u32,
    pub(super) number: u32,
    name: Name,
    /// Whether the image says that a Windows is on it.
    pub(super) is_windows: bool,
}

/// As [`PartitionId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Name {
    Gpt { disk: Uuid, partition: Uuid },
    Mbr { signature: u32, offset: u64 },
}

/// What a BIOS finds on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bios {
    /// Whether there is anything in sector 0 that it can start.
    pub(super) has_code: bool,
    /// The number of the active partition.
    pub(super) active: Option<u32>,
    /// The partition's first sector.
    pub(super) start: u64,
}

impl Around {
    pub(super) fn of(
        manifest: &Manifest,
        disk: &DiskImage,
        source: &dyn ReadAt,
        place: &Place,
    ) -> Self {
        let mut partitions = disk.regions.iter().filter_map(|r| r.partition());
        let here = partitions.find(|p| p.number == place.partition);
        let is_esp = here.is_some_and(|p| disk::is_esp(&p.type_id));
        let bios = (disk.table == TableKind::Mbr).then(|| Bios {
            has_code: has_code(source),
            active: active(disk).map(|p| p.number),
            start: place.start / disk.sector_size.bytes(),
        });
        Self {
            parts: manifest
                .disks
                .iter()
                .flat_map(|d| parts(manifest, d))
                .collect(),
            here: (disk.index, place.partition),
            is_esp,
            bios,
        }
    }

    pub(super) fn find(&self, id: &PartitionId) -> Option<&Part> {
        self.parts.iter().find(|part| part.id() == *id)
    }

    /// The partition that is looked at.
    pub(super) fn this(&self) -> Option<&Part> {
        let mut parts = self.parts.iter();
        parts.find(|part| (part.disk, part.number) == self.here)
    }

    /// Those of the disk that is looked at.
    pub(super) fn on_this_disk(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.disk == self.here.0)
    }
}

impl Part {
    pub(super) fn id(&self) -> PartitionId {
        match self.name {
            Name::Gpt { disk, partition } => PartitionId::Gpt { disk, partition },
            Name::Mbr { signature, offset } => PartitionId::Mbr { signature, offset },
        }
    }

    #[cfg(test)]
    pub(super) fn new(disk: u32, number: u32, id: PartitionId, is_windows: bool) -> Self {
        let name = match id {
            PartitionId::Gpt { disk, partition } => Name::Gpt { disk, partition },
            PartitionId::Mbr { signature, offset } => Name::Mbr { signature, offset },
        };
        Self {
            disk,
            number,
            name,
            is_windows,
        }
    }
}

fn active(disk: &DiskImage) -> Option<&PartitionInfo> {
    let mut partitions = disk.regions.iter().filter_map(|r| r.partition());
    partitions.find(|p| p.bootable)
}

fn has_code(source: &dyn ReadAt) -> bool {
    let mut first = [0; BOOT_CODE];
    // What cannot be read is told elsewhere.
    source.read_exact_at(&mut first, 0).is_err() || first != [0; BOOT_CODE]
}

fn parts(manifest: &Manifest, disk: &DiskImage) -> Vec<Part> {
    let part = |region: &image::Region| {
        let info = region.partition()?;
        let disk_id = disk.disk_id.as_deref()?;
        let name = match disk.table {
            TableKind::Gpt => Name::Gpt {
                disk: Uuid::parse_str(disk_id).ok()?,
                partition: Uuid::parse_str(info.uuid.as_deref()?).ok()?,
            },
            TableKind::Mbr => Name::Mbr {
                signature: u32::from_str_radix(disk_id, 16).ok()?,
                offset: region.start,
            },
            TableKind::None => return None,
        };
        let mut systems = manifest.systems.iter();
        let is_windows = systems.any(|system| {
            let place = (system.disk, system.partition);
            place == (disk.index, info.number) && system.family == identity::WINDOWS
        });
        Some(Part {
            disk: disk.index,
            number: info.number,
            name,
            is_windows,
        })
    };
    disk.regions.iter().filter_map(part).collect()
}
