//! The record of an unfinished restore, kept on the target itself.
//!
//! It lies in the withheld first MiB, so it vanishes when the restore is
//! completed. Two slots are written in turn: a torn write leaves the other.
//! Layout of a slot, little-endian:
//!
//! ```text
//!   0  16  "rescue journal\0\1"
//!  16   8  sequence number, from 1: the valid slot with the larger one counts
//!  24   4  bytes of the bitmap
//!  28   4  log2 of the unit's size
//!  32  32  what is restored: digest of image, disk and target size
//!  64  64  image id, zero-padded
//! 128   8  units
//! 136   8  bytes of data and zeros done
//! 144  48  zero
//! 192   n  bitmap of finished units, lowest bit first
//!   +  32  BLAKE3 of all before
//! ```
//!
//! Slots begin at 256 KiB and 512 KiB: away from every place where a table,
//! filesystem, volume or RAID signature is looked for, and larger than the
//! largest bitmap. When anything else in the first MiB is not zero, somebody
//! used the disk since, and the journal counts for nothing.

use std::io;

use disk::{ReadAt, WriteAt};

use super::units::{Bitmap, MAX_UNITS};
use super::withheld::HEAD;

const MAGIC: &[u8; 16] = b"rescue journal\0\x01";
const SLOTS: [u64; 2] = [256 << 10, 512 << 10];
const FIXED: usize = 192;
const HASH: usize = 32;
const MAX_BITMAP: usize = (MAX_UNITS / 8) as usize;
/// A slot is written in whole blocks.
const BLOCK: usize = 4096;
const SLOT_LEN: usize = (FIXED + MAX_BITMAP + HASH).next_multiple_of(BLOCK);

/// The state of a restore as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Journal {
    pub(super) sequence: u64,
    /// Digest of what is restored and onto what.
    pub(super) digest: [u8; 32],
    /// For messages, when it is another image's.
    pub(super) image: String,
    pub(super) unit_shift: u32,
    pub(super) units: u64,
    /// Bytes of data and zeros in the finished units.
    pub(super) done_bytes: u64,
    pub(super) done: Bitmap,
}

/// Whether disks of this size have room for a journal.
pub(super) const fn has_room(source_size: u64) -> bool {
    source_size >= HEAD
}

impl Journal {
    fn encode(&self) -> Vec<u8> {
        let bitmap = self.done.as_bytes();
        let mut out = Vec::with_capacity(SLOT_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.sequence.to_le_bytes());
        let len = u32::try_from(bitmap.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&self.unit_shift.to_le_bytes());
        out.extend_from_slice(&self.digest);
        out.extend(self.image.bytes().chain(std::iter::repeat(0)).take(64));
        out.extend_from_slice(&self.units.to_le_bytes());
        out.extend_from_slice(&self.done_bytes.to_le_bytes());
        out.resize(FIXED, 0);
        out.extend_from_slice(bitmap);
        let hash = blake3::hash(&out);
        out.extend_from_slice(hash.as_bytes());
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        out
    }

