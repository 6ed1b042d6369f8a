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
        let opened = Ext4::load(Box::new(Reader(partition)));
        opened.map(Self).map_err(|e| FilesError::new("/", e))
    }
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
