//! How a restore is done, beyond what and where.

use crate::inventory::Machine;

/// Choices of the operator. [`Options::default`] is right for most.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether everything written is read back.
    pub verify: Verify,
    /// Whether the target is told first that it holds nothing.
    pub discard: Discard,
    /// Whether an interrupted restore of the same image is continued.
    pub resume: Resume,
    /// Where holders of the target and of the repository are looked up.
    pub machine: Machine,
}

/// Whether what was written is read back and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// No: every chunk's hash was checked before it was written.
    No,
    /// Yes: every byte that was written is read from the target again.
    ReadBack,
}

/// Whether the whole target is discarded (`BLKDISCARD`) before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// No: free space keeps what the disk held before.
    No,
    /// Yes, where the disk can: fast on solid state, and restores its spare
    /// area. Free space then holds anything.
    Target,
}

/// What to do about the journal of an interrupted restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Continue if it is the same image onto the same target.
    IfSame,
    /// Begin again.
    StartOver,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verify: Verify::No,
            discard: Discard::No,
            resume: Resume::IfSame,
            machine: Machine::host(),
        }
    }
}
