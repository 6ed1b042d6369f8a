//! What the volumes of the system's disk are called.

use image::{DiskImage, Region};
use linux::names;
use serde::{Deserialize, Serialize};

use crate::firmware::NewNames;
use crate::identity::PartitionNames;
use crate::volumes::{Linux, Volume};

/// The volumes of the disk that a system is on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volumes {
    pub(super) known: names::Known,
    /// The UUID of the file system on the EFI system partition that the disk gets.
    pub(super) esp: Option<String>,
    /// Whether the system's /boot is not on the disk.
    pub(super) boot_is_elsewhere: bool,
}

impl Volumes {
    /// Those of `disk`, on which `linux` is, of `volumes`; partitions with new names
    /// are `now`.
    pub(crate) fn of(
        disk: &DiskImage,
        linux: &Linux,
        volumes: &[Volume],
        now: Option<&NewNames>,
    ) -> Self {
        let is_partition = |volume: &Volume| volume.names.is_empty();
        let partitions = disk.regions.iter().filter_map(|region| {
            let mut named = partition(disk, region)?;
            let own = |v: &Volume| is_partition(v) && Some(v.partition) == named.partition;
            let volume = volumes.iter().position(own);
            named.mount = volume.and_then(|number| linux.place_of(number));
            let mut all = now.iter().flat_map(|now| &now.partitions);
            let new = all.find(|(start, _)| *start == region.start);
            named.partuuid_now = new.map(|(_, uuid)| uuid.to_string());
            Some(named)
        });
        let inside = volumes.iter().enumerate();
        let inside = inside.filter(|(_, volume)| !is_partition(volume));
        let inside = inside.map(|(number, volume)| names::Volume {
            kind: volume.fs.name().to_owned(),
            uuid: volume.uuid.clone(),
            label: volume.label.clone(),
            names: volume.names.clone(),
            mount: linux.place_of(number),
            ..names::Volume::default()
        });
        Self {
            known: names::Known {
                volumes: partitions.chain(inside).collect(),
                ..names::Known::default()
            },
            esp: now.map(NewNames::esp_volume),
            boot_is_elsewhere: linux.missing_boot().is_some(),
        }
    }
}

fn partition(disk: &DiskImage, region: &Region) -> Option<names::Volume> {
    let info = region.partition()?;
    let fs = region.fs.as_ref();
    Some(names::Volume {
        partition: Some(info.number),
        kind: fs.map(|fs| kind(&fs.kind)).unwrap_or_default(),
        uuid: fs.and_then(|fs| fs.uuid.clone()),
        label: fs.and_then(|fs| fs.label.clone()),
        partuuid: PartitionNames::of(disk.disk_id.as_deref(), info).uuid,
        ..names::Volume::default()
    })
}

/// What blkid(8) calls it.
fn kind(kind: &str) -> String {
    let kind = match kind {
        "fat12" | "fat16" | "fat32" => "vfat",
        "lvm2" => "LVM2_member",
        "md-raid" => "linux_raid_member",
        "luks" => "crypto_LUKS",
        "unknown" => "",
        other => other,
    };
    kind.to_owned()
}
