//! Whether this machine's firmware starts a Windows of the image.

use ::windows::firmware::{Firmware, System, firmware_fits, processor};
use disk::is_esp;
use hive::Hive;
use image::{DiskImage, TableKind};

use crate::inventory::{Hardware, StartedBy};

/// Why it does not start the Windows that `hive` is the `SYSTEM` of.
pub(super) fn windows(hive: &Hive, hardware: &Hardware) -> hive::Result<Option<String>> {
    let system = System {
        processor: processor(hive)?,
        by_uefi: None,
    };
    Ok(misfit(&system, hardware))
}

/// Why it does not start a Windows from a disk as this one.
pub(super) fn disk(disk: &DiskImage, hardware: &Hardware) -> Option<String> {
    let mut partitions = disk.regions.iter().filter_map(|region| region.partition());
    let by_uefi = disk.table == TableKind::Gpt && partitions.any(|p| is_esp(&p.type_id));
    let system = System {
        processor: None,
        by_uefi: Some(by_uefi),
    };
    misfit(&system, hardware)
}

fn misfit(system: &System, hardware: &Hardware) -> Option<String> {
    let machine = match hardware.started_by? {
        StartedBy::Bios => Firmware::Bios,
        StartedBy::Uefi => Firmware::Uefi,
        StartedBy::Uefi32 => Firmware::Uefi32,
    };
    let misfit = firmware_fits(system, machine).err()?;
    Some(misfit.to_string())
}
