//! The journal's own structures. Big-endian, pure parsing.
//!
//! Facts: the kernel's `Documentation/filesystems/ext4/journal.rst`, and the
//! sizes of tags as `journal_tag_bytes` in `fs/jbd2/journal.c` has them.

use super::superblock::crc32c_raw;
use crate::bytes::{array, be32, be64, byte, slice};
use crate::error::{Stop, raw};

pub(crate) const MAGIC: [u8; 4] = [0xC0, 0x3B, 0x39, 0x98];

pub(crate) const DESCRIPTOR: u32 = 1;
pub(crate) const COMMIT: u32 = 2;
const SUPER_V1: u32 = 3;
const SUPER_V2: u32 = 4;
pub(crate) const REVOKE: u32 = 5;

const COMPAT_CHECKSUM: u32 = 0x1;
const INCOMPAT_64BIT: u32 = 0x2;
const INCOMPAT_ASYNC_COMMIT: u32 = 0x4;
const INCOMPAT_CSUM_V2: u32 = 0x8;
const INCOMPAT_CSUM_V3: u32 = 0x10;
const INCOMPAT_FAST_COMMIT: u32 = 0x20;
/// With revokes (0x1); fast commits are refused on their own.
const INCOMPAT_KNOWN: u32 = 0x1F;

const TAG_ESCAPED: u32 = 0x1;
const TAG_SAME_UUID: u32 = 0x2;
const TAG_LAST: u32 = 0x8;

/// How a descriptor's tags are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TagForm {
    /// Block, 16 bits of checksum, 16 of flags, upper half of the block if
    /// 64-bit; two more bytes with checksums of version 2.
    Short { len: usize },
    /// Block, flags, upper half, 32 bits of checksum.
    V3,
}

/// The journal's superblock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalSuper {
    /// First block of the log, in blocks of the journal.
    pub(crate) first: u64,
    /// First block behind the log.
    pub(crate) last: u64,
    /// Number of the oldest transaction.
    pub(crate) sequence: u32,
    /// Its block; 0 when the journal is empty.
    pub(crate) start: u64,
    wide: bool,
    form: TagForm,
    /// Where CRC-32C over blocks starts from, with checksums of version 2 or 3.
    seed: Option<u32>,
}

/// Where the next block of a transaction belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) block: u64,
    /// The block's first four bytes were the journal's magic, and were cleared.
    pub(crate) escaped: bool,
    pub(crate) csum: u32,
}

impl JournalSuper {
    pub(crate) fn parse(b: &[u8], block_size: u64) -> Result<Self, Stop> {
        let kind = be32(b, 4)?;
        if !b.starts_with(&MAGIC) || !matches!(kind, SUPER_V1 | SUPER_V2) {
            return raw("the journal has no superblock");
        }
        let size = u64::from(be32(b, 0x0C)?);
        if size != block_size {
            return raw(format!(
                "the journal has blocks of {size} bytes, the filesystem of {block_size}"
            ));
        }
        let (compat, incompat) = if kind == SUPER_V2 {
            (be32(b, 0x24)?, be32(b, 0x28)?)
        } else {
            (0, 0)
        };
        refuse(compat, incompat)?;
        let checked = incompat & (INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3) != 0;
        if checked && !super_checksum_matches(b)? {
            return raw("the checksum of the journal's superblock does not match");
        }
        if be32(b, 0x20)? != 0 {
            return raw("the journal was aborted after an error; run e2fsck");
        }
        let wide = incompat & INCOMPAT_64BIT != 0;
        let parsed = Self {
            first: u64::from(be32(b, 0x14)?),
            last: u64::from(be32(b, 0x10)?),
            sequence: be32(b, 0x18)?,
            start: u64::from(be32(b, 0x1C)?),
            wide,
            form: if incompat & INCOMPAT_CSUM_V3 != 0 {
                TagForm::V3
            } else {
                let v2 = incompat & INCOMPAT_CSUM_V2 != 0;
                TagForm::Short {
                    len: 8 + if wide { 4 } else { 0 } + if v2 { 2 } else { 0 },
                }
            },
            seed: checked
                .then(|| slice(b, 0x30, 16).map(|uuid| crc32c_raw(!0, uuid)))
                .transpose()?,
        };
        let placed = parsed.start == 0 || (parsed.first..parsed.last).contains(&parsed.start);
        if parsed.first == 0 || parsed.first >= parsed.last || !placed {
            return raw(format!(
                "the journal starts at block {} of {} to {}",
                parsed.start, parsed.first, parsed.last
            ));
        }
        Ok(parsed)
    }

