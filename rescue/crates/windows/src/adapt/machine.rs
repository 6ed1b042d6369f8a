//! What a plan has to know of the machine.

use std::fmt;

use crate::drivers::Device;
use crate::ids::IdMap;

/// A storage controller of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// What it is.
    pub device: Device,
    /// Whether the disk with Windows hangs on it.
    pub boots: bool,
}

/// How the disk with Windows is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bus {
    /// To a controller of its own.
    #[default]
    Internal,
    /// By USB.
    Usb,
    /// An SD card or eMMC.
    Sd,
}

impl Bus {
    /// The drivers that the boot loader has to load as well, as `BootFlags` of
    /// services tell (measured: 0x04 USB 2, 0x10 USB 3, 0x14 USB disks, 0x08 SD).
    pub(super) const fn boot_flags(self) -> u32 {
        match self {
            Self::Internal => 0,
            Self::Usb => 0x14,
            Self::Sd => 0x08,
        }
    }
}

/// The machine, and what is known of the restored disk.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// Its storage controllers; on Hyper-V the bus (`ACPI\VMBus`) as well.
    pub controllers: &'a [Controller],
    /// How the disk is attached.
    pub bus: Bus,
    /// The new names of partitions.
    pub ids: &'a IdMap,
    /// Whether a file is in the folder of Windows, by a path from there such as
    /// `System32\drivers\disk.sys`; letters must count without case.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// Whether Windows is to stop, not to restart, after a crash.
    pub stay_on_crash: bool,
}

impl fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Machine");
        shown.field("controllers", &self.controllers);
        shown.field("bus", &self.bus).field("ids", &self.ids);
        shown.finish_non_exhaustive()
    }
}
