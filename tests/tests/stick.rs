//! The USB image: boots everywhere, grows to its stick, and holds the images
//! that are restored from it.

use anyhow::{Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tests::{Sample, Stick, artefact, blank_disk, is_left_out, outcome, scratch, tool};

const LIMIT: Duration = Duration::from_secs(120);
const SPARE: u64 = 300 << 20;
const PLAN: &str = "[restore]\nfrom = \"medium:/repository\"\nthen = \"poweroff\"\n\
                    [target]\nserial = \"T\"\n";

/// The partition table and the filesystem, by their own checkers.
fn is_sound(stick: &Stick) -> Result<()> {
    let words = [
        "sgdisk".as_ref(),
        "--verify".as_ref(),
        stick.disk.as_os_str(),
    ];
    let told = tool("gdisk", &words)?;
    ensure!(told.contains("No problems found"), "{told}");
    let data = stick.data_file()?;
    tool(
        "e2fsprogs",
        &["e2fsck".as_ref(), "-fn".as_ref(), data.as_os_str()],
    )?;
    fs::remove_file(data)?;
    Ok(())
}

/// Bytes of the data partition's filesystem.
fn filesystem_size(stick: &Stick) -> Result<u64> {
    let data = stick.data_file()?;
    let words = ["dumpe2fs".as_ref(), "-h".as_ref(), data.as_os_str()];
    let told = tool("e2fsprogs", &words)?;
    fs::remove_file(data)?;
    let blocks = told.lines().find_map(|l| l.strip_prefix("Block count:"));
    Ok(blocks.unwrap_or_default().trim().parse::<u64>()? * 4096)
}

fn restores_from_itself(firmware: Firmware) -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let stick = Stick::new(folder.path(), SPARE)?;
    let content = folder.path().join("on-the-stick");
    fs::create_dir(&content)?;
    fs::rename(&sample.repository, content.join("repository"))?;
    fs::write(content.join("rescue.toml"), PLAN)?;
    stick.fill(&content)?;
    let (_, before) = stick.data()?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 64 << 20)?;
    let mut vm = Machine::new(firmware)
        .memory_mib(512)
        .disk(Disk::raw(&stick.disk).bus(Bus::Usb))
        .disk(Disk::raw(&target).bus(Bus::Ahci).serial("T").never_boots())
        .events()
        .start()?;
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    ensure!(end["event"] == "done", "{end}");
    ensure!(
        vm.wait_exit(LIMIT)? == Exit::PoweredOff,
        "it should switch off"
    );
    same_data(&sample.disk, &target)?;

    let (_, after) = stick.data()?;
    ensure!(
        after > before + SPARE - (4 << 20),
        "{before} bytes became {after}"
    );
    let told: Vec<String> = vm
        .events()
        .iter()
        .filter(|e| e["event"] == "note" || e["event"] == "warning")
        .map(ToString::to_string)
        .collect();
    let size = filesystem_size(&stick)?;
    ensure!(
        size == after,
        "a file system of {size} bytes in {after}:\n{}",
        told.join("\n")
    );
    is_sound(&stick)
}

fn same_data(source: &Path, target: &Path) -> Result<()> {
    let (source, target) = (fs::read(source)?, fs::read(target)?);
    let (from, to) = (1 << 20, 30 << 20);
    ensure!(source[from..to] == target[from..to], "the data is another");
    Ok(())
}

#[test]
fn vm_stick_bios_grows_and_restores_from_itself() -> Result<()> {
    // Another case of the test below: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    restores_from_itself(Firmware::Bios)
}

#[test]
fn vm_stick_uefi_grows_and_restores_from_itself() -> Result<()> {
    // Another case of the test below: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    restores_from_itself(Firmware::Uefi)
}

#[test]
fn vm_stick_secure_boot_grows_and_restores_from_itself() -> Result<()> {
    restores_from_itself(Firmware::SecureBoot)
}

#[test]
fn host_usb_image_is_sound_and_within_its_size() -> Result<()> {
    let folder = scratch()?;
    let stick = Stick::new(folder.path(), 0)?;
    is_sound(&stick)?;
    let (start, size) = stick.data()?;
    ensure!(
        filesystem_size(&stick)? == size,
        "the file system fills its partition"
    );
    ensure!(
        start <= 48 << 20,
        "{start} bytes lie before the data partition"
    );
    ensure!(
        fs::metadata(artefact("rescue-usb.img")?)?.len() == start + size + (1 << 20),
        "size"
    );
    Ok(())
}
