//! Boot stores: read, repointed, made to resume nothing, made UEFI's.

use std::collections::BTreeSet;

use hive::{Hive, ValueType, sz};
use uuid::{Uuid, uuid};
use windows::bcd::{
    DeviceElement, Error, Kind, Object, Problem, Store, default_entry, element, kind, leftovers,
    repoint, search_by_path, stop_resuming, to_uefi,
};
use windows::ids::{IdMap, PartitionId};

use crate::fixtures::{STORES, WHEN, finished, hive};
use crate::oracle;

const BOOT_MANAGER: &str = "objects\\{9dea862c-5cdd-4e70-acc1-f32b344d4795}";
const NEW_DISK: Uuid = uuid!("11111111-2222-4333-8444-aaaaaaaaaaaa");

/// Disk and partitions of uefi-gpt-10: Windows, EFI system, recovery.
const GPT_DISK: Uuid = uuid!("0b2394a9-095e-487d-8d48-719ecd4d78ca");
const GPT_OS: Uuid = uuid!("8e0f2c38-e4ea-47ba-b7fc-9d8c74dccf0b");
const GPT_SYSTEM: Uuid = uuid!("36be3955-63bf-4068-a6ab-00195cca3a22");
const GPT_RECOVERY: Uuid = uuid!("6cdfcd69-de75-4490-8f99-5a84bf264917");

fn gpt(partition: Uuid) -> PartitionId {
    PartitionId::Gpt {
        disk: GPT_DISK,
        partition,
    }
}

fn new_gpt(number: u128) -> PartitionId {
    PartitionId::Gpt {
        disk: NEW_DISK,
        partition: Uuid::from_u128(0xABCD << 64 | number),
    }
}

fn mbr(signature: u32, offset: u64) -> PartitionId {
    PartitionId::Mbr { signature, offset }
}

/// The partition of all entries of BCDlaptop and of BCDvm.
const LAPTOP: PartitionId = PartitionId::Mbr {
    signature: 0x0003_EE7C,
    offset: 0x12_4F90_0000,
};
const VM: PartitionId = PartitionId::Mbr {
    signature: 0x3623_4DA4,
    offset: 0x10_0000,
};

fn map(pairs: &[(PartitionId, PartitionId)]) -> IdMap {
    IdMap::new(pairs.iter().copied()).unwrap()
}

/// Every device element of a store, with the path of its key.
fn devices(hive: &Hive) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for object in Store::read(hive).unwrap().objects {
        for number in object.numbers().filter(|n| element::is_device(*n)) {
            let key = format!("objects\\{}\\elements\\{number:08x}", object.id);
            found.push((key.to_lowercase(), object.bytes(number).unwrap().to_vec()));
        }
    }
    found
}

#[test]
fn every_device_of_the_genuine_stores_comes_back() {
    let mut kinds = BTreeSet::new();
    for (store, count) in STORES.into_iter().zip([12, 12, 9]) {
        let devices = devices(&hive(store));
        assert_eq!(devices.len(), count, "{store}");
        for (key, bytes) in devices {
            let element = DeviceElement::decode(&bytes).unwrap();
            assert!(element.encode() == bytes, "{store} {key}: {element:?}");
            kinds.insert(match element.device.kind {
                Kind::Partition(PartitionId::Gpt { .. }) => "gpt",
                Kind::Partition(PartitionId::Mbr { .. }) => "mbr",
                Kind::Boot => "boot",
                Kind::Ramdisk { .. } => "ramdisk",
                other => panic!("{store} {key}: {other:?}"),
            });
        }
    }
    assert_eq!(kinds, BTreeSet::from(["boot", "gpt", "mbr", "ramdisk"]));
}

