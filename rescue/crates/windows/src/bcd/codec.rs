//! Device elements: what an entry of the boot store is loaded from.
//!
//! An element is the GUID of an object with options for the device (16 bytes,
//! or zero) and a descriptor:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0x00 | 4 | type: 0 local, 5 boot, 6 partition, 8 locate |
//! | 0x04 | 4 | flags |
//! | 0x08 | 4 | bytes of the descriptor, these 16 included |
//! | 0x0C | 4 | 0 |
//! | 0x10 | | by type |
//!
//! *Partition* (0x48 bytes): 0x10 GUID of the partition, or its byte offset (u64)
//! and 8 zero; 0x20 0 (hard disk); 0x24 0 GPT, 1 MBR; 0x28 GUID of the disk, or its
//! signature (u32) and 12 zero; 0x38 16 zero. *Boot* (0x48 bytes): zero. *Locate*:
//! 0x10 0; 0x14 the element whose file is searched for; 0x18 where a descriptor
//! of the device to search begins, or 0; 0x1C a text, usually only its NUL.
//! *Local*: 0x10 3 ramdisk, 5 file, 6 virtual disk; ramdisk and virtual disk
//! have 20 bytes (base, size, offset) then. A ramdisk or file goes on with a file
//! path: 1; bytes from here; 5; a descriptor; a path, UTF-16 with NUL. A virtual
//! disk goes on with a descriptor.
//!
//! Sources: three genuine stores measured, the notes of kupiakos/pybcd, the
//! names of ReactOS's boot library. A *locate* descriptor is known from pybcd's
//! notes only.

use uuid::Uuid;

use super::device::{Device, DeviceElement, DeviceError, FilePath, Kind};
use crate::bytes::{array, put, u32_at, u64_at};
use crate::ids::PartitionId;

const HEADER: usize = 16;
/// Bytes of a descriptor of a partition, or of "boot".
pub(super) const PLAIN: usize = 0x48;
const LOCAL: u32 = 0;
const BOOT: u32 = 5;
const PARTITION: u32 = 6;
const LOCATE: u32 = 8;
const RAMDISK: u32 = 3;
const FILE: u32 = 5;
const VIRTUAL_DISK: u32 = 6;
const GPT: u32 = 0;
const MBR: u32 = 1;
/// A file path whose text follows a descriptor.
const PATH_ON_DEVICE: u32 = 5;
/// Descriptors within each other, at most; genuine ones have two.
const DEPTH_LIMIT: usize = 8;

impl DeviceElement {
    /// Reads the bytes of an element. [`DeviceElement::encode`] gives the same
    /// bytes back.
    ///
    /// # Errors
    /// When they are too few, or the length in them is not theirs.
    pub fn decode(bytes: &[u8]) -> Result<Self, DeviceError> {
        let found = bytes.len();
        let short = DeviceError::Short {
            found,
            expected: 16 + HEADER,
        };
        let (Some(options), Some(rest)) = (array(bytes, 0), bytes.get(16..)) else {
            return Err(short);
        };
        let len = u32_at(rest, 8).filter(|_| rest.len() >= HEADER);
        let len = len.ok_or_else(|| short.clone())?;
        if len as usize != rest.len() {
            return Err(DeviceError::Length {
                expected: rest.len(),
                found: len,
            });
        }
        let device = Device::decode(rest, 0).ok_or(short)?;
        let options = Uuid::from_bytes_le(options);
        Ok(Self { options, device })
    }

    /// The bytes of the element.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.options.to_bytes_le().to_vec();
        bytes.extend(self.device.encode());
        bytes
    }
}

