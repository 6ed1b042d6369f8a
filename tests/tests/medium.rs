//! The medium reaches its first screen wherever it is put, with 512 MiB of memory.

use anyhow::{Result, ensure};
use qemu::{Bus, Firmware, Machine};
use std::time::Duration;
use tests::{fact, is_left_out, medium};

const BOOT: Duration = Duration::from_secs(40);

#[derive(Clone, Copy)]
enum As {
    Cd,
    UsbStick,
    IdeCd,
}

fn reaches_its_first_screen(firmware: Firmware, as_what: As) -> Result<()> {
    let machine = Machine::new(firmware).memory_mib(512);
    let machine = machine.events().interface("line");
    let machine = match as_what {
        As::Cd => machine.cdrom(medium()?),
        As::UsbStick => machine.usb_stick(medium()?),
        As::IdeCd => machine.cdrom_on(medium()?, Bus::Ide),
    };
    let mut vm = machine.start()?;
    let boot = vm.wait_event("boot", BOOT, fact("boot"))?;
    let consoles = boot["value"]["consoles"].as_array().map_or(0, Vec::len);
    ensure!(consoles >= 2, "the screen and the serial port, not {boot}");
    vm.wait_event("first-screen", BOOT, fact("first-screen"))?;
    vm.wait_for("brings captured machines back", BOOT)?;
    Ok(())
}

#[test]
fn vm_medium_bios_cd() -> Result<()> {
    reaches_its_first_screen(Firmware::Bios, As::Cd)
}

#[test]
fn vm_medium_bios_ide_cd() -> Result<()> {
    // Other media that CI starts have its parts: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    reaches_its_first_screen(Firmware::Bios, As::IdeCd)
}

#[test]
fn vm_medium_bios_usb() -> Result<()> {
    reaches_its_first_screen(Firmware::Bios, As::UsbStick)
}

#[test]
fn vm_medium_uefi_cd() -> Result<()> {
    // Other media that CI starts have its parts: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    reaches_its_first_screen(Firmware::Uefi, As::Cd)
}

#[test]
fn vm_medium_uefi_usb() -> Result<()> {
    reaches_its_first_screen(Firmware::Uefi, As::UsbStick)
}

#[test]
fn vm_medium_secure_boot_cd() -> Result<()> {
    reaches_its_first_screen(Firmware::SecureBoot, As::Cd)
}

#[test]
fn vm_medium_secure_boot_usb() -> Result<()> {
    // Other media that CI starts have its parts: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    reaches_its_first_screen(Firmware::SecureBoot, As::UsbStick)
}
