//! md RAID: the superblocks of members, and the arrays that they make.
//!
//! Facts: the kernel's `include/uapi/linux/raid/md_p.h` and `drivers/md/md.c`.

mod array;
mod names;
mod v0;
mod v1;

use std::io::Result;

use disk::ReadAt;

pub(crate) use array::{MdMember, assemble};
pub(crate) use names::names;

/// `MD_SB_MAGIC`.
const MAGIC: u32 = 0xa92b_4efc;
const SECTOR: u64 = 512;
/// `LEVEL_LINEAR`.
const LEVEL_LINEAR: i32 = -1;

/// What a member's superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// The array's UUID, as mdadm writes it: four groups of eight digits.
    pub(crate) uuid: String,
    /// The array's name; 0.90 has none.
    pub(crate) name: Option<String>,
    /// The array's number, which only 0.90 keeps.
    pub(crate) minor: Option<u32>,
    /// When the array was made, in seconds since 1970.
    pub(crate) created: u64,
    pub(crate) level: i32,
    /// Bytes that lie on one member before the next.
    pub(crate) chunk: u64,
    /// Slots of the array.
    pub(crate) slots: u32,
    /// Bytes of each member that the array uses; 0 where members differ.
    pub(crate) used: u64,
    /// Where the member's data begins, in bytes.
    pub(crate) data: u64,
    /// Bytes of data that the member has room for.
    pub(crate) room: u64,
    /// Counts the changes of the array's state.
    pub(crate) events: u64,
    /// The member's place in the array: spares and failed ones have none.
    pub(crate) slot: Option<u32>,
    /// It does not hold everything yet.
    pub(crate) recovering: bool,
    /// The array is on its way to another shape.
    pub(crate) reshaping: bool,
    /// A write-intent bitmap: a member that was away gets only what it missed.
    pub(crate) bitmap: bool,
    /// The slots that are taken, as this member knows.
    pub(crate) taken: Vec<u32>,
}

/// A sum over 32-bit words, its carry added once: both formats have it.
fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(4).map(|word| {
        let mut full = [0; 4];
        for (to, from) in full.iter_mut().zip(word) {
            *to = *from;
        }
        u64::from(u32::from_le_bytes(full))
    });
    let sum = words.fold(0_u64, u64::wrapping_add);
    u32::try_from((sum & 0xffff_ffff).wrapping_add(sum >> 32) & 0xffff_ffff).unwrap_or_default()
}

/// The superblock on `device`, of any version: the one that was made last if
/// several are there. The texts say what looks like one and is damaged.
pub(crate) fn read_superblock(
    device: &(impl ReadAt + ?Sized),
) -> Result<(Option<Superblock>, Vec<String>)> {
    let size = device.size();
    let mut damage = Vec::new();
    let mut found: Option<Superblock> = None;
    let end = v1::at_end(size).map(|at| ("1.0", at));
    let places = [("1.1", 0), ("1.2", v1::BEHIND_START)];
    let mut reads = Vec::new();
    for (version, at) in places.into_iter().chain(end) {
        reads.push((version, v1::read(device, at)?));
    }
    if let Some(at) = v0::place(size) {
        reads.push(("0.90", v0::read(device, at)?));
    }
    for (version, read) in reads {
        match read {
            Ok(Some(one)) if found.as_ref().is_none_or(|f| f.created < one.created) => {
                found = Some(one);
            }
            Ok(_) => {}
            Err(why) => damage.push(format!("(version {version}) {why}")),
        }
    }
    Ok((found, damage))
}
