//! Boot code and core are told where the next is, and nothing else is taken for them.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use grub::{Core, SECTOR, Set, boot_sector};

/// In boot.img: the core's first sector; a check of the drive.
const KERNEL_SECTOR: usize = 0x5c;
const DRIVE_CHECK: usize = 0x66;
/// In the core's first sector: where the rest of it is.
const BLOCK_LIST: usize = 0x1f4;

fn with(boot: Vec<u8>) -> Set {
    let mut set = Set::default();
    set.add("boot.img", boot);
    set
}

#[test]
fn both_are_told_where_the_next_is() {
    let mut boot = vec![0; 512];
    boot[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0xeb, 0x05]);
    let table = [7; SECTOR];
    let boot = boot_sector(&with(boot), &table, 2048).unwrap();
    assert_eq!(boot[440..510], table[440..510]);
    assert_eq!(boot[KERNEL_SECTOR..0x64], 2048_u64.to_le_bytes());
    assert_eq!(boot[DRIVE_CHECK..0x68], [0x90; 2]);
    let mut core = vec![0; 2048];
    core[BLOCK_LIST] = 2;
    let core = Core::made(core).unwrap().at(2048);
    assert_eq!(core[BLOCK_LIST..BLOCK_LIST + 8], 2049_u64.to_le_bytes());
}

#[test]
fn other_boot_code_is_refused() {
    let table = [0; SECTOR];
    assert!(boot_sector(&with(vec![0; 512]), &table, 1).is_err());
    assert!(boot_sector(&with(vec![0; 511]), &table, 1).is_err());
    assert!(Core::made(vec![0; 100]).is_err());
    assert!(Core::made(vec![0; 1024]).is_err());
}
