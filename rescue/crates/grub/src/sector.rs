//! The first sector of a disk, which a BIOS starts.

use crate::bytes::put;
use crate::{Error, Result, Set};

/// Bytes of a sector as a BIOS has them.
pub const SECTOR: usize = 512;

/// Fields of boot.img (include/grub/i386/pc/boot.h), in bytes.
mod field {
    /// The core's first sector, 8 bytes (`GRUB_BOOT_MACHINE_KERNEL_SECTOR`).
    pub(super) const KERNEL_SECTOR: usize = 0x5c;
    /// The disk: 0xff is the one that the BIOS started (`..._BOOT_DRIVE`).
    pub(super) const BOOT_DRIVE: usize = 0x64;
    /// A jump over the code that corrects a BIOS which names a disk that is none
    /// (`..._DRIVE_CHECK`); `grub-bios-setup` takes it out for hard disks.
    pub(super) const DRIVE_CHECK: usize = 0x66;
    /// The code ends where the disk's signature and table are
    /// (`..._WINDOWS_NT_MAGIC`).
    pub(super) const END: usize = 0x1b8;
}
const JUMP: [u8; 2] = [0xeb, 0x05];
const NOP: [u8; 2] = [0x90; 2];

/// Sector 0 of a disk: the code of `set`, told that the core begins in sector `core`;
/// the signature and the table of `sector` stay (util/setup.c).
///
/// # Errors
/// boot.img is missing, or not GRUB 2's.
pub fn boot_sector(set: &Set, sector: &[u8; SECTOR], core: u64) -> Result<[u8; SECTOR]> {
    const FILE: &str = "boot.img";
    let boot = set.get(FILE)?;
    let size = || Error::Size {
        file: FILE,
        found: boot.len(),
        expected: "512",
    };
    let mut new: [u8; SECTOR] = boot.try_into().map_err(|_| size())?;
    let check = new.get(field::DRIVE_CHECK..).unwrap_or_default();
    if !check.starts_with(&JUMP) {
        return Err(Error::Unknown {
            file: FILE,
            what: format!("no drive check at byte {:#x}", field::DRIVE_CHECK),
        });
    }
    let kept = sector.get(field::END..).unwrap_or_default();
    let done = put(&mut new, field::KERNEL_SECTOR, &core.to_le_bytes())
        .and_then(|()| put(&mut new, field::BOOT_DRIVE, &[0xff]))
        .and_then(|()| put(&mut new, field::DRIVE_CHECK, &NOP))
        .and_then(|()| put(&mut new, field::END, kept))
        .and_then(|()| put(&mut new, SECTOR - 2, &[0x55, 0xaa]));
    done.ok_or_else(size)?;
    Ok(new)
}
