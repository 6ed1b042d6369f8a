//! What a restored Windows starts from: it does not wake up, and firmware without an
//! entry finds its loader. The judge is none of our code.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::phony::{Asked, Firmware, NVME, check, check_start, make_asleep, windows_start};
use tests::rescue::{capture, rescue};
use tests::{blank_disk, scratch};

const MEGASAS: &str = "pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00";
const RESUME: &str =
    r"delete [\Objects\{9dea862c-5cdd-4e70-acc1-f32b344d4795}\Elements\26000005] of ";

struct Lab {
    folder: TempDir,
    hardware: PathBuf,
}

impl Lab {
    fn new(controller: &str) -> Result<Self> {
        let folder = scratch()?;
        let hardware = folder.path().join("hardware");
        fs::write(&hardware, format!("{controller}\n"))?;
        Ok(Self { folder, hardware })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Captures the disk `from`, and restores it to `to`; the plan.
    fn brought_back(&self, from: &Path, to: &Path, more: &[&str]) -> Result<Value> {
        let repository = to.with_extension("repository");
        capture(from, &repository, &[])?;
        blank_disk(to, fs::metadata(from)?.len())?;
        let mut words: Vec<&OsStr> = vec![
            "restore".as_ref(),
            "latest".as_ref(),
            "--from".as_ref(),
            repository.as_os_str(),
            "--to".as_ref(),
            to.as_os_str(),
            "--yes".as_ref(),
        ];
        words.extend(more.iter().map(OsStr::new));
        if !more.contains(&"--adapt") {
            words.extend(["--hardware".as_ref(), self.hardware.as_os_str()]);
        }
        let done = rescue(&words)?.succeeded()?;
        let plan = done.lines.iter().find(|line| line["name"] == "plan");
        Ok(plan.context("no plan")?["value"].clone())
    }
}

fn strings(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The edits of what it starts from, without the partition's name before them.
fn of_start(plan: &Value) -> Vec<String> {
    let edits = strings(&plan["adapt_edits"]).into_iter();
    let edits = edits.filter_map(|edit| Some(edit.split_once(": ")?.1.to_owned()));
    let is = |edit: &String| edit.starts_with("write ") || edit.contains(r"[\Objects\");
    edits.filter(is).collect()
}

fn starts_anew(firmware: Firmware, controller: &str, service: &str) -> Result<()> {
    let lab = Lab::new(controller)?;
    let [before, after, again] = ["before", "after", "again"].map(|name| lab.path(name));
    make_asleep(&before, firmware)?;
    let plan = lab.brought_back(&before, &after, &["--verify"])?;
    let uefi = firmware == Firmware::Uefi;
    let wrong = check_start(&before, &after, uefi)?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    let edits = of_start(&plan);
    let all = edits.join("\n");
    ensure!(
        all.contains(RESUME) && edits.len() == 1 + usize::from(uefi),
        "{plan}"
    );
    ensure!(
        all.contains("write /EFI/BOOT/BOOTX64.EFI: ") == uefi,
        "{all}"
    );
    // The rest of the machine is right as well.
    let keys = strings(&plan["adapt_edits"]);
    let keys = keys
        .iter()
        .filter_map(|edit| edit.split_once("[\\")?.1.split_once(']'));
    let keys: Vec<&str> = keys.map(|(key, _)| key).collect();
    let boot = &[service, "disk"];
    let wrong = check(&before, &after, Asked { allow: &keys, boot })?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    // Once is enough.
    let plan = lab.brought_back(&after, &again, &[])?;
    ensure!(of_start(&plan).is_empty(), "{plan}");
    ensure!(
        fs::read(&after)? == fs::read(&again)?,
        "it was changed again"
    );
    // Without it, all stays as it was: the judge sees it.
    lab.brought_back(&before, &again, &["--adapt", "no"])?;
    let wrong = check_start(&before, &again, uefi)?.join("\n");
    ensure!(wrong.contains("it does not wake Windows"), "{wrong}");
    ensure!(wrong.contains("the fallback is") == uefi, "{wrong}");
    Ok(())
}

#[test]
fn host_a_windows_that_slept_starts_anew_and_without_an_entry() -> Result<()> {
    starts_anew(Firmware::Uefi, NVME, "stornvme")
}

#[test]
fn host_a_windows_of_a_bios_that_slept_starts_anew() -> Result<()> {
    starts_anew(Firmware::Bios, MEGASAS, "megasas")
}

/// Other ids for the disk, the EFI system partition and the partition of Windows, as
/// programs give them that copy disks.
fn with_other_ids(disk: &Path) -> Result<()> {
    for words in [
        ["--disk-id", "1", "5E1F0000-0000-4000-8000-000000000001"],
        ["--part-uuid", "1", "5E1F0000-0000-4000-8000-000000000002"],
        ["--part-uuid", "3", "5E1F0000-0000-4000-8000-000000000003"],
    ] {
        let [option, number, id] = words.map(OsStr::new);
        let mut all = vec![OsStr::new("sfdisk"), option, disk.as_os_str()];
        all.extend((option == "--part-uuid").then_some(number));
        all.push(id);
        tests::tool("fdisk", &all)?;
    }
    Ok(())
}

#[test]
fn host_a_copy_of_a_disk_starts_its_own_windows() -> Result<()> {
    let lab = Lab::new(NVME)?;
    let [before, after] = ["before", "after"].map(|name| lab.path(name));
    make_asleep(&before, Firmware::Uefi)?;
    with_other_ids(&before)?;
    let asked = |allow| Asked {
        allow,
        boot: &["disk"],
    };
    let wrong = check(&before, &before, asked(&[]))?.join("\n");
    for words in [
        "BCD: {9dea862c-5cdd-4e70-acc1-f32b344d4795} 11000001",
        "MountedDevices",
    ] {
        ensure!(wrong.contains(words), "{words}: {wrong}");
    }
    let plan = lab.brought_back(&before, &after, &["--verify"])?;
    let keys = strings(&plan["adapt_edits"]);
    let keys = keys
        .iter()
        .filter_map(|edit| edit.split_once("[\\")?.1.split_once(']'));
    let keys: Vec<&str> = keys.map(|(key, _)| key).collect();
    let wrong = check(&before, &after, asked(&keys))?;
    ensure!(wrong.is_empty(), "{wrong:#?}\n{plan:#}");
    Ok(())
}

#[test]
fn host_a_disk_that_a_bios_does_not_start_is_told() -> Result<()> {
    let lab = Lab::new(MEGASAS)?;
    let [before, after] = ["before", "after"].map(|name| lab.path(name));
    make_asleep(&before, Firmware::Bios)?;
    let disk = File::options().write(true).open(&before)?;
    disk.write_all_at(&[0; 440], 0)?;
    disk.write_all_at(&[7], windows_start(&before)? + 0x1C)?;
    let plan = lab.brought_back(&before, &after, &[])?;
    let warnings = strings(&plan["warnings"]).join("\n");
    for words in [
        "There is no boot code",
        "begins at sector 2055 of the disk, but it begins at 2048",
    ] {
        ensure!(warnings.contains(words), "{words}: {warnings}");
    }
    Ok(())
}
