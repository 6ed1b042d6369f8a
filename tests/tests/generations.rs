//! Windows of other kinds than the genuine 8.1 on other hardware: the generation of
//! Windows 7, and a Windows 10 that was captured while it ran. What is genuine on
//! their disks and what is made, `tests::phony` says.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Firmware as Starts, Machine, Nic, NicModel};
use std::fs;
use std::path::Path;
use tests::phony::{
    Asked, Captured, Dirty, Firmware, NVME, Seven, check_with, fact, judge_with, keys, mark_in_use,
    read, replace, strings,
};
use tests::rescue::code;
use tests::{Unattended, Web, is_left_out};

const AHCI: &str = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";
/// The one that QEMU makes on request; Windows 7 knows it.
const LSI_SAS: &str = "pci:v00001000d00000054sv00001000sd00001000bc01sc00i00";
const SYSTEM: &str = "Windows/System32/config/SYSTEM";
/// On a disk of Windows 7 only `SYSTEM` may change.
const SOFTWARE: [&str; 2] = ["--same", "Windows/System32/config/SOFTWARE"];

fn is_blank(disk: &Path) -> Result<bool> {
    Ok(fs::read(disk)?.iter().all(|byte| *byte == 0))
}

/// The drivers of the new controller start, and are found in time.
#[test]
fn host_a_windows_7_from_ide_is_adapted() -> Result<()> {
    let captured = Captured::of(|disk| Seven::default().make(disk))?;
    for (controller, service, id) in [
        (AHCI, "msahci", r"PCI\CC_010601=msahci"),
        (LSI_SAS, "LSI_SAS", r"PCI\VEN_1000&DEV_0054=LSI_SAS"),
    ] {
        let target = captured.target()?;
        let done = captured.restore(&target, controller, &["--verify"])?;
        let done = done.succeeded()?;
        let plan = fact(&done.lines, "plan")?;
        let told = strings(&plan["adapt"]).join("\n");
        let driven = format!("is driven by its {service}.");
        ensure!(told.contains(&driven), "{told}");
        let more = [&SOFTWARE[..], &["--critical", id]].concat();
        let boot = [service, "atapi", "intelide", "disk", "partmgr"];
        judge_with(&captured, &target, &keys(&plan)?, &boot, &more)?;
        let report = fact(&done.lines, "report")?;
        ensure!(strings(&report["same"]).len() == 1, "{report}");
    }
    // The checker tells a Windows 7 that was left as it was.
    let asked = Asked {
        boot: &["msahci"],
        ..Asked::default()
    };
    let more = ["--critical", r"PCI\CC_010802=stornvme"];
    let wrong = check_with(&captured.disk, &captured.disk, asked, &more)?;
    let expected = [
        "ControlSet001: msahci starts at boot (Start=3)",
        "ControlSet001: CriticalDeviceDatabase has stornvme for PCI#CC_010802",
    ];
    ensure!(wrong == expected, "{wrong:#?}");
    Ok(())
}

/// An entry that it lost is made again: without it the driver comes too late.
#[test]
fn host_a_windows_7_gets_the_entries_that_it_lacks() -> Result<()> {
    let made = Seven {
        nvme: true,
        without_ahci: true,
        ..Seven::default()
    };
    let captured = Captured::of(|disk| made.make(disk))?;
    for (controller, service, id) in [
        (AHCI, "msahci", r"PCI\CC_010601=msahci"),
        (NVME, "stornvme", r"PCI\CC_010802=stornvme"),
    ] {
        let target = captured.target()?;
        let done = captured.restore(&target, controller, &[])?.succeeded()?;
        let plan = fact(&done.lines, "plan")?;
        let more = [&SOFTWARE[..], &["--critical", id]].concat();
        judge_with(&captured, &target, &keys(&plan)?, &[service], &more)?;
    }
    Ok(())
}

#[test]
fn host_a_windows_7_without_a_driver_for_nvme_is_refused() -> Result<()> {
    let captured = Captured::of(|disk| Seven::default().make(disk))?;
    let target = captured.target()?;
    let words = ["VEN_144D&DEV_A808", "KB2990941", "KB3087873", "--force"];
    captured
        .restore(&target, NVME, &[])?
        .failed_with(code::WILL_NOT_START, &words)?;
    ensure!(is_blank(&target)?, "something was written");
    Ok(())
}

/// `--hardware` also says what starts the machine.
#[test]
fn host_a_windows_that_the_firmware_does_not_start_is_refused() -> Result<()> {
    let seven = Seven {
        x86: true,
        ..Seven::default()
    };
    let small = Captured::of(|disk| seven.make(disk))?;
    let modern = Captured::new(Firmware::Uefi, false)?;
    for (captured, firmware, other, why) in [
        (&small, "uefi", "bios", "one of 32 bits"),
        (&modern, "bios", "uefi", "is started by UEFI"),
    ] {
        let target = captured.target()?;
        let hardware = |firmware: &str| format!("{firmware}\n{AHCI}");
        captured
            .restore(&target, &hardware(firmware), &["--force", "--plan"])?
            .succeeded()?;
        captured
            .restore(&target, &hardware(firmware), &[])?
            .failed_with(code::WILL_NOT_START, &[why, "restore again"])?;
        ensure!(is_blank(&target)?, "something was written");
        captured
            .restore(&target, &hardware(other), &["--plan"])?
            .succeeded()?;
    }
    Ok(())
}

/// Bytes of a hive's bins, and the file's.
fn sizes(hive: &[u8]) -> Result<(u32, usize)> {
    let bins = hive.get(40..44).context("no base block")?.try_into()?;
    Ok((u32::from_le_bytes(bins), hive.len()))
}

