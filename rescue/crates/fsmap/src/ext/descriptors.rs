//! Group descriptors: where each group keeps its bitmaps and inode table.
//!
//! Facts: the kernel's `Documentation/filesystems/ext4/group_descr.rst` and
//! `blockgroup.rst` (placement with and without meta_bg).

use super::View;
use super::superblock::{Checksums, Superblock, crc32c_raw};
use crate::bytes::{le16, le32, slice};
use crate::error::Stop;

const BLOCK_UNINIT: u16 = 0x2;

/// What a descriptor says about its group's block bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BitmapState {
    /// On disk, with the checksum it must have (all 32 bits, or the low 16).
    OnDisk { csum: u32 },
    /// Never written: nothing but metadata is used.
    Uninit,
    /// The descriptor's checksum does not match, or it points outside.
    Damaged,
}

/// One group: block numbers of its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) block_bitmap: u64,
    pub(crate) inode_bitmap: u64,
    pub(crate) inode_table: u64,
    pub(crate) state: BitmapState,
}

/// The block that holds descriptor block `index` of the primary table.
///
/// With meta_bg it lies in the first group of its own meta-group; otherwise
/// behind the superblock. The kernel's `descriptor_loc` has the odd case: with
/// 1 KiB blocks and bigalloc the superblock is block 1 of a group that starts
/// at block 0.
pub(crate) fn location(sb: &Superblock, index: u64) -> u64 {
    if index < sb.first_meta_bg {
        return (sb.own_block() + 1).saturating_add(index);
    }
    let group = index.saturating_mul(sb.descs_per_block());
    let odd = u64::from(index == 0 && sb.block_size == 1024 && sb.first_data_block == 0);
    sb.group_start(group)
        .saturating_add(u64::from(sb.has_super(group)) + odd)
}

/// Reads every descriptor, through the journal's overlay if the view has one.
pub(crate) fn load(view: &View<'_>) -> Result<Vec<Group>, Stop> {
    let sb = view.sb;
    let mut groups = Vec::with_capacity(usize::try_from(sb.groups).unwrap_or(0));
    for index in 0..sb.desc_blocks() {
        let block = view.block("group descriptors", location(sb, index))?;
        for slot in 0..sb.descs_per_block() {
            let number = index * sb.descs_per_block() + slot;
            if number >= sb.groups {
                break;
            }
            let at = usize::try_from(slot * sb.desc_size).unwrap_or(usize::MAX);
            let len = usize::try_from(sb.desc_size).unwrap_or(usize::MAX);
            groups.push(parse(sb, number, slice(&block, at, len)?)?);
        }
    }
    Ok(groups)
}

fn parse(sb: &Superblock, number: u64, desc: &[u8]) -> Result<Group, Stop> {
    let high = |at| {
        if desc.len() >= 64 {
            le32(desc, at)
        } else {
            Ok(0)
        }
    };
    let wide = |low, up| -> Result<u64, Stop> {
        Ok(u64::from(high(up)?) << 32 | u64::from(le32(desc, low)?))
    };
    let mut group = Group {
        block_bitmap: wide(0x0, 0x20)?,
        inode_bitmap: wide(0x4, 0x24)?,
        inode_table: wide(0x8, 0x28)?,
        state: BitmapState::Damaged,
    };
    let inside = |at: u64, len| at >= 1 && at.checked_add(len).is_some_and(|e| e <= sb.blocks);
    let placed = inside(group.block_bitmap, 1)
        && inside(group.inode_bitmap, 1)
        && inside(group.inode_table, sb.inode_table_blocks());
    if placed && checksum_matches(sb, number, desc)? {
        group.state = bitmap_state(sb, desc)?;
    }
    Ok(group)
}

fn bitmap_state(sb: &Superblock, desc: &[u8]) -> Result<BitmapState, Stop> {
    // Without descriptor checksums the flag has no meaning.
    if sb.checksums != Checksums::None && le16(desc, 0x12)? & BLOCK_UNINIT != 0 {
        return Ok(BitmapState::Uninit);
    }
    let mut csum = u32::from(le16(desc, 0x18)?);
    if desc.len() >= 64 {
        csum |= u32::from(le16(desc, 0x38)?) << 16;
    }
    Ok(BitmapState::OnDisk { csum })
}

/// Whether the CRC at 0x1E covers the rest of the descriptor. CRC-16 skips its
/// own field; CRC-32C reads it as zero, and keeps the low 16 bits.
fn checksum_matches(sb: &Superblock, number: u64, desc: &[u8]) -> Result<bool, Stop> {
    let number = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let (head, tail) = (slice(desc, 0, 0x1E)?, desc.get(0x20..).unwrap_or_default());
    let computed = match sb.checksums {
        Checksums::None => return Ok(true),
        Checksums::Crc16 => {
            let crc = crc16(crc16(crc16(!0, &sb.uuid), &number), head);
            if sb.is_64bit() { crc16(crc, tail) } else { crc }
        }
        Checksums::Crc32c { seed } => {
            let crc = crc32c_raw(crc32c_raw(seed, &number), head);
            (crc32c_raw(crc32c_raw(crc, &[0; 2]), tail) & 0xFFFF) as u16
        }
    };
    Ok(computed == le16(desc, 0x1E)?)
}

/// CRC-16/ARC (polynomial 0x8005, reflected), chained without inversion.
fn crc16(seed: u16, data: &[u8]) -> u16 {
    data.iter().fold(seed, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |c, _| {
            if c & 1 == 1 { c >> 1 ^ 0xA001 } else { c >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::crc16;

    /// The check value of CRC-16/ARC, and of its variant from all ones.
    #[test]
    fn crc16_check_values() {
        assert_eq!(crc16(0, b"123456789"), 0xBB3D);
        assert_eq!(crc16(!0, b"123456789"), 0x4B37);
    }
}
