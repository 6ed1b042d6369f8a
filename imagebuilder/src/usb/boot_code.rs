//! What a BIOS starts: GRUB's first sector, and its core behind it.
//!
//! grub-bios-setup does this for a running system; it wants a device.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ::grub::{Core, SECTOR, Set, boot_sector};
use anyhow::{Context, Result};

/// Writes the boot code into the first sector of `image` (its table is kept)
/// and the core, as grub-mkimage has made it, to byte `at`.
pub(super) fn write(image: &File, grub_pc: &Path, core: Vec<u8>, at: u64) -> Result<()> {
    const BOOT: &str = "boot.img";
    let path = grub_pc.join(BOOT);
    let boot = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut set = Set::default();
    set.add(BOOT, boot);
    let mut sector = [0; SECTOR];
    let read = image.read_exact_at(&mut sector, 0);
    read.context("reading the first sector")?;
    let first = at / SECTOR as u64;
    let sector = boot_sector(&set, &sector, first)?;
    let core = Core::made(core)?.at(first);
    image
        .write_all_at(&sector, 0)
        .context("writing the boot code")?;
    image.write_all_at(&core, at).context("writing GRUB's core")
}
