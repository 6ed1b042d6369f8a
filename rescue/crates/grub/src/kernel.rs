//! GRUB's kernel, as it is in memory.

use crate::bytes::{le_size, le_u16, le_u32};
use crate::{Error, Result};

/// Where it is linked to run (include/grub/offsets.h, `GRUB_KERNEL_I386_PC_LINK_ADDR`).
pub(crate) const LINK: usize = 0x9000;
/// It has to end before this (util/mkimage.c), with what it keeps at zero.
const END: usize = 0x68000;

const FILE: &str = "kernel.img";

/// Offsets in an ELF of 32 bits, and values (System V ABI, "Object Files").
mod elf {
    pub(super) const MAGIC: &[u8; 7] = b"\x7fELF\x01\x01\x01";
    pub(super) const ENTRY: usize = 24;
    pub(super) const SECTIONS: usize = 32;
    pub(super) const SECTION_SIZE: usize = 46;
    pub(super) const SECTION_COUNT: usize = 48;
    pub(super) const TYPE: usize = 4;
    pub(super) const FLAGS: usize = 8;
    pub(super) const ADDRESS: usize = 12;
    pub(super) const OFFSET: usize = 16;
    pub(super) const SIZE: usize = 20;
    pub(super) const NOBITS: u32 = 8;
    pub(super) const ALLOC: u32 = 2;
}

/// What is loaded of `image`, from [`LINK`] on: its sections that are not empty memory
/// (util/grub-mkimagexx.c). The modules come right behind.
pub(crate) fn flat(image: &[u8]) -> Result<Vec<u8>> {
    let unknown = |what: String| Error::Unknown { file: FILE, what };
    if !image.starts_with(elf::MAGIC) {
        return Err(unknown("it is no ELF of 32 bits".to_owned()));
    }
    let entry = le_size(image, elf::ENTRY);
    if entry != Some(LINK) {
        return Err(unknown(format!(
            "it begins at {entry:x?}, expected {LINK:#x}"
        )));
    }
    let cut = || unknown("its sections are cut short".to_owned());
    let table = le_size(image, elf::SECTIONS).ok_or_else(cut)?;
    let size: usize = le_u16(image, elf::SECTION_SIZE).ok_or_else(cut)?.into();
    let count = le_u16(image, elf::SECTION_COUNT).ok_or_else(cut)?;
    let mut flat = Vec::new();
    for number in 0..usize::from(count) {
        let at = number
            .checked_mul(size)
            .and_then(|at| at.checked_add(table));
        let section = at.and_then(|at| image.get(at..)).ok_or_else(cut)?;
        load(image, section, &mut flat).ok_or_else(cut)?;
    }
    match flat.is_empty() {
        true => Err(unknown("it has nothing to be loaded".to_owned())),
        false => Ok(flat),
    }
}

/// Puts what `section` has to its place; `None` when that cannot be.
fn load(image: &[u8], section: &[u8], flat: &mut Vec<u8>) -> Option<()> {
    if le_u32(section, elf::FLAGS)? & elf::ALLOC == 0 {
        return Some(());
    }
    let size = le_size(section, elf::SIZE)?;
    let at = le_size(section, elf::ADDRESS)?.checked_sub(LINK)?;
    let end = at.checked_add(size).filter(|end| *end <= END - LINK)?;
    if le_u32(section, elf::TYPE)? == elf::NOBITS {
        return Some(());
    }
    let from = le_size(section, elf::OFFSET)?;
    let bytes = image.get(from..from.checked_add(size)?)?;
    if flat.len() < end {
        flat.resize(end, 0);
    }
    crate::bytes::put(flat, at, bytes)
}
