//! What a partition table says, whatever its format.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::TableError;
use crate::{Extent, SectorSize};

/// Format of a partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// GUID partition table, with or without a hybrid MBR.
    Gpt,
    /// Master boot record, "msdos" or "dos" label.
    Mbr,
    /// None: an empty disk, or one filesystem over the whole disk.
    None,
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpt => "GPT",
            Self::Mbr => "MBR",
            Self::None => "no partition table",
        })
    }
}

/// One partition that holds data. An extended partition is not one: it is a
/// container, and only its logical partitions are listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Number as Linux counts: the `3` of `sda3`.
    pub number: u32,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// GPT type GUID in lower case, or the MBR type as `0x83`.
    pub type_id: String,
    /// The type in words; "unknown type" if it is not a known one.
    pub type_name: String,
    /// GPT partition name; absent on MBR and where empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// PARTUUID as Linux shows it (MBR: disk signature and number).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// MBR active flag, or GPT attribute "legacy BIOS bootable".
    #[serde(default)]
    pub bootable: bool,
    /// Lives in an extended partition.
    #[serde(default)]
    pub logical: bool,
    /// GPT attribute bits; 0 on MBR.
    #[serde(default)]
    pub attributes: u64,
}

impl Partition {
    /// Where it lies on the disk.
    #[must_use]
    pub const fn extent(&self) -> Extent {
        Extent {
            start: self.start,
            len: self.len,
        }
    }
}

/// What a part of the partition table itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StructureRole {
    /// Sector 0: boot code, MBR entries or protective MBR.
    Mbr,
    /// GPT header in sector 1.
    PrimaryHeader,
    /// Entries that the primary header points to.
    PrimaryEntries,
    /// Entries that the backup header points to.
    BackupEntries,
    /// Backup GPT header, normally the last sector.
    BackupHeader,
    /// One extended boot record.
    Ebr,
}

impl StructureRole {
    /// Belongs to the second copy of a GPT.
    #[must_use]
    pub const fn is_backup(self) -> bool {
        matches!(self, Self::BackupEntries | Self::BackupHeader)
    }
}

impl fmt::Display for StructureRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mbr => "the master boot record",
            Self::PrimaryHeader => "the GPT header",
            Self::PrimaryEntries => "the GPT entries",
            Self::BackupEntries => "the backup GPT entries",
            Self::BackupHeader => "the backup GPT header",
            Self::Ebr => "an extended boot record",
        })
    }
}

/// Sectors that hold the table itself. Only intact copies are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// What it is.
    pub role: StructureRole,
    /// Where it is, in bytes.
    #[serde(flatten)]
    pub extent: Extent,
}

/// What kind of remark a [`Note`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoteKind {
    /// The first copy of the GPT is unusable, the backup was read.
    PrimaryGptDamaged,
    /// The backup copy of the GPT is unusable.
    BackupGptDamaged,
    /// The backup GPT is intact but not at the end: the disk has grown.
    BackupGptNotAtEnd,
    /// Both copies are intact but differ; the first one counts.
    BackupGptDiffers,
    /// The protective MBR lists partitions besides its protective entry.
    HybridMbr,
    /// A GPT partition lies outside the range its header calls usable.
    OutsideUsable,
    /// A GPT signature without protective MBR: Linux ignores it, so do we.
    StaleGpt,
    /// Sector 0 is the boot sector of a filesystem.
    FilesystemOnDisk,
    /// Sector 0 has a boot signature but no possible partition table.
    NotATable,
    /// An extended partition without a first boot record: it is empty.
    EmptyExtended,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// A remark about a table that is nevertheless usable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// For programs.
    pub kind: NoteKind,
    /// For people: a whole sentence.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A disk's partition table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Format.
    pub kind: TableKind,
    /// Unit the table counts in.
    pub sector: SectorSize,
    /// Size of the disk in bytes.
    pub disk_size: u64,
    /// PTUUID as Linux shows it: GPT disk GUID, or MBR signature as 8 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_id: Option<String>,
    /// Partitions, by number.
    pub partitions: Vec<Partition>,
    /// Where the table itself is. An engine withholds these to the end.
    pub structures: Vec<Structure>,
    /// Oddities worth telling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Table {
    /// A disk of `disk_size` bytes without a table.
    #[must_use]
    pub fn empty(sector: SectorSize, disk_size: u64) -> Self {
        Self {
            kind: TableKind::None,
            sector,
            disk_size,
            disk_id: None,
            partitions: Vec::new(),
            structures: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, kind: NoteKind, text: String) {
        self.notes.push(Note { kind, text });
    }

    /// Checks that everything is inside the disk and nothing overlaps.
    ///
    /// [`read_table`](super::read_table) has done this; a table that comes
    /// from a manifest must pass it again.
    ///
    /// # Errors
    /// Names the first partitions or structures in conflict.
    pub fn check(&self) -> Result<(), TableError> {
        let mut numbers: Vec<u32> = self.partitions.iter().map(|p| p.number).collect();
        numbers.sort_unstable();
        if let Some(twice) = numbers.windows(2).find_map(|w| match w {
            [a, b] if a == b => Some(*a),
            _ => None,
        }) {
            return Err(TableError::DuplicateNumber(twice));
        }
        let mut items: Vec<(Extent, String)> = Vec::new();
        for p in &self.partitions {
            items.push((p.extent(), format!("partition {}", p.number)));
        }
        for s in &self.structures {
            items.push((s.extent, s.role.to_string()));
        }
        items.sort();
        self.check_items(&items)
    }

    /// `items` are sorted by start.
    fn check_items(&self, items: &[(Extent, String)]) -> Result<(), TableError> {
        let mut furthest: Option<(u64, &str)> = None;
        for (extent, item) in items {
            let end = extent.start.checked_add(extent.len);
            let Some(end) = end.filter(|end| *end <= self.disk_size) else {
                return Err(TableError::BeyondEnd {
                    item: item.clone(),
                    start: extent.start,
                    len: extent.len,
                    disk_size: self.disk_size,
                });
            };
            if let Some((_, first)) = furthest.filter(|(to, _)| *to > extent.start) {
                return Err(TableError::Overlap {
                    first: first.to_owned(),
                    second: item.clone(),
                    at: extent.start,
                });
            }
            if furthest.is_none_or(|(to, _)| end > to) {
                furthest = Some((end, item));
            }
        }
        Ok(())
    }
}
