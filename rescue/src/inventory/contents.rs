//! What is on a disk now: its table, its partitions, their filesystems.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use disk::{ReadAt, SectorSize, TableKind, Window};
use serde::Serialize;

use super::types::{Disk, DiskKind};

/// A disk opened for reading.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    size: u64,
}

/// What a path led to: another path, or another time, may lead elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeId {
    /// A device, by its number.
    Device(u64),
    /// A file, by its filesystem and inode.
    File(u64, u64),
}

impl NodeId {
    /// Of an open device or file.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(if metadata.file_type().is_block_device() {
            Self::Device(metadata.rdev())
        } else {
            Self::File(metadata.dev(), metadata.ino())
        })
    }
}

impl DiskFile {
    /// What was opened.
    ///
    /// # Errors
    /// The kernel's.
    pub fn node(&self) -> io::Result<NodeId> {
        NodeId::of(&self.file)
    }
}

impl ReadAt for DiskFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, offset)
    }
    fn size(&self) -> u64 {
        self.size
    }
}

/// What was found on a disk. Nothing here is an error: a table that cannot be
/// read is one of the notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// The kind of its partition table.
    pub table: TableKind,
    /// GPT disk GUID, or MBR signature.
    pub disk_id: Option<String>,
    /// The partitions, in the order of their numbers.
    pub partitions: Vec<Part>,
    /// What the disk holds as a whole when it has no table.
    pub whole: Option<Signature>,
    /// What was unusual, in sentences.
    pub notes: Vec<String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What the table says.
    #[serde(flatten)]
    pub partition: disk::Partition,
    /// What its first and last bytes say.
    pub signature: Option<Signature>,
}

/// A filesystem, volume or container, told by its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// The name people know it by.
    pub kind: String,
    /// Its label.
    pub label: Option<String>,
    /// Its UUID, as `blkid` prints it.
    pub uuid: Option<String>,
}

impl Disk {
    /// Opens it for reading, shared.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(&self) -> io::Result<DiskFile> {
        let file = File::open(&self.path)?;
        let size = match self.kind {
            DiskKind::Device => sys::block::size(&file)?,
            DiskKind::RawFile => file.metadata()?.len(),
        };
        Ok(DiskFile { file, size })
    }

    /// Its logical sector size, when it is one that exists on real disks.
    ///
    /// # Errors
    /// [`disk::UnsupportedSectorSize`].
    pub fn sectors(&self) -> Result<SectorSize, disk::UnsupportedSectorSize> {
        SectorSize::try_from(self.sector_size)
    }
}

/// Looks at a disk's table and at the signatures in its partitions.
pub fn contents(dev: &dyn ReadAt, sector: SectorSize) -> Contents {
    match disk::read_table(dev, sector) {
        Ok(table) => of_table(dev, table),
        Err(error) => Contents {
            table: TableKind::None,
            disk_id: None,
            partitions: Vec::new(),
            whole: None,
            notes: vec![crate::ui::chain(&error.into()).replace('\n', ": ")],
        },
    }
}

fn of_table(dev: &dyn ReadAt, table: disk::Table) -> Contents {
    let whole = match table.kind {
        TableKind::None => signature(dev),
        _ => None,
    };
    let partitions = table.partitions.into_iter().map(|partition| Part {
        signature: Window::new(dev, partition.start, partition.len)
            .and_then(|window| signature(&window)),
        partition,
    });
    Contents {
        table: table.kind,
        disk_id: table.disk_id,
        partitions: partitions.collect(),
        whole,
        notes: table.notes.into_iter().map(|note| note.text).collect(),
    }
}

/// `None` when nothing is known to look like this.
fn signature(dev: &dyn ReadAt) -> Option<Signature> {
    let found = fsmap::identify(dev).ok()?;
    (found.kind != fsmap::FsKind::Unknown).then(|| Signature {
        kind: found.kind.name().to_owned(),
        label: found.label,
        uuid: found.uuid,
    })
}

impl Contents {
    /// "GPT with 3 partitions", "empty, as far as can be told".
    #[must_use]
    pub fn describe(&self) -> String {
        let what = match (self.table, &self.whole) {
            (TableKind::None, Some(fs)) => return format!("{} without a partition table", fs.kind),
            (TableKind::None, None) if !self.notes.is_empty() => {
                return format!("nothing that can be read ({})", self.notes.join(" "));
            }
            (TableKind::None, None) => return "nothing that is known".to_owned(),
            (kind, _) => kind,
        };
        let count = self.partitions.len();
        let plural = if count == 1 { "" } else { "s" };
        let list: Vec<String> = self.partitions.iter().map(Part::describe).collect();
        if list.is_empty() {
            return format!("{what} with no partition");
        }
        format!("{what} with {count} partition{plural}: {}", list.join(", "))
    }
}

impl Part {
    /// "1 ntfs \"DATA\"".
    fn describe(&self) -> String {
        let number = self.partition.number;
        let (kind, label) = match &self.signature {
            Some(s) => (s.kind.as_str(), s.label.as_deref()),
            None => (self.partition.type_name.as_str(), None),
        };
        match label {
            Some(label) => format!("{number} {kind} {label:?}"),
            None => format!("{number} {kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::{MemDisk, WriteAt};

    #[test]
    fn an_empty_disk_and_a_bare_filesystem_are_told_apart() {
        let disk = MemDisk::zeroed(1 << 20);
        let empty = contents(&disk, SectorSize::B512);
        assert_eq!(empty.describe(), "nothing that is known");
        disk.write_all_at(b"LUKS\xba\xbe\0\x02", 0).unwrap();
        let luks = contents(&disk, SectorSize::B512);
        assert!(luks.describe().contains("without a partition table"));
        assert!(luks.whole.is_some());
    }

    #[test]
    fn partitions_are_named_with_what_they_hold() {
        let disk = MemDisk::zeroed(4 << 20);
        let mut mbr = [0; 512];
        mbr[446 + 4] = 0x83;
        mbr[446 + 8..446 + 12].copy_from_slice(&2048u32.to_le_bytes());
        mbr[446 + 12..446 + 16].copy_from_slice(&2048u32.to_le_bytes());
        mbr[510..].copy_from_slice(&[0x55, 0xaa]);
        disk.write_all_at(&mbr, 0).unwrap();
        disk.write_all_at(b"LUKS\xba\xbe\0\x02", 1 << 20).unwrap();
        let found = contents(&disk, SectorSize::B512);
        assert_eq!(found.partitions.len(), 1);
        let text = found.describe();
        assert!(text.starts_with("MBR with 1 partition: 1 "), "{text}");
        assert!(found.partitions[0].signature.is_some());
    }
}
