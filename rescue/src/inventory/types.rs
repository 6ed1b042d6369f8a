//! What is known of a disk.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// One whole disk, or a raw file standing in for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Where it is opened.
    pub path: PathBuf,
    /// The kernel's name ("sda", "nvme0n1"); the file's name for a raw file.
    pub name: String,
    /// Block device or raw file.
    pub kind: DiskKind,
    /// Size in bytes.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector_size: u32,
    /// Physical sector size in bytes.
    pub physical_sector: u32,
    /// Vendor and model as the disk says.
    pub model: Option<String>,
    /// Serial number as the disk says.
    pub serial: Option<String>,
    /// World-wide name ("naa.5000c500…", "eui.0025…").
    pub wwn: Option<String>,
    /// How it is attached.
    pub bus: Bus,
    /// The medium or the disk can be pulled.
    pub removable: bool,
    /// Cannot be written.
    pub read_only: bool,
    /// Has spinning platters.
    pub rotational: bool,
    /// What holds it now; empty when nothing does.
    pub uses: Vec<Use>,
}

/// What a [`Disk`] really is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// A block device.
    Device,
    /// A regular file that holds a disk's bytes.
    RawFile,
}

/// How a disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Bus {
    /// NVMe.
    Nvme,
    /// SATA, or IDE through libata.
    Sata,
    /// USB.
    Usb,
    /// Paravirtual: virtio-blk or virtio-scsi.
    Virtio,
    /// SCSI, SAS, hardware RAID.
    Scsi,
    /// SD card or eMMC.
    Mmc,
    /// Hyper-V's VMBus.
    Vmbus,
    /// Xen's block device.
    Xen,
    /// A raw file.
    File,
    /// Something else.
    Other,
}

impl Bus {
    /// The name used in text and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nvme => "nvme",
            Self::Sata => "sata",
            Self::Usb => "usb",
            Self::Virtio => "virtio",
            Self::Scsi => "scsi",
            Self::Mmc => "mmc",
            Self::Vmbus => "vmbus",
            Self::Xen => "xen",
            Self::File => "file",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that holds a disk: a reason not to write to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "use", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Use {
    /// A filesystem on it is mounted.
    Mounted {
        /// Kernel name of the device that is mounted.
        device: String,
        /// Where.
        at: PathBuf,
    },
    /// The kernel swaps to it.
    Swap {
        /// Kernel name of the device.
        device: String,
    },
    /// Another block device is built on it.
    Held {
        /// Kernel name of the device that is held.
        device: String,
        /// Name of the holder: a volume, an array, a loop device.
        by: String,
    },
    /// This machine was booted from it.
    Medium,
    /// It holds the repository.
    Repository,
}

impl Use {
    /// Whether nothing the operator does to the machine would free it.
    #[must_use]
    pub const fn is_protected(&self) -> bool {
        matches!(self, Self::Medium | Self::Repository)
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at } => write!(f, "{device} is mounted at {}", at.display()),
            Self::Swap { device } => write!(f, "{device} is used as swap"),
            Self::Held { device, by } => write!(f, "{device} is held by {by}"),
            Self::Medium => f.write_str("it is the rescue medium"),
            Self::Repository => f.write_str("it holds the repository"),
        }
    }
}

impl Disk {
    /// What the operator types to confirm that this disk may be erased: the
    /// serial number, or the path when it has none.
    #[must_use]
    pub fn confirmation(&self) -> String {
        self.serial
            .clone()
            .unwrap_or_else(|| self.path.display().to_string())
    }

    /// "Samsung SSD 980 (serial S64ANS0T, nvme), 931.5 GiB".
    #[must_use]
    pub fn describe(&self) -> String {
        let model = match (self.kind, self.model.as_deref()) {
            (DiskKind::RawFile, _) => "raw file",
            (DiskKind::Device, Some(model)) => model,
            (DiskKind::Device, None) => "disk of unknown model",
        };
        let size = disk::human_bytes(self.size);
        match (self.kind, &self.serial) {
            (DiskKind::RawFile, _) => format!("{model}, {size}"),
            (_, Some(serial)) => format!("{model} (serial {serial}, {}), {size}", self.bus),
            (_, None) => format!("{model} (no serial number, {}), {size}", self.bus),
        }
    }
}

/// A raw file as a disk.
pub(super) fn raw_file(path: &Path, size: u64, sector: disk::SectorSize) -> Disk {
    let name = path.file_name().unwrap_or(path.as_os_str());
    Disk {
        path: path.to_path_buf(),
        name: name.to_string_lossy().into_owned(),
        kind: DiskKind::RawFile,
        size,
        sector_size: u32::from(sector),
        physical_sector: 4096,
        model: None,
        serial: None,
        wwn: None,
        bus: Bus::File,
        removable: false,
        read_only: false,
        rotational: false,
        uses: Vec::new(),
    }
}
