//! The machine's disks: what they are, and what holds them.
//!
//! Everything comes from `/sys/class/block`, `/proc/self/mountinfo` and
//! `/proc/swaps`; nothing is opened for that but the first sectors that tell
//! the rescue medium. The root is a parameter, so tests use a tree of files.

mod cards;
mod contents;
mod graph;
mod hardware;
mod identity;
mod medium;
mod mounts;
#[cfg(test)]
mod tests;
mod types;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

pub use cards::Card;
pub use contents::{Contents, DiskFile, NodeId, Part, Signature, contents};
use graph::{Graph, Node};
pub use hardware::{Attached, Controller, ControllerId, Hardware, Pci, StartedBy};
pub use types::{Bus, Disk, DiskKind, Use};

/// Where the kernel shows itself: `/`, or a test's imitation of it.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

/// The disks of this machine, in the order of their names. Partitions,
/// optical drives, loop and RAM devices, LVM and RAID volumes are not disks.
///
/// # Errors
/// When `/sys` or `/proc` cannot be read.
pub fn disks() -> anyhow::Result<Vec<Disk>> {
    Machine::host().disks()
}

/// The disk at `path`: a block device, or a raw file with 512-byte sectors.
///
/// # Errors
/// See [`Machine::disk_at`].
pub fn disk_at(path: &Path) -> anyhow::Result<Disk> {
    Machine::host().disk_at(path, disk::SectorSize::B512)
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn host() -> Self {
        Self::at("/")
    }

    /// The machine whose `/sys`, `/proc`, `/dev` and `/etc` are under `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The disks; see [`disks`].
    ///
    /// # Errors
    /// When `/sys` or `/proc` cannot be read.
    pub fn disks(&self) -> anyhow::Result<Vec<Disk>> {
        let graph = Graph::read(&self.root)?;
        let mut disks: Vec<Disk> = graph
            .nodes()
            .filter(|node| node.is_disk())
            .map(|node| self.describe(&graph, node))
            .collect();
        disks.sort_by_cached_key(|disk| natural_key(&disk.name));
        Ok(disks)
    }

    /// The disk at `path`. A raw file is a disk without identity, whose
    /// logical sectors are `file_sector` bytes long.
    ///
    /// # Errors
    /// When there is nothing, or a partition, a folder, a pipe.
    pub fn disk_at(&self, path: &Path, file_sector: disk::SectorSize) -> anyhow::Result<Disk> {
        let path = fs::canonicalize(path).with_context(|| {
            format!(
                "{}: no such disk or file. Make a raw file with: truncate -s SIZE {}",
                path.display(),
                path.display()
            )
        })?;
        let metadata =
            fs::metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?;
        let graph = Graph::read(&self.root)?;
        if metadata.file_type().is_block_device() {
            return self.device_at(&graph, &path, metadata.rdev());
        }
        if !metadata.is_file() {
            bail!("{} is neither a disk nor a raw file", path.display());
        }
        let mut disk = types::raw_file(&path, metadata.len(), file_sector);
        disk.uses = graph.uses_of_file(&path);
        disk.read_only = metadata.permissions().readonly();
        Ok(disk)
    }

    fn device_at(&self, graph: &Graph, path: &Path, device: u64) -> anyhow::Result<Disk> {
        let number = mounts::DeviceNumber::from_raw(device);
        let Some(node) = graph.by_number(number) else {
            bail!(
                "{} is block device {number}, which the kernel does not list",
                path.display()
            );
        };
        if let Some(parent) = &node.parent {
            bail!(
                "{} is a partition of /dev/{parent}: name the whole disk",
                path.display()
            );
        }
        let mut disk = self.describe(graph, node);
        disk.path = path.to_path_buf();
        Ok(disk)
    }

    fn describe(&self, graph: &Graph, node: &Node) -> Disk {
        let mut disk = identity::describe(&self.root, node);
        disk.uses = graph.uses_of(node);
        if medium::is_medium(&self.root, &disk.path) {
            disk.uses.push(Use::Medium);
        }
        disk
    }

    /// Names of the whole disks that hold the file or folder at `path`,
    /// resolved through partitions, loop, device-mapper and md. Empty for
    /// network filesystems and memory.
    ///
    /// # Errors
    /// When `path`, `/sys` or `/proc` cannot be read.
    pub fn disks_under(&self, path: &Path) -> anyhow::Result<Vec<String>> {
        let path =
            fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?;
        let metadata =
            fs::metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?;
        let graph = Graph::read(&self.root)?;
        let number = mounts::DeviceNumber::from_raw(metadata.dev());
        Ok(graph.disks_holding(&path, number))
    }

    /// Marks the disks that hold the repository folder at `path`.
    ///
    /// # Errors
    /// As [`Machine::disks_under`].
    pub fn mark_repository(&self, disks: &mut [Disk], path: &Path) -> anyhow::Result<()> {
        let names = self.disks_under(path)?;
        for disk in disks {
            if names.contains(&disk.name) && !disk.uses.contains(&Use::Repository) {
                disk.uses.push(Use::Repository);
            }
        }
        Ok(())
    }
}

/// Sorts "sda", "sdb", "sdaa" and "nvme2n1", "nvme10n1" as people do.
fn natural_key(name: &str) -> (String, usize, Vec<u64>) {
    let letters: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
    let numbers = name
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let family = letters.chars().take(2).collect();
    (
        family,
        letters.len(),
        [numbers_of(&letters), numbers].concat(),
    )
}

/// Letters as numbers, so that they compare after the length did.
fn numbers_of(letters: &str) -> Vec<u64> {
    letters.bytes().map(u64::from).collect()
}
