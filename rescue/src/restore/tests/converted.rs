//! A disk that is converted for UEFI: its EFI system partition is whole when the disk
//! becomes bootable, whenever the power went.

use std::time::Duration;

use disk::{Table, ToGpt, WriteRole, read_table, to_gpt};
use uuid::Uuid;

use super::flaky::{Cut, cut_off};
use super::*;
use crate::firmware::{self, Becomes, Case, Conversion, EspImage, Firmware, NewNames, Stays};
use crate::inventory::{Hardware, StartedBy};
use crate::restore::answers::{Answers, Here, Verdict};
use crate::restore::convert::withhold_with;
use crate::restore::plan::digest;

const MIB: u64 = 1 << 20;

fn conversion(sample: &Sample, target_size: u64, reuse: Option<u32>) -> Conversion {
    let source = sample.repository.read_at(sample.disk()).unwrap();
    let table = read_table(&source, sample.sector).unwrap();
    let guid = |at: Option<u64>| Uuid::from_u128(u128::from(at.unwrap_or(7)) << 64 | 0xabc);
    let wanted = ToGpt {
        reuse,
        esp_size: MIB,
        logical: false,
        guid: &guid,
    };
    let converted = to_gpt(&table, &source, target_size, &wanted).unwrap();
    let extent = converted.esp_extent;
    let names = NewNames::new(&table, &converted).unwrap();
    let pieces = vec![
        (extent.start, vec![0x5a; 8192]),
        (extent.end() - 4096, vec![0x5b; 4096]),
    ];
    Conversion {
        converted,
        names,
        esp: EspImage { extent, pieces },
        entry: "\"x\"".to_owned(),
        lines: vec!["it is converted".to_owned()],
        edits: Vec::new(),
        warnings: Vec::new(),
    }
}

fn planned(sample: &Sample, target: &Disk, reuse: Option<u32>) -> Plan {
    let mut plan = sample.plan(target, &verified()).unwrap();
    plan.checkpoint_every = Duration::from_micros(100);
    let source = sample.repository.read_at(sample.disk()).unwrap();
    let table = read_table(&source, sample.sector).unwrap();
    let conversion = conversion(sample, target.size, reuse);
    plan.withheld = withhold_with(&source, &table, &conversion).unwrap();
    plan.becomes = Becomes::Uefi(Box::new(conversion));
    plan
}

/// The ESP is there, bit by bit, zeros too.
fn has_esp(path: &Path, conversion: &Conversion) -> bool {
    let esp = &conversion.esp;
    let mut expected = vec![0; usize::try_from(esp.extent.len).unwrap()];
    for (at, bytes) in &esp.pieces {
        let at = usize::try_from(at - esp.extent.start).unwrap();
        expected[at..at + bytes.len()].copy_from_slice(bytes);
    }
    let mut found = vec![0xff; expected.len()];
    let file = File::open(path).unwrap();
    file.read_exact_at(&mut found, esp.extent.start).unwrap();
    found == expected
}

fn assert_converted(path: &Path, sample: &Sample, reuse: Option<u32>) {
    let size = fs::metadata(path).unwrap().len();
    let conversion = conversion(sample, size, reuse);
    assert!(has_esp(path, &conversion));
    let device = disk::MemDisk::new(fs::read(path).unwrap());
    let table = read_table(&device, sample.sector).unwrap();
    assert_eq!(table, conversion.converted.table);
    let writes = conversion.converted.layout.writes.iter();
    let except = writes.map(disk::TableWrite::extent);
    let except: Vec<Extent> = except.chain([conversion.esp.extent]).collect();
    sample.assert_restored(path, &except);
}

