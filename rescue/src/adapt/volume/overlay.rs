//! A volume that can be written without changing it.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::{Extent, ReadAt, WriteAt};

use super::super::Patch;

/// Bytes that are kept together.
const BLOCK: usize = 4096;
/// No patch is longer than this, in bytes.
const PATCH: usize = 1 << 20;

/// What is written stays in memory, over a volume that stays as it is.
pub struct Overlay {
    base: Arc<dyn ReadAt>,
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By number; the last of a volume may be shorter.
    blocks: BTreeMap<u64, Vec<u8>>,
    full: bool,
    /// Why the volume could not be read, the first time.
    unread: Option<String>,
}

impl Kept {
    /// Keeps why reading failed.
    fn note<T>(&mut self, read: Result<T>) -> Result<T> {
        if let Err(error) = &read {
            self.unread.get_or_insert_with(|| error.to_string());
        }
        read
    }
}

/// How much, not what.
impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let blocks = self.kept().blocks.len();
        write!(f, "Overlay({blocks} of {} blocks)", self.most)
    }
}

impl Overlay {
    /// Over `base`, for at most `most` bytes of changes.
    #[must_use]
    pub fn new(base: Arc<dyn ReadAt>, most: usize) -> Self {
        Self {
            base,
            most: most / BLOCK,
            kept: Mutex::default(),
        }
    }

    /// Makes `patches`, one over the other.
    ///
    /// # Errors
    /// As of any write.
    pub fn apply(&self, patches: &[Patch]) -> Result<()> {
        let mut patches = patches.iter();
        patches.try_for_each(|patch| self.write_all_at(&patch.after, patch.at))
    }

    /// Whether a write was refused for want of room in memory.
    #[must_use]
    pub fn was_full(&self) -> bool {
        self.kept().full
    }

    /// Why the volume below could not be read, when it could not: who reads this through a
    /// kernel is told of an "I/O error" only.
    #[must_use]
    pub fn unread(&self) -> Option<String> {
        self.kept().unread.clone()
    }

    /// What makes the volume into what it was made to be here.
    ///
    /// Blocks that were written but did not change are left out, unless they
    /// touch `free`, what the volume's file system does not use: a restore need
    /// not have put there what the image reads as.
    ///
    /// # Errors
    /// When the volume cannot be read.
    pub fn into_patches(self, free: &[Extent]) -> Result<Vec<Patch>> {
        let kept = self
            .kept
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut out: Vec<Patch> = Vec::new();
        for (number, after) in kept.blocks {
            let at = place(number)?;
            let mut before = vec![0; after.len()];
            self.base.read_exact_at(&mut before, at)?;
            if before == after && !touches(free, at, after.len() as u64) {
                continue;
            }
            let last = out.last_mut().filter(|p| {
                p.after.len() < PATCH && p.at.checked_add(p.after.len() as u64) == Some(at)
            });
            match last {
                Some(last) => {
                    last.before.extend(before);
                    last.after.extend(after);
                }
                None => out.push(Patch { at, before, after }),
            }
        }
        Ok(out)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as the volume has it.
    fn original(&self, number: u64) -> Result<Vec<u8>> {
        let at = place(number)?;
        let len = self.size().saturating_sub(at).min(BLOCK as u64);
        let mut block = vec![0; usize::try_from(len).unwrap_or(0)];
        self.base.read_exact_at(&mut block, at)?;
        Ok(block)
    }

    fn check(&self, kind: ErrorKind, offset: u64, len: usize) -> Result<()> {
        let end = offset.checked_add(len as u64);
        if end.is_some_and(|end| end <= self.size()) {
            return Ok(());
        }
        let size = self.size();
        let text = format!("{len} bytes at {offset} are not inside a volume of {size} bytes");
        Err(Error::new(kind, text))
    }
}

fn place(number: u64) -> Result<u64> {
    let at = number.checked_mul(BLOCK as u64);
    at.ok_or_else(|| ErrorKind::InvalidInput.into())
}

fn touches(extents: &[Extent], at: u64, len: u64) -> bool {
    let end = at.saturating_add(len);
    let first = extents.partition_point(|e| e.start.saturating_add(e.len) <= at);
    extents.get(first).is_some_and(|e| e.start < end)
}

/// The blocks that `len` bytes at `offset` are in: number, where in it, how many.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut at = offset;
    let mut left = len;
    std::iter::from_fn(move || {
        let inside = usize::try_from(at % BLOCK as u64).unwrap_or(0);
        let count = left.min(BLOCK - inside);
        let part = (at / BLOCK as u64, inside, count);
        at = at.saturating_add(count as u64);
        left -= count;
        (count > 0).then_some(part)
    })
}

