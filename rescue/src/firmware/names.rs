//! What partitions are called on the new disk.

use ::windows::ids::{IdMap, PartitionId};
use disk::{Converted, Table, TableKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the partitions of a disk are called when it has become one that UEFI starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewNames {
    /// Of the MBR, if it had one: then all partitions have new names.
    pub(crate) signature: Option<u32>,
    /// The GUID of the disk.
    pub(crate) disk: Uuid,
    /// Where a partition of the image begins, in bytes, and its GUID.
    pub(crate) partitions: Vec<(u64, Uuid)>,
    /// The GUID of the ESP.
    pub(crate) esp: Uuid,
}

impl NewNames {
    pub(crate) fn new(before: &Table, after: &Converted) -> Result<Self, String> {
        let none = || "the new table names no partitions".to_owned();
        let uuid = |text: Option<&String>| text.and_then(|text| Uuid::parse_str(text).ok());
        let at = |start: u64| {
            let mut partitions = after.table.partitions.iter();
            let found = partitions.find(|p| p.start == start)?;
            uuid(found.uuid.as_ref())
        };
        let partitions = before.partitions.iter();
        let partitions = partitions.map(|p| Some((p.start, at(p.start)?)));
        Ok(Self {
            signature: match before.kind {
                TableKind::Mbr => Some(signature(before).ok_or_else(none)?),
                _ => None,
            },
            disk: uuid(after.table.disk_id.as_ref()).ok_or_else(none)?,
            partitions: partitions.collect::<Option<_>>().ok_or_else(none)?,
            esp: at(after.esp_extent.start).ok_or_else(none)?,
        })
    }

    /// As Windows names them.
    pub(crate) fn for_windows(&self) -> Result<IdMap, String> {
        let pair = |(offset, _): &(u64, Uuid)| {
            let signature = self.signature?;
            let offset = *offset;
            Some((PartitionId::Mbr { signature, offset }, self.now(offset)?))
        };
        let pairs = self.partitions.iter().filter_map(pair);
        IdMap::new(pairs).map_err(|e| e.to_string())
    }

    /// What the partition that begins at byte `offset` is called.
    pub(crate) fn now(&self, offset: u64) -> Option<PartitionId> {
        let mut partitions = self.partitions.iter();
        let (_, partition) = *partitions.find(|(at, _)| *at == offset)?;
        Some(self.gpt(partition))
    }

    /// The UUID of the file system in the ESP, as blkid(8) writes it.
    pub(crate) fn esp_volume(&self) -> String {
        let (serial, ..) = self.esp.as_fields();
        format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)
    }

    /// The ESP.
    pub(crate) const fn esp(&self) -> PartitionId {
        self.gpt(self.esp)
    }

    const fn gpt(&self, partition: Uuid) -> PartitionId {
        PartitionId::Gpt {
            disk: self.disk,
            partition,
        }
    }
}

/// The signature in an MBR.
pub(super) fn signature(table: &Table) -> Option<u32> {
    u32::from_str_radix(table.disk_id.as_deref()?, 16).ok()
}
