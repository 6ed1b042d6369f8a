//! Drive letters of the genuine hives, before and after disks get new names.

use std::collections::BTreeSet;

use hive::Hive;
use uuid::{Uuid, uuid};
use windows::ids::{IdMap, PartitionId};
use windows::mounted::{self, Mounted};

use crate::fixtures::{WHEN, finished, hive};
use crate::oracle;

const C_OF_10: Uuid = uuid!("09931f21-7faf-44a9-81d8-1e73c14b9eaf");
const NEW: Uuid = uuid!("99999999-8888-4777-8666-555555555555");

fn mbr(signature: u32, offset: u64) -> PartitionId {
    PartitionId::Mbr { signature, offset }
}

fn gpt(partition: Uuid) -> PartitionId {
    let disk = Uuid::nil();
    PartitionId::Gpt { disk, partition }
}

fn kinds(hive: &Hive) -> BTreeSet<&'static str> {
    let key = hive.key(mounted::KEY).unwrap();
    let mut kinds = BTreeSet::new();
    for value in key.values().unwrap() {
        let data = value.data().unwrap();
        let target = Mounted::decode(&data);
        assert!(target.encode() == *data, "{}: {target}", value.name());
        kinds.insert(match target {
            Mounted::Mbr { .. } => "mbr",
            Mounted::Gpt { .. } => "gpt",
            Mounted::Device(_) => "device",
            Mounted::Other(_) => "other",
        });
    }
    kinds
}

#[test]
fn the_genuine_values_come_back() {
    let (old, new) = (hive("joined-8.1/SYSTEM"), hive("dirty-10/SYSTEM"));
    assert_eq!(kinds(&old), BTreeSet::from(["device", "mbr"]));
    assert_eq!(kinds(&new), BTreeSet::from(["device", "gpt", "mbr"]));
    let mounts = mounted::read(&old).unwrap();
    assert_eq!(mounts.len(), 7);
    let c = mbr(0xD1CE_CF67, 0x15F0_0000);
    assert_eq!(mounted::letter(&mounts, &c), Some('C'));
    // The system partition has a volume name and no letter.
    assert_eq!(mounted::letter(&mounts, &mbr(0xD1CE_CF67, 0x10_0000)), None);
    let mounts = mounted::read(&new).unwrap();
    assert_eq!(mounted::letter(&mounts, &gpt(C_OF_10)), Some('C'));
    let d = mounts
        .iter()
        .find(|mount| mount.letter() == Some('D'))
        .unwrap();
    assert!(
        d.target
            .to_string()
            .starts_with("_??_USBSTOR#Disk&Ven_SanDisk")
    );
}

#[test]
fn host_an_mbr_disk_gets_new_names() {
    let old = hive("joined-8.1/SYSTEM");
    for new_id in [mbr(0x1234_5678, 0x20_0000), gpt(NEW)] {
        let c = mbr(0xD1CE_CF67, 0x15F0_0000);
        let map = IdMap::new([(c, new_id)]).unwrap();
        let mut edit = old.clone().edit(WHEN).unwrap();
        let done = mounted::rename(&mut edit, &map).unwrap();
        // The system partition was forgotten, which is told.
        assert_eq!(done.unmapped.len(), 1);
        assert!(
            done.unmapped[0]
                .name
                .ends_with("{8bff1c83-9188-11e5-824f-806e6f6e6963}")
        );
        assert!(mounted::rename(&mut edit, &map).unwrap().changes.is_empty());
        let new = finished(edit);
        let expected = [
            "mounteddevices@\\dosdevices\\c:",
            "mounteddevices@\\??\\volume{8bff1c84-9188-11e5-824f-806e6f6e6963}",
        ];
        let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(oracle::changes(&old, &new), expected);
        let mounts = mounted::read(&new).unwrap();
        assert_eq!(mounted::letter(&mounts, &new_id), Some('C'));
        assert_eq!(mounted::letter(&mounts, &c), None);
    }
}

#[test]
fn a_gpt_partition_gets_a_new_guid() {
    let map = IdMap::new([(gpt(C_OF_10), gpt(NEW))]).unwrap();
    let mut edit = hive("dirty-10/SYSTEM").edit(WHEN).unwrap();
    let done = mounted::rename(&mut edit, &map).unwrap();
    // A stick that was plugged in once is of another disk.
    assert_eq!((done.changes.len(), done.unmapped.len()), (1, 1));
    let value = edit
        .hive()
        .key(mounted::KEY)
        .unwrap()
        .value("\\DosDevices\\C:")
        .unwrap();
    let mut expected = b"DMIO:ID:".to_vec();
    expected.extend([0x99, 0x99, 0x99, 0x99, 0x88, 0x88, 0x77, 0x47, 0x86, 0x66]);
    expected.extend([0x55; 6]);
    assert!(*value.unwrap().data().unwrap() == expected);
}

#[test]
fn odd_names_and_data_stay() {
    for data in [
        &b""[..],
        b"1",
        b"DMIO:ID:0123456789abcdE",
        b"DMIO:ID;0123456789abcdef",
    ] {
        let target = Mounted::decode(data);
        assert!(target.partition().is_none() && target.encode() == data);
    }
    let letter = |name: &str| {
        mounted::Mount {
            name: name.to_owned(),
            target: Mounted::Other(Vec::new()),
        }
        .letter()
    };
    assert_eq!(letter("\\dosdevices\\x:"), Some('X'));
    for name in [
        "\\DosDevices\\",
        "\\DosDevices\\1:",
        "\\DosDevices\\C:x",
        "\\DosDeviceß\\C:",
    ] {
        assert_eq!(letter(name), None, "{name}");
    }
}