/// The report of a disk that a BIOS started, on a machine that UEFI starts.
#[test]
fn a_converted_disk_is_not_said_to_want_a_bios() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    let target = sample.target(sample.size() + 4 * MIB);
    let mut plan = planned(&sample, &target, None);
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("sys/firmware/efi")).unwrap();
    let captured = image::Machine {
        firmware: Some("bios".to_owned()),
        ..image::Machine::default()
    };
    plan.here = Here::beside(root.path(), &captured);
    let boots = |plan: &Plan| Answers::new(plan, None, &[]).will_boot;
    let told = boots(&plan);
    assert!(told.lines.join(" ").contains("was converted"), "{told:?}");
    assert_eq!(told.verdict, Verdict::Unknown);
    plan.becomes = Becomes::Same;
    assert_eq!(boots(&plan).verdict, Verdict::No);
    // What is said of the captured machine, or not, does not make it start.
    for by in [None, Some("uefi")] {
        let captured = image::Machine {
            firmware: by.map(str::to_owned),
            ..image::Machine::default()
        };
        plan.here = Here::beside(root.path(), &captured);
        plan.families = vec!["windows".to_owned()];
        let told = boots(&plan);
        assert_eq!(told.verdict, Verdict::No, "{by:?}: {told:?}");
        assert!(
            told.lines.join(" ").contains("a BIOS starts this disk"),
            "{told:?}"
        );
        plan.families = Vec::new();
        assert_eq!(boots(&plan).verdict, Verdict::Unknown, "a disk of data");
    }
}

/// The report of a disk that UEFI alone starts, on a machine that a BIOS started.
#[test]
fn a_disk_for_uefi_is_said_not_to_start_by_a_bios() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    let target = sample.target(sample.size());
    let mut plan = sample.plan(&target, &verified()).unwrap();
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("sys")).unwrap();
    plan.here = Here::beside(root.path(), &image::Machine::default());
    let verdict = |plan: &Plan| Answers::new(plan, None, &[]).will_boot.verdict;
    assert_eq!(verdict(&plan), Verdict::Unknown);
    assert_eq!(plan.here.does_not_start(plan.only), None);
    plan.only = Some(firmware::Starter::Uefi);
    assert_eq!(verdict(&plan), Verdict::No);
    let warning = plan.here.does_not_start(plan.only).unwrap();
    assert!(warning.contains("will not start here"), "{warning}");
    fs::create_dir_all(root.path().join("sys/firmware/efi")).unwrap();
    plan.here = Here::beside(root.path(), &image::Machine::default());
    assert_eq!(verdict(&plan), Verdict::Unknown);
    assert_eq!(plan.here.does_not_start(plan.only), None);
}

/// What has modules and an initramfs, and no kernel, starts nowhere.
#[test]
fn a_disk_without_a_kernel_is_not_said_to_start() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    let target = sample.target(sample.size());
    let mut plan = sample.plan(&target, &verified()).unwrap();
    let boots = |plan: &Plan| Answers::new(plan, None, &[]).will_boot;
    plan.adaptation.boots = vec!["kernel 6.1 has what its disk needs here.".to_owned()];
    assert_eq!(boots(&plan).verdict, Verdict::Yes);
    let why = "Debian on partition 1: /boot has no kernel";
    plan.adaptation.kernels_gone = vec![why.to_owned()];
    // (The other system starts.)
    assert_eq!(boots(&plan).verdict, Verdict::Unknown);
    plan.adaptation.boots.clear();
    let told = boots(&plan);
    assert_eq!(told.verdict, Verdict::No);
    assert_eq!(told.lines[0], why);
    assert!(
        !told.lines.join(" ").contains("like that it comes from"),
        "{told:?}"
    );
}

