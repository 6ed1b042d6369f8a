//! What is in the partitions of a raw disk, judged by other people's tools.

use crate::tool;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The size of a sector of the disks that tests make.
const SECTOR: u64 = 512;

/// The filesystems that tests put into partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filesystem {
    /// Judged by ntfs-3g.
    Ntfs,
    /// Judged by dosfstools and read by mtools.
    Fat,
    /// Judged and read by e2fsprogs.
    Ext,
}

/// A partition copied out of its disk.
#[derive(Debug)]
pub struct Part {
    /// The copy.
    pub file: PathBuf,
}

/// The table of `disk` as `sfdisk` prints it, without the disk's own name.
///
/// # Errors
/// When `sfdisk` is missing or finds no table.
pub fn table(disk: &Path) -> Result<String> {
    let dump = sfdisk("--dump", disk)?;
    let own = disk.display().to_string();
    Ok(dump.replace(&own, "disk"))
}

/// Checks that `sfdisk` has nothing to object to in the table of `disk`.
///
/// # Errors
/// With what it objects to.
pub fn verify_table(disk: &Path) -> Result<()> {
    let verdict = sfdisk("--verify", disk)?;
    let good = verdict.contains("No errors detected");
    ensure!(good, "sfdisk --verify: {verdict}");
    Ok(())
}

fn sfdisk(what: &str, disk: &Path) -> Result<String> {
    let words = ["sfdisk".as_ref(), what.as_ref(), disk.as_os_str()];
    tool("fdisk", &words)
}

impl Part {
    /// Copies the partition that begins at sector `start` of `disk` into `folder`.
    ///
    /// # Errors
    /// When no partition begins there.
    pub fn at(disk: &Path, start: u64, folder: &Path) -> Result<Self> {
        let json: Value = serde_json::from_str(&sfdisk("--json", disk)?)
            .context("parsing what sfdisk printed")?;
        let parts = json["partitiontable"]["partitions"].as_array();
        let found = parts.and_then(|all| all.iter().find(|p| p["start"] == start));
        let Some(sectors) = found.and_then(|p| p["size"].as_u64()) else {
            bail!("no partition begins at sector {start}: {json}");
        };
        let mut source = File::open(disk).context("opening a disk")?;
        source
            .seek(SeekFrom::Start(start * SECTOR))
            .context("finding a partition")?;
        let file = folder.join(format!("part-{start}.raw"));
        let mut copy = File::create(&file).context("creating a partition's copy")?;
        let copied = std::io::copy(&mut source.take(sectors * SECTOR), &mut copy)
            .context("copying a partition")?;
        ensure!(
            copied == sectors * SECTOR,
            "the partition at {start} is cut off"
        );
        copy.flush().context("copying a partition")?;
        Ok(Self { file })
    }

    /// Checks that the filesystem's own tool finds it clean; nothing is repaired.
    ///
    /// # Errors
    /// With what the tool found.
    pub fn is_clean(&self, filesystem: Filesystem) -> Result<()> {
        match filesystem {
            Filesystem::Ntfs => {
                self.run("ntfs-3g", &["ntfsfix", "-n"], &[])?;
                let about = self.run("ntfs-3g", &["ntfsinfo", "-m"], &[])?;
                // The dirty mark of $Volume.
                let clean = about.contains("Volume Flags: 0x0000");
                ensure!(clean, "the NTFS volume is marked: {about}");
            }
            Filesystem::Fat => drop(self.run("dosfstools", &["fsck.vfat", "-n"], &[])?),
            Filesystem::Ext => drop(self.run("e2fsprogs", &["e2fsck", "-fn"], &[])?),
        }
        Ok(())
    }

    /// A checksum over the content of the file `name` at the root of the filesystem.
    ///
    /// # Errors
    /// When it is not there.
    pub fn checksum(&self, filesystem: Filesystem, name: &str) -> Result<String> {
        let out = self.file.with_extension("content");
        let path = out.as_os_str().to_string_lossy().into_owned();
        match filesystem {
            Filesystem::Ntfs => {
                // ntfscat writes to standard output only.
                let script = format!("ntfscat -f {:?} {name} > {path:?}", self.file);
                let words = ["sh", "-c", &script];
                tool("ntfs-3g", &words.map(OsStr::new))?;
            }
            Filesystem::Fat => {
                let words = ["mcopy", "-n", "-o", "-i"];
                self.run("mtools", &words, &[&format!("::{name}"), &path])?;
            }
            Filesystem::Ext => {
                let dump = format!("dump {name} {path}");
                self.run("e2fsprogs", &["debugfs", "-R", &dump], &[])?;
            }
        }
        let mut content = Vec::new();
        File::open(&out)
            .and_then(|mut file| file.read_to_end(&mut content))
            .with_context(|| format!("reading {name} from a partition"))?;
        ensure!(!content.is_empty(), "{name} is empty in {filesystem:?}");
        Ok(blake3::hash(&content).to_string())
    }

    fn run(&self, package: &str, before: &[&str], after: &[&str]) -> Result<String> {
        let mut words: Vec<&OsStr> = before.iter().map(AsRef::as_ref).collect();
        words.push(self.file.as_os_str());
        words.extend(after.iter().map(OsStr::new));
        tool(package, &words)
    }
}
