//! Superblocks of version 1 (`struct mdp_superblock_1`): 1.0 at the end of the
//! member, 1.1 at its beginning, 1.2 behind its first 4 KiB.

use std::io::Result;

use disk::ReadAt;

use super::{MAGIC, SECTOR, Superblock, checksum};
use crate::bytes::{self, array, le_u32, le_u64};

/// Where 1.2 is.
pub(super) const BEHIND_START: u64 = 4096;
/// The fixed part; two bytes for each device follow.
const HEAD: usize = 256;
/// `MD_SB_DISKS` of version 1 is 384; mdadm leaves room for 1920.
const DEVICES_CAP: u32 = 1920;
/// Roles from here on are no slots: journal, faulty, spare.
const NO_SLOT: u16 = 0xfffd;

const FEATURE_BITMAP: u32 = 1;
const FEATURE_RECOVERY: u32 = 2;
const FEATURE_RESHAPE: u32 = 4;
const FEATURE_REPLACEMENT: u32 = 16;

/// Where 1.0 is on a device of `size` bytes: 8 KiB before the end at least, on 4 KiB.
pub(super) fn at_end(size: u64) -> Option<u64> {
    let sectors = (size / SECTOR).checked_sub(16)?;
    Some((sectors & !7) * SECTOR)
}

/// The superblock at `at`. `Ok(None)`: none is there.
pub(super) fn read(
    device: &(impl ReadAt + ?Sized),
    at: u64,
) -> Result<std::result::Result<Option<Superblock>, String>> {
    let Some(head) = bytes::read(device, at, HEAD)? else {
        return Ok(Ok(None));
    };
    let is = |field, value| le_u32(&head, field) == Some(value);
    // One that says it is elsewhere is the content of something else.
    if !is(0, MAGIC) || !is(4, 1) || le_u64(&head, 144) != Some(at / SECTOR) {
        return Ok(Ok(None));
    }
    let devices = le_u32(&head, 220).unwrap_or(u32::MAX);
    if devices > DEVICES_CAP {
        return Ok(Err(format!("it says that it knows {devices} devices")));
    }
    let Some(bytes) = bytes::read(device, at, HEAD + 2 * devices as usize)? else {
        return Ok(Err("it goes beyond the end of the device".to_owned()));
    };
    Ok(parse(&bytes).map(Some))
}

fn parse(bytes: &[u8]) -> std::result::Result<Superblock, String> {
    let mut summed = bytes.to_vec();
    if let Some(field) = summed.get_mut(216..220) {
        field.fill(0);
    }
    let (sum, said) = (checksum(&summed), le_u32(bytes, 216));
    if said != Some(sum) {
        let said = said.unwrap_or_default();
        return Err(format!("its checksum is {sum:08x}, it says {said:08x}"));
    }
    fields(bytes).ok_or_else(|| "it has numbers that cannot be".to_owned())
}

fn fields(bytes: &[u8]) -> Option<Superblock> {
    let sectors = |at| le_u64(bytes, at)?.checked_mul(SECTOR);
    let features = le_u32(bytes, 8)?;
    let has = |feature| features & feature != 0;
    let roles: Vec<_> = bytes
        .get(HEAD..)?
        .chunks_exact(2)
        .map(|role| u16::from_le_bytes([role[0], role[1]]))
        .collect();
    let slots = le_u32(bytes, 92)?;
    let slot = |role: u16| Some(u32::from(role)).filter(|slot| role < NO_SLOT && *slot < slots);
    let own = usize::try_from(le_u32(bytes, 160)?).ok()?;
    let mut taken: Vec<_> = roles.iter().filter_map(|role| slot(*role)).collect();
    taken.sort_unstable();
    taken.dedup();
    Some(Superblock {
        uuid: uuid(&array(bytes, 16)?),
        name: name(bytes.get(32..64)?),
        minor: None,
        created: le_u64(bytes, 64)? & 0xff_ffff_ffff,
        level: le_u32(bytes, 72)?.cast_signed(),
        chunk: u64::from(le_u32(bytes, 88)?) * SECTOR,
        slots,
        used: sectors(80)?,
        data: sectors(128)?,
        room: sectors(136)?,
        events: le_u64(bytes, 200)?,
        slot: roles.get(own).and_then(|role| slot(*role)),
        // A replacement copies the member in its slot.
        recovering: has(FEATURE_RECOVERY) && le_u64(bytes, 152)? != u64::MAX
            || has(FEATURE_REPLACEMENT),
        reshaping: has(FEATURE_RESHAPE),
        bitmap: has(FEATURE_BITMAP),
        taken,
    })
}

fn uuid(bytes: &[u8; 16]) -> String {
    let groups = bytes.chunks(4).map(|group| {
        let digits = group.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    });
    groups.collect::<Vec<_>>().join(":")
}

/// The name, where it can be one of a file below `/dev`.
fn name(field: &[u8]) -> Option<String> {
    let name = field.split(|byte| *byte == 0).next()?;
    let name = std::str::from_utf8(name).ok()?;
    let sound = |c: char| !c.is_control() && c != '/' && !c.is_whitespace();
    let sound = name.chars().all(sound) && !name.is_empty() && name != "." && name != "..";
    sound.then(|| name.to_owned())
}
