//! Media that carry the images along: a restore CD for one machine, and a stick.

use anyhow::{Context, Result, ensure};
use image::Repository;
use qemu::{Bus, Disk, Exit, Firmware, Machine};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use tests::builder::build;
use tests::rescue::rescue;
use tests::{Sample, Stick, blank_disk, outcome, same_blocks, scratch, tool};

const LIMIT: Duration = Duration::from_secs(120);
const PLAN: &str = "[restore]\nfrom = \"medium:/images\"\nthen = \"poweroff\"\n\
                    [target]\nserial = \"T\"\n";

/// The one cell of medium × firmware that no other test restores in.
#[test]
fn vm_uefi_without_secure_boot_restores_from_images_on_the_cd_itself() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let (plan, iso) = (folder.path().join("p.toml"), folder.path().join("web1.iso"));
    fs::write(&plan, PLAN)?;
    let words: [&OsStr; 4] = [
        "--repository".as_ref(),
        sample.repository.as_os_str(),
        "--config".as_ref(),
        plan.as_os_str(),
    ];
    build("iso", &iso, &words)?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 32 << 20)?;
    let disk = Disk::raw(&target).bus(Bus::Nvme).serial("T");
    let machine = Machine::new(Firmware::Uefi).memory_mib(512);
    let machine = machine.cdrom(iso).disk(disk.never_boots()).events();
    let mut vm = machine.start()?;
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    ensure!(end["event"] == "done", "{end}");
    let exit = vm.wait_exit(LIMIT)?;
    ensure!(exit == Exit::PoweredOff, "it should switch off: {exit}");
    let store = store::DirStore::open(&sample.repository)?;
    let repository = Repository::open(Arc::new(store))?;
    same_blocks(&repository, "sample", &sample.disk, &target, &[])?;
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
