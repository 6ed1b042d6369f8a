//! Whole restores: what comes back is what was there.

use super::*;
use crate::restore::withheld::HEAD;

fn carried(sample: &Sample, target: &Disk) -> bool {
    already_carries(&sample.repository, sample.disk(), target).unwrap() == Carried::Yes
}

#[test]
fn an_mbr_disk_comes_back_bit_by_bit() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    assert!(
        sample.kinds().iter().all(|bytes| *bytes > 0),
        "{:?}",
        sample.kinds()
    );
    let target = sample.target(sample.size());
    let report = sample.restore(&target, &verified());
    sample.assert_restored(&target.path, &[]);
    assert_eq!(report.checked, Checked::ReadBack);
    let [data, zero, _] = sample.kinds();
    assert_eq!(report.handled_bytes, data + zero);
    assert!(!report.resumed);
}

#[test]
fn free_space_is_left_as_it_was() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    sample.restore(&target, &Options::default());
    let all = fs::read(&target.path).unwrap();
    // The middle of the swap partition.
    assert!(all[9 << 20..10 << 20].iter().all(|b| *b == 0xa5));
}

#[test]
fn a_gpt_disk_comes_back_on_one_of_the_same_size() {
    let sample = Sample::of(disks::gpt(), SectorSize::B512);
    let target = sample.target(sample.size());
    sample.restore(&target, &verified());
    sample.assert_restored(&target.path, &[]);
    assert!(carried(&sample, &target));
}

#[test]
fn a_larger_disk_gets_its_backup_table_at_its_own_end() {
    let sample = Sample::of(disks::gpt(), SectorSize::B512);
    let target = sample.target(sample.size() + (9 << 20));
    let report = sample.restore(&target, &verified());
    assert_eq!(report.changes.len(), 1, "{:?}", report.changes);
    let table_head = Extent {
        start: 0,
        len: 34 * 512,
    };
    let old_backup = Extent {
        start: sample.size() - 33 * 512,
        len: 33 * 512,
    };
    sample.assert_restored(&target.path, &[table_head, old_backup]);
    let device = target.open().unwrap();
    let table = disk::read_table(&device, SectorSize::B512).unwrap();
    assert_eq!(
        (table.partitions.len(), table.notes.len()),
        (3, 0),
        "{table:?}"
    );
    let end = fs::read(&target.path).unwrap();
    assert!(end[end.len() - 512..].starts_with(b"EFI PART"));
    assert!(carried(&sample, &target));
}

#[test]
fn a_larger_disk_loses_the_old_system_at_its_end() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size() + (3 << 20));
    sample.restore(&target, &verified());
    sample.assert_restored(&target.path, &[]);
    let all = fs::read(&target.path).unwrap();
    assert!(all[all.len() - (1 << 20)..].iter().all(|b| *b == 0));
}

#[test]
fn disks_without_a_table_come_back_whatever_their_size() {
    for len in [4096, 8192, 100 * 512, 1 << 20, (1 << 20) + 512, 3_000_320] {
        for sector in [SectorSize::B512, SectorSize::B4096] {
            let len = len / sector.bytes() * sector.bytes();
            let bytes = disks::bare(usize::try_from(len).unwrap());
            let sample = Sample::of(bytes, sector);
            let target = sample.target(sample.size());
            sample.restore(&target, &verified());
            sample.assert_restored(&target.path, &[]);
        }
    }
}

#[test]
fn a_disk_whose_table_cannot_be_used_comes_back_as_it_was() {
    let mut source = disks::mbr();
    // The first partition reaches into the second.
    let sectors = u32::try_from((8 << 20) / 512).unwrap();
    source[446 + 12..446 + 16].copy_from_slice(&sectors.to_le_bytes());
    let sample = Sample::of(source, SectorSize::B512);
    assert_eq!(sample.disk().table, image::TableKind::None);
    assert_eq!(sample.disk().notes.len(), 1);
    for larger in [0, 3 << 20] {
        let target = sample.target(sample.size() + larger);
        let plan = sample.plan(&target, &verified()).unwrap();
        let told = plan.summary().warnings.join(" ");
        assert!(told.contains("cannot be used"), "{told}");
        execute(plan, &Silent).unwrap();
        let all = fs::read(&target.path).unwrap();
        assert!(all[..sample.source.len()] == sample.source[..]);
    }
}

#[test]
fn a_backup_table_nobody_can_read_appears_at_the_end_only() {
    let mut source = disks::gpt();
    // Both headers are there and neither is right.
    let backup = source.len() - 512;
    source[512 + 16] ^= 1;
    source[backup + 16] ^= 1;
    let sample = Sample::of(source, SectorSize::B512);
    let target = sample.target(sample.size());
    let armed = sample.plan(&target, &verified()).unwrap().arm(&Silent);
    let written = armed.unwrap().write(&Silent).unwrap();
    let all = fs::read(&target.path).unwrap();
    assert!(all[backup..].iter().all(|byte| *byte == 0));
    written
        .verify(&Silent)
        .unwrap()
        .adapt(&Silent)
        .unwrap()
        .activate(&Silent)
        .unwrap();
    assert!(fs::read(&target.path).unwrap() == sample.source);
}

#[test]
fn the_journal_is_gone_when_the_restore_is_done() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    sample.restore(&target, &Options::default());
    let found = Journal::find(&target.open().unwrap()).unwrap();
    assert_eq!(found, None);
    let all = fs::read(&target.path).unwrap();
    assert_eq!(all[..HEAD as usize], sample.source[..HEAD as usize]);
}

#[test]
fn a_plan_writes_nothing_and_says_what_is_lost() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    let before = fs::read(&target.path).unwrap();
    let plan = sample.plan(&target, &verified()).unwrap();
    let text = plan.to_string();
    for part in ["ALL DATA ON IT WILL BE LOST", "sample", "swap", "read back"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!plan.summary().already_carries);
    assert_eq!(plan.summary().partitions.len(), 3);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["partitions"][1]["filesystem"], "swap");
    assert_eq!(fs::read(&target.path).unwrap(), before);
}

#[test]
fn a_machine_that_ran_since_is_still_recognised() {
    let sample = Sample::of(disks::mbr(), SectorSize::B512);
    let target = sample.target(sample.size());
    assert!(!carried(&sample, &target));
    sample.restore(&target, &Options::default());
    let file = File::options().write(true).open(&target.path).unwrap();
    file.write_all_at(b"the machine ran", 8 << 20).unwrap();
    assert!(carried(&sample, &target));
    let again = sample.plan(&target, &Options::default()).unwrap();
    assert!(again.summary().already_carries);
}
