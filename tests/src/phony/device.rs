//! The partitions that a boot store names.
//!
//! An element of a device holds descriptors: type (u32, 6 is a partition), flags,
//! length 0x48; at 0x10 of that the partition (a GUID, or its offset in bytes), at
//! 0x24 0 for GPT and 1 for MBR, at 0x28 the disk (a GUID, or its signature).

use anyhow::{Context, Result};
use hive::{FileTime, Hive};
use uuid::Uuid;

/// What the boot manager's object is called everywhere.
pub(super) const BOOT_MANAGER: &str = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}";
const MEMORY_TEST: &str = "{b2721d73-1db4-4c62-bf78-c548a880142d}";
const DEFAULT: &str = "23000003";
const OS_DEVICE: &str = "21000001";

/// A partition as a boot store names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Device {
    Gpt { partition: Uuid, disk: Uuid },
    Mbr { offset: u64, signature: u32 },
}

/// The partition of an object's element, also when it is the one of a file on it.
pub(super) fn device(store: &Hive, object: &str, element: &str) -> Result<Option<Device>> {
    let path = format!("Objects\\{object}\\Elements\\{element}");
    let Some(key) = store.find(&path)? else {
        return Ok(None);
    };
    let value = key
        .value("Element")?
        .context("an element without a value")?;
    let data = value.data()?;
    let mut places = (0x10..data.len()).step_by(4);
    Ok(places.find_map(|at| descriptor(data.get(at..at + 0x48)?)))
}

fn descriptor(bytes: &[u8]) -> Option<Device> {
    let number = |at: usize| {
        bytes
            .get(at..at + 4)?
            .try_into()
            .ok()
            .map(u32::from_le_bytes)
    };
    let guid = |at: usize| {
        Some(Uuid::from_bytes_le(
            bytes.get(at..at + 16)?.try_into().ok()?,
        ))
    };
    if (number(0)?, number(8)?) != (6, 0x48) {
        return None;
    }
    match number(0x24)? {
        0 => Some(Device::Gpt {
            partition: guid(0x10)?,
            disk: guid(0x28)?,
        }),
        1 => Some(Device::Mbr {
            offset: u64::from(number(0x10)?) | u64::from(number(0x14)?) << 32,
            signature: number(0x28)?,
        }),
        _ => None,
    }
}

/// The partition that the default entry's system is on.
pub(super) fn default_system(store: &Hive) -> Result<Option<Device>> {
    let path = format!("Objects\\{BOOT_MANAGER}\\Elements\\{DEFAULT}");
    let object = store.key(&path)?.text("Element")?;
    device(store, &object.context("no default entry")?, OS_DEVICE)
}

/// The store of a BIOS machine with other places of its partitions: the boot manager
/// and the memory test are on the one at byte `start`, all others at byte `windows`.
pub(super) fn moved(store: &[u8], start: u64, windows: u64) -> Result<Vec<u8>> {
    let hive = Hive::open(store.to_vec(), &[])?.0;
    let mut changes = Vec::new();
    for object in hive.key("Objects")?.subkeys()? {
        let name = object.name().to_string();
        let Some(elements) = object.subkey("Elements")? else {
            continue;
        };
        let starts = [BOOT_MANAGER, MEMORY_TEST].contains(&name.to_lowercase().as_str());
        let new = if starts { start } else { windows };
        for element in elements.subkeys()? {
            let Some(value) = element.value("Element")? else {
                continue;
            };
            let mut data = value.data()?.into_owned();
            let places = (0x10..data.len().saturating_sub(0x47)).step_by(4);
            let places: Vec<usize> = places
                .filter(|at| descriptor(&data[*at..at + 0x48]).is_some())
                .collect();
            for place in &places {
                data[place + 0x10..place + 0x18].copy_from_slice(&new.to_le_bytes());
            }
            if !places.is_empty() {
                let key = format!("Objects\\{name}\\Elements\\{}", element.name());
                changes.push((key, value.value_type(), data));
            }
        }
    }
    let mut edit = hive.edit(FileTime::from_unix(1_480_000_000))?;
    for (key, kind, data) in changes {
        edit.set_value(&key, "Element", kind, &data)?;
    }
    Ok(edit.finish()?)
}

/// A partition of this disk that some loader is on and that is none of `known`:
/// the recovery environment's.
pub(super) fn another(store: &Hive, known: &[Device]) -> Result<Option<Device>> {
    let disk = known.iter().find_map(disk_of);
    for object in store.key("Objects")?.subkeys()? {
        let found = device(store, &object.name().to_string(), OS_DEVICE)?;
        if let Some(found) = found
            && !known.contains(&found)
            && disk_of(&found) == disk
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn disk_of(device: &Device) -> Option<Uuid> {
    match device {
        Device::Gpt { disk, .. } => Some(*disk),
        Device::Mbr { .. } => None,
    }
}
