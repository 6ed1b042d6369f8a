//! Targets that are in use or run full, on a running system: the BIOS patient.

use anyhow::{Context, Result, ensure};
use qemu::{Disk, Firmware, Machine, Vm};
use std::fs;
use std::time::Duration;
use tests::rescue::code;
use tests::{Facts, Patient, Sample, make_volume, rescue_program, scratch};

const LIMIT: Duration = Duration::from_secs(30);

/// Types `command` at a shell's prompt; its exit code and what it printed.
fn run(vm: &mut Vm, command: &str) -> Result<(i32, String)> {
    vm.send(&format!("{command}; echo code=$?\n"))?;
    // At the beginning of a line: the echo of what was typed is not.
    let printed = vm.wait_for("\ncode=", LIMIT)?;
    let number = vm.wait_for("\n", LIMIT)?;
    let code = number.trim().parse().context("parsing an exit code")?;
    Ok((code, printed))
}

fn ends_with(vm: &mut Vm, command: &str, code: i32, word: &str) -> Result<()> {
    let (ended, said) = run(vm, command)?;
    ensure!(
        ended == code,
        "{command} ended with {ended}, not {code}:\n{said}"
    );
    ensure!(
        said.contains(word),
        "{command} does not say {word:?}:\n{said}"
    );
    Ok(())
}

#[test]
fn vm_a_running_system_s_disks_are_safe() -> Result<()> {
    let (patient, folder) = (Patient::named("bios")?, scratch()?);
    let content = folder.path().join("tools");
    fs::create_dir(&content)?;
    let sample = Sample::captured(folder.path(), 32)?;
    fs::rename(&sample.repository, content.join("repo"))?;
    fs::copy(rescue_program()?, content.join("rescue"))?;
    let tools = folder.path().join("tools.raw");
    make_volume(&tools, "TOOLS", &content, 16)?;

    let mut vm = Machine::new(Firmware::Bios)
        .disk(Disk::raw(&patient.disk).throw_away_writes())
        .disk(Disk::raw(&tools).never_boots().throw_away_writes())
        .start()?;
    Facts::told_by(&mut vm)?;
    ends_with(&mut vm, "mount LABEL=TOOLS /mnt", 0, "")?;
    let restore = "/mnt/rescue restore sample --from /mnt/repo --yes --to";
    // Its root and its swap; the disk that holds the repository.
    ends_with(
        &mut vm,
        &format!("{restore} /dev/vda"),
        code::TARGET_BUSY,
        "mounted",
    )?;
    ends_with(
        &mut vm,
        &format!("{restore} /dev/vdb"),
        code::TARGET_PROTECTED,
        "repository",
    )?;
    // A file on a filesystem with less room than the image needs.
    ends_with(&mut vm, "mount -t tmpfs -o size=8m full /srv", 0, "")?;
    ends_with(&mut vm, "truncate -s 32M /srv/target.raw", 0, "")?;
    ends_with(
        &mut vm,
        &format!("{restore} /srv/target.raw"),
        code::TARGET_WRITE,
        "No space left",
    )?;
    // What was refused was not written: the system still reads its disk.
    let untouched = "sync; echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=512 count=1 | tail -c 2 | od -An -tx1";
    ends_with(&mut vm, untouched, 0, "55 aa")
}