impl ReadAt for Overlay {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.check(ErrorKind::UnexpectedEof, offset, buf.len())?;
        let read = self.base.read_exact_at(buf, offset);
        let mut kept = self.kept();
        kept.note(read)?;
        let mut rest = buf;
        for (number, inside, count) in parts(offset, rest.len()) {
            let (now, later) = rest.split_at_mut(count);
            rest = later;
            let block = kept.blocks.get(&number);
            if let Some(bytes) = block.and_then(|b| b.get(inside..inside + count)) {
                now.copy_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.base.size()
    }
}

impl WriteAt for Overlay {
    /// As for all; `StorageFull` when there are more changes than may be kept.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.check(ErrorKind::InvalidInput, offset, buf.len())?;
        let mut kept = self.kept();
        let mut rest = buf;
        for (number, inside, count) in parts(offset, buf.len()) {
            let (now, later) = rest.split_at(count);
            rest = later;
            if !kept.blocks.contains_key(&number) {
                if kept.blocks.len() >= self.most {
                    kept.full = true;
                    return Err(ErrorKind::StorageFull.into());
                }
                let original = kept.note(self.original(number))?;
                kept.blocks.insert(number, original);
            }
            let block = kept.blocks.get_mut(&number);
            let bytes = block.and_then(|b| b.get_mut(inside..inside + count));
            bytes.ok_or(ErrorKind::InvalidInput)?.copy_from_slice(now);
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;
    use proptest::prelude::*;

    fn over(bytes: &[u8]) -> (Arc<MemDisk>, Overlay) {
        let base = Arc::new(MemDisk::new(bytes.to_vec()));
        (Arc::clone(&base), Overlay::new(base, 1 << 20))
    }

    proptest! {
        #[test]
        fn it_reads_as_written_and_the_patches_tell_all(
            writes in proptest::collection::vec((0_u64..30_000, 0_usize..9_000, any::<u8>()), 0..12),
        ) {
            let original: Vec<u8> = (0..30_001_u32).map(|n| (n / 7) as u8).collect();
            let (base, overlay) = over(&original);
            let mut expected = original.clone();
            for (at, len, value) in writes {
                let fits = at as usize + len <= expected.len();
                prop_assert_eq!(overlay.write_all_at(&vec![value; len], at).is_ok(), fits);
                if fits {
                    expected[at as usize..][..len].fill(value);
                }
            }
            let mut read = vec![0; expected.len()];
            overlay.read_exact_at(&mut read, 0).unwrap();
            prop_assert_eq!(&read, &expected);
            let mut patched = original.clone();
            for patch in overlay.into_patches(&[]).unwrap() {
                let at = patch.at as usize;
                prop_assert_eq!(&patched[at..][..patch.before.len()], &patch.before[..]);
                patched[at..][..patch.after.len()].copy_from_slice(&patch.after);
            }
            prop_assert_eq!(patched, expected);
            prop_assert_eq!(base.snapshot(), original);
        }
    }

    #[test]
    fn no_more_is_kept_than_allowed() {
        let overlay = Overlay::new(Arc::new(MemDisk::zeroed(1 << 20)), 2 * BLOCK);
        overlay.write_all_at(&[1; 2 * BLOCK], 0).unwrap();
        overlay.write_all_at(&[2; 2 * BLOCK], 0).unwrap();
        assert!(!overlay.was_full());
        let refused = overlay.write_all_at(&[1], 2 * BLOCK as u64).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        assert!(overlay.was_full());
    }

    #[test]
    fn why_the_volume_cannot_be_read_is_kept() {
        struct Torn;
        impl ReadAt for Torn {
            fn read_exact_at(&self, _: &mut [u8], offset: u64) -> Result<()> {
                Err(Error::other(format!("the pack is torn at {offset}")))
            }
            fn size(&self) -> u64 {
                1 << 20
            }
        }
        let overlay = Overlay::new(Arc::new(Torn), 1 << 20);
        assert_eq!(overlay.unread(), None);
        overlay.write_all_at(&[1; 10], 4096).unwrap_err();
        overlay.read_exact_at(&mut [0; 10], 0).unwrap_err();
        assert_eq!(overlay.unread().unwrap(), "the pack is torn at 4096");
    }

    #[test]
    fn zeros_written_where_nothing_was_are_told_too() {
        let block = BLOCK as u64;
        let free = [
            Extent {
                start: 2 * block + 5,
                len: 10,
            },
            Extent {
                start: 5 * block,
                len: block,
            },
        ];
        let (_, overlay) = over(&[0; 8 * BLOCK]);
        overlay.write_all_at(&[0; 8 * BLOCK], 0).unwrap();
        let patches = overlay.into_patches(&free).unwrap();
        let places: Vec<u64> = patches.iter().map(|p| p.at).collect();
        assert_eq!(places, [2 * block, 5 * block]);
    }
}