#[test]
fn the_recovery_environment_is_understood() {
    let store = Store::read(&hive("bcd/uefi-gpt-10")).unwrap();
    let recovery = store.recovery();
    assert_eq!(recovery.len(), 1);
    assert_eq!(recovery[0].name(), "Windows Recovery Environment");
    let element = recovery[0].device(element::DEVICE).unwrap().unwrap();
    assert_eq!(element.device.partition(), Some(gpt(GPT_RECOVERY)));
    let Kind::Ramdisk { file, image } = &element.device.kind else {
        panic!("{element:?}");
    };
    assert_eq!(file.path(), "\\Recovery\\WindowsRE\\Winre.wim");
    assert_eq!(*image, [0; 20]);
    let options = store.object(&element.options.braced().to_string()).unwrap();
    assert_eq!(options.kind, kind::DEVICE_OPTIONS);
    let sdi = options.device(0x3100_0003).unwrap().unwrap();
    assert_eq!(sdi.device.kind, Kind::Partition(gpt(GPT_RECOVERY)));
}

#[test]
fn objects_of_the_genuine_stores() {
    let store = Store::read(&hive("bcd/uefi-gpt-10")).unwrap();
    let default = store.default().unwrap();
    assert_eq!(default.name(), "Windows 10");
    let path = default.text(element::PATH).unwrap();
    assert_eq!(path, "\\Windows\\system32\\winload.efi");
    assert_eq!(default.text(element::LOCALE).unwrap(), "en-US");
    assert_eq!(store.of_kind(kind::RESUME).count(), 1);
    let manager = store.boot_manager().unwrap();
    let device = manager.device(element::DEVICE).unwrap().unwrap();
    assert_eq!(device.device.kind, Kind::Partition(gpt(GPT_SYSTEM)));
    let laptop = Store::read(&hive("bcd/BCDlaptop")).unwrap();
    assert_eq!(laptop.default().unwrap().name(), "Windows 8.1 Preview");
}

#[test]
fn the_default_entry_is_judged() {
    let store = Store::read(&hive("bcd/uefi-gpt-10")).unwrap();
    let entry = default_entry(&store, &gpt(GPT_OS)).unwrap();
    assert_eq!(entry.name, "Windows 10");
    assert!(!entry.by_search);
    let elsewhere = default_entry(&store, &gpt(GPT_SYSTEM)).unwrap_err();
    assert_eq!(
        elsewhere.to_string(),
        "the default entry \"Windows 10\": element 11000001 is GPT partition \
         8e0f2c38-e4ea-47ba-b7fc-9d8c74dccf0b of disk 0b2394a9-095e-487d-8d48-719ecd4d78ca, \
         expected the GPT partition 36be3955-63bf-4068-a6ab-00195cca3a22 of disk \
         0b2394a9-095e-487d-8d48-719ecd4d78ca"
    );
    let laptop = Store::read(&hive("bcd/BCDlaptop")).unwrap();
    default_entry(&laptop, &LAPTOP).unwrap();
    // The default of BCDvm is a Windows PE in a ramdisk.
    let vm = Store::read(&hive("bcd/BCDvm")).unwrap();
    let found = default_entry(&vm, &VM).unwrap_err();
    assert!(matches!(found, Problem::Elsewhere { .. }), "{found}");
    assert!(
        found
            .to_string()
            .contains("a ramdisk from \\boot\\boot.wim on the MBR")
    );
}

/// All of a disk's names change: each device does, nested ones too, and nothing else.
#[test]
fn host_a_gpt_disk_gets_new_names() {
    let old = hive("bcd/uefi-gpt-10");
    let map = map(&[
        (gpt(GPT_OS), new_gpt(1)),
        (gpt(GPT_SYSTEM), new_gpt(2)),
        (gpt(GPT_RECOVERY), new_gpt(3)),
    ]);
    assert!(leftovers(&old, &map).unwrap().len() >= 8);
    let mut edit = old.clone().edit(WHEN).unwrap();
    let done = repoint(&mut edit, &map).unwrap();
    assert_eq!((done.changed.len(), done.odd.len()), (10, 0));
    // The firmware's entries are on another disk, which keeps its names.
    assert_eq!(done.unmapped.len(), 3);
    let new = finished(edit);
    let of_disk = |bytes: &Vec<u8>| {
        let disk = GPT_DISK.to_bytes_le();
        bytes.windows(16).any(|window| window == disk)
    };
    let mut expected: BTreeSet<String> = devices(&old)
        .into_iter()
        .filter(|(_, bytes)| of_disk(bytes))
        .map(|(key, _)| format!("{key}@element"))
        .collect();
    assert_eq!(expected.len(), 9);
    expected.insert(format!("{BOOT_MANAGER}\\description@firmwarevariable"));
    assert_eq!(oracle::changes(&old, &new), expected);
    let store = Store::read(&new).unwrap();
    default_entry(&store, &new_gpt(1)).unwrap();
    let recovery = store.recovery()[0].device(element::OS_DEVICE).unwrap();
    assert_eq!(recovery.unwrap().device.partition(), Some(new_gpt(3)));
    assert!(leftovers(&new, &map).unwrap().is_empty());
}

