//! Manifests: what an image consists of. JSON, written last.

use std::fmt;
use std::str::FromStr;

use disk::SectorSize;
use serde::{Deserialize, Serialize};

use crate::map::MAX_REGION;
use crate::record::MAX_META;
use crate::seal::{self, FORMAT};
use crate::system::{IdentityKey, System};
use crate::{Error, Locator, Result, Timestamp};

/// The largest manifest that makes sense, in bytes.
pub(crate) const MAX_MANIFEST: u64 = 16 << 20;
const MAX_DISKS: usize = 4096;
const MAX_SYSTEMS: usize = 4096;
const FOLDER: &str = "snap/";
const SUFFIX: &str = ".man";

/// The id of an image: its moment and eight random digits,
/// "20251122T042800Z-1f2e3d4c". Sorts by moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageId(String);

/// A text that is no image id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no image id: expected the form 20251122T042800Z-1f2e3d4c")]
pub struct ParseImageIdError(String);

impl ImageId {
    /// The id of an image made at `created`, told from others of that second
    /// by `random`.
    #[must_use]
    pub fn new(created: Timestamp, random: u32) -> Self {
        Self(format!("{}-{random:08x}", created.compact()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its manifest in the store.
    #[must_use]
    pub fn object_name(&self) -> String {
        format!("{FOLDER}{}{SUFFIX}", self.0)
    }

    /// The name of its signature in the store: beside the manifest, where
    /// `minisign -V -m` looks for it.
    #[must_use]
    pub fn signature_name(&self) -> String {
        format!("{}.minisig", self.object_name())
    }

    /// The id in an object's name; `None` when it is no manifest's.
    #[must_use]
    pub fn of_object(name: &str) -> Option<Self> {
        name.strip_prefix(FOLDER)?
            .strip_suffix(SUFFIX)?
            .parse()
            .ok()
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ImageId {
    type Err = ParseImageIdError;
    fn from_str(text: &str) -> std::result::Result<Self, ParseImageIdError> {
        const FORM: &[u8] = b"ddddddddTddddddZ-xxxxxxxx";
        let fits = text.len() == FORM.len()
            && text.bytes().zip(FORM).all(|(b, form)| match form {
                b'd' => b.is_ascii_digit(),
                b'x' => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
                literal => b == *literal,
            });
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseImageIdError(text.chars().take(60).collect()))
        }
    }
}

impl TryFrom<String> for ImageId {
    type Error = ParseImageIdError;
    fn try_from(text: String) -> std::result::Result<Self, ParseImageIdError> {
        text.parse()
    }
}

impl From<ImageId> for String {
    fn from(id: ImageId) -> String {
        id.0
    }
}

/// One machine's disks at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format version it was written in.
    pub format: u32,
    /// The oldest version of a reader that understands it.
    pub min_reader: u32,
    /// The image's id; also in the object's name.
    pub id: ImageId,
    /// What the operator calls it; several images may share a name.
    pub name: String,
    /// When the capture began.
    pub created: Timestamp,
    /// The machine the disks were in.
    pub machine: Machine,
    /// The program that made it, with its version.
    pub tool: String,
    /// The disks.
    pub disks: Vec<DiskImage>,
    /// The operating systems that were found on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub systems: Vec<System>,
    /// The key of the hashes in [`Manifest::systems`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_key: Option<IdentityKey>,
}

/// What identifies a machine, as far as it could be learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub hostname: Option<String>,
    /// DMI system vendor.
    pub vendor: Option<String>,
    /// DMI product name.
    pub product: Option<String>,
    /// DMI serial number.
    pub serial: Option<String>,
    /// DMI system UUID.
    pub uuid: Option<String>,
    /// "uefi" or "bios".
    pub firmware: Option<String>,
}

/// One disk of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskImage {
    /// Its number in the image, from 0.
    pub index: u32,
    /// Where it was read from ("/dev/sda", a file's path).
    pub source: String,
    pub model: Option<String>,
    pub serial: Option<String>,
    pub wwn: Option<String>,
    /// In bytes.
    pub size: u64,
    /// Logical sector size: what its partition table counts in.
    pub sector_size: SectorSize,
    /// Physical sector size in bytes.
    pub physical_sector: u32,
    /// The kind of its partition table.
    pub table: TableKind,
    /// GPT disk GUID, or MBR disk signature as eight hex digits.
    pub disk_id: Option<String>,
    /// What was unusual about the table, in sentences.
    pub notes: Vec<String>,
    /// Its parts in the order of the disk: they tile it exactly.
    pub regions: Vec<Region>,
}

/// The kind of a partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableKind {
    /// GUID partition table.
    Gpt,
    /// DOS partition table.
    Mbr,
    /// None: a filesystem on the bare disk, or nothing.
    None,
}

/// A partition, or a gap between partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Which.
    pub kind: RegionKind,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// What the partition holds; `None` for gaps.
    pub fs: Option<Filesystem>,
    /// Bytes of the region that are stored as data.
    pub data_bytes: u64,
    /// Bytes that are zero and must read back as zero.
    pub zero_bytes: u64,
    /// Bytes the filesystem does not use.
    pub free_bytes: u64,
    /// Where its map begins.
    pub root: Locator,
}

