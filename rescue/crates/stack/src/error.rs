//! Why a change of a volume cannot be made on the disk.

use std::fmt;
use std::io;

/// Positions are bytes from the beginning of the volume.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The change is not inside the device.
    #[error("a change of {len} bytes at byte {at} is not inside the {size} bytes of the volume")]
    Outside {
        /// Where it begins.
        at: u64,
        /// Its length.
        len: usize,
        /// The size of the volume.
        size: u64,
    },
    /// A change has more or fewer bytes after it than before.
    #[error("a change at byte {at} turns {before} bytes into {after}; it has to be as many")]
    Lengths {
        /// Where it begins.
        at: u64,
        /// Bytes before.
        before: usize,
        /// Bytes after.
        after: usize,
    },
    /// Two changes are of the same bytes.
    #[error("two changes overlap at byte {at}; give one change for these bytes")]
    Overlap {
        /// Where the second begins.
        at: u64,
    },
    /// What is to be changed is not what the change says is there.
    #[error(
        "the bytes at {at} of {what} are not those that the change was made for; \
         read the volume again and make it anew"
    )]
    Stale {
        /// The volume, in words.
        what: String,
        /// Where the change begins.
        at: u64,
    },
    /// Copies that are in use are on disks that are not here: they would differ.
    #[error("{0}")]
    Elsewhere(Absent),
    /// A snapshot shares the blocks of the volume.
    #[error(
        "the volume {lv} has the snapshot {snapshot}, which shares its blocks and would change with it; \
         remove the snapshot (lvremove) before the image is taken"
    )]
    Snapshot {
        /// The volume, as `vg/lv`.
        lv: String,
        /// The snapshot's name.
        snapshot: String,
    },
    /// The device cannot be read.
    #[error("cannot read what is to be changed")]
    Read(#[from] io::Error),
}

/// Copies of a volume that are in use, on disks that are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The volume, in words.
    pub what: String,
    /// The slots of the copies that are not here, counted from 0.
    pub slots: Vec<u32>,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots: Vec<_> = self.slots.iter().map(u32::to_string).collect();
        write!(
            f,
            "{} keeps copies that are in use on other disks (slot {}), which a change would not reach; \
             fail and remove those copies before the image is taken, or change the system when it runs",
            self.what,
            slots.join(", ")
        )
    }
}
