//! Files of an ext2, ext3 or ext4 partition, through the crate `ext4-view`. A
//! journal that is not empty is taken into account.

use std::error::Error;
use std::sync::Arc;

use disk::ReadAt;
use ext4_view::{Ext4, Ext4Error, Ext4Read};

use super::{Files, FilesError, MANY};

/// A file system.
#[derive(Debug)]
pub struct Ext(Ext4);

struct Reader(Arc<dyn ReadAt>);

impl Ext4Read for Reader {
    fn read(
        &mut self,
        start: u64,
        into: &mut [u8],
    ) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        Ok(self.0.read_exact_at(into, start)?)
    }
}

impl Ext {
    /// Opens the file system on `partition`.
    ///
    /// # Errors
    /// When it is none, or damaged.
    pub fn open(partition: Arc<dyn ReadAt>) -> Result<Self, FilesError> {
        plausible(&*partition)?;
        let opened = Ext4::load(Box::new(Reader(partition)));
        opened.map(Self).map_err(|e| FilesError::new("/", e))
    }
}

/// Refuses what would take memory without end before a byte of it is read: more
/// blocks than the partition has, more groups than make sense.
fn plausible(partition: &dyn ReadAt) -> Result<(), FilesError> {
    /// 2^20 groups of 128 MiB are 128 TiB.
    const MANY_GROUPS: u64 = 1 << 20;
    /// INCOMPAT_64BIT in s_feature_incompat.
    const WIDE: u64 = 0x80;
    let failed = |what: String| FilesError::new("/", what);
    let mut sb = [0; 1024];
    let read = partition.read_exact_at(&mut sb, 1024);
    read.map_err(|e| failed(format!("reading the superblock: {e}")))?;
    // The fields of struct ext4_super_block: s_blocks_count_lo and _hi,
    // s_log_block_size, s_blocks_per_group.
    let le32 = |at: usize| {
        let bytes = sb.get(at..).and_then(|b| b.first_chunk::<4>());
        bytes.map_or(0, |b| u64::from(u32::from_le_bytes(*b)))
    };
    let high = match le32(0x60) & WIDE {
        0 => 0,
        _ => le32(0x150) << 32,
    };
    let blocks = le32(0x4) | high;
    let size = 1024u64.checked_shl(u32::try_from(le32(0x18)).unwrap_or(u32::MAX));
    let bytes = size.and_then(|size| blocks.checked_mul(size));
    let groups = blocks / le32(0x20).max(1);
    if bytes.is_none_or(|bytes| bytes > partition.size()) || groups > MANY_GROUPS {
        return Err(failed(format!(
            "the superblock tells of {blocks} blocks in {groups} groups, expected what fits into \
             {} bytes",
            partition.size()
        )));
    }
    Ok(())
}

/// Whether it says that there is no such thing, or another than was asked for.
fn is_absent(error: &Ext4Error) -> bool {
    matches!(
        error,
        Ext4Error::NotFound
            | Ext4Error::NotADirectory
            | Ext4Error::IsADirectory
            | Ext4Error::IsASpecialFile
    )
}

fn there<T>(path: &str, found: Result<T, Ext4Error>) -> Result<Option<T>, FilesError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(FilesError::new(path, error)),
    }
}

impl Files for Ext {
    fn read(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>, FilesError> {
        let Some(about) = there(path, self.0.metadata(path))? else {
            return Ok(None);
        };
        if about.is_dir() {
            return Ok(None);
        }
        if about.len() > cap {
            return Err(FilesError::too_large(path, about.len(), cap));
        }
        there(path, self.0.read(path))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        let Some(entries) = there(path, self.0.read_dir(path))? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for (at, entry) in entries.enumerate() {
            if at > MANY {
                return Err(FilesError::too_many(path));
            }
            let entry = entry.map_err(|e| FilesError::new(path, e))?;
            let name = entry.file_name();
            let name = name.as_str().ok().filter(|n| !matches!(*n, "." | ".."));
            names.extend(name.map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;

    /// A partition of 1 MiB whose superblock tells of `blocks` of 1 KiB, 8192 a group.
    fn partition(blocks: u32) -> Arc<dyn ReadAt> {
        let mut bytes = vec![0; 1 << 20];
        bytes[1028..1032].copy_from_slice(&blocks.to_le_bytes());
        bytes[1056..1060].copy_from_slice(&8192u32.to_le_bytes());
        bytes[1080..1082].copy_from_slice(&0xef53u16.to_le_bytes());
        Arc::new(MemDisk::new(bytes))
    }

    #[test]
    fn a_superblock_that_tells_of_more_than_there_is_is_refused_before_it_costs_memory() {
        assert!(plausible(&*partition(1024)).is_ok());
        for blocks in [1025, u32::MAX] {
            let error = Ext::open(partition(blocks)).unwrap_err().to_string();
            assert!(error.contains("expected what fits into 1048576"), "{error}");
        }
        let tiny: Arc<dyn ReadAt> = Arc::new(MemDisk::new(vec![0; 100]));
        assert!(Ext::open(tiny).is_err());
    }
}