/// What a region is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionKind {
    /// In no partition: tables, boot code, unused space.
    Gap,
    /// A partition.
    Partition(PartitionInfo),
}

/// A partition as its table describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionInfo {
    pub number: u32,
    /// GPT type GUID, or "0x83".
    pub type_id: String,
    /// The type in words.
    pub type_name: String,
    /// GPT partition name.
    pub name: Option<String>,
    /// GPT partition GUID.
    pub uuid: Option<String>,
    /// MBR active flag.
    pub bootable: bool,
    /// A logical partition of an MBR.
    pub logical: bool,
}

/// A filesystem and how its free space was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// "ext4", "ntfs", "unknown", ….
    pub kind: String,
    pub label: Option<String>,
    pub uuid: Option<String>,
    /// Allocation unit in bytes; 0 when unknown.
    pub block_size: u64,
    /// How far its used-block map could be trusted.
    pub consistency: Consistency,
    /// Why a map fell back, what was unusual: sentences.
    pub notes: Vec<String>,
}

/// How far a used-block map could be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// Cleanly unmounted: the bitmaps are exact.
    Clean,
    /// The journal was dirty and was taken into account.
    JournalOverlay,
    /// Not used: every block was captured.
    Raw,
}

impl Region {
    /// The partition's description; `None` for a gap.
    #[must_use]
    pub fn partition(&self) -> Option<&PartitionInfo> {
        match &self.kind {
            RegionKind::Partition(info) => Some(info),
            RegionKind::Gap => None,
        }
    }

    /// "partition 2", "the gap at byte 0", or "the whole disk" for one with a
    /// filesystem and no partitions.
    #[must_use]
    pub fn title(&self) -> String {
        match (self.partition(), &self.fs) {
            (Some(info), _) => format!("partition {}", info.number),
            (None, Some(_)) => "the whole disk".to_owned(),
            (None, None) => format!("the gap at byte {}", self.start),
        }
    }
}

impl DiskImage {
    /// Bytes of the disk stored as data.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.regions
            .iter()
            .fold(0, |sum, r| sum.saturating_add(r.data_bytes))
    }

    /// Checks that the regions tile the disk and can be what they claim.
    fn check(&self) -> std::result::Result<(), String> {
        let mut at = 0u64;
        for region in &self.regions {
            if region.start != at || region.len == 0 || region.len > MAX_REGION {
                return Err(format!(
                    "disk {}: a region of 1 to {MAX_REGION} bytes at byte {at}, not {} at {}",
                    self.index, region.len, region.start
                ));
            }
            let kinds = [region.data_bytes, region.zero_bytes, region.free_bytes];
            let sum = kinds.iter().try_fold(0u64, |s, n| s.checked_add(*n));
            if sum != Some(region.len) {
                return Err(format!(
                    "disk {}, {}: data, zero and free bytes that add up to {}",
                    self.index,
                    region.title(),
                    region.len
                ));
            }
            region
                .root
                .check(MAX_META)
                .map_err(|e| format!("disk {}, {}: not {e}", self.index, region.title()))?;
            at = at
                .checked_add(region.len)
                .ok_or_else(|| format!("disk {}: an end within 64 bits", self.index))?;
        }
        if at != self.size {
            return Err(format!(
                "disk {}: regions that tile its {} bytes, not {at}",
                self.index, self.size
            ));
        }
        Ok(())
    }
}

impl Manifest {
    /// Bytes of all disks together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.disks
            .iter()
            .fold(0, |sum, d| sum.saturating_add(d.size))
    }

    /// Bytes of all disks stored as data.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.disks
            .iter()
            .fold(0, |sum, d| sum.saturating_add(d.data_bytes()))
    }

    /// The sealed bytes to store.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check().map_err(|reason| Error::Invalid {
            reason: format!("expected {reason}"),
        })?;
        let bytes = seal::seal(self)?;
        if bytes.len() as u64 > MAX_MANIFEST {
            return Err(Error::TooLarge {
                what: "the manifest's length in bytes",
                value: bytes.len() as u64,
                cap: MAX_MANIFEST,
            });
        }
        Ok(bytes)
    }

    /// Parses and checks the stored bytes of the manifest of `id`.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Newer`].
    pub fn from_bytes(id: &ImageId, bytes: &[u8]) -> Result<Self> {
        let object = id.object_name();
        let manifest: Self = seal::unseal(&object, bytes)?;
        if manifest.id != *id {
            return Err(Error::damaged(
                &object,
                0,
                format!("image {id}"),
                format!("image {}", manifest.id),
            ));
        }
        manifest
            .check()
            .map_err(|expected| Error::damaged(&object, 0, expected, "something else"))?;
        Ok(manifest)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.format > FORMAT && self.min_reader > FORMAT {
            return Err(format!("a format up to {FORMAT}"));
        }
        if self.disks.len() > MAX_DISKS {
            return Err(format!("at most {MAX_DISKS} disks"));
        }
        if self.systems.len() > MAX_SYSTEMS {
            return Err(format!("at most {MAX_SYSTEMS} systems"));
        }
        self.disks.iter().try_for_each(DiskImage::check)
    }
}
