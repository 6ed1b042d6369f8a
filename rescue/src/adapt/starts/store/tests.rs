use super::*;
use crate::ntfs_volume;
use hive::ValueType;

const MANAGER: &str = "Objects\\{9dea862c-5cdd-4e70-acc1-f32b344d4795}";

fn store(name: &str) -> Vec<u8> {
    ntfs_volume::hive(&format!("bcd/{name}"))
}

fn hive(bytes: &[u8]) -> Hive {
    Hive::open(bytes.to_vec(), &[]).unwrap().0
}

/// As Windows sets it when it hibernates.
fn asleep(bytes: &[u8], flag: u8) -> Vec<u8> {
    let mut edit = hive(bytes).edit(now()).unwrap();
    let key = format!("{MANAGER}\\Elements\\26000005");
    edit.create_key(&key).unwrap();
    let set = edit.set_value(&key, "Element", ValueType::BINARY, &[flag]);
    set.unwrap();
    edit.finish().unwrap()
}

fn default_id(bytes: &[u8]) -> PartitionId {
    let store = Store::read(&hive(bytes)).unwrap();
    partition(store.default().unwrap(), element::OS_DEVICE).unwrap()
}

/// A disk with the partition that starts, and these; the number of each that has a
/// Windows.
fn around(ids: &[PartitionId], windows: &[u32]) -> Around {
    let parts = (1..).zip(ids);
    let parts = parts.map(|(number, id)| Part::new(0, number, *id, windows.contains(&number)));
    Around {
        parts: parts.collect(),
        here: (0, 1),
        ..Around::default()
    }
}

fn gpt(disk: u128, partition: u128) -> PartitionId {
    PartitionId::Gpt {
        disk: Uuid::from_u128(disk),
        partition: Uuid::from_u128(partition),
    }
}

fn planned(bytes: &[u8], around: &Around) -> (Option<Vec<u8>>, Adaptation) {
    let mut told = Adaptation::default();
    let found = Found {
        path: "/x/BCD",
        hive: hive(bytes),
    };
    (plan(&found, around, &mut told).unwrap(), told)
}

#[test]
fn host_a_store_that_wakes_windows_no_longer_does() {
    for name in ["uefi-gpt-10", "BCDvm", "BCDlaptop"] {
        let bytes = store(name);
        let around = around(&[gpt(1, 1), default_id(&bytes)], &[2]);
        // As it is, and with the element set to "no", nothing changes.
        for quiet in [bytes.clone(), asleep(&bytes, 0)] {
            let (new, told) = planned(&quiet, &around);
            assert_eq!((new, told), (None, Adaptation::default()), "{name}");
        }
        let (new, told) = planned(&asleep(&bytes, 1), &around);
        let new = new.unwrap();
        assert!(
            told.edits[0].contains("Elements\\26000005] of /x/BCD:"),
            "{told:?}"
        );
        assert!(
            told.warnings.is_empty() && told.lines.len() == 1,
            "{told:?}"
        );
        let changes = diff(&hive(&bytes), &hive(&new)).unwrap();
        let other = changes.iter().find(|change| !is_time(&change.what));
        assert!(other.is_none(), "{other:?}");
        assert_eq!(planned(&new, &around).0, None);
    }
}

#[test]
fn host_a_copy_of_a_disk_whose_ids_were_changed_starts_its_own_windows() {
    for (name, ids) in [
        ("uefi-gpt-10", [gpt(7, 1), gpt(7, 2)]),
        (
            "BCDlaptop",
            [0x10_0000, 0x15F0_0000].map(|offset| PartitionId::Mbr {
                signature: 7,
                offset,
            }),
        ),
    ] {
        let bytes = store(name);
        let clone = around(&ids, &[2]);
        let (new, told) = planned(&bytes, &clone);
        let new = new.unwrap_or_else(|| panic!("{name}: {told:?}"));
        assert!(
            told.warnings.is_empty() && told.edits.len() > 3,
            "{name}: {told:?}"
        );
        assert_eq!(default_id(&new), ids[1]);
        assert_eq!(planned(&new, &clone).0, None);
        // Which of two it is cannot be told, and a disk with other names that are
        // right is no copy.
        let two = around(&[ids[0], ids[1], gpt(7, 3)], &[2, 3]);
        let old = Store::read(&hive(&bytes)).unwrap();
        // (On the laptop, both are on one partition.)
        let manager = partition(old.boot_manager().unwrap(), element::DEVICE);
        let manager = manager.filter(|id| *id != default_id(&bytes));
        let known = around(&[manager.unwrap_or(ids[0]), ids[1]], &[2]);
        for other in [Some(two), manager.map(|_| known)].into_iter().flatten() {
            let (new, told) = planned(&bytes, &other);
            assert_eq!(new, None);
            let warning = told.warnings.first();
            let warning = warning.unwrap_or_else(|| panic!("{name}: {other:?}"));
            assert!(warning.contains("no disk of this image has"), "{warning}");
            assert!(
                warning.contains(&default_id(&bytes).to_string()),
                "{warning}"
            );
        }
    }
}

#[test]
fn host_a_windows_on_another_disk_of_the_image_is_named() {
    let bytes = store("uefi-gpt-10");
    let mut around = around(&[gpt(1, 1), default_id(&bytes)], &[2]);
    around.parts[1].disk = 4;
    let (new, told) = planned(&bytes, &around);
    assert_eq!(new, None);
    assert!(
        told.warnings[0].contains("on disk 4 of this image"),
        "{told:?}"
    );
}

#[test]
fn host_a_store_without_a_default_is_told() {
    let bytes = store("uefi-gpt-10");
    let mut edit = hive(&bytes).edit(now()).unwrap();
    let key = format!("{MANAGER}\\Elements\\23000003");
    assert!(edit.delete_key(&key).unwrap());
    let (new, told) = planned(&edit.finish().unwrap(), &around(&[gpt(1, 1)], &[1]));
    assert_eq!(new, None);
    assert!(
        told.warnings[0].contains("has no default entry. Windows"),
        "{told:?}"
    );
}
