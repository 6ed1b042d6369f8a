//! Disks that look like those of a Windows machine, for tests of what is done to
//! a Windows that does not run. No Windows is on them: they hold genuine
//! registry hives and boot stores of the fixtures, and short marker files where
//! programs would be.
//!
//! What is true of them: the partition table has the very ids that the boot
//! store names; the hives are those of one machine that is joined to a domain;
//! each service that starts at boot has a file. What is not: the boot store comes
//! from another machine than the hives, and `SYSTEM` had its `MountedDevices`
//! changed, with our own code, to name this disk. What else is made up on a disk of
//! a [`Seven`] and of a [`Dirty`] is said there.
//!
//! [`check`] judges such a disk with none of our code, see `check.py`.

mod captured;
mod check;
mod device;
mod dirty;
mod edit;
mod fill;
mod hives;
mod layout;
mod seven;
mod start;
mod tree;

pub use captured::{Captured, NVME, fact, judge, judge_with, keys, strings};
pub use check::{Asked, check, check_uefi, check_with};
pub use dirty::Dirty;
pub use edit::{list, mark_in_use, read, replace, replace_on_esp, windows_start};
pub use hives::fixture;
pub use seven::Seven;
pub use start::{check_start, make_asleep};

use anyhow::{Context, Result, bail};
use layout::Layout;
use std::fs::File;
use std::path::Path;

/// How the machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// GPT: ESP, MSR, Windows, recovery; the store is `bcd/uefi-gpt-10`.
    Uefi,
    /// MBR: one active partition with all; the store is `bcd/BCDvm`.
    Bios,
    /// As [`Firmware::Bios`]; the store is `bcd/BCDlaptop`, whose default entry is a
    /// Windows, changed with our own code to name a partition at 1 MiB.
    BiosLaptop,
    /// MBR: an active partition that a BIOS starts from, and Windows on another; the
    /// store is that of [`Firmware::BiosLaptop`], changed in the same way.
    BiosSplit,
}

impl Firmware {
    fn store(self) -> &'static str {
        match self {
            Self::Uefi => "bcd/uefi-gpt-10",
            Self::Bios => "bcd/BCDvm",
            Self::BiosLaptop | Self::BiosSplit => "bcd/BCDlaptop",
        }
    }
}

/// Makes such a disk, about 300 MB of which half are used. `hibernated` leaves a
/// `hiberfil.sys` that Windows would resume from.
///
/// # Errors
/// When the fixtures or a tool of the host are missing, or NTFS cannot be
/// filled here.
pub fn make(disk: &Path, firmware: Firmware, hibernated: bool) -> Result<()> {
    make_with(disk, firmware, hibernated, |_| Ok(()))
}

/// As [`make`], after `change` had the folder with what comes onto the partition of
/// Windows.
///
/// # Errors
/// As [`make`], and those of `change`.
pub fn make_with(
    disk: &Path,
    firmware: Firmware,
    hibernated: bool,
    change: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let work = crate::scratch()?;
    let mut store = fixture(firmware.store())?;
    match firmware {
        Firmware::BiosLaptop => store = device::moved(&store, layout::START, layout::START)?,
        Firmware::BiosSplit => store = device::moved(&store, layout::START, layout::SPLIT_AT)?,
        Firmware::Uefi | Firmware::Bios => {}
    }
    let layout = Layout::of(firmware, &store)?;
    let system = hives::system(&layout)?;
    let tree = work.path().join("windows");
    tree::windows(&tree, &system, hibernated)?;
    change(&tree)?;
    write(disk, &layout, &tree, &store, work.path())
}

/// Writes the table and the partitions; `tree` is what Windows' has.
fn write(disk: &Path, layout: &Layout, tree: &Path, store: &[u8], work: &Path) -> Result<()> {
    let file = File::create(disk).context("creating a phony disk")?;
    file.set_len(layout.size()).context("sizing a phony disk")?;
    layout.write_table(disk, work)?;
    match layout.parts.as_slice() {
        [esp, _, windows, recovery] => {
            let folders = ["esp", "recovery"].map(|name| work.join(name));
            tree::esp(&folders[0], store)?;
            tree::recovery(&folders[1])?;
            fill::fat(&file, esp, &folders[0], work)?;
            fill::ntfs(&file, windows, "Windows", tree, work)?;
            fill::ntfs(&file, recovery, "Recovery", &folders[1], work)?;
        }
        [reserved, windows] => {
            let folder = work.join("reserved");
            tree::bios_boot(&folder, store)?;
            fill::ntfs(&file, reserved, "System Reserved", &folder, work)?;
            fill::ntfs(&file, windows, "Windows", tree, work)?;
            fill::boot_code(&file)?;
        }
        [windows] => {
            tree::bios_boot(tree, store)?;
            fill::ntfs(&file, windows, "Windows", tree, work)?;
            fill::boot_code(&file)?;
        }
        parts => bail!("a layout of {} partitions", parts.len()),
    }
    file.sync_all().context("writing a phony disk")
}
