//! Starts the builder machine of `scripts/make-guests`: `build-guest BUILDER JOB DISK`
//! boots BUILDER.{kernel,initrd,raw} with the archive JOB and the guest's DISK, all on
//! AHCI, and prints what the machine tells at its end.

use anyhow::{Context, Result, bail, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine};
use std::time::Duration;
use tests::guest::old_card;

/// Copying a small system and making its initramfs, where the processor runs it.
const WORK: Duration = Duration::from_secs(240);
const COMMAND_LINE: &str = "root=/dev/disk/by-id/ata-QEMU_HARDDISK_BUILDER ro console=ttyS0,115200 panic=-1 init=/usr/local/sbin/builder";

/// Drivers that a guest made on AHCI must not have: of the other controllers of the matrix.
const FOREIGN: [&str; 6] = [
    "nvme",
    "virtio_blk",
    "virtio_scsi",
    "megaraid_sas",
    "vmw_pvscsi",
    "mptspi",
];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [builder, job, guest] = words.as_slice() else {
        bail!("usage: build-guest BUILDER JOB DISK");
    };
    let disk = |file: &str, serial: &str| {
        let disk = Disk::raw(file).bus(Bus::Ahci).serial(serial);
        disk.never_boots()
    };
    let system = disk(&format!("{builder}.raw"), "BUILDER");
    let machine = Machine::new(Firmware::Bios)
        .kernel(
            format!("{builder}.kernel"),
            Some(format!("{builder}.initrd").into()),
            COMMAND_LINE,
        )
        .disk(disk(guest, "GUEST"))
        .disk(system.throw_away_writes())
        .disk(disk(job, "JOB").throw_away_writes())
        .nic(old_card());
    let mut vm = machine.start()?;
    let told = vm.wait_event("the guest's making", WORK, |event| {
        event["event"] == "built" || event["event"] == "failed"
    })?;
    if told["event"] == "failed" {
        // Its reason is on the console, which ends with it.
        let reason = vm.wait_for("no such text", WORK);
        bail!("{told}: {}", reason.err().context("it goes on")?);
    }
    let exit = vm.wait_exit(WORK)?;
    ensure!(exit == Exit::PoweredOff, "instead of powering off: {exit}");
    let modules = told["modules"].as_array().context("no modules told")?;
    ensure!(
        modules.iter().any(|module| module == "ahci"),
        "its initramfs has no ahci: {told}"
    );
    for foreign in FOREIGN {
        let found = modules.iter().any(|module| module == foreign);
        ensure!(!found, "its initramfs has {foreign}: {told}");
    }
    let console = vm.console();
    for step in console.lines().filter(|line| line.starts_with("builder: ")) {
        eprintln!("{step}");
    }
    println!("{told}");
    Ok(())
}