    /// The block behind `at`, round the end.
    pub(crate) fn next(&self, at: u64) -> u64 {
        match at + 1 {
            next if next >= self.last => self.first,
            next => next,
        }
    }

    /// The tags of a descriptor block.
    pub(crate) fn tags(&self, block: &[u8]) -> Result<Vec<Tag>, Stop> {
        let len = match self.form {
            TagForm::Short { len } => len,
            TagForm::V3 => 16,
        };
        let end = block.len() - self.tail().min(block.len());
        let (mut at, mut out) = (12, Vec::new());
        while at + len <= end {
            let low = u64::from(be32(block, at)?);
            let (flags, csum, high_at) = match self.form {
                // One big-endian word: checksum above, flags below.
                TagForm::Short { .. } => {
                    let word = be32(block, at + 4)?;
                    (word & 0xFFFF, word >> 16, at + 8)
                }
                TagForm::V3 => (be32(block, at + 4)?, be32(block, at + 12)?, at + 8),
            };
            let high = if self.wide { be32(block, high_at)? } else { 0 };
            out.push(Tag {
                block: u64::from(high) << 32 | low,
                escaped: flags & TAG_ESCAPED != 0,
                csum,
            });
            if flags & TAG_LAST != 0 {
                break;
            }
            at += len + if flags & TAG_SAME_UUID == 0 { 16 } else { 0 };
        }
        Ok(out)
    }

    /// The block numbers of a revoke block.
    pub(crate) fn revoked(&self, block: &[u8]) -> Result<Vec<u64>, Stop> {
        let end = usize::try_from(be32(block, 12)?).unwrap_or(usize::MAX);
        if end > block.len() - self.tail().min(block.len()) {
            return raw(format!(
                "a revoke block of the journal says it has {end} bytes"
            ));
        }
        let len = if self.wide { 8 } else { 4 };
        let mut out = Vec::new();
        let mut at = 16;
        while at + len <= end {
            out.push(if self.wide {
                be64(block, at)?
            } else {
                u64::from(be32(block, at)?)
            });
            at += len;
        }
        Ok(out)
    }

    /// Bytes at the end of descriptors and revokes that hold their checksum.
    fn tail(&self) -> usize {
        if self.seed.is_some() { 4 } else { 0 }
    }

    /// Whether a descriptor's or revoke's own checksum, if it has one, matches.
    pub(crate) fn tail_matches(&self, block: &[u8]) -> Result<bool, Stop> {
        self.matches_at(block, block.len().saturating_sub(4))
    }

    /// The same for a commit block, which has its checksum in front.
    pub(crate) fn commit_matches(&self, block: &[u8]) -> Result<bool, Stop> {
        self.matches_at(block, 0x10)
    }

    fn matches_at(&self, block: &[u8], at: usize) -> Result<bool, Stop> {
        let Some(seed) = self.seed else {
            return Ok(true);
        };
        Ok(crc_without(seed, block, at)? == be32(block, at)?)
    }

    /// Whether a block of data is what its tag, in transaction `sequence`,
    /// was made for. Tags of version 2 have room for the low 16 bits.
    pub(crate) fn data_matches(&self, data: &[u8], tag: Tag, sequence: u32) -> bool {
        let Some(seed) = self.seed else {
            return true;
        };
        let crc = crc32c_raw(crc32c_raw(seed, &sequence.to_be_bytes()), data);
        match self.form {
            TagForm::V3 => crc == tag.csum,
            TagForm::Short { .. } => crc & 0xFFFF == tag.csum,
        }
    }
}

fn refuse(compat: u32, incompat: u32) -> Result<(), Stop> {
    if incompat & INCOMPAT_FAST_COMMIT != 0 {
        return raw("its journal may hold fast commits, which allocate without the bitmaps");
    }
    if incompat & !INCOMPAT_KNOWN != 0 {
        return raw(format!("its journal has unknown features ({incompat:#x})"));
    }
    if compat & COMPAT_CHECKSUM != 0 && incompat & INCOMPAT_ASYNC_COMMIT != 0 {
        return raw("its journal commits asynchronously with checksums of version 1");
    }
    Ok(())
}

