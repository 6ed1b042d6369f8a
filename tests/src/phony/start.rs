//! What a phony Windows starts from: made as one that sleeps leaves it, and judged
//! by `start.py`, without any of our code.

use super::{Firmware, fixture, make, replace, replace_on_esp};
use crate::tool;
use anyhow::{Context, Result, ensure};
use hive::{FileTime, Hive, ValueType};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

const WHEN: FileTime = FileTime::from_unix(1_480_000_000);
const RESUME: &str = r"Objects\{9dea862c-5cdd-4e70-acc1-f32b344d4795}\Elements\26000005";

/// Makes a disk as [`make`], whose boot store wakes Windows from hibernation. On one
/// for UEFI the loader of Windows has the head of a program (for x64; what follows
/// is none), and firmware without an entry finds none.
///
/// # Errors
/// As [`make`].
pub fn make_asleep(disk: &Path, firmware: Firmware) -> Result<()> {
    // (The tools of NTFS write nothing beside a hiberfil.sys.)
    make(disk, firmware, firmware == Firmware::Uefi)?;
    let mut edit = Hive::open(fixture(firmware.store())?, &[])?.0.edit(WHEN)?;
    edit.create_key(RESUME)?;
    edit.set_value(RESUME, "Element", ValueType::BINARY, &[1])?;
    let store = edit.finish()?;
    if firmware == Firmware::Bios {
        return replace(disk, &[("Boot/BCD", &store)]);
    }
    replace_on_esp(disk, "::EFI/Microsoft/Boot/BCD", &store)?;
    replace_on_esp(disk, "::EFI/Microsoft/Boot/bootmgfw.efi", &program())?;
    let image = format!("{}@@1M", disk.display());
    let words = ["mdel", "-i", &image, "::EFI/Boot/bootx64.efi"].map(OsStr::new);
    tool("mtools", &words).map(drop)
}

/// "MZ", at 0x3C where the header is: "PE", and 0x8664 for x64.
fn program() -> Vec<u8> {
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3C, 0);
    bytes.extend([0x40, 0, 0, 0]);
    bytes.extend(b"PE\0\0\x64\x86");
    bytes.extend((0..600_000_u32).map(|at| (at / 7 % 251) as u8));
    bytes
}

/// What is wrong with what `after` starts from, a line each; `before` is the disk as
/// it was captured, `fallback` whether the fallback must have come.
///
/// # Errors
/// When the checker itself fails: its oracles are missing (`scripts/oracles`).
pub fn check_start(before: &Path, after: &Path, fallback: bool) -> Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../target/oracles/bin/python");
    ensure!(python.exists(), "no target/oracles: run scripts/oracles");
    let work = crate::scratch()?;
    let mut command = Command::new(python);
    command
        .arg(root.join("src/phony/start.py"))
        .env("TMPDIR", work.path())
        .arg("--before")
        .arg(before)
        .arg("--after")
        .arg(after);
    if fallback {
        command.arg("--fallback");
    }
    let output = command.output().context("running start.py")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains(" wrong"), "start.py: {}", failed.trim());
    let wrong = said.lines().filter_map(|line| line.strip_prefix("WRONG "));
    let wrong: Vec<String> = wrong.map(str::to_owned).collect();
    ensure!(output.status.success() == wrong.is_empty(), "{said}");
    Ok(wrong)
}
