//! A Windows that a BIOS started, restored for a machine that starts by UEFI. The
//! disks are phony ones with genuine hives and boot stores, and the checker is none of
//! our code.

use anyhow::{Result, ensure};
use hive::{FileTime, Hive, ValueType, sz};
use qemu::{Bus, Disk, Firmware as Starts, Machine, Nic, NicModel};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use tests::phony::{Asked, Captured, Firmware, NVME, check, check_uefi, fact, make_with};
use tests::rescue::{capture, code};
use tests::{Unattended, Web, is_left_out};

const MIB: u64 = 1 << 20;

fn captured(firmware: Firmware) -> Result<Captured> {
    captured_with(firmware, |_| Ok(()))
}

fn captured_with(firmware: Firmware, change: impl FnOnce(&Path) -> Result<()>) -> Result<Captured> {
    Captured::of(|disk| make_with(disk, firmware, false, change))
}

fn text(value: &Value) -> String {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

/// The keys of `SYSTEM` that a plan says it changes.
fn keys(plan: &Value) -> Vec<String> {
    let edits = text(&plan["adapt_edits"]);
    let edits = edits.lines().filter(|edit| !edit.contains(": boot store:"));
    let keys = edits.filter_map(|edit| Some(edit.split_once("[\\")?.1.split_once(']')?.0));
    keys.map(str::to_owned).collect()
}

/// Nothing is wrong with `after`, for UEFI and a machine with NVMe.
fn judge(captured: &Captured, after: &Path, plan: &Value) -> Result<()> {
    let keys = keys(plan);
    ensure!(keys.iter().any(|key| key == "MountedDevices"), "{keys:?}");
    let allow: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asked = Asked {
        allow: &allow,
        boot: &["stornvme", "disk", "partmgr"],
    };
    let wrong = check_uefi(&captured.disk, after, asked)?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn host_a_bios_windows_gets_an_esp_behind_its_partition() -> Result<()> {
    let captured = captured(Firmware::BiosLaptop)?;
    let target = captured.larger_target(128 * MIB)?;
    let done = captured.restore(&target, NVME, &["--verify", "--firmware", "uefi"])?;
    let done = done.succeeded()?;
    let plan = fact(&done.lines, "plan")?;
    ensure!(plan["firmware"]["to"] == "uefi", "{plan}");
    ensure!(plan["firmware"]["esp"] == 2 && plan["firmware"]["esp_reused"] == false);
    ensure!(
        plan["partitions"][1]["kind"] == "EFI system (ESP)",
        "{plan}"
    );
    let changes = text(&plan["changes"]);
    ensure!(changes.contains("nothing turns it back"), "{changes}");
    judge(&captured, &target, &plan)?;
    let report = fact(&done.lines, "report")?;
    let adapted = text(&report["adapted"]);
    ensure!(adapted.contains("it will be started by UEFI"), "{adapted}");
    ensure!(report["same"].as_array().is_some_and(|all| all.len() == 1));
    // The disk is known for what it is, whatever it was restored from.
    let again = captured.restore(&target, NVME, &["--plan", "--firmware", "uefi"])?;
    let plan = fact(&again.succeeded()?.lines, "plan")?;
    ensure!(plan["already_carries"] == true, "{plan}");
    // Unless asked for (the machine that is described says nothing of its firmware) the
    // disk stays as it was.
    let kept = captured.larger_target(128 * MIB)?;
    let done = captured.restore(&kept, NVME, &[])?.succeeded()?;
    let plan = fact(&done.lines, "plan")?;
    ensure!(plan["firmware"].is_null(), "{plan}");
    let keys = keys(&plan);
    let allow: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asked = Asked {
        allow: &allow,
        boot: &["stornvme"],
    };
    let wrong = check(&captured.disk, &kept, asked)?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    let wrong = check_uefi(&captured.disk, &kept, asked)?;
    ensure!(
        wrong
            .iter()
            .any(|line| line.contains("an MBR became a GPT")),
        "{wrong:?}"
    );
    Ok(())
}

#[test]
fn host_the_partition_that_a_bios_started_from_becomes_the_esp() -> Result<()> {
    let captured = captured(Firmware::BiosSplit)?;
    // There is no room for another.
    let target = captured.target()?;
    let done = captured.restore(&target, NVME, &["--verify", "--firmware", "uefi"])?;
    let done = done.succeeded()?;
    let plan = fact(&done.lines, "plan")?;
    ensure!(plan["firmware"]["esp"] == 1 && plan["firmware"]["esp_reused"] == true);
    let changes = text(&plan["changes"]);
    ensure!(changes.contains("is not restored"), "{changes}");
    judge(&captured, &target, &plan)
}

/// Refused before anything is written; restored as it was with --force.
fn refused(captured: &Captured, words: &[&str]) -> Result<()> {
    let target = captured.target()?;
    captured
        .restore(&target, NVME, &["--firmware", "uefi"])?
        .failed_with(code::WILL_NOT_START, words)?;
    let blank = fs::read(&target)?.iter().all(|byte| *byte == 0);
    ensure!(blank, "something was written");
    let forced = captured.restore(&target, NVME, &["--firmware", "uefi", "--force"])?;
    let plan = fact(&forced.succeeded()?.lines, "plan")?;
    ensure!(plan["firmware"].is_null(), "{plan}");
    let warnings = text(&plan["warnings"]);
    ensure!(
        words.iter().all(|word| warnings.contains(word)),
        "{warnings}"
    );
    let keys = keys(&plan);
    let allow: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asked = Asked {
        allow: &allow,
        boot: &["stornvme"],
    };
    let wrong = check(&captured.disk, &target, asked)?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn host_a_disk_without_room_for_an_esp_is_refused() -> Result<()> {
    let words = [
        "no room for an EFI system partition: 100.0 MiB",
        "that of Windows",
    ];
    refused(&captured(Firmware::BiosLaptop)?, &words)
}

#[test]
fn host_a_windows_without_its_files_for_uefi_is_refused() -> Result<()> {
    let captured = captured_with(Firmware::BiosSplit, |tree| {
        fs::remove_file(tree.join("Windows/Boot/EFI/bootmgfw.efi"))?;
        fs::remove_file(tree.join("Windows/System32/winload.efi"))?;
        Ok(())
    })?;
    refused(&captured, &["bootmgfw.efi", "winload.efi"])
}

#[test]
fn host_a_32_bit_windows_is_refused() -> Result<()> {
    let captured = captured_with(Firmware::BiosSplit, |tree| {
        let file = tree.join("Windows/System32/config/SYSTEM");
        let hive = Hive::open(fs::read(&file)?, &[])?.0;
        let mut edit = hive.edit(FileTime::from_unix(1_480_000_000))?;
        let key = r"ControlSet001\Control\Session Manager\Environment";
        let value = "PROCESSOR_ARCHITECTURE";
        ensure!(edit.set_value(key, value, ValueType::SZ, &sz("x86"))?);
        Ok(fs::write(&file, edit.finish()?)?)
    })?;
    refused(&captured, &["32-bit Windows"])
}

#[test]
fn host_a_start_partition_with_other_files_is_not_overwritten() -> Result<()> {
    let captured = captured(Firmware::BiosSplit)?;
    // (It is the smaller one; the tools of these tests put files onto the larger.)
    let file = captured.folder().join("part");
    let mut bytes = fs::read(&captured.disk)?;
    let place = MIB as usize..41 * MIB as usize;
    fs::write(&file, &bytes[place.clone()])?;
    let note = captured.folder().join("note");
    fs::write(&note, b"kept by somebody")?;
    let words: [&OsStr; 5] = [
        "ntfscp".as_ref(),
        "-q".as_ref(),
        file.as_os_str(),
        note.as_os_str(),
        "note.txt".as_ref(),
    ];
    tests::tool("ntfs-3g", &words)?;
    bytes[place].copy_from_slice(&fs::read(&file)?);
    fs::write(&captured.disk, bytes)?;
    capture(&captured.disk, &captured.repository, &["--name", "office"])?;
    refused(&captured, &["it also holds note.txt", "no room"])?;
    // With room the partition stays.
    let target = captured.larger_target(128 * MIB)?;
    let done = captured.restore(&target, NVME, &["--firmware", "uefi"])?;
    let plan = fact(&done.succeeded()?.lines, "plan")?;
    ensure!(plan["firmware"]["esp"] == 3, "{plan}");
    judge(&captured, &target, &plan)
}

#[test]
fn host_a_gpt_disk_has_nothing_to_convert() -> Result<()> {
    let captured = captured(Firmware::Uefi)?;
    let target = captured.target()?;
    let done = captured.restore(&target, NVME, &["--firmware", "uefi"])?;
    let plan = fact(&done.succeeded()?.lines, "plan")?;
    ensure!(plan["firmware"].is_null(), "{plan}");
    Ok(())
}

/// The medium, started by UEFI, converts without being asked.
#[test]
fn vm_a_bios_windows_is_converted_by_a_medium_that_uefi_started() -> Result<()> {
    let both = [Firmware::BiosSplit, Firmware::BiosLaptop];
    // (Without a machine both are converted above.)
    let count = if tests::all() { 2 } else { 1 };
    for firmware in both.into_iter().take(count) {
        let captured = captured(firmware)?;
        let web = Web::serve(&captured.repository)?;
        let target = captured.larger_target(128 * MIB)?;
        let from = web.url_for_guest();
        let plan = Unattended::new(captured.folder(), &from)?;
        let disk = Disk::raw(&target).bus(Bus::Nvme).never_boots();
        let machine = Machine::new(Starts::Uefi).nic(Nic::new(NicModel::Virtio));
        let outcome = plan.run(machine, disk)?.succeeded()?;
        let plan = outcome.fact("plan")?;
        ensure!(plan["firmware"]["to"] == "uefi", "{plan}");
        judge(&captured, &target, &plan)?;
        outcome.said_to_boot()?;
    }
    Ok(())
}

/// Started by a BIOS it leaves the disk for a BIOS.
#[test]
fn vm_a_bios_windows_stays_one_on_a_bios_machine() -> Result<()> {
    // Another case of the test above: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let captured = captured(Firmware::BiosSplit)?;
    let web = Web::serve(&captured.repository)?;
    let target = captured.target()?;
    let plan = Unattended::new(captured.folder(), &web.url_for_guest())?;
    let disk = Disk::raw(&target).bus(Bus::Nvme).never_boots();
    let machine = Machine::new(Starts::Bios).nic(Nic::new(NicModel::Virtio));
    let outcome = plan.run(machine, disk)?.succeeded()?;
    ensure!(outcome.fact("plan")?["firmware"].is_null());
    Ok(())
}