    /// `None` for anything that is not a whole, valid slot.
    fn decode(slot: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED] = slot.first_chunk()?;
        if !fixed.starts_with(MAGIC) {
            return None;
        }
        let bitmap_len = usize::try_from(u32_at(fixed, 24)?).ok()?;
        if bitmap_len > MAX_BITMAP {
            return None;
        }
        let end = FIXED.checked_add(bitmap_len)?;
        let hashed = slot.get(..end)?;
        let hash = slot.get(end..end.checked_add(HASH)?)?;
        if blake3::hash(hashed).as_bytes() != hash {
            return None;
        }
        let units = u64_at(fixed, 128)?;
        if units > MAX_UNITS || units.div_ceil(8) != bitmap_len as u64 {
            return None;
        }
        let image = fixed.get(64..128)?;
        let image = image.split(|b| *b == 0).next().unwrap_or_default();
        Some(Self {
            sequence: u64_at(fixed, 16)?,
            digest: *fixed.get(32..64)?.first_chunk()?,
            image: String::from_utf8_lossy(image).into_owned(),
            unit_shift: u32_at(fixed, 28)?,
            units,
            done_bytes: u64_at(fixed, 136)?,
            done: Bitmap::from_bytes(slot.get(FIXED..end)?.to_vec()),
        })
    }

    /// Writes the journal into the slot of its sequence number; not flushed.
    ///
    /// # Errors
    /// The target's.
    pub(super) fn write(&self, target: &dyn WriteAt) -> io::Result<()> {
        target.write_all_at(&self.encode(), self.slot())
    }

    /// Where this one is written.
    pub(super) const fn slot(&self) -> u64 {
        SLOTS[(self.sequence % 2) as usize]
    }

    /// The newest valid journal on `target`; `None` when there is none, or
    /// when the first MiB holds anything besides.
    ///
    /// # Errors
    /// The target's.
    pub(super) fn find(target: &dyn ReadAt) -> io::Result<Option<Self>> {
        if target.size() < HEAD {
            return Ok(None);
        }
        let mut head = vec![0; HEAD as usize];
        target.read_exact_at(&mut head, 0)?;
        let mut newest: Option<Self> = None;
        for start in SLOTS {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let Some(slot) = head.get_mut(start..start.saturating_add(SLOT_LEN)) else {
                continue;
            };
            let journal = Self::decode(slot);
            slot.fill(0);
            if journal.as_ref().map(|j| j.sequence) > newest.as_ref().map(|n| n.sequence) {
                newest = journal;
            }
        }
        Ok(newest.filter(|_| head.iter().all(|byte| *byte == 0)))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;
    use proptest::prelude::*;

    fn journal(sequence: u64, units: u64, set: &[u64]) -> Journal {
        let mut done = Bitmap::new(units);
        set.iter().for_each(|unit| done.set(*unit));
        Journal {
            sequence,
            digest: [7; 32],
            image: "20251122T042800Z-1f2e3d4c".to_owned(),
            unit_shift: 23,
            units,
            done_bytes: 12345,
            done,
        }
    }

    proptest! {
        #[test]
        fn a_slot_survives_encoding(
            sequence in 1u64.., units in 0..=MAX_UNITS, set in prop::collection::vec(0u64..4096, 0..20)
        ) {
            let before = journal(sequence, units, &set);
            let slot = before.encode();
            prop_assert!(slot.len() <= SLOT_LEN);
            prop_assert_eq!(Journal::decode(&slot), Some(before));
        }

        #[test]
        fn any_flipped_bit_voids_a_slot(bit in 0usize..(FIXED + 125 + HASH) * 8) {
            let mut slot = journal(5, 1000, &[1, 2, 999]).encode();
            slot[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Journal::decode(&slot), None);
        }

        #[test]
        fn rubbish_is_no_journal(mut bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            if let Some(start) = bytes.first_chunk_mut() {
                *start = *MAGIC;
            }
            prop_assert_eq!(Journal::decode(&bytes), None);
        }
    }

    #[test]
    fn the_newer_slot_counts_and_a_torn_one_falls_back() {
        let target = MemDisk::zeroed(2 << 20);
        assert_eq!(Journal::find(&target).unwrap(), None);
        let (old, new) = (journal(8, 100, &[1]), journal(9, 100, &[1, 2]));
        old.write(&target).unwrap();
        new.write(&target).unwrap();
        assert_ne!(old.slot(), new.slot());
        assert_eq!(Journal::find(&target).unwrap().as_ref(), Some(&new));
        target.write_all_at(&[0xff; 100], new.slot() + 150).unwrap();
        assert_eq!(Journal::find(&target).unwrap().as_ref(), Some(&old));
    }

    #[test]
    fn a_disk_used_since_is_not_resumed() {
        for place in [0, 511, 1080, 65_600, (1 << 20) - 1] {
            let target = MemDisk::zeroed(2 << 20);
            journal(1, 100, &[]).write(&target).unwrap();
            target.write_all_at(&[1], place).unwrap();
            assert_eq!(Journal::find(&target).unwrap(), None, "byte {place}");
        }
    }

    #[test]
    fn slots_do_not_touch_each_other_or_leave_the_head() {
        let [a, b] = SLOTS;
        assert!(a + SLOT_LEN as u64 <= b && b + SLOT_LEN as u64 <= HEAD);
        assert!(a >= 128 << 10);
    }
}
