//! Media that carry the images along: a restore CD for one machine, and a stick.

use anyhow::{Context, Result, ensure};
use image::Repository;
use qemu::{Bus, Disk, Exit, Firmware, Machine};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tests::builder::build;
use tests::rescue::rescue;
use tests::{Sample, Stick, blank_disk, is_left_out, outcome, same_blocks, scratch, tool};

const LIMIT: Duration = Duration::from_secs(120);
const PLAN: &str = "[restore]\nfrom = \"medium:/images\"\nthen = \"poweroff\"\n\
                    [target]\nserial = \"T\"\n";

/// A restore CD for the machine that `sample` is of.
fn restore_cd(folder: &Path, sample: &Sample) -> Result<PathBuf> {
    let (plan, iso) = (folder.join("plan.toml"), folder.join("sample.iso"));
    fs::write(&plan, PLAN)?;
    let words: [&OsStr; 4] = [
        "--repository".as_ref(),
        sample.repository.as_os_str(),
        "--config".as_ref(),
        plan.as_os_str(),
    ];
    build("iso", &iso, &words)?;
    Ok(iso)
}

/// Starts `machine`, which has that CD, with a blank disk, and waits until it is restored.
fn restores(folder: &Path, sample: &Sample, machine: Machine) -> Result<()> {
    let target = folder.join("target.raw");
    blank_disk(&target, 32 << 20)?;
    let disk = Disk::raw(&target).bus(Bus::Nvme).serial("T");
    let machine = machine.memory_mib(512).disk(disk.never_boots());
    let mut vm = machine.events().start()?;
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    ensure!(end["event"] == "done", "{end}");
    let exit = vm.wait_exit(LIMIT)?;
    ensure!(exit == Exit::PoweredOff, "it should switch off: {exit}");
    let store = store::DirStore::open(&sample.repository)?;
    let repository = Repository::open(Arc::new(store))?;
    same_blocks(&repository, "sample", &sample.disk, &target, &[])?;
    Ok(())
}

/// The one cell of medium × firmware that no other test restores in.
#[test]
fn vm_uefi_without_secure_boot_restores_from_images_on_the_cd_itself() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let iso = restore_cd(folder.path(), &sample)?;
    let machine = Machine::new(Firmware::Uefi).cdrom(iso);
    restores(folder.path(), &sample, machine)
}

/// Firmware and boot loaders count in 32 bits here and there.
#[test]
fn vm_more_than_4_gib_of_images_start_and_restore_as_cd_and_as_stick() -> Result<()> {
    if is_left_out() {
        return Ok(());
    }
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    // Nobody refers to these, and they lie before the others.
    let more = sample.repository.join("packs/00");
    fs::create_dir_all(&more)?;
    for name in ["a.pack", "b.pack", "c.pack", "d.pack", "e.pack"] {
        blank_disk(&more.join(name), 1 << 30)?;
    }
    let iso = restore_cd(folder.path(), &sample)?;
    ensure!(fs::metadata(&iso)?.len() > 5 << 30, "it is smaller");
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let machine = Machine::new(firmware);
        restores(folder.path(), &sample, machine.clone().cdrom(&iso))?;
        restores(folder.path(), &sample, machine.usb_stick(&iso))?;
    }
    Ok(())
}

#[test]
fn host_a_stick_carries_the_images_and_grows_by_what_they_need() -> Result<()> {
    let folder = scratch()?;
    // More than the 24 MiB that are asked for.
    let sample = Sample::captured(folder.path(), 96)?;
    let disk = folder.path().join("stick.img");
    let words: [&OsStr; 4] = [
        "--repository".as_ref(),
        sample.repository.as_os_str(),
        "--data-size".as_ref(),
        "24MiB".as_ref(),
    ];
    build("usb", &disk, &words)?;
    let again = folder.path().join("again.img");
    build("usb", &again, &words)?;
    let stick = Stick { disk };
    ensure!(
        fs::read(&stick.disk)? == fs::read(again)?,
        "two builds differ"
    );

    let data = stick.data_file()?;
    let data = data.as_os_str();
    tool("e2fsprogs", &["e2fsck".as_ref(), "-fn".as_ref(), data])?;
    let out = folder.path().join("out");
    fs::create_dir(&out)?;
    let words = format!("rdump /images {}", out.display());
    tool(
        "e2fsprogs",
        &["debugfs".as_ref(), "-R".as_ref(), words.as_ref(), data],
    )?;
    let listed = tool(
        "e2fsprogs",
        &[
            "debugfs".as_ref(),
            "-R".as_ref(),
            "ls -l /images".as_ref(),
            data,
        ],
    )?;
    let config = listed.lines().find(|l| l.ends_with(" config"));
    let config: Vec<&str> = config.context(listed.clone())?.split_whitespace().collect();
    ensure!(config[1..5] == ["100444", "(1)", "0", "0"], "{config:?}");
    let read = out.join("images");
    rescue(&["verify".as_ref(), "--from".as_ref(), read.as_os_str()])?.succeeded()?;

    // And it is what restores.
    let target = folder.path().join("target.raw");
    blank_disk(&target, 96 << 20)?;
    let words: [&OsStr; 7] = [
        "restore".as_ref(),
        "sample".as_ref(),
        "--from".as_ref(),
        read.as_os_str(),
        "--to".as_ref(),
        target.as_os_str(),
        "--yes".as_ref(),
    ];
    rescue(&words)?.succeeded()?;
    let (mut was, mut is) = (vec![0; 90 << 20], vec![0; 90 << 20]);
    fs::File::open(&sample.disk)?.read_exact_at(&mut was, 1 << 20)?;
    fs::File::open(&target)?.read_exact_at(&mut is, 1 << 20)?;
    ensure!(was == is, "the data is another");
    Ok(())
}