/// What we read of entries on GPT disks, as regipy shows it.
fn entries(hive: &Hive) -> Vec<String> {
    let store = Store::read(hive).unwrap();
    let entry = |object: &Object| {
        object.text(element::DESCRIPTION)?;
        let path = object.text(element::PATH)?;
        let device = object.device(element::DEVICE)?.unwrap().device;
        match device.kind {
            Kind::Partition(PartitionId::Gpt { disk, partition }) => {
                Some(format!("{} {disk} {partition} {path}", object.id))
            }
            _ => None,
        }
    };
    store.objects.iter().filter_map(entry).collect()
}

/// An independent reader of entries; it takes a ramdisk for a partition, too.
#[test]
fn host_regipy_reads_the_same_entries() {
    let old = hive("bcd/uefi-gpt-10");
    let mut edit = hive("bcd/BCDlaptop").edit(WHEN).unwrap();
    to_uefi(&mut edit, &new_gpt(9), &map(&[(LAPTOP, new_gpt(1))])).unwrap();
    for (store, count) in [(old, 7), (finished(edit), 4)] {
        let ours = entries(&store);
        assert_eq!(ours.len(), count);
        let mut theirs = oracle::boot_entries(&store);
        theirs.retain(|entry| {
            !entry
                .to_lowercase()
                .contains(" \\windows\\system32\\winload.efi")
                || ours.contains(entry)
        });
        assert_eq!(theirs, ours);
    }
}

#[test]
fn names_that_stay_are_not_touched() {
    let old = hive("bcd/uefi-gpt-10");
    let same = map(&[(gpt(GPT_OS), gpt(GPT_OS)), (VM, mbr(1, 2))]);
    let mut edit = old.clone().edit(WHEN).unwrap();
    assert!(repoint(&mut edit, &same).unwrap().changed.is_empty());
    assert!(edit.finish().unwrap() == old.as_bytes());
}

/// Two partitions change places: both names are old and new.
#[test]
fn names_may_be_swapped() {
    let (a, b) = (gpt(GPT_OS), gpt(GPT_RECOVERY));
    let mut edit = hive("bcd/uefi-gpt-10").edit(WHEN).unwrap();
    repoint(&mut edit, &map(&[(a, b), (b, a)])).unwrap();
    let store = Store::read(&finished(edit)).unwrap();
    default_entry(&store, &b).unwrap();
    let recovery = store.recovery()[0].device(element::DEVICE).unwrap();
    assert_eq!(recovery.unwrap().device.partition(), Some(a));
}

/// A partition that the map forgot keeps the disk's old GUID: that must not pass.
#[test]
fn a_forgotten_partition_is_found() {
    let forgetful = map(&[(gpt(GPT_OS), new_gpt(1)), (gpt(GPT_SYSTEM), new_gpt(2))]);
    let mut edit = hive("bcd/uefi-gpt-10").edit(WHEN).unwrap();
    let Err(Error::Leftovers { left }) = repoint(&mut edit, &forgetful) else {
        panic!("the recovery partition was forgotten");
    };
    // The environment's two devices and the sdi of its ramdisk.
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.iter().all(|l| l.what.contains(&GPT_DISK.to_string())));
}

