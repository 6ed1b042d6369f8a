//! Superblocks of version 0.90 (`mdp_super_t`): 1024 words at the end of the
//! member, in the byte order of the machine, which is little-endian here.

use std::io::Result;

use disk::ReadAt;

use super::{MAGIC, Superblock, checksum};
use crate::bytes::{self, le_u32};

const LEN: usize = 4096;
/// `MD_RESERVED_BYTES`: it is that far from the end, on a multiple of that.
const RESERVED: u64 = 64 << 10;
/// `MD_SB_DISKS`.
const DEVICES: usize = 27;
/// Words of the descriptors: of all devices, and of this one.
const DESCRIPTORS: usize = 128;
const THIS: usize = 992;
const DESCRIPTOR: usize = 32;
/// States of a device: `MD_DISK_FAULTY`, `MD_DISK_ACTIVE`, `MD_DISK_SYNC`, `MD_DISK_REMOVED`.
const FAULTY: u32 = 1;
const IN_USE: u32 = 2 | 4;
const REMOVED: u32 = 8;
/// `MD_SB_BITMAP_PRESENT`.
const BITMAP: u32 = 1 << 8;

/// Where it is on a device of `size` bytes.
pub(super) fn place(size: u64) -> Option<u64> {
    (size / RESERVED * RESERVED).checked_sub(RESERVED)
}

/// The superblock at `at`. `Ok(None)`: none is there.
pub(super) fn read(
    device: &(impl ReadAt + ?Sized),
    at: u64,
) -> Result<std::result::Result<Option<Superblock>, String>> {
    let Some(bytes) = bytes::read(device, at, LEN)? else {
        return Ok(Ok(None));
    };
    let word = |number: usize| le_u32(&bytes, number * 4);
    if (word(0), word(1)) != (Some(MAGIC), Some(0)) || word(2) < Some(90) {
        return Ok(Ok(None));
    }
    let mut summed = bytes.clone();
    if let Some(field) = summed.get_mut(38 * 4..39 * 4) {
        field.fill(0);
    }
    let (sum, said) = (checksum(&summed), word(38));
    if said != Some(sum) {
        let said = said.unwrap_or_default();
        return Ok(Err(format!(
            "its checksum is {sum:08x}, it says {said:08x}"
        )));
    }
    let parsed = fields(&bytes, at);
    Ok(parsed
        .map(Some)
        .ok_or_else(|| "it has numbers that cannot be".to_owned()))
}

fn fields(bytes: &[u8], room: u64) -> Option<Superblock> {
    let word = |number: usize| le_u32(bytes, number.checked_mul(4)?);
    let slots = word(10)?;
    // The slot of the device described at a word, if it takes one.
    let slot = |at: usize| {
        let state = word(at + 4)?;
        let used = state & IN_USE == IN_USE && state & (FAULTY | REMOVED) == 0;
        word(at + 3).filter(|slot| used && *slot < slots)
    };
    let devices = (0..DEVICES).map(|number| DESCRIPTORS + number * DESCRIPTOR);
    let mut taken: Vec<_> = devices.filter_map(slot).collect();
    taken.sort_unstable();
    taken.dedup();
    let uuid = [word(5)?, word(13)?, word(14)?, word(15)?];
    let uuid: Vec<_> = uuid.iter().map(|word| format!("{word:08x}")).collect();
    Some(Superblock {
        uuid: uuid.join(":"),
        name: None,
        minor: word(11),
        created: u64::from(word(6)?),
        level: word(7)?.cast_signed(),
        chunk: u64::from(word(65)?),
        slots,
        used: u64::from(word(8)?) << 10,
        data: 0,
        room,
        events: u64::from(word(40)?) << 32 | u64::from(word(39)?),
        slot: slot(THIS),
        recovering: false,
        // Minor version 91 marks a reshape.
        reshaping: word(2)? > 90,
        bitmap: word(33)? & BITMAP != 0,
        taken,
    })
}
