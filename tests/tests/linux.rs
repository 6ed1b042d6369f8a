//! A Linux whose initramfs knows one kind of controller only comes back on others.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Firmware, Machine, Nic, NicModel};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tests::rescue::rescue;
use tests::{Facts, Patient, Unattended, Web, blank_disk, scratch};

/// A system without its disk waits half a minute for it, by a clock that emulation slows.
const GIVES_UP: Duration = Duration::from_secs(300);

/// The patient `host-only`, captured.
struct Captured {
    folder: TempDir,
    patient: Patient,
    repository: PathBuf,
}

impl Captured {
    fn new() -> Result<Self> {
        let folder = scratch()?;
        let patient = Patient::named("host-only")?;
        let repository = folder.path().join("repository");
        let words: [&OsStr; 4] = [
            "capture".as_ref(),
            patient.disk.as_os_str(),
            "--to".as_ref(),
            repository.as_os_str(),
        ];
        rescue(&words)?.succeeded()?;
        Ok(Self {
            folder,
            patient,
            repository,
        })
    }

    fn target(&self) -> Result<PathBuf> {
        let target = self.folder.path().join("target.raw");
        blank_disk(&target, fs::metadata(&self.patient.disk)?.len())?;
        Ok(target)
    }
}

/// Restored by the booted medium onto `bus`, it starts there.
fn moves_to(bus: Bus, driver: &str) -> Result<()> {
    let captured = Captured::new()?;
    let web = Web::serve(&captured.repository)?;
    let target = captured.target()?;
    let plan = Unattended::new(captured.folder.path(), &web.url_for_guest())?;
    let machine = || Machine::new(Firmware::Bios);
    let disk = Disk::raw(&target).bus(bus);
    let nic = Nic::new(NicModel::Virtio);
    let outcome = plan.run(machine().nic(nic), disk.clone().never_boots())?;
    let report = outcome.succeeded()?.fact("report")?;
    let boots = &report["answers"]["will_boot"];
    ensure!(boots["verdict"] == "yes", "{report}");
    let told = report.to_string();
    ensure!(told.contains("gets its own drivers"), "{told}");
    let facts = Facts::of(machine(), disk)?;
    captured.patient.is(&facts)?;
    ensure!(facts.runs_on(driver), "{facts:?}");
    Ok(())
}

#[test]
fn vm_a_host_only_debian_moves_from_ahci_to_nvme() -> Result<()> {
    moves_to(Bus::Nvme, "nvme")
}

#[test]
fn vm_a_host_only_debian_moves_from_ahci_to_virtio_scsi() -> Result<()> {
    // Another case of the test above: for `scripts/test --all`.
    if !tests::all() {
        eprintln!("not run: it is one of the slow matrix");
        return Ok(());
    }
    moves_to(Bus::VirtioScsi, "virtio_scsi")
}

/// What the tests above prove: left as it was captured, it does not start.
#[test]
fn vm_a_host_only_debian_left_alone_does_not_find_its_disk() -> Result<()> {
    // The control of the test above, half a minute of waiting: for `scripts/test --all`.
    if !tests::all() {
        eprintln!("not run: it is one of the slow matrix");
        return Ok(());
    }
    let captured = Captured::new()?;
    let target = captured.target()?;
    let words: [&OsStr; 8] = [
        "restore".as_ref(),
        "--from".as_ref(),
        captured.repository.as_os_str(),
        "--to".as_ref(),
        target.as_os_str(),
        "--adapt=no".as_ref(),
        "--yes".as_ref(),
        "latest".as_ref(),
    ];
    rescue(&words)?.succeeded()?;
    let disk = Disk::raw(&target).throw_away_writes();
    let machine = Machine::new(Firmware::Bios);
    let facts = Facts::of(machine, disk.clone().bus(Bus::Ahci))?;
    captured.patient.is(&facts).context("on AHCI")?;
    let machine = Machine::new(Firmware::Bios).disk(disk.bus(Bus::Nvme));
    let mut vm = machine.start()?;
    vm.wait_for("Gave up waiting for root", GIVES_UP)?;
    Ok(())
}
