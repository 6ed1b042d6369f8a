//! How a restore is done, beyond what and where.

use std::path::PathBuf;

use ::site::plan::Adapt as Wish;

use crate::adapt::Drivers;
use crate::boot_entries::BootEntries;
use crate::firmware::Firmware;
use crate::init::site;
use crate::inventory::{Disk, Hardware, Machine};
use crate::volumes::Passphrases;

/// Choices of the operator. [`Options::default`] is right for most.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether everything written is read back.
    pub verify: Verify,
    /// Whether the target is told first that it holds nothing.
    pub discard: Discard,
    /// Whether an interrupted restore of the same image is continued.
    pub resume: Resume,
    /// Whether the systems are changed so that they start on other hardware.
    pub adapt: Adapt,
    /// Whether the firmware gets entries that start the disk.
    pub boot_entries: BootEntries,
    /// For which firmware the disk is restored; for another only where systems are adapted.
    pub firmware: Firmware,
    /// Another folder than the medium's with GRUB for a BIOS (i386-pc).
    pub grub: Option<PathBuf>,
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

/// Whether, and to what, systems are adapted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Adapt {
    /// Everything stays as it was captured.
    #[default]
    No,
    /// They get what they need on this hardware.
    To {
        /// The hardware.
        hardware: Hardware,
        /// Also where they will not start on it.
        force: bool,
        /// Drivers for what they have none for.
        drivers: Option<Drivers>,
        /// For what is encrypted (LUKS).
        passphrases: Passphrases,
    },
}

impl Adapt {
    /// As `wish` says, for `target` in this machine.
    #[must_use]
    pub fn here(wish: Wish, target: &Disk, force: bool, drivers: Option<Drivers>) -> Self {
        let adapts = match wish {
            Wish::Auto => site::is_medium(),
            Wish::Yes => true,
            Wish::No => false,
        };
        match adapts {
            true => Self::To {
                hardware: Machine::host().hardware(target),
                force,
                drivers,
                passphrases: Passphrases::default(),
            },
            false => Self::No,
        }
    }

    /// With these passphrases for what is encrypted.
    #[must_use]
    pub fn unlocking(mut self, with: Passphrases) -> Self {
        if let Self::To { passphrases, .. } = &mut self {
            *passphrases = with;
        }
        self
    }
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
            adapt: Adapt::No,
            boot_entries: BootEntries::No,
            firmware: Firmware::Keep,
            grub: None,
            machine: Machine::host(),
        }
    }
}
