//! The file or block device that a medium is in.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use disk::ReadAt;

/// For a block device: fails when it, or a part of it, is mounted. (Linux on
/// x86: include/uapi/asm-generic/fcntl.h.)
const O_EXCL: i32 = 0o200;

/// A file or block device; the size of the latter is where its end is.
#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    size: u64,
}

impl Source {
    /// To read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Self::of(file).with_context(|| format!("measuring {}", path.display()))
    }

    /// To write, too. Nobody else may use a device meanwhile.
    pub(crate) fn open_to_write(path: &Path) -> Result<Self> {
        let mut options = File::options();
        options.read(true).write(true);
        let is_device = path
            .metadata()
            .is_ok_and(|m| m.file_type().is_block_device());
        if is_device {
            options.custom_flags(O_EXCL);
        }
        let hint = match is_device {
            true => " (is it mounted? unmount it first; are you allowed to write to it?)",
            false => "",
        };
        let file = options
            .open(path)
            .with_context(|| format!("opening {} for writing{hint}", path.display()))?;
        Self::of(file).with_context(|| format!("measuring {}", path.display()))
    }

    fn of(mut file: File) -> std::io::Result<Self> {
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, size })
    }

    /// Writes, and returns once it is on the disk.
    pub(crate) fn write_synced(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        FileExt::write_all_at(&self.file, bytes, offset)?;
        self.file.sync_data()
    }
}

impl ReadAt for Source {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        FileExt::read_exact_at(&self.file, buf, offset)
    }

    fn size(&self) -> u64 {
        self.size
    }
}