fn super_checksum_matches(b: &[u8]) -> Result<bool, Stop> {
    let kind = byte(b, 0x50)?;
    if kind != 4 {
        return raw(format!(
            "the journal's checksums are of type {kind}: expected 4 (CRC-32C)"
        ));
    }
    Ok(crc_without(!0, slice(b, 0, 1024)?, 0xFC)? == be32(b, 0xFC)?)
}

/// CRC-32C of a block as if the four bytes at `at` were zero.
fn crc_without(seed: u32, block: &[u8], at: usize) -> Result<u32, Stop> {
    let crc = crc32c_raw(seed, slice(block, 0, at)?);
    let rest = slice(block, at + 4, block.len().saturating_sub(at + 4))?;
    Ok(crc32c_raw(crc32c_raw(crc, &[0; 4]), rest))
}

/// Type and transaction of a block of the log; `None` for anything else.
pub(crate) fn header(block: &[u8]) -> Option<(u32, u32)> {
    let magic = array::<4>(block, 0).ok()?;
    (magic == MAGIC).then_some(())?;
    Some((be32(block, 4).ok()?, be32(block, 8).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(incompat: u32) -> JournalSuper {
        let mut b = vec![0; 1024];
        b[..4].copy_from_slice(&MAGIC);
        for (at, value) in [
            (4, 4),
            (0x0C, 1024),
            (0x10, 50),
            (0x14, 1),
            (0x18, 9),
            (0x1C, 7),
        ] {
            b[at..at + 4].copy_from_slice(&u32::to_be_bytes(value));
        }
        b[0x28..0x2C].copy_from_slice(&incompat.to_be_bytes());
        b[0x50] = 4;
        let crc = crc_without(!0, &b, 0xFC).unwrap();
        b[0xFC..0x100].copy_from_slice(&crc.to_be_bytes());
        JournalSuper::parse(&b, 1024).unwrap()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        let mut block: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        block.resize(1024, 0);
        block
    }

    #[test]
    fn tags_of_every_form() {
        let blocks = |incompat, block: &[u8]| -> Vec<(u64, bool)> {
            let tags = journal(incompat).tags(block).unwrap();
            tags.iter().map(|t| (t.block, t.escaped)).collect()
        };
        // The first tag carries a UUID of four words.
        let narrow = words(&[0, 0, 0, 11, 0, 0, 0, 0, 0, 12, 3, 13, 0xA]);
        assert_eq!(blocks(1, &narrow), [(11, false), (12, true), (13, false)]);
        let wide = words(&[0, 0, 0, 11, 2, 1, 12, 0xA, 0]);
        assert_eq!(blocks(2, &wide), [(1 << 32 | 11, false), (12, false)]);
        let v3 = words(&[0, 0, 0, 11, 3, 1, 0xAB, 12, 0xA, 0, 0xCD]);
        assert_eq!(blocks(0x12, &v3), [(1 << 32 | 11, true), (12, false)]);
        assert_eq!(journal(0x12).tags(&v3).unwrap()[1].csum, 0xCD);
        // Version 2 has two bytes more.
        let mut v2 = vec![0; 1024];
        v2[12..20].copy_from_slice(&[0, 0, 0, 11, 0xAB, 0xCD, 0, 2]);
        v2[22..30].copy_from_slice(&[0, 0, 0, 12, 0, 0, 0, 0xA]);
        assert_eq!(blocks(0x8, &v2), [(11, false), (12, false)]);
        assert_eq!(journal(0x8).tags(&v2).unwrap()[0].csum, 0xABCD);
    }

    /// Without a last tag the block's end ends them, before its checksum.
    #[test]
    fn tags_end_with_the_block() {
        let full = vec![2; 1024];
        assert_eq!(journal(0).tags(&full).unwrap().len(), (1024 - 12) / 8);
        assert_eq!(journal(0x10).tags(&full).unwrap().len(), (1024 - 16) / 16);
    }

    #[test]
    fn revokes_are_counted_in_bytes() {
        let block = words(&[0, 0, 0, 24, 5, 6, 7]);
        assert_eq!(journal(1).revoked(&block).unwrap(), [5, 6]);
        assert_eq!(journal(3).revoked(&block).unwrap(), [5 << 32 | 6]);
        assert!(journal(1).revoked(&words(&[0, 0, 0, 1025])).is_err());
    }

    #[test]
    fn the_log_goes_round_its_end() {
        let journal = journal(0);
        assert_eq!((journal.next(7), journal.next(49)), (8, 1));
    }
}
