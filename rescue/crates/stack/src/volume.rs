//! What is given to this crate, and what it finds.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use disk::ReadAt;

use crate::{Layer, Note};

/// A partition of the disk.
#[derive(Clone)]
pub struct Part {
    /// Its number in the partition table.
    pub number: u32,
    /// Where it begins, in bytes on the disk.
    pub start: u64,
    /// Its bytes.
    pub device: Arc<dyn ReadAt>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("number", &self.number)
            .field("start", &self.start)
            .field("size", &self.device.size())
            .finish_non_exhaustive()
    }
}

/// One of the layers between a partition and a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Through {
    /// A logical volume.
    Lvm {
        /// The volume group's name.
        vg: String,
        /// The logical volume's name.
        lv: String,
    },
    /// A LUKS volume.
    Luks {
        /// Its UUID, by which `/etc/crypttab` and the kernel's command line name it.
        uuid: String,
        /// 1 or 2.
        version: u8,
    },
    /// An array of md.
    Md {
        /// Its UUID, as mdadm writes it: four groups of eight hexadecimal digits.
        uuid: String,
        /// Its level: 1 for a mirror, -1 for linear.
        level: i32,
        /// Its name, often `HOST:NAME`; version 0.90 has none.
        name: Option<String>,
    },
}

/// A device inside of partitions, as Linux would have it.
#[derive(Clone)]
pub struct Volume {
    /// The number of the partition that it begins on.
    pub partition: u32,
    /// The paths under `/dev` that lead to it and do not change between starts.
    /// Links that follow from its content (`by-uuid`) are not among them.
    pub names: Vec<String>,
    /// The layers on the way, from the partition up.
    pub through: Vec<Through>,
    /// Its bytes.
    pub device: Arc<dyn Layer>,
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("partition", &self.partition)
            .field("names", &self.names)
            .field("through", &self.through)
            .field("size", &self.device.size())
            .finish_non_exhaustive()
    }
}

/// What is inside of partitions.
#[derive(Debug, Default)]
pub struct Found {
    /// The devices that nothing further was opened in: file systems, swap, or
    /// what is unknown here.
    pub volumes: Vec<Volume>,
    /// The numbers of the partitions that are part of something. A member of a mirror can look
    /// like a file system of its own, and is not to be taken for one.
    pub parts: BTreeSet<u32>,
    /// What could not be opened, or not be changed, and why.
    pub notes: Vec<Note>,
}
