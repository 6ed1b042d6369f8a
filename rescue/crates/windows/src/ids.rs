//! What Windows knows partitions by, and what becomes of those names when a
//! disk is restored under other ones.

use std::collections::BTreeSet;
use std::fmt;

use uuid::Uuid;

/// A partition as the boot store and `MountedDevices` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionId {
    /// On a GPT disk.
    Gpt {
        /// The GUID in the disk's header.
        disk: Uuid,
        /// The unique GUID of the partition's entry.
        partition: Uuid,
    },
    /// On an MBR disk.
    Mbr {
        /// The number at byte 0x1B8 of the MBR.
        signature: u32,
        /// Where the partition begins, in bytes.
        offset: u64,
    },
}

impl PartitionId {
    /// Whether both name one partition. A GPT partition is told by its own
    /// GUID: `MountedDevices` does not keep the disk's.
    #[must_use]
    pub fn same_partition(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Gpt { partition: a, .. }, Self::Gpt { partition: b, .. }) => a == b,
            _ => self == other,
        }
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpt { disk, partition } => {
                write!(f, "GPT partition {partition} of disk {disk}")
            }
            Self::Mbr { signature, offset } => {
                write!(
                    f,
                    "MBR partition at byte {offset} of disk {signature:#010x}"
                )
            }
        }
    }
}

/// Why old names cannot be replaced by these new ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {old} is to become both the {first} and the {second}: give it one new place")]
pub struct Ambiguous {
    old: PartitionId,
    first: PartitionId,
    second: PartitionId,
}

/// What each partition was called and what it is called now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMap {
    pairs: Vec<(PartitionId, PartitionId)>,
}

impl IdMap {
    /// From pairs of old and new; partitions that keep their names may be among
    /// them, and have to be when their disk's GUID changes. One that is not
    /// restored belongs in then as well, with its own GUID on the new disk.
    ///
    /// # Errors
    /// When one partition is given two new names.
    pub fn new(
        pairs: impl IntoIterator<Item = (PartitionId, PartitionId)>,
    ) -> Result<Self, Ambiguous> {
        let mut map = Self::default();
        for (old, new) in pairs {
            match map.new_name(&old) {
                None => map.pairs.push((old, new)),
                Some(first) if first == new => {}
                Some(first) => {
                    return Err(Ambiguous {
                        old,
                        first,
                        second: new,
                    });
                }
            }
        }
        Ok(map)
    }

    /// What a partition is called now.
    #[must_use]
    pub fn new_name(&self, old: &PartitionId) -> Option<PartitionId> {
        let mut pairs = self.pairs.iter();
        let pair = pairs.find(|(from, _)| from.same_partition(old));
        pair.map(|(_, to)| *to)
    }

    /// The same by the GUID of a GPT partition.
    #[must_use]
    pub fn new_name_of_guid(&self, partition: Uuid) -> Option<PartitionId> {
        let disk = Uuid::nil();
        self.new_name(&PartitionId::Gpt { disk, partition })
    }

    /// Whether any name changes.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.pairs.iter().any(|(old, new)| old != new)
    }

    /// The new names.
    pub(crate) fn news(&self) -> impl Iterator<Item = &PartitionId> {
        self.pairs.iter().map(|(_, new)| new)
    }

    /// The partitions whose names are gone.
    pub(crate) fn gone(&self) -> impl Iterator<Item = PartitionId> {
        let news: BTreeSet<_> = self.news().copied().collect();
        let olds = self.pairs.iter().map(|(old, _)| *old);
        olds.filter(move |old| !news.contains(old))
    }

    /// GUIDs, of disks and partitions, that nothing has any more.
    pub(crate) fn gone_guids(&self) -> BTreeSet<Uuid> {
        let guids = |id: &PartitionId| match *id {
            PartitionId::Gpt { disk, partition } => vec![disk, partition],
            PartitionId::Mbr { .. } => Vec::new(),
        };
        let news: BTreeSet<Uuid> = self.news().flat_map(guids).collect();
        let olds = self.pairs.iter().flat_map(|(old, _)| guids(old));
        olds.filter(|guid| !news.contains(guid)).collect()
    }

    /// MBR signatures that no disk has any more.
    pub(crate) fn gone_signatures(&self) -> BTreeSet<u32> {
        let signature = |id: &PartitionId| match *id {
            PartitionId::Mbr { signature, .. } => Some(signature),
            PartitionId::Gpt { .. } => None,
        };
        let news: BTreeSet<u32> = self.news().filter_map(signature).collect();
        let olds = self.pairs.iter().filter_map(|(old, _)| signature(old));
        olds.filter(|old| !news.contains(old)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpt(disk: u128, partition: u128) -> PartitionId {
        PartitionId::Gpt {
            disk: Uuid::from_u128(disk),
            partition: Uuid::from_u128(partition),
        }
    }

    fn mbr(signature: u32, offset: u64) -> PartitionId {
        PartitionId::Mbr { signature, offset }
    }

    #[test]
    fn names_that_are_swapped_are_not_gone() {
        let map = IdMap::new([
            (gpt(1, 10), gpt(2, 20)),
            (gpt(2, 20), gpt(1, 10)),
            (gpt(1, 11), gpt(1, 12)),
            (mbr(7, 512), mbr(7, 1024)),
            (mbr(8, 512), gpt(1, 13)),
        ]);
        let map = map.unwrap_or_default();
        assert_eq!(map.new_name(&gpt(99, 10)), Some(gpt(2, 20)));
        assert_eq!(map.new_name(&mbr(7, 1024)), None);
        assert_eq!(map.gone_guids(), BTreeSet::from([Uuid::from_u128(11)]));
        assert_eq!(map.gone_signatures(), BTreeSet::from([8]));
        let gone: Vec<_> = map.gone().collect();
        assert_eq!(gone, [gpt(1, 11), mbr(7, 512), mbr(8, 512)]);
    }

    #[test]
    fn one_partition_has_one_new_name() {
        let twice = [(mbr(7, 512), mbr(8, 512)), (mbr(7, 512), mbr(9, 512))];
        let error = IdMap::new(twice).expect_err("two new names");
        assert_eq!(
            error.to_string(),
            "the MBR partition at byte 512 of disk 0x00000007 is to become both the MBR partition \
             at byte 512 of disk 0x00000008 and the MBR partition at byte 512 of disk 0x00000009: \
             give it one new place"
        );
    }
}
