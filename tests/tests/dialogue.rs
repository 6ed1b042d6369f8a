//! A restore by somebody who answers the dialogue's questions on a serial line.

use anyhow::{Result, ensure};
use image::Repository;
use qemu::{Bus, Disk, Exit, Firmware, Machine};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tests::{Sample, TARGET, blank_disk, make_volume, medium, same_blocks, scratch};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn vm_a_restore_by_the_dialogue() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let content = folder.path().join("volume");
    fs::create_dir(&content)?;
    fs::rename(&sample.repository, content.join("backup"))?;
    let volume = folder.path().join("volume.raw");
    make_volume(&volume, "BACKUPS", &content, 16)?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 32 << 20)?;
    let volume = Disk::raw(&volume).never_boots().throw_away_writes();
    let disk = Disk::raw(&target).bus(Bus::Ahci).serial(TARGET);
    let machine = Machine::new(Firmware::Bios).memory_mib(512);
    let machine = machine.cdrom(medium()?).disk(disk).disk(volume);

    let mut vm = machine.events().interface("line").start()?;
    let answers = [
        ("first-screen", "1"),
        ("repository", "1"),
        ("image", "1"),
        ("target", "1"),
        ("plan", "1"),
        ("confirm", TARGET),
        ("finished", "2"),
    ];
    for (question, answer) in answers {
        vm.wait_event(question, PATIENCE, |event| {
            event["value"]["question"] == question
        })?;
        vm.send(&format!("{answer}\n"))?;
    }
    let exit = vm.wait_exit(PATIENCE)?;
    ensure!(exit == Exit::PoweredOff, "it should power off: {exit}");
    let console = vm.console();
    for shown in [
        "/backup on vda (ext4, labelled BACKUPS)",
        "EVERYTHING ON IT WILL BE LOST",
    ] {
        ensure!(
            console.contains(shown),
            "{shown:?} was not shown: {console}"
        );
    }
    ensure!(!console.contains("/run/rescue/mnt"), "{console}");
    let store = store::DirStore::open(content.join("backup"))?;
    let repository = Repository::open(Arc::new(store))?;
    same_blocks(&repository, "sample", &sample.disk, &target, &[])?;
    Ok(())
}
