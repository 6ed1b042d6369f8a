//! A machine that was restored and ran is not restored again.

use super::*;

fn carried(sample: &Sample, target: &Disk) -> Carried {
    already_carries(&sample.repository, sample.disk(), target).unwrap()
}

fn restored(source: Vec<u8>) -> (Sample, Disk, File) {
    let sample = Sample::of(source, SectorSize::B512);
    let target = sample.target(sample.size());
    sample.restore(&target, &Options::default());
    let file = File::options().read(true).write(true).open(&target.path);
    (sample, target, file.unwrap())
}

/// A swap over the whole disk, with a UUID.
fn bare_swap() -> Vec<u8> {
    let mut bytes = disks::swap(3, 4 << 20);
    bytes[0x40c..0x41c].copy_from_slice(&[7; 16]);
    bytes
}

#[test]
fn a_partition_that_grew_since_changes_nothing() {
    let (sample, target, file) = restored(disks::mbr());
    assert_eq!(carried(&sample, &target), Carried::Yes);
    // The first partition's length.
    file.write_all_at(&[9, 0, 0, 0], 446 + 12).unwrap();
    assert_eq!(carried(&sample, &target), Carried::Yes);
    file.write_all_at(&[9; 4], 440).unwrap();
    assert_eq!(carried(&sample, &target), Carried::No);
}

#[test]
fn a_gpt_is_known_by_its_guid_whatever_its_partitions() {
    let (sample, target, _) = restored(disks::gpt());
    let deleted = std::process::Command::new("sgdisk")
        .args(["-d3"])
        .arg(&target.path)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .expect("this test needs sgdisk: install the package gdisk");
    assert!(deleted.status.success(), "{deleted:?}");
    assert_eq!(carried(&sample, &target), Carried::Yes);
}

#[test]
fn a_gpt_without_its_sector_0_is_an_unfinished_restore() {
    let (sample, target, file) = restored(disks::gpt());
    file.write_all_at(&[0; 512], 0).unwrap();
    assert_eq!(carried(&sample, &target), Carried::No);
}

#[test]
fn without_a_table_the_filesystem_tells() {
    let (sample, target, file) = restored(bare_swap());
    assert_eq!(carried(&sample, &target), Carried::Yes);
    file.write_all_at(b"the machine ran", 3 << 20).unwrap();
    assert_eq!(carried(&sample, &target), Carried::Yes);
    file.write_all_at(&[8; 16], 0x40c).unwrap();
    assert_eq!(carried(&sample, &target), Carried::No);
}

#[test]
fn an_mbr_without_signature_is_known_by_its_filesystems() {
    let mut source = disks::mbr();
    source[440..444].fill(0);
    source[(7 << 20) + 0x40c..][..16].copy_from_slice(&[7; 16]);
    let (sample, target, file) = restored(source);
    assert_eq!(carried(&sample, &target), Carried::Yes);
    // Windows gives a disk without a signature one.
    file.write_all_at(&[9; 4], 440).unwrap();
    assert_eq!(carried(&sample, &target), Carried::Yes);
    file.write_all_at(&[8; 16], (7 << 20) + 0x40c).unwrap();
    assert_eq!(carried(&sample, &target), Carried::No);
}

#[test]
fn an_image_without_any_identity_is_never_called_absent() {
    let (sample, target, file) = restored(disks::bare(3 << 20));
    assert_eq!(carried(&sample, &target), Carried::Yes);
    file.write_all_at(b"the machine ran", 100).unwrap();
    assert_eq!(carried(&sample, &target), Carried::Unknown);
    file.write_all_at(&[0; 1 << 20], 0).unwrap();
    assert_eq!(carried(&sample, &target), Carried::No);
}