/// A disk that a BIOS starts and that stays so, on a machine that UEFI started.
#[test]
fn a_disk_that_is_kept_for_a_bios_is_said_to_need_one() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    let source: Arc<dyn disk::ReadAt> = Arc::new(sample.repository.read_at(sample.disk()).unwrap());
    let table = read_table(&source, sample.sector).unwrap();
    let mut manifest = sample.repository.image("latest").unwrap().manifest;
    let mut disk = sample.disk().clone();
    let told = |manifest: &image::Manifest, disk: &image::DiskImage, firmware, by| {
        let case = Case {
            source: &source,
            manifest,
            disk,
            table: &table,
            target_size: sample.size(),
            passphrases: &Default::default(),
            grub: None,
        };
        let hardware = Hardware {
            started_by: Some(by),
            ..Hardware::default()
        };
        firmware::kept(&case, firmware, &hardware)
    };
    let (keep, uefi) = (Firmware::Keep, StartedBy::Uefi);
    assert_eq!(told(&manifest, &disk, keep, uefi), None, "a disk of data");
    manifest.systems = vec![image::System {
        disk: 0,
        partition: 1,
        family: "windows".to_owned(),
        name: None,
        hostname: None,
        identity: Default::default(),
    }];
    let warning = told(&manifest, &disk, keep, uefi).unwrap();
    assert!(warning.contains("set to BIOS"), "{warning}");
    assert_eq!(told(&manifest, &disk, keep, StartedBy::Bios), None);
    let asked = Firmware::Uefi { asked: true };
    assert_eq!(told(&manifest, &disk, asked, uefi), None);
    // A Windows that nobody can see.
    manifest.systems.clear();
    let fs = disk.regions.iter_mut().find_map(|r| r.fs.as_mut());
    fs.unwrap().kind = "bitlocker".to_owned();
    assert!(told(&manifest, &disk, keep, uefi).is_some());
    let case = Case {
        source: &source,
        manifest: &manifest,
        disk: &disk,
        table: &table,
        target_size: sample.size(),
        passphrases: &Default::default(),
        grub: None,
    };
    let stays = firmware::stays(&case, Firmware::Uefi { asked: false });
    assert!(
        matches!(&stays, Stays::Told(why) if why.contains("BitLocker")),
        "{stays:?}"
    );
}

/// Only a disk that nothing speaks against is converted without being asked for.
#[test]
fn a_disk_that_starts_something_else_too_is_not_converted_by_itself() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    let source: Arc<dyn disk::ReadAt> = Arc::new(sample.repository.read_at(sample.disk()).unwrap());
    let table = read_table(&source, sample.sector).unwrap();
    let system = |family: &str, name: &str| image::System {
        disk: 0,
        partition: 1,
        family: family.to_owned(),
        name: Some(name.to_owned()),
        hostname: None,
        identity: Default::default(),
    };
    let stays = |table: &disk::Table, systems: Vec<image::System>, by: &str, asked| {
        let mut manifest = sample.repository.image("latest").unwrap().manifest;
        manifest.systems = systems;
        manifest.machine.firmware = Some(by.to_owned());
        let case = Case {
            source: &source,
            manifest: &manifest,
            disk: sample.disk(),
            table,
            target_size: sample.size(),
            passphrases: &Default::default(),
            grub: None,
        };
        firmware::stays(&case, Firmware::Uefi { asked })
    };
    let ten = || system("windows", "Windows 10 Pro");
    let plain = Table {
        partitions: Vec::new(),
        ..table.clone()
    };
    assert_eq!(stays(&plain, vec![ten()], "bios", false), Stays::No);
    assert_eq!(stays(&plain, Vec::new(), "bios", false), Stays::Silently);
    let told = |stays| matches!(stays, Stays::Told(why) if why.contains("--firmware uefi"));
    assert!(told(stays(&plain, vec![ten()], "uefi", false)));
    let seven = system("windows", "Windows 7 Professional");
    assert!(told(stays(&plain, vec![seven], "bios", false)));
    let both = || vec![ten(), system("linux", "Debian")];
    assert!(told(stays(&plain, both(), "bios", false)));
    let mut linux = table.clone();
    for kind in ["0x83", "0x8e", "0xe8"] {
        linux.partitions[0].type_id = kind.to_owned();
        assert!(told(stays(&linux, vec![ten()], "bios", false)), "{kind}");
    }
    assert_eq!(stays(&linux, both(), "uefi", true), Stays::No);
    // One Linux and nothing else is converted.
    let debian = || system("linux", "Debian");
    assert_eq!(stays(&linux, vec![debian()], "bios", false), Stays::No);
    assert!(told(stays(&linux, vec![debian(), debian()], "bios", false)));
    assert!(told(stays(&linux, vec![debian()], "uefi", false)));
    linux.partitions[0].type_id = "0xa5".to_owned();
    assert!(told(stays(&linux, vec![debian()], "bios", false)));
}

