//! `SYSTEM\MountedDevices`: which partition has which drive letter.
//!
//! A value's name is `\DosDevices\C:` or `\??\Volume{guid}`, its data (`REG_BINARY`) say
//! what that is: 12 bytes, the MBR signature (u32) and the partition's byte offset
//! (u64); or `DMIO:ID:` and the GUID of a GPT partition; or the path of another
//! device, UTF-16 without NUL. (Measured on genuine hives; MBR2GPT's manual
//! describes the same walk from old to new.)
//!
//! The names of volumes stay, also those that Windows 10 made from a signature
//! and an offset: the mount manager finds a volume by the data.

use std::fmt;

use hive::{Edit, Hive, Result, ValueType};
use uuid::Uuid;

use crate::bytes::{array, u32_at, u64_at};
use crate::ids::{IdMap, PartitionId};

/// The key.
pub const KEY: &str = "MountedDevices";
const GPT: &[u8; 8] = b"DMIO:ID:";
const LETTER: &str = "\\DosDevices\\";

/// What a value of the key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mounted {
    /// A partition of an MBR disk.
    Mbr {
        /// The disk's signature.
        signature: u32,
        /// Where the partition begins, in bytes.
        offset: u64,
    },
    /// A partition of a GPT disk.
    Gpt {
        /// Its unique GUID.
        partition: Uuid,
    },
    /// Another device, by its path: UTF-16 units.
    Device(Vec<u16>),
    /// Something else.
    Other(Vec<u8>),
}

impl Mounted {
    /// Reads the data of a value. [`Mounted::encode`] gives the same bytes back.
    #[must_use]
    pub fn decode(data: &[u8]) -> Self {
        let mbr = || {
            Some(Self::Mbr {
                signature: u32_at(data, 0)?,
                offset: u64_at(data, 4)?,
            })
        };
        let gpt = || {
            let partition = Uuid::from_bytes_le(array(data, 8)?);
            data.starts_with(GPT).then_some(Self::Gpt { partition })
        };
        let known = match data.len() {
            12 => mbr(),
            24 => gpt(),
            _ => None,
        };
        known.unwrap_or_else(|| match data.as_chunks::<2>() {
            (units, []) => {
                Self::Device(units.iter().map(|unit| u16::from_le_bytes(*unit)).collect())
            }
            _ => Self::Other(data.to_vec()),
        })
    }

    /// The data of a value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Mbr { signature, offset } => {
                let mut data = signature.to_le_bytes().to_vec();
                data.extend(offset.to_le_bytes());
                data
            }
            Self::Gpt { partition } => {
                let mut data = GPT.to_vec();
                data.extend(partition.to_bytes_le());
                data
            }
            Self::Device(units) => units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            Self::Other(data) => data.clone(),
        }
    }

    /// The partition; of a GPT partition with a nil disk, which is not kept here.
    #[must_use]
    pub fn partition(&self) -> Option<PartitionId> {
        match *self {
            Self::Mbr { signature, offset } => Some(PartitionId::Mbr { signature, offset }),
            Self::Gpt { partition } => Some(PartitionId::Gpt {
                disk: Uuid::nil(),
                partition,
            }),
            Self::Device(_) | Self::Other(_) => None,
        }
    }
}

impl From<PartitionId> for Mounted {
    fn from(id: PartitionId) -> Self {
        match id {
            PartitionId::Mbr { signature, offset } => Self::Mbr { signature, offset },
            PartitionId::Gpt { partition, .. } => Self::Gpt { partition },
        }
    }
}

/// What a value stands for, in words.
impl fmt::Display for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpt { partition } => write!(f, "GPT partition {partition}"),
            Self::Mbr { signature, offset } => {
                let (signature, offset) = (*signature, *offset);
                PartitionId::Mbr { signature, offset }.fmt(f)
            }
            Self::Device(units) => {
                let path = String::from_utf16_lossy(units);
                hive::Name::from(path.as_str()).fmt(f)
            }
            Self::Other(data) => write!(f, "{} bytes", data.len()),
        }
    }
}

/// A value of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub target: Mounted,
}

impl Mount {
    /// The drive letter.
    #[must_use]
    pub fn letter(&self) -> Option<char> {
        let (head, rest) = self.name.split_at_checked(LETTER.len())?;
        let mut rest = rest.chars();
        let (letter, colon) = (rest.next()?, rest.next()?);
        let whole = head.eq_ignore_ascii_case(LETTER) && colon == ':' && rest.next().is_none();
        let letter = letter.to_ascii_uppercase();
        (whole && letter.is_ascii_uppercase()).then_some(letter)
    }
}

/// The values of the key; none when there is no key, as after `sysprep`.
///
/// # Errors
/// When the hive is damaged.
pub fn read(hive: &Hive) -> Result<Vec<Mount>> {
    let mut mounts = Vec::new();
    let values = hive.find(KEY)?.map(|key| key.values()).transpose()?;
    for value in values.unwrap_or_default() {
        // What is no binary value is none of the mount manager's.
        if value.value_type() == ValueType::BINARY {
            mounts.push(Mount {
                name: String::from_utf16_lossy(value.name().units()),
                target: Mounted::decode(&value.data()?),
            });
        }
    }
    Ok(mounts)
}

/// The letter of a partition.
#[must_use]
pub fn letter(mounts: &[Mount], id: &PartitionId) -> Option<char> {
    let is_it = |mount: &&Mount| {
        let partition = mount.target.partition();
        partition.is_some_and(|partition| partition.same_partition(id))
    };
    mounts.iter().filter(is_it).find_map(Mount::letter)
}

/// What new names mean for the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renaming {
    /// Values that change, with what they will stand for.
    pub changes: Vec<Mount>,
    /// Partitions that the map does not know: they are of other disks, or their
    /// letters will be given anew.
    pub unmapped: Vec<Mount>,
}

/// What has to change when partitions get new names.
#[must_use]
pub fn renaming(mounts: &[Mount], map: &IdMap) -> Renaming {
    let mut renaming = Renaming::default();
    for mount in mounts {
        let Some(old) = mount.target.partition() else {
            continue;
        };
        match map.new_name(&old).map(Mounted::from) {
            None => renaming.unmapped.push(mount.clone()),
            Some(target) if target == mount.target => {}
            Some(target) => renaming.changes.push(Mount {
                name: mount.name.clone(),
                target,
            }),
        }
    }
    renaming
}

/// Gives partitions their new names in the key.
///
/// # Errors
/// When the hive is damaged or full.
pub fn rename(edit: &mut Edit, map: &IdMap) -> Result<Renaming> {
    let renaming = renaming(&read(edit.hive())?, map);
    for mount in &renaming.changes {
        let data = mount.target.encode();
        edit.set_value(KEY, &mount.name, ValueType::BINARY, &data)?;
    }
    Ok(renaming)
}