impl Device {
    /// `None` when the bytes are not as long as they say.
    pub(super) fn decode(bytes: &[u8], depth: usize) -> Option<Self> {
        let body = bytes.get(HEADER..)?;
        if u32_at(bytes, 8)? as usize != bytes.len() {
            return None;
        }
        let kind = u32_at(bytes, 0)?;
        let known = match kind {
            _ if depth >= DEPTH_LIMIT => None,
            PARTITION => partition(body).map(Kind::Partition),
            BOOT if body.len() == PLAIN - HEADER && is_zero(body) => Some(Kind::Boot),
            LOCATE => locate(body),
            LOCAL => local(body, depth + 1),
            _ => None,
        };
        let other = || Kind::Other {
            kind,
            body: body.to_vec(),
        };
        Some(Self {
            flags: u32_at(bytes, 4)?,
            reserved: u32_at(bytes, 12)?,
            kind: known.unwrap_or_else(other),
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, body) = self.kind.encode();
        let len = body.len().saturating_add(HEADER);
        let mut bytes = Vec::with_capacity(len);
        for field in [kind, self.flags, len as u32, self.reserved] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(body);
        bytes
    }
}

/// Whether a descriptor may begin here that names a partition.
pub(super) fn looks_like_partition(bytes: &[u8]) -> bool {
    u32_at(bytes, 0) == Some(PARTITION) && u32_at(bytes, 12) == Some(0)
}

impl FilePath {
    fn decode(bytes: &[u8], depth: usize) -> Option<Self> {
        let whole = u32_at(bytes, 4)? as usize == bytes.len();
        let known = u32_at(bytes, 0)? == 1 && u32_at(bytes, 8)? == PATH_ON_DEVICE;
        let rest = bytes.get(12..).filter(|_| whole && known)?;
        let len = u32_at(rest, 8)? as usize;
        let device = Device::decode(rest.get(..len)?, depth)?;
        let (units, odd) = rest.get(len..)?.as_chunks::<2>();
        odd.is_empty().then(|| Self {
            device: Box::new(device),
            units: units.iter().map(|unit| u16::from_le_bytes(*unit)).collect(),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut rest = self.device.encode();
        rest.extend(self.units.iter().flat_map(|unit| unit.to_le_bytes()));
        let mut bytes = Vec::new();
        let len = rest.len().saturating_add(12);
        for field in [1, len as u32, PATH_ON_DEVICE] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(rest);
        bytes
    }
}

impl Kind {
    fn encode(&self) -> (u32, Vec<u8>) {
        match self {
            Self::Partition(id) => (PARTITION, partition_body(id)),
            Self::Boot => (BOOT, vec![0; PLAIN - HEADER]),
            Self::Locate { element } => (LOCATE, locate_body(*element)),
            Self::Ramdisk { image, file } => {
                (LOCAL, joined(RAMDISK, &[image.as_slice(), &file.encode()]))
            }
            Self::File(file) => (LOCAL, joined(FILE, &[&file.encode()])),
            Self::VirtualDisk { image, inside } => {
                let parts = [image.as_slice(), &inside.encode()];
                (LOCAL, joined(VIRTUAL_DISK, &parts))
            }
            Self::Other { kind, body } => (*kind, body.clone()),
        }
    }
}

fn joined(first: u32, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = first.to_le_bytes().to_vec();
    parts.iter().for_each(|part| bytes.extend(*part));
    bytes
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn partition(body: &[u8]) -> Option<PartitionId> {
    let sized = body.len() == PLAIN - HEADER && u32_at(body, 16)? == 0;
    let plain = sized && is_zero(body.get(40..)?);
    let (partition, disk) = (body.get(..16)?, body.get(24..40)?);
    match u32_at(body, 20).filter(|_| plain)? {
        GPT => Some(PartitionId::Gpt {
            disk: Uuid::from_bytes_le(array(disk, 0)?),
            partition: Uuid::from_bytes_le(array(partition, 0)?),
        }),
        MBR if is_zero(partition.get(8..)?) && is_zero(disk.get(4..)?) => Some(PartitionId::Mbr {
            signature: u32_at(disk, 0)?,
            offset: u64_at(partition, 0)?,
        }),
        _ => None,
    }
}

/// The 56 bytes that name a partition in a descriptor.
pub(super) fn partition_body(id: &PartitionId) -> Vec<u8> {
    let (mut partition, scheme, mut disk) = match id {
        PartitionId::Gpt { disk, partition } => (
            partition.to_bytes_le().to_vec(),
            GPT,
            disk.to_bytes_le().to_vec(),
        ),
        PartitionId::Mbr { signature, offset } => (
            offset.to_le_bytes().to_vec(),
            MBR,
            signature.to_le_bytes().to_vec(),
        ),
    };
    partition.resize(16, 0);
    disk.resize(32, 0);
    let mut body = partition;
    body.extend(0_u32.to_le_bytes());
    body.extend(scheme.to_le_bytes());
    body.extend(disk);
    body
}

fn locate(body: &[u8]) -> Option<Kind> {
    let element = u32_at(body, 4)?;
    (body == locate_body(element)).then_some(Kind::Locate { element })
}

fn locate_body(element: u32) -> Vec<u8> {
    let mut body = vec![0; 14];
    put(&mut body, 4, &element.to_le_bytes());
    body
}

fn local(body: &[u8], depth: usize) -> Option<Kind> {
    match u32_at(body, 0)? {
        RAMDISK => Some(Kind::Ramdisk {
            image: array(body, 4)?,
            file: FilePath::decode(body.get(24..)?, depth)?,
        }),
        FILE => Some(Kind::File(FilePath::decode(body.get(4..)?, depth)?)),
        VIRTUAL_DISK => Some(Kind::VirtualDisk {
            image: array(body, 4)?,
            inside: Box::new(Device::decode(body.get(24..)?, depth)?),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdMap;

    const OLD: PartitionId = PartitionId::Mbr {
        signature: 7,
        offset: 0x10_0000,
    };
    const NEW: PartitionId = PartitionId::Gpt {
        disk: Uuid::from_u128(1),
        partition: Uuid::from_u128(2),
    };

    fn file(inside: Kind) -> FilePath {
        FilePath {
            device: Box::new(DeviceElement::new(inside).device),
            units: "\\a.vhd\0".encode_utf16().collect(),
        }
    }

    /// Files and virtual disks: no genuine element of these is at hand.
    #[test]
    fn nested_devices_come_back_and_are_renamed() {
        let map = IdMap::new([(OLD, NEW)]).unwrap_or_default();
        let plain = Kind::File(file(Kind::Partition(OLD)));
        let inside = Box::new(DeviceElement::new(plain.clone()).device);
        let image = [0; 20];
        let ramdisk = Kind::Ramdisk {
            image: [1; 20],
            file: file(Kind::Locate { element: 3 }),
        };
        for kind in [plain, Kind::VirtualDisk { image, inside }, ramdisk] {
            let mut element = DeviceElement::new(kind);
            let bytes = element.encode();
            assert_eq!(DeviceElement::decode(&bytes), Ok(element.clone()));
            let had = element.device.partition();
            element.device.rename(&map);
            assert_eq!(element.device.partition(), had.map(|_| NEW));
            assert_eq!(element.encode().len(), bytes.len());
            for len in 0..bytes.len() {
                let cut = bytes.get(..len).unwrap_or_default();
                assert!(DeviceElement::decode(cut).is_err(), "{len}");
            }
        }
    }

    /// What is nested deeper than devices are is kept and searched all the same.
    #[test]
    fn too_deep_is_not_too_much() {
        let mut kind = Kind::Partition(OLD);
        for _ in 0..DEPTH_LIMIT * 3 {
            kind = Kind::File(file(kind));
        }
        let bytes = DeviceElement::new(kind).encode();
        let mut element = DeviceElement::decode(&bytes).expect("its lengths are right");
        assert_eq!(
            (element.device.partition(), element.encode()),
            (None, bytes)
        );
        let map = IdMap::new([(OLD, NEW)]).unwrap_or_default();
        element.device.rename(&map);
        let (old, new) = (partition_body(&OLD), partition_body(&NEW));
        let has = |part: &[u8]| crate::bytes::contains(&element.encode(), part);
        assert!(has(&new) && !has(&old));
    }
}
