//! Files of an NTFS partition, through the crate `fsmap`, whose reading of it
//! knows files in many pieces. `$LogFile` is not replayed: see [`Ntfs::dirty`].

use std::sync::Arc;

use disk::ReadAt;
use fsmap::{NtfsFiles, Unreadable};

use super::{Files, FilesError, MANY};

/// A file system. ASCII letters of names count without case.
pub struct Ntfs {
    partition: Arc<dyn ReadAt>,
    dirty: bool,
}

impl std::fmt::Debug for Ntfs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Ntfs");
        shown.field("dirty", &self.dirty).finish_non_exhaustive()
    }
}

impl Ntfs {
    /// Opens the file system on `partition`.
    ///
    /// # Errors
    /// When it is none, or damaged.
    pub fn open(partition: Arc<dyn ReadAt>) -> Result<Self, FilesError> {
        let dirty = NtfsFiles::open(&*partition).and_then(|files| files.is_dirty());
        let dirty = dirty.map_err(|e| FilesError::new("/", e))?;
        Ok(Self { partition, dirty })
    }

    /// Whether it was in use, or has to be checked: see [`NtfsFiles::is_dirty`].
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.dirty
    }

    fn files(&self, path: &str) -> Result<NtfsFiles<'_>, FilesError> {
        NtfsFiles::open(&*self.partition).map_err(|e| FilesError::new(path, e))
    }
}

impl Files for Ntfs {
    fn read(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>, FilesError> {
        let failed = |e: Unreadable| FilesError::new(path, e);
        let files = self.files(path)?;
        let file = files.find(path).map_err(failed)?;
        let Some(file) = file.filter(|file| !file.is_folder) else {
            return Ok(None);
        };
        let size = files.size(file).map_err(failed)?;
        if size > cap {
            return Err(FilesError::too_large(path, size, cap));
        }
        files.read(file, cap).map(Some).map_err(failed)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        let failed = |e: Unreadable| FilesError::new(path, e);
        let files = self.files(path)?;
        let folder = files.find(path).map_err(failed)?;
        let Some(folder) = folder.filter(|file| file.is_folder) else {
            return Ok(Vec::new());
        };
        let names = files.names(folder, MANY).map_err(failed)?;
        let mut names = names.ok_or_else(|| FilesError::too_many(path))?;
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
#[path = "ntfs_tests.rs"]
mod tests;
