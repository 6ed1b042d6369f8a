//! Several volumes as one, so that one file and one loop device's worth of protocol
//! is enough for a whole system.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

use disk::ReadAt;

use super::super::Patch;

/// Where each begins, a multiple of this many bytes with at least as many between two:
/// no block of changes is of two of them.
const APART: u64 = 1 << 20;

/// Volumes one behind the other; there are zeros between them.
pub(super) struct Joined {
    parts: Vec<(u64, Arc<dyn ReadAt>)>,
    size: u64,
}

impl Joined {
    /// `None` when that is more than there can be.
    pub(super) fn new(volumes: impl Iterator<Item = Arc<dyn ReadAt>>) -> Option<Self> {
        let mut parts = Vec::new();
        let mut size = 0u64;
        for volume in volumes {
            let start = size;
            let end = start.checked_add(volume.size())?;
            size = end.checked_next_multiple_of(APART)?.checked_add(APART)?;
            parts.push((start, volume));
        }
        Some(Self { parts, size })
    }

    /// Where they begin.
    pub(super) fn starts(&self) -> impl Iterator<Item = u64> {
        self.parts.iter().map(|(start, _)| *start)
    }

    /// Patches of all as patches of each.
    pub(super) fn split(&self, patches: Vec<Patch>) -> Vec<Vec<Patch>> {
        let mut out: Vec<Vec<Patch>> = self.parts.iter().map(|_| Vec::new()).collect();
        for mut patch in patches {
            let mut places = self.parts.iter().zip(&mut out).rev();
            let place = places.find(|((start, _), _)| *start <= patch.at);
            let Some(((start, volume), out)) = place else {
                continue;
            };
            patch.at -= start;
            let len = volume.size().saturating_sub(patch.at);
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            patch.before.truncate(len);
            patch.after.truncate(len);
            if !patch.after.is_empty() {
                out.push(patch);
            }
        }
        out
    }
}

impl ReadAt for Joined {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        let end = end.filter(|end| *end <= self.size);
        let end = end.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?;
        buf.fill(0);
        for (start, volume) in &self.parts {
            let stop = start.saturating_add(volume.size());
            let (from, to) = (offset.max(*start), end.min(stop));
            if from >= to {
                continue;
            }
            let inside = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
            let part = buf.get_mut(inside(from)..inside(to));
            let part = part.ok_or(ErrorKind::UnexpectedEof)?;
            volume.read_exact_at(part, from - start)?;
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;

    #[test]
    fn volumes_keep_their_bytes_and_get_their_patches() {
        let volume = |byte, len| Arc::new(MemDisk::new(vec![byte; len])) as Arc<dyn ReadAt>;
        let all = [volume(1, 5000), volume(2, 1 << 20)];
        let joined = Joined::new(all.into_iter()).unwrap();
        assert_eq!(joined.starts().collect::<Vec<_>>(), [0, 2 << 20]);
        assert_eq!(joined.size(), 4 << 20);
        let mut bytes = vec![9; 4 << 20];
        joined.read_exact_at(&mut bytes, 0).unwrap();
        let count = |byte| bytes.iter().filter(|b| **b == byte).count();
        assert_eq!((count(1), count(2), bytes[2 << 20]), (5000, 1 << 20, 2));
        assert!(joined.read_exact_at(&mut [0; 2], (4 << 20) - 1).is_err());
        let patch = |at, len| Patch {
            at,
            before: vec![0; len],
            after: vec![1; len],
        };
        let split = joined.split(vec![patch(4096, 4096), patch((2 << 20) + 8, 8)]);
        assert_eq!(split[0][0].after.len(), 904);
        assert_eq!((split[1][0].at, split[1][0].after.len()), (8, 8));
    }
}
