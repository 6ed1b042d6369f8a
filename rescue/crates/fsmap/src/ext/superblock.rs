//! The ext2/3/4 superblock: geometry, features, checksum.
//!
//! Facts: the kernel's `Documentation/filesystems/ext4/super.rst` and e2fsprogs'
//! `ext2_fs.h`. Little-endian, 1024 bytes at byte 1024 of the partition.

use crate::FsKind;
use crate::bytes::{array, byte, has, le16, le32, slice, times};
use crate::error::{Stop, raw};

/// Where the superblock lies, in bytes from the partition's start.
pub(crate) const OFFSET: u64 = 1024;
/// Its length in bytes.
pub(crate) const LEN: u64 = 1024;

const MAX_GROUPS: u64 = 1 << 20;

const COMPAT_JOURNAL: u32 = 0x4;
const COMPAT_SPARSE_SUPER2: u32 = 0x200;

const INCOMPAT_RECOVER: u32 = 0x4;
const INCOMPAT_JOURNAL_DEV: u32 = 0x8;
const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_64BIT: u32 = 0x80;
const INCOMPAT_CSUM_SEED: u32 = 0x2000;
/// Filetype, recover, meta_bg, extents, 64bit, mmp, flex_bg, ea_inode,
/// dirdata, csum_seed, largedir, inline_data, encrypt, casefold.
const INCOMPAT_KNOWN: u32 = 0x3_F7D6;
const INCOMPAT_EXT3: u32 = 0x2 | INCOMPAT_RECOVER | INCOMPAT_META_BG;

const RO_SPARSE_SUPER: u32 = 0x1;
const RO_GDT_CSUM: u32 = 0x10;
const RO_BIGALLOC: u32 = 0x200;
const RO_METADATA_CSUM: u32 = 0x400;
/// All but has_snapshot (0x80) and replica (0x800), up to orphan_present.
const RO_KNOWN: u32 = 0x1_F77F;
const RO_EXT3: u32 = 0x7;

const STATE_VALID: u16 = 0x1;
const STATE_ERRORS: u16 = 0x2;

/// How descriptors and bitmaps are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksums {
    None,
    /// `uninit_bg`: a CRC-16 over each descriptor.
    Crc16,
    /// `metadata_csum`: CRC-32C over descriptors and bitmaps, from this seed.
    Crc32c {
        seed: u32,
    },
}

/// A superblock whose numbers were checked against each other and against the
/// size of the partition.
#[derive(Debug, Clone)]
pub(crate) struct Superblock {
    pub(crate) uuid: [u8; 16],
    /// Bytes.
    pub(crate) block_size: u64,
    /// Blocks in the filesystem, counted from block 0.
    pub(crate) blocks: u64,
    /// 1 with 1 KiB blocks (block 0 is the boot sector's), else 0.
    pub(crate) first_data_block: u64,
    /// Blocks one bit of a bitmap stands for.
    pub(crate) cluster_ratio: u64,
    pub(crate) clusters_per_group: u64,
    pub(crate) blocks_per_group: u64,
    pub(crate) groups: u64,
    pub(crate) inodes_per_group: u64,
    /// Bytes.
    pub(crate) inode_size: u64,
    /// Bytes.
    pub(crate) desc_size: u64,
    pub(crate) reserved_gdt: u64,
    /// First descriptor block placed the meta_bg way; `u64::MAX` without it.
    pub(crate) first_meta_bg: u64,
    pub(crate) checksums: Checksums,
    compat: u32,
    incompat: u32,
    ro_compat: u32,
    state: u16,
    backup_groups: [u32; 2],
    /// Inode of the journal; 0 when there is none inside.
    pub(crate) journal_inode: u64,
    /// `i_block` of the journal's inode, kept as a spare copy.
    pub(crate) journal_backup: [u8; 60],
}

/// CRC-32C as ext4 and jbd2 chain it: no inversion at either end.
pub(crate) fn crc32c_raw(seed: u32, data: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, data)
}

fn features(sb: &[u8]) -> Result<[u32; 3], Stop> {
    // Revision 0 had no feature words.
    if le32(sb, 0x4C)? == 0 {
        return Ok([0; 3]);
    }
    Ok([le32(sb, 0x5C)?, le32(sb, 0x60)?, le32(sb, 0x64)?])
}

/// ext2, ext3 or ext4, the way blkid tells them apart; `None` without magic.
pub(crate) fn kind(sb: &[u8]) -> Option<FsKind> {
    if !has(sb, 0x38, &[0x53, 0xEF]) {
        return None;
    }
    let [compat, incompat, ro] = features(sb).ok()?;
    let old = incompat & !INCOMPAT_EXT3 == 0 && ro & !RO_EXT3 == 0;
    Some(match (old, compat & COMPAT_JOURNAL != 0) {
        (false, _) => FsKind::Ext4,
        (true, true) => FsKind::Ext3,
        (true, false) => FsKind::Ext2,
    })
}

