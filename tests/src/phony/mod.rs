//! Disks that look like those of a Windows machine, for tests of what is done to
//! a Windows that does not run. No Windows is on them: they hold genuine
//! registry hives and boot stores of the fixtures, and short marker files where
//! programs would be.
//!
//! What is true of them: the partition table has the very ids that the boot
//! store names; the hives are those of one machine that is joined to a domain;
//! each service that starts at boot has a file. What is not: the boot store comes
//! from another machine than the hives, and `SYSTEM` had its `MountedDevices`
//! changed, with our own code, to name this disk.
//!
//! [`check`] judges such a disk with none of our code, see `check.py`.

mod check;
mod device;
mod edit;
mod fill;
mod hives;
mod layout;
mod start;
mod tree;

pub use check::{Asked, check};
pub use edit::{list, read, replace, replace_on_esp, windows_start};
pub use hives::fixture;
pub use start::{check_start, make_asleep};

use anyhow::{Context, Result};
use std::fs::File;
use std::path::Path;

/// How the machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// GPT: ESP, MSR, Windows, recovery; the store is `bcd/uefi-gpt-10`.
    Uefi,
    /// MBR: one active partition with all; the store is `bcd/BCDvm`.
    Bios,
}

impl Firmware {
    fn store(self) -> &'static str {
        match self {
            Self::Uefi => "bcd/uefi-gpt-10",
            Self::Bios => "bcd/BCDvm",
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
    let work = crate::scratch()?;
    let store = fixture(firmware.store())?;
    let layout = layout::Layout::of(firmware, &store)?;
    let system = hives::system(&layout)?;
    let tree = work.path().join("windows");
    tree::windows(&tree, &system, hibernated)?;
    let file = File::create(disk).context("creating a phony disk")?;
    file.set_len(layout.size()).context("sizing a phony disk")?;
    layout.write_table(disk, work.path())?;
    match firmware {
        Firmware::Uefi => {
            let (esp, recovery) = (work.path().join("esp"), work.path().join("recovery"));
            tree::esp(&esp, &store)?;
            tree::recovery(&recovery)?;
            fill::fat(&file, &layout.parts[0], &esp, work.path())?;
            fill::ntfs(&file, &layout.parts[2], "Windows", &tree, work.path())?;
            fill::ntfs(&file, &layout.parts[3], "Recovery", &recovery, work.path())?;
        }
        Firmware::Bios => {
            tree::bios_boot(&tree, &store)?;
            fill::ntfs(&file, &layout.parts[0], "Windows", &tree, work.path())?;
            fill::boot_code(&file)?;
        }
    }
    file.sync_all().context("writing a phony disk")
}
