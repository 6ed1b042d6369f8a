//! A plan on a stick that is plugged in while the first screen waits.

use anyhow::{Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine, Vm};
use std::path::Path;
use std::time::Duration;
use tests::rescue::code;
use tests::{Sample, TARGET, Unattended, blank_disk, fact, medium, outcome, scratch};

const BOOT: Duration = Duration::from_secs(60);
const RESTORE: Duration = Duration::from_secs(120);

/// The medium on a USB stick, and a disk to restore onto.
fn start(target: &Path) -> Result<Vm> {
    let target = Disk::raw(target).bus(Bus::Ahci).serial(TARGET);
    let machine = Machine::new(Firmware::Bios).memory_mib(512);
    let machine = machine.usb_stick(medium()?).disk(target.never_boots());
    let mut vm = machine.events().interface("line").start()?;
    vm.wait_event("the first screen", BOOT, fact("waiting-for-input"))?;
    Ok(vm)
}

#[test]
fn vm_a_plan_that_arrives_is_followed_once() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let plan = Unattended::new(folder.path(), "label:RESCUE/repo")?;
    std::fs::rename(&sample.repository, plan.repository())?;
    let target = folder.path().join("target.raw");
    // Too small, so that the plan fails: it must not be tried again by itself.
    blank_disk(&target, 16 << 20)?;
    let mut vm = start(&target)?;

    vm.plug_usb_stick(&plan.volume()?, "stick1")?;
    let end = vm.wait_event("the outcome", RESTORE, outcome())?;
    ensure!(end["code"] == code::TARGET_TOO_SMALL, "{end}");
    let first_screen = |vm: &mut Vm| vm.wait_event("the dialogue", BOOT, fact("waiting-for-input"));
    first_screen(&mut vm)?;
    // The same stick again, and Enter: neither begins it a second time.
    vm.pull_usb_stick("stick1")?;
    first_screen(&mut vm)?;
    vm.plug_usb_stick(&plan.volume()?, "stick2")?;
    first_screen(&mut vm)?;
    vm.send("\n")?;
    first_screen(&mut vm)?;
    let followed = vm
        .events()
        .into_iter()
        .filter(|event| event["name"] == "unattended");
    ensure!(followed.count() == 1, "the plan was followed again");
    vm.kill()?;

    blank_disk(&target, 48 << 20)?;
    let mut vm = start(&target)?;
    vm.plug_usb_stick(&plan.volume()?, "stick1")?;
    let end = vm.wait_event("the outcome", RESTORE, outcome())?;
    ensure!(end["event"] == "done", "the restore failed: {end}");
    // The plan names the repository as the operator knows it.
    let console = vm.console();
    let named = console.contains("/repo on sd") && !console.contains("/run/rescue/mnt");
    ensure!(named, "{console}");
    let exit = vm.wait_exit(BOOT)?;
    ensure!(exit == Exit::PoweredOff, "it should power off: {exit}");
    Ok(())
}
