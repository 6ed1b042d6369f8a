//! The patients themselves: what cannot boot before a capture proves nothing after.

use anyhow::{Result, ensure};
use qemu::{Bus, Disk, Firmware, Machine};
use tests::{Facts, Patient};

#[test]
fn vm_patient_bios_boots() -> Result<()> {
    let patient = Patient::named("bios")?;
    let facts = Facts::of(Machine::new(Firmware::Bios), Disk::raw(&patient.disk))?;
    patient.is(&facts)?;
    ensure!(facts.runs_on("virtio_blk"), "{facts:?}");
    ensure!(facts.firmware() == "bios", "{facts:?}");
    Ok(())
}

#[test]
fn vm_patient_uefi_boots_with_secure_boot() -> Result<()> {
    let patient = Patient::named("uefi")?;
    let disk = Disk::raw(&patient.disk).bus(Bus::Ahci);
    let facts = Facts::of(Machine::new(Firmware::SecureBoot), disk)?;
    patient.is(&facts)?;
    ensure!(facts.runs_on("ahci"), "{facts:?}");
    ensure!(facts.secure_boot(), "{facts:?}");
    Ok(())
}