/// An old GUID that is no device is found as well, as bytes and as a text.
#[test]
fn old_names_are_found_anywhere() {
    let map = map(&[(gpt(GPT_OS), new_gpt(1))]);
    let text = format!("x\\{{{}}}", GPT_OS.to_string().to_uppercase());
    let mut raw = b"..".to_vec();
    raw.extend(GPT_OS.to_bytes_le());
    let mut edit = hive("bcd/BCDvm").edit(WHEN).unwrap();
    edit.set_value("Description", "text", ValueType::SZ, &sz(&text))
        .unwrap();
    edit.set_value("Description", "raw", ValueType::BINARY, &raw)
        .unwrap();
    let left = leftovers(edit.hive(), &map).unwrap();
    let values: Vec<&str> = left.iter().map(|l| l.value.as_str()).collect();
    assert_eq!(values, ["text", "raw"]);
}

#[test]
fn host_an_mbr_disk_is_signed_anew_and_its_partition_moves() {
    for (name, old_id, new_id) in [
        ("bcd/BCDlaptop", LAPTOP, mbr(0x6162_6364, 0x10_0000)),
        ("bcd/BCDlaptop", LAPTOP, mbr(0x0003_EE7C, 0x50_0000)),
        ("bcd/BCDvm", VM, mbr(0x4142_4344, 0x10_0000)),
        ("bcd/BCDvm", VM, new_gpt(1)),
    ] {
        let old = hive(name);
        let map = map(&[(old_id, new_id)]);
        let mut edit = old.clone().edit(WHEN).unwrap();
        let done = repoint(&mut edit, &map).unwrap();
        assert!(done.unmapped.is_empty() && done.odd.is_empty());
        let new = finished(edit);
        let on_disk = |bytes: &[u8]| DeviceElement::decode(bytes).unwrap().device.partition();
        let olds = devices(&old).into_iter();
        let expected = olds.filter(|(_, bytes)| on_disk(bytes) == Some(old_id));
        let expected: BTreeSet<_> = expected.map(|(key, _)| format!("{key}@element")).collect();
        assert!(expected.len() >= 9, "{name}");
        assert_eq!(oracle::changes(&old, &new), expected, "{name}");
        for (key, bytes) in devices(&new) {
            let found = on_disk(&bytes);
            assert!(
                found.is_none_or(|id| id == new_id),
                "{name} {key}: {found:?}"
            );
        }
    }
}

/// A descriptor in a form that is not understood is found by its look.
#[test]
fn unknown_forms_are_searched() {
    let key = "Objects\\{3c32c4e8-f36e-11e2-8548-986c4e43b52a}\\Elements\\31000003";
    let mut edit = hive("bcd/BCDlaptop").edit(WHEN).unwrap();
    let plain = DeviceElement::new(Kind::Partition(LAPTOP)).encode();
    for (head, tail) in [(&[7_u8; 5][..], 3), (&[][..], 1)] {
        let mut odd = head.to_vec();
        odd.extend(&plain);
        odd.resize(odd.len() + tail, 0xEE);
        edit.set_value(key, "Element", ValueType::BINARY, &odd)
            .unwrap();
        let id = mbr(0x0BAD_CAFE, 77);
        let done = repoint(&mut edit, &map(&[(LAPTOP, id)])).unwrap();
        assert_eq!(done.odd.len(), 1);
        let new = DeviceElement::new(Kind::Partition(id)).encode();
        let value = edit
            .hive()
            .key(key)
            .unwrap()
            .value("Element")
            .unwrap()
            .unwrap();
        let data = value.data().unwrap();
        assert!(data.starts_with(head) && data[head.len()..].starts_with(&new));
        drop(data);
        repoint(&mut edit, &map(&[(id, LAPTOP)])).unwrap();
    }
}

#[test]
fn host_resuming_is_stopped() {
    let mut edit = hive("bcd/uefi-gpt-10").edit(WHEN).unwrap();
    assert!(stop_resuming(&mut edit).unwrap().is_empty());
    // No store at hand resumes: as Windows sets it at hibernation.
    let key = format!("{BOOT_MANAGER}\\elements\\26000005");
    edit.create_key(&key).unwrap();
    edit.set_value(&key, "Element", ValueType::BINARY, &[1])
        .unwrap();
    let old = finished(edit);
    let store = Store::read(&old).unwrap();
    let manager = store.boot_manager().unwrap();
    assert_eq!(manager.flag(element::ATTEMPT_RESUME), Some(true));
    let mut edit = old.clone().edit(WHEN).unwrap();
    assert_eq!(stop_resuming(&mut edit).unwrap().len(), 1);
    assert!(stop_resuming(&mut edit).unwrap().is_empty());
    let expected = BTreeSet::from([key.clone(), format!("{key}@element")]);
    assert_eq!(oracle::changes(&old, &finished(edit)), expected);
}

