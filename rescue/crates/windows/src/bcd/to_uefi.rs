//! A store of a BIOS machine made one for UEFI (what MBR2GPT does with it).

use hive::{Edit, ValueType, multi_sz, sz};

use super::Error;
use super::boot::set;
use super::device::{DeviceElement, Kind};
use super::repoint::{Repointed, check, rename_all};
use super::store::{OBJECTS, Object, Store, element, kind};
use crate::ids::{IdMap, PartitionId};

/// Where the programs of the EFI system partition are.
const BOOT_MANAGER: &str = "\\EFI\\Microsoft\\Boot\\bootmgfw.efi";
const MEMORY_TEST: &str = "\\EFI\\Microsoft\\Boot\\memtest.efi";

/// Makes the store start Windows on UEFI: partitions get their new names, which
/// are on GPT disks; the boot manager and the memory test come from the EFI
/// system partition; programs are their `.efi` selves; entries that only a BIOS
/// starts go.
///
/// The files have to be there: `winload.efi` on the volume of Windows, the boot
/// manager on the EFI system partition.
///
/// # Errors
/// When the partition is on no GPT disk, the store has no boot manager, the
/// hive is damaged, or an old name is left; nothing must be written then.
pub fn to_uefi(edit: &mut Edit, system: &PartitionId, map: &IdMap) -> Result<Repointed, Error> {
    if !matches!(system, PartitionId::Gpt { .. }) {
        return Err(Error::NoGpt { id: *system });
    }
    let store = Store::read(edit.hive())?;
    let manager = store.boot_manager().ok_or_else(|| Error::NoObject {
        id: super::store::BOOT_MANAGER_ID.to_owned(),
    })?;
    drop_bios_entries(edit, &store, manager)?;
    let tests = store.of_kind(kind::MEMORY_TEST);
    let tests = tests.map(|test| (test, MEMORY_TEST));
    let programs: Vec<_> = tests.chain([(manager, BOOT_MANAGER)]).collect();
    // Where these were does not matter, so it need not be in the map.
    let nowhere = DeviceElement::new(Kind::Boot).encode();
    for (object, _) in &programs {
        set(edit, object, element::DEVICE, ValueType::BINARY, &nowhere)?;
    }
    let done = rename_all(edit, map)?;
    let device = DeviceElement::new(Kind::Partition(*system)).encode();
    for (object, path) in programs {
        set(edit, object, element::DEVICE, ValueType::BINARY, &device)?;
        set(edit, object, element::PATH, ValueType::SZ, &sz(path))?;
    }
    for object in &store.objects {
        let path = object.text(element::PATH);
        if let Some(path) = path.and_then(|path| efi_path(object, &path)) {
            set(edit, object, element::PATH, ValueType::SZ, &sz(&path))?;
        }
    }
    check(edit.hive(), map)?;
    Ok(done)
}

/// The path of a loader's program for UEFI, `None` when it stays.
fn efi_path(object: &Object, path: &str) -> Option<String> {
    let program = match object.kind {
        kind::LOADER => "winload",
        kind::RESUME => "winresume",
        _ => return None,
    };
    let (folder, file) = path.rsplit_once('\\')?;
    let is_bios = file.eq_ignore_ascii_case(&format!("{program}.exe"));
    is_bios.then(|| format!("{folder}\\{program}.efi"))
}

/// Whether only a BIOS starts it: the loader of Windows XP, boot sectors.
/// The image's type is the second byte: 3 and 4.
fn is_bios_only(object: &Object) -> bool {
    object.kind >> 28 == 1 && matches!(object.kind >> 20 & 0xF, 3 | 4)
}

fn drop_bios_entries(edit: &mut Edit, store: &Store, manager: &Object) -> Result<(), Error> {
    let is_gone = |id: &String| store.object(id).is_some_and(is_bios_only);
    for number in [element::DISPLAY_ORDER, element::TOOLS] {
        let mut ids = manager.ids(number);
        let before = ids.len();
        ids.retain(|id| !is_gone(id));
        if ids.len() != before {
            set(edit, manager, number, ValueType::MULTI_SZ, &multi_sz(&ids))?;
        }
    }
    for object in store.objects.iter().filter(|object| is_bios_only(object)) {
        edit.delete_key(&format!("{OBJECTS}\\{}", object.id))?;
    }
    Ok(())
}
