//! A unified kernel image on firmware that trusts its signer and nobody else.
//!
//! Debian's OVMF comes with variables whose only certificate is that of a key which
//! everybody has ("snakeoil"): what a site's own key is on its own machines.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Firmware, Machine, Vm};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::builder::build;
use tests::{fact, scratch, tool};

const BOOT: Duration = Duration::from_secs(90);

const CERTIFICATE: &str = "/usr/share/ovmf/PkKek-1-snakeoil.pem";
const KEY: &str = "/usr/share/ovmf/PkKek-1-snakeoil.key";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd";

/// The image, signed with the key that the firmware trusts.
fn signed(folder: &Path) -> Result<PathBuf> {
    let key = folder.join("db.key");
    let words: [&OsStr; 8] = [
        "openssl".as_ref(),
        "pkey".as_ref(),
        "-in".as_ref(),
        KEY.as_ref(),
        "-passin".as_ref(),
        "pass:snakeoil".as_ref(),
        "-out".as_ref(),
        key.as_os_str(),
    ];
    tool("openssl, and ovmf for the key", &words)?;
    let image = folder.join("rescue.efi");
    let words: [&OsStr; 6] = [
        "--key".as_ref(),
        key.as_os_str(),
        "--certificate".as_ref(),
        CERTIFICATE.as_ref(),
        // So talkative a kernel says whether Secure Boot is on.
        "--cmdline".as_ref(),
        "loglevel=7".as_ref(),
    ];
    build("uki", &image, &words)?;
    Ok(image)
}

/// A FAT disk with `image` where UEFI looks for what to start.
fn disk(folder: &Path, image: &Path) -> Result<PathBuf> {
    let disk = folder.join("disk.raw");
    let file = fs::File::create(&disk)?;
    file.set_len(fs::metadata(image)?.len() + (8 << 20))?;
    tool("dosfstools", &["mkfs.vfat".as_ref(), disk.as_os_str()])?;
    for made in ["::EFI", "::EFI/BOOT"] {
        let words: [&OsStr; 4] = [
            "mmd".as_ref(),
            "-i".as_ref(),
            disk.as_os_str(),
            made.as_ref(),
        ];
        tool("mtools", &words)?;
    }
    let words: [&OsStr; 5] = [
        "mcopy".as_ref(),
        "-i".as_ref(),
        disk.as_os_str(),
        image.as_os_str(),
        "::EFI/BOOT/BOOTX64.EFI".as_ref(),
    ];
    tool("mtools", &words)?;
    Ok(disk)
}

fn start(folder: &Path, image: &Path) -> Result<Vm> {
    let variables = folder.join("variables.fd");
    fs::copy(VARIABLES, &variables).context("copying OVMF's variables (package ovmf)")?;
    let disk = Disk::raw(disk(folder, image)?).bus(Bus::VirtioBlk);
    let machine = Machine::new(Firmware::SecureBoot).uefi_vars(variables);
    Ok(machine.disk(disk).events().interface("line").start()?)
}

#[test]
fn vm_a_unified_image_starts_with_ones_own_key_and_not_with_a_byte_changed() -> Result<()> {
    let folder = scratch()?;
    let image = signed(folder.path())?;
    let mut vm = start(folder.path(), &image)?;
    vm.wait_for("Secure boot enabled", BOOT)?;
    let boot = vm.wait_event("PID 1", BOOT, fact("boot"))?;
    ensure!(boot["value"]["version"].is_string(), "{boot}");
    vm.wait_event("the first screen", BOOT, fact("first-screen"))?;
    drop(vm);

    // In the middle of the initramfs, which shim and GRUB would not look at.
    let mut bytes = fs::read(&image)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, bytes)?;
    let mut vm = start(folder.path(), &image)?;
    // The firmware's own words, on its console.
    vm.wait_for("Access Denied", BOOT)?;
    ensure!(vm.events().is_empty(), "it started: {:?}", vm.events());
    let console = vm.console();
    ensure!(!console.contains("Linux version"), "{console}");
    Ok(())
}