#[test]
fn windows_may_be_searched_for() {
    let old = hive("bcd/BCDlaptop");
    let loader = Store::read(&old).unwrap().default().unwrap().id.clone();
    let mut edit = old.edit(WHEN).unwrap();
    assert!(search_by_path(&mut edit, &loader).unwrap());
    assert!(!search_by_path(&mut edit, &loader).unwrap());
    let store = Store::read(edit.hive()).unwrap();
    let bytes = store.default().unwrap().bytes(element::DEVICE).unwrap();
    assert_eq!(bytes.len(), 46);
    assert_eq!(bytes[0x24..0x28], [2, 0, 0, 0x12]);
    assert!(default_entry(&store, &LAPTOP).unwrap().by_search);
    let none = search_by_path(&mut edit, "{9dea862c-5cdd-4e70-acc1-f32b344d4795}");
    assert!(matches!(none, Err(Error::NoObject { .. })));
}

#[test]
fn host_a_bios_store_becomes_one_for_uefi() {
    for (name, id) in [("bcd/BCDlaptop", LAPTOP), ("bcd/BCDvm", VM)] {
        let mut edit = hive(name).edit(WHEN).unwrap();
        // The loader of Windows XP, as it stands beside a later Windows.
        let legacy = "{466f5a88-0af2-4f76-9038-095b170dc21c}";
        let path = format!("Objects\\{legacy}\\Description");
        edit.create_key(&path).unwrap();
        let kind = 0x1030_0006_u32.to_le_bytes();
        edit.set_value(&path, "Type", ValueType::DWORD, &kind)
            .unwrap();
        let order = format!("{BOOT_MANAGER}\\elements\\24000001");
        let mut ids = Store::read(edit.hive())
            .unwrap()
            .boot_manager()
            .unwrap()
            .ids(0x2400_0001);
        ids.insert(0, legacy.to_owned());
        let ids = hive::multi_sz(&ids);
        edit.set_value(&order, "Element", ValueType::MULTI_SZ, &ids)
            .unwrap();
        let old = finished(edit);

        let mut edit = old.clone().edit(WHEN).unwrap();
        to_uefi(&mut edit, &new_gpt(9), &map(&[(id, new_gpt(1))])).unwrap();
        let new = finished(edit);
        let store = Store::read(&new).unwrap();
        assert!(store.object(legacy).is_none());
        let manager = store.boot_manager().unwrap();
        assert!(
            !manager
                .ids(element::DISPLAY_ORDER)
                .contains(&legacy.to_owned())
        );
        let path = manager.text(element::PATH).unwrap();
        assert_eq!(path, "\\EFI\\Microsoft\\Boot\\bootmgfw.efi");
        for object in &store.objects {
            if let Some(path) = object.text(element::PATH) {
                assert!(path.ends_with(".efi"), "{name}: {path}");
            }
            for number in object.numbers().filter(|n| element::is_device(*n)) {
                let device = object.device(number).unwrap().unwrap().device;
                let system = [kind::BOOT_MANAGER, kind::MEMORY_TEST].contains(&object.kind);
                let expected = if system { new_gpt(9) } else { new_gpt(1) };
                assert_eq!(device.partition(), Some(expected), "{name} {number:x}");
            }
        }
        assert!(oracle::changes(&old, &new).iter().all(|place| {
            place == &format!("{order}@element")
                || place.contains(legacy)
                || ["11000001", "12000002", "21000001", "31000003"]
                    .iter()
                    .any(|number| place.contains(&format!("\\elements\\{number}")))
        }));
        let mut edit = old.edit(WHEN).unwrap();
        let refused = to_uefi(&mut edit, &VM, &map(&[(id, new_gpt(1))]));
        assert!(matches!(refused, Err(Error::NoGpt { .. })));
    }
}
