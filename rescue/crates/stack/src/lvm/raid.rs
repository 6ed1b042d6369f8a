//! What dm-raid keeps about each copy of a mirrored volume.

use disk::ReadAt;

use crate::bytes::{le_u32, le_u64, read};

/// `DM_RAID_MAGIC`: "DmRd".
const MAGIC: u32 = 0x6452_6d44;
const LEN: usize = 512;
/// `MaxSector`: nothing is left to recover.
const WHOLE: u64 = u64::MAX;

/// The superblock of one copy (`struct dm_raid_superblock` in the kernel's
/// `drivers/md/dm-raid.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RaidMeta {
    /// Counts what happened to the array.
    events: u64,
    /// The copies that failed, one bit each.
    failed: u64,
    /// The sector up to which this copy has been recovered.
    recovered: u64,
}

impl RaidMeta {
    /// `None`: the array was never active, or it cannot be read.
    pub(super) fn read(device: &(impl ReadAt + ?Sized)) -> Option<Self> {
        let bytes = read(device, 0, LEN).ok()??;
        (le_u32(&bytes, 0)? == MAGIC).then_some(())?;
        Some(Self {
            events: le_u64(&bytes, 16)?,
            failed: le_u64(&bytes, 24)?,
            recovered: le_u64(&bytes, 32)?,
        })
    }
}

/// Whether a copy holds what the volume holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It does.
    Fresh,
    /// It failed, or is not yet recovered.
    Stale,
}

/// The state of each copy, from what each one says.
pub(super) fn copies(metas: &[Option<RaidMeta>]) -> Vec<State> {
    let freshest = metas.iter().flatten().max_by_key(|meta| meta.events);
    let Some(freshest) = freshest else {
        return vec![State::Fresh; metas.len()];
    };
    let state = |(number, meta): (usize, &Option<RaidMeta>)| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let failed = freshest.failed.checked_shr(number).unwrap_or_default() & 1 == 1;
        // One that is not here says nothing: it counts as the others say.
        let behind =
            meta.is_some_and(|meta| meta.recovered != WHOLE || meta.events < freshest.events);
        match failed || behind {
            true => State::Stale,
            false => State::Fresh,
        }
    };
    metas.iter().enumerate().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;

    fn superblock(events: u64, failed: u64, recovered: u64) -> Option<RaidMeta> {
        let mut bytes = vec![0; LEN];
        bytes[..4].copy_from_slice(b"DmRd");
        bytes[16..24].copy_from_slice(&events.to_le_bytes());
        bytes[24..32].copy_from_slice(&failed.to_le_bytes());
        bytes[32..40].copy_from_slice(&recovered.to_le_bytes());
        RaidMeta::read(&MemDisk::new(bytes))
    }

    #[test]
    fn a_copy_that_failed_or_is_being_recovered_is_stale() {
        use State::{Fresh, Stale};
        let whole = superblock(9, 0, WHOLE);
        assert_eq!(copies(&[None, None]), [Fresh, Fresh]);
        assert_eq!(copies(&[whole, superblock(9, 0, WHOLE)]), [Fresh, Fresh]);
        assert_eq!(copies(&[superblock(9, 0, 4096), whole]), [Stale, Fresh]);
        assert_eq!(copies(&[superblock(7, 0, WHOLE), whole]), [Stale, Fresh]);
        assert_eq!(copies(&[superblock(9, 2, WHOLE), None]), [Fresh, Stale]);
        assert_eq!(copies(&[whole, None]), [Fresh, Fresh]);
    }
}