/// What only the logs held is in the hive, and what was planned.
#[test]
fn host_a_windows_10_captured_while_it_ran_is_adapted() -> Result<()> {
    // (The genuine file has room for what the logs hold; a tight one has to grow.)
    for (tight, before, after) in [
        (false, 12_845_056, 12_845_056),
        (true, 12_402_688, 12_595_200),
    ] {
        let made = Dirty { tight };
        let captured = Captured::of(|disk| made.make(disk))?;
        ensure!(sizes(&read(&captured.disk, SYSTEM)?)? == (12_398_592, before));
        let target = captured.target()?;
        let done = captured.restore(&target, NVME, &["--verify"])?;
        let done = done.succeeded()?;
        let plan = fact(&done.lines, "plan")?;
        let told = strings(&plan["adapt"]).join("\n");
        ensure!(told.contains("what its logs hold is written"), "{told}");
        let boot = ["stornvme", "disk", "partmgr"];
        let files = ["SYSTEM.LOG1", "SYSTEM.LOG2", "SOFTWARE"];
        let files = files.map(|name| format!("Windows/System32/config/{name}"));
        let mut more = vec!["--strangers"];
        files.iter().for_each(|file| more.extend(["--same", file]));
        judge_with(&captured, &target, &keys(&plan)?, &boot, &more)?;
        ensure!(sizes(&read(&target, SYSTEM)?)? == (12_591_104, after));
    }
    Ok(())
}

/// On a volume that was in use a hive changes in its own bytes only: what makes a
/// file longer changes records that the volume's journal may have other plans with.
#[test]
fn host_a_hive_grows_within_its_file_only_where_the_volume_was_in_use() -> Result<()> {
    for tight in [false, true] {
        let captured = Captured::of(|disk| {
            Dirty { tight }.make(disk)?;
            mark_in_use(disk)
        })?;
        let target = captured.target()?;
        let done = captured.restore(&target, NVME, &[])?;
        if tight {
            let words = ["left unfinished", "dirty", "shutdown /s /f /t 0"];
            done.failed_with(code::WILL_NOT_START, &words)?;
            ensure!(is_blank(&target)?, "something was written");
            continue;
        }
        let plan = fact(&done.succeeded()?.lines, "plan")?;
        let warnings = strings(&plan["warnings"]).join("\n");
        ensure!(warnings.contains("Its volume was in use"), "{warnings}");
        let boot = ["stornvme", "disk"];
        judge_with(&captured, &target, &keys(&plan)?, &boot, &["--strangers"])?;
    }
    Ok(())
}

/// A hive whose base block says that it was written to the end, and was not: what
/// programs leave that know no logs.
fn without_logs(mut hive: Vec<u8>) -> Result<Vec<u8>> {
    let block = hive.get_mut(..512).context("no base block")?;
    block.copy_within(4..8, 8);
    let numbers = block[..508].chunks_exact(4);
    let numbers = numbers.map(|bytes| bytes.try_into().map(u32::from_le_bytes));
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let sum = numbers.iter().fold(0, |sum, number| sum ^ number);
    block[508..].copy_from_slice(&sum.to_le_bytes());
    Ok(hive)
}

#[test]
fn host_what_only_the_logs_hold_is_missed() -> Result<()> {
    let captured = Captured::of(|disk| Dirty { tight: false }.make(disk))?;
    let after = captured.folder().join("after.raw");
    fs::copy(&captured.disk, &after)?;
    replace(&after, &[(SYSTEM, &without_logs(read(&after, SYSTEM)?)?)])?;
    let wrong = check_with(&captured.disk, &after, Asked::default(), &["--strangers"])?;
    for what in [
        "keys differ",
        "it is newer (1622) than its logs (2130)",
        "it has 12398592 bytes of bins, the logs' end 12591104",
    ] {
        let told = wrong.iter().any(|line| line.contains(what));
        ensure!(told, "{what}: {wrong:#?}");
    }
    Ok(())
}

/// Restores by the booted medium onto a disk on `bus`.
fn in_a_machine(
    captured: &Captured,
    starts: Starts,
    bus: Bus,
    boot: &[&str],
    more: &[&str],
) -> Result<()> {
    let web = Web::serve(&captured.repository)?;
    let target = captured.target()?;
    let plan = Unattended::new(captured.folder(), &web.url_for_guest())?;
    let disk = Disk::raw(&target).bus(bus).never_boots();
    let machine = Machine::new(starts).nic(Nic::new(NicModel::Virtio));
    let outcome = plan.run(machine, disk)?.succeeded()?;
    let plan = outcome.fact("plan")?;
    judge_with(captured, &target, &keys(&plan)?, boot, more)
}

#[test]
fn vm_a_windows_7_from_ide_is_adapted_to_ahci() -> Result<()> {
    // Without a machine it is adapted above: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let captured = Captured::of(|disk| Seven::default().make(disk))?;
    let more = [&SOFTWARE[..], &["--critical", r"PCI\CC_010601=msahci"]].concat();
    in_a_machine(
        &captured,
        Starts::Bios,
        Bus::Ahci,
        &["msahci", "disk"],
        &more,
    )
}

#[test]
fn vm_a_windows_10_captured_while_it_ran_is_adapted_to_nvme() -> Result<()> {
    // Another case of the test above: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let made = Dirty { tight: true };
    let captured = Captured::of(|disk| made.make(disk))?;
    let boot = ["stornvme", "disk"];
    in_a_machine(&captured, Starts::Uefi, Bus::Nvme, &boot, &["--strangers"])
}
