//! Changes of a device, and how they become changes of the disk below it.

use std::sync::Arc;

use disk::ReadAt;

use crate::StackError;

/// Bytes of a device that become others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where, in bytes from the beginning.
    pub at: u64,
    /// What is there.
    pub before: Vec<u8>,
    /// What is to be there: as many bytes.
    pub after: Vec<u8>,
}

/// A device that is made of parts of other devices.
pub trait Layer: ReadAt {
    /// The same changes, of the disk's bytes: in the order of the disk, none
    /// overlapping. All changes of a device are given at once: two may lie in
    /// one sector of a cipher.
    ///
    /// # Errors
    /// When a change is not inside the device or overlaps another, when the
    /// bytes are not as it says, or copies of them are out of reach.
    fn lower(&self, changes: &[Change]) -> Result<Vec<Change>, StackError>;
}

/// A partition: its bytes are the disk's, `start` bytes further.
pub(crate) struct Partition {
    pub(crate) start: u64,
    pub(crate) device: Arc<dyn ReadAt>,
}

impl ReadAt for Partition {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.device.read_exact_at(buf, offset)
    }
    fn size(&self) -> u64 {
        self.device.size()
    }
}

impl Layer for Partition {
    fn lower(&self, changes: &[Change]) -> Result<Vec<Change>, StackError> {
        let moved = sorted(changes, self.size())?.into_iter().map(|change| {
            let at = self.start.checked_add(change.at);
            let at = at.ok_or(StackError::Outside {
                at: change.at,
                len: change.after.len(),
                size: self.size(),
            })?;
            Ok(Change {
                at,
                ..change.clone()
            })
        });
        moved.collect()
    }
}

/// The changes in the order of the device of `size` bytes, once they are found
/// to be inside and not to overlap. Empty ones are left out.
pub(crate) fn sorted(changes: &[Change], size: u64) -> Result<Vec<&Change>, StackError> {
    let mut sorted: Vec<_> = changes.iter().filter(|c| !c.after.is_empty()).collect();
    sorted.sort_by_key(|change| change.at);
    let mut free_from = 0;
    for change in &sorted {
        let (at, len) = (change.at, change.after.len());
        if change.before.len() != len {
            return Err(StackError::Lengths {
                at,
                before: change.before.len(),
                after: len,
            });
        }
        if at < free_from {
            return Err(StackError::Overlap { at });
        }
        let end = u64::try_from(len).ok().and_then(|len| at.checked_add(len));
        free_from = end
            .filter(|end| *end <= size)
            .ok_or(StackError::Outside { at, len, size })?;
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;

    fn change(at: u64, len: usize) -> Change {
        Change {
            at,
            before: vec![0; len],
            after: vec![1; len],
        }
    }

    #[test]
    fn changes_of_a_partition_move_to_its_place() {
        let device = Arc::new(MemDisk::zeroed(100));
        let partition = Partition {
            start: 1000,
            device,
        };
        let lowered = partition.lower(&[change(96, 4), change(0, 3), change(7, 0)]);
        assert_eq!(lowered.unwrap(), [change(1000, 3), change(1096, 4)]);
    }

    #[test]
    fn changes_outside_or_across_each_other_are_refused() {
        let outside = sorted(&[change(97, 4)], 100).err();
        assert!(matches!(outside, Some(StackError::Outside { at: 97, .. })));
        let far = sorted(&[change(u64::MAX, 4)], u64::MAX).err();
        assert!(matches!(far, Some(StackError::Outside { .. })));
        let across = [change(4, 4), change(0, 5)];
        let across = sorted(&across, 100).err();
        assert!(matches!(across, Some(StackError::Overlap { at: 4 })));
        let mut uneven = change(0, 5);
        uneven.before.pop();
        let uneven = sorted(std::slice::from_ref(&uneven), 100).err();
        assert!(matches!(uneven, Some(StackError::Lengths { .. })));
    }
}
