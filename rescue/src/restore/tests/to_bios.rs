//! A disk that is made to start by a BIOS: GRUB's core is whole when the disk becomes
//! bootable, whenever the power went.

use std::time::Duration;

use disk::{BiosBoot, Table, WriteRole, add_bios_boot, bios_boot_places, read_table};
use uuid::Uuid;

use super::flaky::{Cut, cut_off};
use super::*;
use crate::firmware::{Becomes, Starter, ToBios};
use crate::restore::answers::{Answers, Here, Verdict};
use crate::restore::convert::withhold_for_bios;
use crate::restore::plan::digest;

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// In front of the partitions, or behind them.
fn to_bios(sample: &Sample, target_size: u64, behind: bool) -> (Table, ToBios) {
    let source = sample.repository.read_at(sample.disk()).unwrap();
    let table = read_table(&source, sample.sector).unwrap();
    let mut places = bios_boot_places(&table, target_size, 512 * KIB);
    let place = match behind {
        true => places.pop().unwrap(),
        false => places.remove(0),
    };
    assert_eq!(place.start > MIB, behind);
    let made = add_bios_boot(&table, &source, target_size, place, Uuid::from_u128(7));
    let mut made: BiosBoot = made.unwrap();
    let mut writes = made.layout.writes.iter_mut();
    let mbr = writes.find(|write| write.role == WriteRole::Mbr).unwrap();
    mbr.bytes[..440].fill(0x90);
    let made = ToBios {
        content: (0..place.len).map(|at| (at % 251) as u8 | 1).collect(),
        disk_id: String::new(),
        lines: Vec::new(),
        edits: Vec::new(),
        warnings: Vec::new(),
        made,
    };
    (table, made)
}

fn planned(sample: &Sample, target: &Disk, behind: bool) -> Plan {
    let mut plan = sample.plan(target, &verified()).unwrap();
    plan.checkpoint_every = Duration::from_micros(100);
    let source = sample.repository.read_at(sample.disk()).unwrap();
    let (table, to_bios) = to_bios(sample, target.size, behind);
    plan.withheld = withhold_for_bios(&source, &table, &to_bios).unwrap();
    plan.becomes = Becomes::Bios(Box::new(to_bios));
    plan
}

fn has_core(path: &Path, to_bios: &ToBios) -> bool {
    let mut found = vec![0; to_bios.content.len()];
    let file = File::open(path).unwrap();
    file.read_exact_at(&mut found, to_bios.made.extent.start)
        .unwrap();
    found == to_bios.content && head(path)[..440] == [0x90; 440]
}

fn assert_made(path: &Path, sample: &Sample, behind: bool) {
    let size = fs::metadata(path).unwrap().len();
    let (_, to_bios) = to_bios(sample, size, behind);
    assert!(has_core(path, &to_bios));
    let device = disk::MemDisk::new(fs::read(path).unwrap());
    let table = read_table(&device, sample.sector).unwrap();
    assert_eq!(table, to_bios.made.table);
    let writes = to_bios.made.layout.writes.iter();
    let except = writes.map(disk::TableWrite::extent);
    let except: Vec<Extent> = except.chain([to_bios.made.extent]).collect();
    sample.assert_restored(path, &except);
}

fn sample() -> Sample {
    Sample::of(disks::gpt(), SectorSize::B512)
}

#[test]
fn the_core_is_where_nothing_was_and_everything_else_is_as_it_was() {
    let sample = sample();
    for behind in [false, true] {
        let target = sample.target(sample.size() + 4 * MIB);
        let report = execute(planned(&sample, &target, behind), &Silent).unwrap();
        assert_eq!(report.checked, Checked::ReadBack);
        assert_made(&target.path, &sample, behind);
    }
}

#[test]
fn a_power_cut_at_any_moment_leaves_the_core_whole_or_a_disk_that_does_not_boot() {
    let sample = sample();
    for behind in [false, true] {
        let mut cuts = 0;
        for at in 1.. {
            let target = sample.target(sample.size() + 4 * MIB);
            if !cut_off(planned(&sample, &target, behind), Cut::Activate(at)) {
                break;
            }
            cuts += 1;
            let path = path_of(&target);
            let (_, to_bios) = to_bios(&sample, target.size, behind);
            // (What a BIOS starts is sector 0, the last one.)
            if head(&path)[510..512] == [0x55, 0xaa] {
                assert!(has_core(&path, &to_bios), "{at}");
            }
            assert!(!cut_off(planned(&sample, &target, behind), Cut::Never));
            assert_made(&path, &sample, behind);
        }
        assert!(cuts > 4, "{cuts}");
    }
}

#[test]
fn a_restore_for_a_bios_is_another_one() {
    let sample = sample();
    let size = sample.size() + 4 * MIB;
    let none = crate::adapt::Adaptation::default();
    let digest = |becomes: &Becomes| {
        let (repository, disk) = (&sample.repository, sample.disk());
        digest(repository, &sample.image, disk, size, &none, becomes)
    };
    let of = |behind| Becomes::Bios(Box::new(to_bios(&sample, size, behind).1));
    let all = [Becomes::Same, of(false), of(true)].map(|becomes| digest(&becomes));
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
}

/// On a machine that a BIOS started.
#[test]
fn the_report_says_that_it_starts() {
    let sample = sample();
    let target = sample.target(sample.size() + 4 * MIB);
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("sys")).unwrap();
    let captured = image::Machine {
        firmware: Some("uefi".to_owned()),
        ..image::Machine::default()
    };
    let mut plan = planned(&sample, &target, false);
    plan.here = Here::beside(root.path(), &captured);
    let told = Answers::new(&plan, None, &[]).will_boot;
    assert_ne!(told.verdict, Verdict::No, "{told:?}");
    let words = "made to start by a BIOS; UEFI starts it as before";
    assert!(told.lines.join(" ").contains(words), "{told:?}");
    plan.becomes = Becomes::Same;
    plan.only = Some(Starter::Uefi);
    let told = Answers::new(&plan, None, &[]).will_boot;
    assert_eq!(told.verdict, Verdict::No);
}
