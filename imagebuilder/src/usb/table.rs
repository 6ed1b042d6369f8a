//! The stick's partition table.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use anyhow::{Context, Result};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{BIOS, EFI, LINUX_FS, Type};
use uuid::Uuid;

use super::{CORE_SIZE, Geometry};
use crate::content::guid;

const SECTOR: u64 = 512;

/// Some BIOSes start only a disk whose MBR marks an entry active; the
/// protective one must not be (UEFI 2.10 §5.2.3). So a second, empty entry is:
/// type 0, nothing in it, as on the distributions' own media.
const ACTIVE_DUMMY: [u8; 16] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
const SECOND_ENTRY: u64 = 446 + 16;

/// Writes a protective MBR and both copies of the GPT to `image`.
pub(super) fn write(image: &File, place: &Geometry, esp_size: u64, volume: &str) -> Result<()> {
    let sectors = (place.end / SECTOR).saturating_sub(1);
    let mut device = image.try_clone().context("the image's file")?;
    ProtectiveMBR::with_lb_size(u32::try_from(sectors).unwrap_or(u32::MAX))
        .overwrite_lba0(&mut device)
        .context("writing the protective MBR")?;
    let id = |what: &str| Uuid::from_str(&guid(volume, what)).context("a GUID");
    let data_size = place
        .end
        .saturating_sub(place.data)
        .saturating_sub(super::ALIGNMENT);
    let partitions: BTreeMap<u32, Partition> = [
        (
            1,
            partition(BIOS, "GRUB", id("core")?, place.core, CORE_SIZE),
        ),
        (2, partition(EFI, "RESCUE", id("esp")?, place.esp, esp_size)),
        (
            3,
            partition(LINUX_FS, "RESCUE data", id("data")?, place.data, data_size),
        ),
    ]
    .into();
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(device, Some(id("disk")?))
        .context("making a partition table")?;
    table
        .update_partitions(partitions)
        .context("filling the partition table")?;
    table.write().context("writing the partition table")?;
    image
        .write_all_at(&ACTIVE_DUMMY, SECOND_ENTRY)
        .context("writing the MBR")
}

fn partition(kind: Type, name: &str, id: Uuid, offset: u64, size: u64) -> Partition {
    let first = offset / SECTOR;
    Partition {
        part_type_guid: kind,
        part_guid: id,
        first_lba: first,
        last_lba: first
            .saturating_add(size.div_ceil(SECTOR))
            .saturating_sub(1),
        flags: 0,
        name: name.to_owned(),
    }
}
