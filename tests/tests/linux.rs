//! A Linux whose initramfs knows one kind of controller only comes back on others.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Firmware, Machine, Nic, NicModel};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tests::rescue::{capture, rescue};
use tests::{Facts, Patient, Unattended, Web, blank_disk, is_left_out, scratch};

/// A system without its disk waits half a minute for it, by a clock that emulation slows.
const GIVES_UP: Duration = Duration::from_secs(300);

/// A patient, captured.
struct Captured {
    folder: TempDir,
    patient: Patient,
    repository: PathBuf,
}

impl Captured {
    fn new(name: &str) -> Result<Self> {
        let folder = scratch()?;
        let patient = Patient::named(name)?;
        let repository = folder.path().join("repository");
        capture(&patient.disk, &repository, &[])?;
        Ok(Self {
            folder,
            patient,
            repository,
        })
    }

    fn target(&self) -> Result<PathBuf> {
        self.larger_target(0)
    }

    fn larger_target(&self, more: u64) -> Result<PathBuf> {
        let target = self.folder.path().join("target.raw");
        let size = fs::metadata(&self.patient.disk)?.len();
        blank_disk(&target, size + more)?;
        Ok(target)
    }
}

/// Restored by the booted medium onto `bus`, it starts there.
fn moves_to(bus: Bus, driver: &str) -> Result<()> {
    let captured = Captured::new("host-only")?;
    let web = Web::serve(&captured.repository)?;
    let target = captured.target()?;
    let plan = Unattended::new(captured.folder.path(), &web.url_for_guest())?;
    let machine = || Machine::new(Firmware::Bios);
    let disk = Disk::raw(&target).bus(bus);
    let nic = Nic::new(NicModel::Virtio);
    let outcome = plan.run(machine().nic(nic), disk.clone().never_boots())?;
    let report = outcome.succeeded()?.said_to_boot()?;
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
    if is_left_out() {
        return Ok(());
    }
    moves_to(Bus::VirtioScsi, "virtio_scsi")
}

/// The archive that was appended is needed once: the system's own tools make the next
/// initramfs for the hardware that they find (docs/adr/0015).
#[test]
fn vm_the_next_update_of_the_initramfs_is_for_the_new_controller() -> Result<()> {
    // Minutes of mkinitramfs under emulation: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let captured = Captured::new("host-only")?;
    let web = Web::serve(&captured.repository)?;
    let target = captured.target()?;
    let plan = Unattended::new(captured.folder.path(), &web.url_for_guest())?;
    let machine = || Machine::new(Firmware::Bios);
    let disk = Disk::raw(&target).bus(Bus::Nvme);
    let nic = Nic::new(NicModel::Virtio);
    let restored = plan.run(machine().nic(nic), disk.clone().never_boots())?;
    restored.succeeded()?;
    let mut vm = machine().disk(disk.clone()).start()?;
    Facts::told_by(&mut vm)?;
    vm.send(
        "echo MODULES=dep >/etc/initramfs-tools/conf.d/dep; update-initramfs -u; \
         lsinitramfs /boot/initrd.img-$(uname -r) | grep -q /nvme.ko; echo \"UPDATED-$?.\"\n",
    )?;
    vm.wait_for("UPDATED-0.", GIVES_UP)?;
    vm.send("systemctl poweroff\n")?;
    vm.wait_exit(GIVES_UP)?;
    let facts = Facts::of(machine(), disk)?;
    captured.patient.is(&facts)?;
    ensure!(facts.runs_on("nvme"), "{facts:?}");
    Ok(())
}

/// What the tests above prove: left as it was captured, it does not start.
#[test]
fn vm_a_host_only_debian_left_alone_does_not_find_its_disk() -> Result<()> {
    // The control of the test above, half a minute of waiting: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let captured = Captured::new("host-only")?;
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

/// Restored by the medium that `firmware` started, a Debian that a BIOS started starts
/// there by its own signed GRUB.
fn becomes_uefi(firmware: Firmware) -> Result<()> {
    let captured = Captured::new("bios-efi")?;
    let web = Web::serve(&captured.repository)?;
    let target = captured.larger_target(128 << 20)?;
    let plan = Unattended::new(captured.folder.path(), &web.url_for_guest())?;
    let disk = Disk::raw(&target).bus(Bus::Nvme);
    let nic = Nic::new(NicModel::Virtio);
    let outcome = plan.run(Machine::new(firmware).nic(nic), disk.clone().never_boots())?;
    let outcome = outcome.succeeded()?;
    let plan = outcome.fact("plan")?;
    ensure!(plan["firmware"]["to"] == "uefi", "{plan}");
    ensure!(plan["firmware"]["esp"] == 4, "{plan}");
    let boots = outcome.fact("report")?["answers"]["will_boot"].clone();
    // (Its initramfs has every driver, and gets none.)
    ensure!(boots["verdict"] != "no", "{boots}");
    // Memory of its own: the firmware of this machine has no entry for it.
    let facts = Facts::of(Machine::new(firmware), disk.clone())?;
    captured.patient.is(&facts)?;
    ensure!(facts.firmware() == "uefi", "{facts:?}");
    ensure!(facts.runs_on("nvme"), "{facts:?}");
    // A BIOS starts it as before.
    let facts = Facts::of(Machine::new(Firmware::Bios), disk.bus(Bus::Ahci))?;
    captured.patient.is(&facts)?;
    ensure!(facts.firmware() == "bios", "{facts:?}");
    Ok(())
}

#[test]
fn vm_a_debian_of_a_bios_starts_by_uefi() -> Result<()> {
    becomes_uefi(Firmware::Uefi)
}

#[test]
fn vm_a_debian_of_a_bios_starts_under_secure_boot() -> Result<()> {
    // Another case of the test above: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    becomes_uefi(Firmware::SecureBoot)
}

/// Restored by the medium that a BIOS started, a Debian that UEFI alone started starts there,
/// by the medium's GRUB: it has none for a BIOS.
#[test]
fn vm_a_debian_of_uefi_starts_by_a_bios() -> Result<()> {
    let captured = Captured::new("uefi")?;
    let web = Web::serve(&captured.repository)?;
    let target = captured.target()?;
    let plan = Unattended::new(captured.folder.path(), &web.url_for_guest())?;
    let disk = Disk::raw(&target).bus(Bus::Ahci);
    let machine = || Machine::new(Firmware::Bios);
    let nic = Nic::new(NicModel::Virtio);
    let outcome = plan.run(machine().nic(nic), disk.clone().never_boots())?;
    let outcome = outcome.succeeded()?;
    let plan = outcome.fact("plan")?;
    ensure!(plan["firmware"]["to"] == "bios", "{plan}");
    ensure!(plan["firmware"]["bios_boot"] == 3, "{plan}");
    let told = outcome.fact("report")?;
    let boots = &told["answers"]["will_boot"];
    ensure!(boots["verdict"] != "no", "{boots}");
    let words = "made to start by a BIOS; UEFI starts it as before";
    ensure!(boots.to_string().contains(words), "{boots}");
    let facts = Facts::of(machine(), disk.clone())?;
    captured.patient.is(&facts)?;
    ensure!(facts.firmware() == "bios", "{facts:?}");
    // UEFI starts it as before.
    let facts = Facts::of(Machine::new(Firmware::Uefi), disk)?;
    captured.patient.is(&facts)?;
    ensure!(facts.firmware() == "uefi", "{facts:?}");
    Ok(())
}