impl Superblock {
    /// Parses `sb`, the 1024 bytes of it, for a partition of `size` bytes.
    pub(crate) fn parse(sb: &[u8], size: u64) -> Result<Self, Stop> {
        if kind(sb).is_none() {
            return raw("no ext superblock: expected magic 53 EF at byte 1080");
        }
        let [compat, incompat, ro_compat] = features(sb)?;
        refuse_unknown(incompat, ro_compat)?;
        let checksums = checksums(sb, incompat, ro_compat)?;
        let parsed = Self {
            uuid: array(sb, 0x68)?,
            block_size: block_size(sb)?,
            blocks: block_count(sb, incompat)?,
            first_data_block: u64::from(le32(sb, 0x14)?),
            cluster_ratio: cluster_ratio(sb, ro_compat)?,
            clusters_per_group: u64::from(if ro_compat & RO_BIGALLOC == 0 {
                le32(sb, 0x20)?
            } else {
                le32(sb, 0x24)?
            }),
            blocks_per_group: u64::from(le32(sb, 0x20)?),
            groups: 0,
            inodes_per_group: u64::from(le32(sb, 0x28)?),
            inode_size: inode_size(sb)?,
            desc_size: desc_size(sb, incompat)?,
            reserved_gdt: u64::from(le16(sb, 0xCE)?),
            first_meta_bg: if incompat & INCOMPAT_META_BG == 0 {
                u64::MAX
            } else {
                u64::from(le32(sb, 0x104)?)
            },
            checksums,
            compat,
            incompat,
            ro_compat,
            state: le16(sb, 0x3A)?,
            backup_groups: [le32(sb, 0x24C)?, le32(sb, 0x250)?],
            journal_inode: u64::from(le32(sb, 0xE0)?),
            journal_backup: array(sb, 0x10C)?,
        };
        parsed.check(size)
    }

    fn check(mut self, size: u64) -> Result<Self, Stop> {
        let bits = times(self.block_size, 8)?;
        let bigalloc = self.ro_compat & RO_BIGALLOC != 0;
        let first = u64::from(self.block_size == 1024 && !bigalloc);
        let sane = self.clusters_per_group >= 8
            && self.clusters_per_group.is_multiple_of(8)
            && self.clusters_per_group <= bits
            && self.blocks_per_group == times(self.clusters_per_group, self.cluster_ratio)?
            && self.first_data_block == first
            && self.blocks > self.first_data_block
            && (1..=bits).contains(&self.inodes_per_group)
            && self.inode_size.is_power_of_two()
            && (128..=self.block_size).contains(&self.inode_size)
            && self.reserved_gdt <= self.block_size / 4;
        if !sane {
            return raw(format!(
                "the ext superblock contradicts itself (blocks of {} bytes, {} in a group, \
                 {} inodes of {} bytes in a group)",
                self.block_size, self.blocks_per_group, self.inodes_per_group, self.inode_size
            ));
        }
        let end = times(self.blocks, self.block_size)?;
        if end > size {
            return raw(format!(
                "the filesystem says it has {end} bytes, the partition has {size}: \
                 it was cut, or is one part of an array"
            ));
        }
        self.groups = (self.blocks - self.first_data_block).div_ceil(self.blocks_per_group);
        if self.groups > MAX_GROUPS {
            return raw(format!(
                "{} block groups; at most {MAX_GROUPS} are mapped",
                self.groups
            ));
        }
        Ok(self)
    }

    /// Why the bitmaps cannot be believed, if the last mount left them so.
    pub(crate) fn distrust(&self) -> Option<&'static str> {
        if self.incompat & INCOMPAT_JOURNAL_DEV != 0 {
            Some("this is the external journal of another filesystem")
        } else if self.has_errors() {
            Some("the kernel recorded errors in this filesystem; run e2fsck")
        } else if self.state & STATE_VALID == 0 && !self.needs_recovery() {
            Some("it was not unmounted cleanly and has no journal; run e2fsck")
        } else {
            None
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.state & STATE_ERRORS != 0
    }

    pub(crate) fn has_journal(&self) -> bool {
        self.compat & COMPAT_JOURNAL != 0
    }

    /// Whether groups and their structures lie in the same places.
    pub(crate) fn same_geometry(&self, other: &Self) -> bool {
        let places = |sb: &Self| {
            (
                (sb.block_size, sb.blocks, sb.blocks_per_group),
                (sb.cluster_ratio, sb.inodes_per_group, sb.inode_size),
                (sb.desc_size, sb.first_meta_bg, sb.checksums),
            )
        };
        places(self) == places(other)
    }

    pub(crate) fn needs_recovery(&self) -> bool {
        self.incompat & INCOMPAT_RECOVER != 0
    }

    pub(crate) fn is_64bit(&self) -> bool {
        self.incompat & INCOMPAT_64BIT != 0
    }

    /// The block the superblock lies in.
    pub(crate) fn own_block(&self) -> u64 {
        OFFSET / self.block_size
    }

    /// First block of group `g`.
    pub(crate) fn group_start(&self, g: u64) -> u64 {
        g.saturating_mul(self.blocks_per_group)
            .saturating_add(self.first_data_block)
    }

    /// Blocks of group `g`; the last group may be short.
    pub(crate) fn group_blocks(&self, g: u64) -> u64 {
        self.blocks
            .saturating_sub(self.group_start(g))
            .min(self.blocks_per_group)
    }

