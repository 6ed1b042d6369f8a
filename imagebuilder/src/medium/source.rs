//! The file or block device that a medium is in.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use disk::ReadAt;

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

    fn of(mut file: File) -> std::io::Result<Self> {
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, size })
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
