//! Whole volumes; mtools, dosfstools and ntfs-3g are the judges.

use super::*;
use crate::adapt::fat::tests::{patched, tool, volume_with};
use crate::ntfs_volume;
use around::{Bios, Part};
use disk::MemDisk;
use std::path::Path;
use windows::ids::PartitionId;

const FALLBACK: &str = "/EFI/BOOT/BOOTX64.EFI";
const RESUME: &str = "Objects\\{9dea862c-5cdd-4e70-acc1-f32b344d4795}\\Elements\\26000005";
/// Where the store `BCDvm` says that Windows is.
const VM: PartitionId = PartitionId::Mbr {
    signature: 0x9B2A_2D4F,
    offset: 0x10_0000,
};

/// A store that wakes Windows.
fn asleep(name: &str) -> Vec<u8> {
    let bytes = ntfs_volume::hive(&format!("bcd/{name}"));
    let mut edit = Hive::open(bytes, &[])
        .unwrap()
        .0
        .edit(super::super::windows::now())
        .unwrap();
    edit.create_key(RESUME).unwrap();
    edit.set_value(RESUME, "Element", hive::ValueType::BINARY, &[1])
        .unwrap();
    edit.finish().unwrap()
}

fn wakes(bytes: Vec<u8>) -> bool {
    let hive = Hive::open(bytes, &[]).unwrap().0;
    hive.find(RESUME).unwrap().is_some()
}

fn program(len: usize) -> Vec<u8> {
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3C, 0);
    bytes.extend([0x40, 0, 0, 0]);
    bytes.extend(b"PE\0\0\x64\x86");
    bytes.extend((bytes.len()..len).map(|at| (at / 3) as u8));
    bytes
}

fn esp(megabytes: u64, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    volume_with(("16", megabytes, "1"), files)
}

fn around() -> Around {
    Around {
        here: (0, 1),
        is_esp: true,
        ..Around::default()
    }
}

fn planned(bytes: &[u8], kind: Kind, around: &Around) -> Adaptation {
    plan_volume(Arc::new(MemDisk::new(bytes.to_vec())), kind, around).unwrap()
}

/// A file by mtools, of a volume that fsck.fat finds clean.
fn on_esp(bytes: &[u8], path: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("fat");
    std::fs::write(&image, bytes).unwrap();
    let image = image.to_str().unwrap();
    tool("fsck.fat", &["-n", image]);
    tool("mtype", &["-i", image, &format!("::{path}")])
}

#[test]
fn host_an_esp_gets_its_fallback_and_no_longer_wakes_windows() {
    let store = asleep("uefi-gpt-10");
    let files = [(UEFI, store.clone()), (fallback::LOADER, program(500_000))];
    let before = esp(16, &files);
    let told = planned(&before, Kind::Fat, &around());
    let [delete, write] = told.edits.as_slice() else {
        panic!("{told:?}");
    };
    assert!(
        delete.starts_with(&format!("delete [\\{RESUME}")),
        "{delete}"
    );
    assert!(write.starts_with(&format!("write {FALLBACK}: ")), "{write}");
    assert_eq!((told.lines.len(), told.refusals.len()), (2, 0));
    let after = patched(before, &told.patches);
    assert!(on_esp(&after, FALLBACK) == files[1].1);
    let new = on_esp(&after, UEFI);
    assert_eq!((new.len(), wakes(new)), (store.len(), false));
    let again = planned(&after, Kind::Fat, &around());
    assert!(
        again.patches.is_empty() && again.edits.is_empty(),
        "{again:?}"
    );
}

#[test]
fn host_without_room_the_store_changes_all_the_same() {
    let files = [
        (UEFI, asleep("uefi-gpt-10")),
        (fallback::LOADER, program(2_900_000)),
    ];
    let before = esp(5, &files);
    let told = planned(&before, Kind::Fat, &around());
    let warnings = told.warnings.join("\n");
    assert!(
        warnings.contains("no room") && warnings.contains(fallback::LOADER),
        "{warnings}"
    );
    let after = patched(before, &told.patches);
    assert!(!wakes(on_esp(&after, UEFI)));
    assert!(on_esp(&after, fallback::LOADER) == files[1].1);
}

#[test]
fn host_only_what_is_windows_own_is_put_there() {
    let other = b"another loader".to_vec();
    for files in [
        vec![("/EFI/debian/shimx64.efi", program(5000))],
        vec![
            (fallback::LOADER, program(5000)),
            ("/efi/boot/bootx64.efi", other),
        ],
    ] {
        let told = planned(&esp(5, &files), Kind::Fat, &around());
        assert_eq!(told, Adaptation::default());
    }
    let files = [(fallback::LOADER, vec![0; 5000])];
    let told = planned(&esp(5, &files), Kind::Fat, &around());
    assert!(told.warnings[0].contains("is no program"), "{told:?}");
    let files = [
        (UEFI, b"no hive".to_vec()),
        (fallback::LOADER, program(5000)),
    ];
    let told = planned(&esp(5, &files), Kind::Fat, &around());
    assert!(
        told.warnings[0].contains("stays as it was captured"),
        "{told:?}"
    );
    assert_eq!(told.edits.len(), 1);
}

fn ntfs(store: Vec<u8>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (root, disk) = (folder.path().join("root"), folder.path().join("disk.raw"));
    std::fs::create_dir_all(root.join("Boot")).unwrap();
    std::fs::write(root.join("Boot/BCD"), store).unwrap();
    ntfs_volume::volume(&root, &disk, 8);
    std::fs::read(disk).unwrap()
}

fn on_ntfs_volume(bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let image: &Path = &folder.path().join("ntfs");
    std::fs::write(image, bytes).unwrap();
    tool("ntfscat", &["-f", image.to_str().unwrap(), "/Boot/BCD"])
}

#[test]
fn host_the_store_of_a_bios_is_changed_in_place() {
    let mut before = ntfs(asleep("BCDvm"));
    before[0x1C..0x20].copy_from_slice(&2048_u32.to_le_bytes());
    let good = Bios {
        has_code: true,
        active: Some(1),
        start: 2048,
    };
    let with = |bios: Bios| Around {
        parts: vec![Part::new(0, 1, VM, true)],
        is_esp: false,
        bios: Some(bios),
        ..around()
    };
    let told = planned(&before, Kind::Ntfs, &with(good.clone()));
    assert!(told.edits[0].contains("] of /Boot/BCD: "), "{told:?}");
    let after = patched(before.clone(), &told.patches);
    assert!(!wakes(on_ntfs_volume(&after)));
    let again = planned(&after, Kind::Ntfs, &with(good.clone()));
    assert!(
        again.patches.is_empty() && again.edits.is_empty(),
        "{again:?}"
    );
    for (bios, words) in [
        (
            Bios {
                has_code: false,
                ..good.clone()
            },
            "no boot code",
        ),
        (
            Bios {
                active: None,
                ..good.clone()
            },
            "No partition of the disk is active",
        ),
        (
            Bios {
                start: 63,
                ..good.clone()
            },
            "begins at sector 2048 of the disk, but it begins at 63",
        ),
    ] {
        let count = told.warnings.len();
        let told = planned(&before, Kind::Ntfs, &with(bios));
        assert_eq!(told.warnings.len(), count + 1, "{told:?}");
        assert!(told.warnings[0].contains(words), "{told:?}");
    }
}