    /// Whether group `g` starts with a copy of the superblock.
    pub(crate) fn has_super(&self, g: u64) -> bool {
        if g == 0 {
            return true;
        }
        if self.compat & COMPAT_SPARSE_SUPER2 != 0 {
            return self.backup_groups.iter().any(|b| u64::from(*b) == g);
        }
        if g == 1 || self.ro_compat & RO_SPARSE_SUPER == 0 {
            return true;
        }
        [3, 5, 7].iter().any(|base| is_power_of(g, *base))
    }

    /// Descriptors in one block.
    pub(crate) fn descs_per_block(&self) -> u64 {
        (self.block_size / self.desc_size).max(1)
    }

    /// Blocks of descriptors.
    pub(crate) fn desc_blocks(&self) -> u64 {
        self.groups.div_ceil(self.descs_per_block())
    }

    /// Blocks of one group's inode table.
    pub(crate) fn inode_table_blocks(&self) -> u64 {
        self.inodes_per_group
            .saturating_mul(self.inode_size)
            .div_ceil(self.block_size)
    }
}

fn is_power_of(mut n: u64, base: u64) -> bool {
    while n > 1 && n.is_multiple_of(base) {
        n /= base;
    }
    n == 1
}

fn refuse_unknown(incompat: u32, ro_compat: u32) -> Result<(), Stop> {
    let (strange, ro) = (incompat & !INCOMPAT_KNOWN, ro_compat & !RO_KNOWN);
    if strange & !INCOMPAT_JOURNAL_DEV != 0 || ro != 0 {
        return raw(format!(
            "it has features this version does not know \
             (incompatible {strange:#x}, read-only compatible {ro:#x})"
        ));
    }
    Ok(())
}

fn checksums(sb: &[u8], incompat: u32, ro_compat: u32) -> Result<Checksums, Stop> {
    if ro_compat & RO_METADATA_CSUM == 0 {
        return Ok(if ro_compat & RO_GDT_CSUM == 0 {
            Checksums::None
        } else {
            Checksums::Crc16
        });
    }
    let kind = byte(sb, 0x175)?;
    if kind != 1 {
        return raw(format!(
            "metadata checksums of type {kind}: expected 1 (CRC-32C)"
        ));
    }
    let (found, expected) = (le32(sb, 0x3FC)?, crc32c_raw(!0, slice(sb, 0, 0x3FC)?));
    if found != expected {
        return raw(format!(
            "the superblock's checksum is {found:08x}, computed {expected:08x}: it is damaged"
        ));
    }
    let seed = if incompat & INCOMPAT_CSUM_SEED != 0 {
        le32(sb, 0x270)?
    } else {
        crc32c_raw(!0, slice(sb, 0x68, 16)?)
    };
    Ok(Checksums::Crc32c { seed })
}

fn block_size(sb: &[u8]) -> Result<u64, Stop> {
    match le32(sb, 0x18)? {
        log @ 0..=6 => Ok(1024 << log),
        log => raw(format!(
            "block size of 2^{log} KiB: expected at most 64 KiB"
        )),
    }
}

fn cluster_ratio(sb: &[u8], ro_compat: u32) -> Result<u64, Stop> {
    let (block, cluster) = (le32(sb, 0x18)?, le32(sb, 0x1C)?);
    if ro_compat & RO_BIGALLOC == 0 {
        return Ok(1);
    }
    match cluster.checked_sub(block) {
        Some(shift @ 0..=20) => Ok(1 << shift),
        _ => raw(format!(
            "clusters of 2^{cluster} KiB and blocks of 2^{block} KiB do not fit together"
        )),
    }
}

fn block_count(sb: &[u8], incompat: u32) -> Result<u64, Stop> {
    let high = if incompat & INCOMPAT_64BIT == 0 {
        0
    } else {
        le32(sb, 0x150)?
    };
    Ok(u64::from(high) << 32 | u64::from(le32(sb, 0x4)?))
}

fn inode_size(sb: &[u8]) -> Result<u64, Stop> {
    if le32(sb, 0x4C)? == 0 {
        return Ok(128);
    }
    Ok(u64::from(le16(sb, 0x58)?))
}

fn desc_size(sb: &[u8], incompat: u32) -> Result<u64, Stop> {
    if incompat & INCOMPAT_64BIT == 0 {
        return Ok(32);
    }
    let size = le16(sb, 0xFE)?;
    if size.is_power_of_two() && (64..=1024).contains(&size) {
        return Ok(u64::from(size));
    }
    raw(format!(
        "group descriptors of {size} bytes: expected 64 to 1024"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers() {
        let powers: Vec<u64> = (2..130).filter(|n| is_power_of(*n, 5)).collect();
        assert_eq!(powers, [5, 25, 125]);
        assert!(!is_power_of(0, 3));
    }

    /// The Castagnoli check value, before its final inversion.
    #[test]
    fn crc_is_not_inverted() {
        assert_eq!(crc32c_raw(!0, b"123456789"), !0xE306_9283);
    }
}
