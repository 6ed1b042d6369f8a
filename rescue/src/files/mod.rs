//! Files of a system that is not running: on a partition of a disk or an
//! image file, or below a folder. Nothing is mounted, nothing is written.

mod ext;
mod folder;
mod hives;
mod ntfs;

pub use ext::Ext;
pub use folder::Folder;
pub(crate) use hives::open_hive;
pub use ntfs::Ntfs;

/// No folder is listed beyond this many names.
pub const MANY: usize = 10_000;

/// Where files are looked up by the path the system itself has for them.
pub trait Files {
    /// The contents of the regular file at `path` ("/etc/hostname"), links
    /// followed as the system would; `None` when there is none.
    ///
    /// # Errors
    /// [`FilesError`] when it is larger than `cap` bytes or cannot be read.
    fn read(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>, FilesError>;

    /// The names in the folder at `path`, sorted; none when there is no such
    /// folder. Names that are no text are left out.
    ///
    /// # Errors
    /// [`FilesError`] when it cannot be read, or holds more than [`MANY`].
    fn list(&self, path: &str) -> Result<Vec<String>, FilesError>;
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct FilesError {
    /// Which file.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

impl FilesError {
    fn new(path: &str, what: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    fn too_large(path: &str, size: u64, cap: u64) -> Self {
        Self::new(path, format!("it has {size} bytes, expected at most {cap}"))
    }

    fn too_many(path: &str) -> Self {
        Self::new(path, format!("the folder has more than {MANY} entries"))
    }
}
