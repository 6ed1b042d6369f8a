//! What an entry of the boot store is loaded from.

use std::fmt;

use uuid::Uuid;

use super::codec::{PLAIN, looks_like_partition};
use crate::ids::{IdMap, PartitionId};

/// Why bytes are no device element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No room for the fixed fields.
    #[error("a device element of {found} bytes: expected at least {expected}")]
    Short {
        /// Bytes there.
        found: usize,
        /// Bytes of the smallest element.
        expected: usize,
    },
    /// The length inside disagrees with the length outside.
    #[error("length of a device descriptor at byte 24: expected {expected}, found {found}")]
    Length {
        /// What is left of the element.
        expected: usize,
        /// What the field says.
        found: u32,
    },
}

/// A device element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceElement {
    /// The object with the options of the device; nil for none.
    pub options: Uuid,
    /// The device.
    pub device: Device,
}

/// A device descriptor. What is not understood is kept as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Seen: 1 for ramdisks that have options, 0 otherwise.
    pub flags: u32,
    /// The field at 0x0C.
    pub(super) reserved: u32,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A partition of a disk.
    Partition(PartitionId),
    /// The partition that the machine was started from.
    Boot,
    /// The first partition that has the file which another element names.
    Locate {
        /// The element: 0x12000002 the path, 0x22000002 the folder of Windows.
        element: u32,
    },
    /// An image in memory, from a file.
    Ramdisk {
        /// Base, size, offset: zero but for images that are loaded already.
        image: [u8; 20],
        /// The file.
        file: FilePath,
    },
    /// A file that stands for a disk.
    File(FilePath),
    /// A disk in what another device is, such as a file.
    VirtualDisk {
        /// As of ramdisks.
        image: [u8; 20],
        /// What holds the disk.
        inside: Box<Device>,
    },
    /// Everything else.
    Other {
        /// The type.
        kind: u32,
        /// What follows the first 16 bytes.
        body: Vec<u8>,
    },
}

/// A file on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath {
    /// Where the file is.
    pub device: Box<Device>,
    /// UTF-16 units of the path, with the NUL.
    pub(super) units: Vec<u16>,
}

impl FilePath {
    /// The path, from the root of the device.
    #[must_use]
    pub fn path(&self) -> String {
        let text = self.units.split(|unit| *unit == 0).next();
        String::from_utf16_lossy(text.unwrap_or_default())
    }
}

impl DeviceElement {
    /// A device without options.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let device = Device {
            flags: 0,
            reserved: 0,
            kind,
        };
        let options = Uuid::nil();
        Self { options, device }
    }
}

impl Device {
    /// The partition that it is on in the end; `None` for "boot", a search, and
    /// what is not understood.
    #[must_use]
    pub fn partition(&self) -> Option<PartitionId> {
        match &self.kind {
            Kind::Partition(id) => Some(*id),
            Kind::Ramdisk { file, .. } | Kind::File(file) => file.device.partition(),
            Kind::VirtualDisk { inside, .. } => inside.partition(),
            Kind::Boot | Kind::Locate { .. } | Kind::Other { .. } => None,
        }
    }

    /// Gives partitions their new names, also inside what is not understood.
    pub fn rename(&mut self, map: &IdMap) {
        match &mut self.kind {
            Kind::Partition(id) => *id = map.new_name(id).unwrap_or(*id),
            Kind::Ramdisk { file, .. } | Kind::File(file) => file.device.rename(map),
            Kind::VirtualDisk { inside, .. } => inside.rename(map),
            Kind::Other { body, .. } => rename_in(body, map),
            Kind::Boot | Kind::Locate { .. } => {}
        }
    }
}

/// Finds descriptors of partitions by their look, wherever they are, and gives
/// them their new names.
pub(super) fn rename_in(bytes: &mut [u8], map: &IdMap) {
    let mut at = 0;
    while let Some(window) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..PLAIN)) {
        let device = Device::decode(window, 0).filter(|_| looks_like_partition(window));
        match device {
            Some(mut device) if matches!(device.kind, Kind::Partition(_)) => {
                device.rename(map);
                window.copy_from_slice(&device.encode());
                at += PLAIN;
            }
            _ => at += 1,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Partition(id) => id.fmt(f),
            Kind::Boot => f.write_str("the partition that the machine starts from"),
            Kind::Locate { element } => {
                write!(
                    f,
                    "whichever partition has the file of element {element:08x}"
                )
            }
            Kind::Ramdisk { file, .. } => write!(f, "a ramdisk from {file}"),
            Kind::File(file) => file.fmt(f),
            Kind::VirtualDisk { inside, .. } => write!(f, "a virtual disk in {inside}"),
            Kind::Other { kind, body } => {
                write!(f, "a device of type {kind} ({} bytes)", body.len())
            }
        }
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = hive::Name::from(self.path().as_str());
        write!(f, "{path} on the {}", self.device)
    }
}