#[test]
fn the_esp_takes_the_place_of_what_the_image_has_there() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    for (more, reuse) in [(0, Some(2)), (4 * MIB, None)] {
        let target = sample.target(sample.size() + more);
        let plan = planned(&sample, &target, reuse);
        let report = execute(plan, &Silent).unwrap();
        assert_eq!(report.checked, Checked::ReadBack);
        assert_converted(&target.path, &sample, reuse);
    }
}

/// Cuts the power and restores again; whether the journal was still there. `None` when
/// the restore ended before the cut.
fn survives(sample: &Sample, reuse: Option<u32>, when: Cut) -> Option<bool> {
    let more = if reuse.is_some() { 0 } else { 4 * MIB };
    let target = sample.target(sample.size() + more);
    if !cut_off(planned(sample, &target, reuse), when) {
        return None;
    }
    let path = path_of(&target);
    let untouched = head(&path) == [0xa5; 1024];
    if !untouched && pretends_to_boot(&path) {
        let conversion = conversion(sample, target.size, reuse);
        assert!(has_esp(&path, &conversion), "{when:?}");
    }
    let resumes = planned(sample, &target, reuse).summary.resumes_at.is_some();
    assert!(!cut_off(planned(sample, &target, reuse), Cut::Never));
    assert_converted(&path, sample, reuse);
    Some(resumes)
}

#[test]
fn a_power_cut_at_any_moment_leaves_the_esp_whole_or_a_disk_that_does_not_boot() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    for reuse in [Some(2), None] {
        // (How many there are before depends on the time it takes.)
        let cuts = (1..).step_by(17);
        let cuts = cuts.map_while(|at| survives(&sample, reuse, Cut::Restore(at)));
        assert!(cuts.count() > 2);
        let cuts = (1..).map_while(|at| survives(&sample, reuse, Cut::Adapt(at)));
        let resumed: Vec<bool> = cuts.collect();
        // Clearing, two pieces, flushing: always gone on from.
        assert!(
            resumed.len() > 4 && resumed[..4] == [true; 4],
            "{resumed:?}"
        );
        let cuts = (1..).map_while(|at| survives(&sample, reuse, Cut::Activate(at)));
        assert!(cuts.count() > 4);
    }
}

#[test]
fn a_restore_that_is_not_converted_does_not_resume_one_that_is() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    let (size, none) = (sample.size() + 4 * MIB, crate::adapt::Adaptation::default());
    let digest = |becomes: &Becomes| {
        let (repository, disk) = (&sample.repository, sample.disk());
        digest(repository, &sample.image, disk, size, &none, becomes)
    };
    let of = |reuse| Becomes::Uefi(Box::new(conversion(&sample, size, reuse)));
    let all = [Becomes::Same, of(None), of(Some(2))].map(|becomes| digest(&becomes));
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
}

#[test]
fn nothing_of_the_table_is_on_the_disk_before_all_else() {
    let sample = Sample::of(disks::mbr_with_room(), SectorSize::B512);
    let target = sample.target(sample.size());
    let plan = planned(&sample, &target, Some(2));
    let last = plan.withheld.steps.last().unwrap();
    assert_eq!((last.what, last.writes[0].0), ("sector 0", 0));
    let layout = &plan.becomes.conversion().unwrap().converted.layout;
    let mbr = layout.writes.iter().find(|w| w.role == WriteRole::Mbr);
    assert_eq!(last.writes[0].1, mbr.unwrap().bytes);
}
