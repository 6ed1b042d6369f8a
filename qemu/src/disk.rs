//! Disks and the controllers they hang on.

use std::path::PathBuf;

/// The controller a disk hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bus {
    /// PIIX parallel ATA. Makes the machine an i440FX one.
    Ide,
    /// SATA on an AHCI controller.
    Ahci,
    /// One NVMe controller for each disk.
    Nvme,
    /// virtio-blk on PCI.
    VirtioBlk,
    /// A SCSI disk on virtio-scsi.
    VirtioScsi,
    /// A SCSI disk on an LSI MegaRAID SAS. OVMF has no driver for it.
    Megasas,
    /// A SCSI disk on an LSI SAS 1068 (Fusion-MPT).
    MptSas,
    /// A SCSI disk on an LSI 53C895A (parallel SCSI). Debian's OVMF has no driver for it.
    Lsi,
    /// A SCSI disk on VMware's paravirtual controller.
    Pvscsi,
    /// A USB stick on xHCI.
    Usb,
}

/// How a disk's file holds its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Byte for byte.
    Raw,
    /// QEMU's own format.
    Qcow2,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// Whether what the guest writes stays in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    Kept,
    ThrownAway,
    Refused,
}

/// One disk of a machine.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(crate) file: PathBuf,
    pub(crate) format: Format,
    pub(crate) bus: Bus,
    pub(crate) sector: u32,
    pub(crate) serial: Option<String>,
    pub(crate) writes: Writes,
    pub(crate) boots: bool,
}

impl Disk {
    /// A raw file as a virtio-blk disk with 512-byte sectors.
    pub fn raw(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            format: Format::Raw,
            bus: Bus::VirtioBlk,
            sector: 512,
            serial: None,
            writes: Writes::Kept,
            boots: true,
        }
    }

    /// The same with a qcow2 file.
    pub fn qcow2(file: impl Into<PathBuf>) -> Self {
        Self {
            format: Format::Qcow2,
            ..Self::raw(file)
        }
    }

    /// On this controller.
    #[must_use]
    pub fn bus(mut self, bus: Bus) -> Self {
        self.bus = bus;
        self
    }

    /// With logical sectors of this many bytes (512 or 4096).
    #[must_use]
    pub fn sector(mut self, bytes: u32) -> Self {
        self.sector = bytes;
        self
    }

    /// With this serial number (at most 20 characters).
    #[must_use]
    pub fn serial(mut self, serial: impl Into<String>) -> Self {
        self.serial = Some(serial.into());
        self
    }

    /// What the guest writes is forgotten when the machine ends.
    #[must_use]
    pub fn throw_away_writes(mut self) -> Self {
        self.writes = Writes::ThrownAway;
        self
    }

    /// The guest cannot write.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.writes = Writes::Refused;
        self
    }

    /// The firmware does not try to boot from it.
    #[must_use]
    pub fn never_boots(mut self) -> Self {
        self.boots = false;
        self
    }
}
