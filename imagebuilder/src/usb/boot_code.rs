//! What a BIOS starts: GRUB's first sector, and its core behind it.
//!
//! grub-bios-setup does this for a running system; it wants a device. The
//! fields are those of GRUB's `include/grub/i386/pc/boot.h` (2.06).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

const SECTOR: u64 = 512;
/// Boot code ends where the MBR has the disk's signature.
const CODE: usize = 440;
/// In boot.img: the core's first sector, 8 bytes.
const KERNEL_SECTOR: usize = 0x5c;
/// In boot.img: a jump over "the drive the BIOS names cannot be right".
const DRIVE_CHECK: usize = 0x66;
const JUMP: [u8; 2] = [0xeb, 0x05];
const NOP: [u8; 2] = [0x90, 0x90];
/// In the core's first sector: where the rest of it is, 8 bytes (2 until it is
/// placed: the core is made for sector 1), then
/// the length, which grub-mkimage has filled in.
const BLOCK_LIST: usize = 0x1f4;

/// Writes the boot code into the first sector of `image` (its table is kept)
/// and the core to byte `at`.
pub(super) fn write(image: &File, grub_pc: &Path, core: Vec<u8>, at: u64) -> Result<()> {
    let path = grub_pc.join("boot.img");
    let boot = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let boot = first_sector(boot, at / SECTOR)
        .with_context(|| format!("{} is not as GRUB 2 makes it", path.display()))?;
    let core = placed_core(core, at / SECTOR).context("GRUB's core is not as expected")?;
    image
        .write_all_at(&boot, 0)
        .context("writing the boot code")?;
    image.write_all_at(&core, at).context("writing GRUB's core")
}

/// The boot code, told where the core is.
fn first_sector(mut boot: Vec<u8>, core: u64) -> Result<Vec<u8>> {
    ensure!(
        boot.len() == 512,
        "it has {} bytes, expected 512",
        boot.len()
    );
    boot.truncate(CODE);
    patch(&mut boot, KERNEL_SECTOR, &core.to_le_bytes())?;
    let check = boot
        .get_mut(DRIVE_CHECK..DRIVE_CHECK + 2)
        .context("too short")?;
    ensure!(
        check == JUMP,
        "no drive check at {DRIVE_CHECK:#x}: {check:02x?}"
    );
    // Without the jump a BIOS that passes nonsense is corrected.
    check.copy_from_slice(&NOP);
    Ok(boot)
}

/// The core, told where its second sector is.
fn placed_core(mut core: Vec<u8>, at: u64) -> Result<Vec<u8>> {
    let second = at.checked_add(1).context("beyond the largest disk")?;
    let found = core.get(BLOCK_LIST..BLOCK_LIST + 8);
    ensure!(
        found == Some(&2_u64.to_le_bytes()),
        "its block list is {found:02x?}"
    );
    patch(&mut core, BLOCK_LIST, &second.to_le_bytes())?;
    Ok(core)
}

fn patch(bytes: &mut [u8], at: usize, new: &[u8]) -> Result<()> {
    let end = at.checked_add(new.len()).context("too far")?;
    let field = bytes.get_mut(at..end).context("too short")?;
    field.copy_from_slice(new);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_told_where_the_next_is() {
        let mut boot = vec![0; 512];
        boot[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&JUMP);
        let boot = first_sector(boot, 2048).unwrap();
        assert_eq!(boot.len(), 440);
        assert_eq!(boot[0x5c..0x64], 2048_u64.to_le_bytes());
        assert_eq!(boot[0x66..0x68], NOP);
        let mut core = vec![0; 2048];
        core[BLOCK_LIST] = 2;
        let core = placed_core(core, 2048).unwrap();
        assert_eq!(core[BLOCK_LIST..BLOCK_LIST + 8], 2049_u64.to_le_bytes());
    }

    #[test]
    fn other_boot_code_is_refused() {
        assert!(first_sector(vec![0; 512], 1).is_err());
        assert!(first_sector(vec![0; 511], 1).is_err());
        assert!(placed_core(vec![0; 100], 1).is_err());
        assert!(placed_core(vec![0; 1024], 1).is_err());
    }
}
