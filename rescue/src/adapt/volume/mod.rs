//! Files put on an NTFS volume without changing it: what comes out is a list of
//! [`Patch`]es.
//!
//! The real ntfs-3g writes, so that records, indexes and bitmaps are right. It
//! gets a file to mount that is served from here, through FUSE: reads come from
//! the volume (a part of an image), writes stay in memory, in an [`Overlay`].
//! See docs/adr/0011-files-on-ntfs.md.
//!
//! Another process does it, this program started once more (`rescue
//! edit-volume`), in a mount namespace of its own: whatever it mounts is gone
//! with it and its ntfs-3g, however they end.
//!
//! ```text
//! edit() ── Overlay ── socket ── edit-volume: FUSE server ── /run/volume ── ntfs-3g ── /run/ntfs
//!                                      └ file calls ─────────────────────────────────────┘
//! ```

mod child;
mod error;
mod fuse;
mod joined;
mod kernel;
mod overlay;
mod program;
mod put;
mod run;
mod security;
mod tree;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use disk::ReadAt;
use fsmap::{Consistency, FsKind, FsMap};

pub(crate) use child::run;
pub use error::VolumeError;
pub use overlay::Overlay;
pub use tree::{Beside, LinuxFs, Mount, Subvolume, Tree};

use serde::{Deserialize, Serialize};

use super::Patch;

/// Where the medium has it.
const PROGRAM: &str = "/usr/bin/ntfs-3g";
/// An edit may take this long.
const TIME: Duration = Duration::from_secs(120);
/// Bytes of changes that are kept in memory at most.
pub(crate) const CHANGES_MOST: usize = 512 << 20;
/// Bytes of all files of one edit at most.
const FILES_MOST: u64 = 256 << 20;
/// Names the mount namespace a process is in.
const NAMESPACE: &str = "/proc/self/ns/mnt";

/// A file that is to be on a volume.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFile {
    /// `/Windows/System32/drivers/x.sys`, from the volume's root. What exists is
    /// found without regard to case; what is new is called as given.
    pub path: String,
    /// How many bytes stay that it has now; all of them, or none. (More than none: Linux's
    /// file systems.)
    pub after: u64,
    /// All that is to be in it, after these.
    #[serde(with = "super::patch::base64")]
    pub bytes: Vec<u8>,
    /// Whether folders that are not there are made.
    pub create_folders: bool,
    /// Whether it, and folders that are made for it, are for root only. (Linux's file systems.)
    #[serde(default)]
    pub private: bool,
    /// The file that it is, which gets this name; `bytes` are what is in it. (Linux's file systems.)
    #[serde(default)]
    pub was: Option<String>,
    /// Whether it is a folder, without `bytes`. (Linux's file systems.)
    #[serde(default)]
    pub folder: bool,
}

impl NewFile {
    /// A file that is there, with other bytes, or one that comes into a folder that is.
    #[must_use]
    pub fn changed(path: &str, bytes: Vec<u8>) -> Self {
        Self {
            create_folders: false,
            ..Self::made(path.to_owned(), bytes)
        }
    }

    /// A whole file, with the folders that it is in.
    #[must_use]
    pub const fn made(path: String, bytes: Vec<u8>) -> Self {
        Self {
            path,
            after: 0,
            bytes,
            create_folders: true,
            private: false,
            was: None,
            folder: false,
        }
    }

    /// All of it but for its bytes.
    fn without_bytes(&self) -> Self {
        Self {
            path: self.path.clone(),
            was: self.was.clone(),
            bytes: Vec::new(),
            ..*self
        }
    }

    /// A folder, with those that it is in. (Linux's file systems.)
    #[must_use]
    pub fn folder(path: &str) -> Self {
        Self {
            folder: true,
            ..Self::made(path.to_owned(), Vec::new())
        }
    }
}

/// Which and how long, not what.
impl std::fmt::Debug for NewFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewFile({:?}, {} bytes)", self.path, self.bytes.len())
    }
}

/// What is used for an edit.
#[derive(Debug, Clone)]
pub struct Editor {
    /// This program.
    pub rescue: PathBuf,
    /// Its `ntfs-3g`.
    pub ntfs_3g: PathBuf,
    /// How long it may take.
    pub time: Duration,
    /// Bytes of changes that are kept in memory at most.
    pub changes_most: usize,
}

impl Default for Editor {
    fn default() -> Self {
        Self {
            rescue: std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into()),
            ntfs_3g: find_program(),
            time: TIME,
            changes_most: CHANGES_MOST,
        }
    }
}

/// The medium's, or the one in `PATH`.
fn find_program() -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders).map(|f| f.join("ntfs-3g"));
    let mut all = std::iter::once(PathBuf::from(PROGRAM)).chain(folders);
    all.find(|p| p.is_file()).unwrap_or_else(|| PROGRAM.into())
}

/// Puts `files` on the NTFS `volume`, which itself stays as it is: the patches
/// that do it. They may also cover places that the file system does not use yet,
/// with `before` as the volume reads there: a disk need not have the same.
///
/// # Errors
/// When the volume is no clean NTFS or has no room, when a file cannot be where it
/// is wanted, when the machine lacks what is needed, or when it takes too long.
pub fn edit(volume: &Arc<dyn ReadAt>, files: &[NewFile]) -> Result<Vec<Patch>, VolumeError> {
    Editor::default().edit(volume, files)
}

impl Editor {
    /// As [`edit`].
    ///
    /// # Errors
    /// As [`edit`].
    pub fn edit(
        &self,
        volume: &Arc<dyn ReadAt>,
        files: &[NewFile],
    ) -> Result<Vec<Patch>, VolumeError> {
        for file in files {
            put::names(&file.path)?;
        }
        let total = files.iter().map(|f| f.bytes.len() as u64).sum::<u64>();
        if total > FILES_MOST {
            return Err(VolumeError::TooMuch(FILES_MOST));
        }
        let before = match usable(volume)? {
            Usable::Ntfs(map) => map,
            Usable::Linux(fs) => {
                let tree = Tree::of(Arc::clone(volume), fs);
                let mut all = self.edit_tree(&tree, files)?;
                return Ok(all.pop().unwrap_or_default());
            }
        };
        let overlay = Overlay::new(Arc::clone(volume), self.changes_most);
        let wish = run::Wish {
            files,
            ..run::Wish::default()
        };
        self.over(&overlay, &wish)?;
        usable(&overlay).map_err(|error| match error {
            VolumeError::Unclean(why) => VolumeError::Damaged(why),
            other => VolumeError::Damaged(other.to_string()),
        })?;
        let patches = overlay.into_patches(&before.free);
        patches.map_err(|e| VolumeError::failed("reading the volume", &e))
    }
}

/// Who can write on a volume.
enum Usable {
    /// ntfs-3g.
    Ntfs(FsMap),
    /// The kernel.
    Linux(LinuxFs),
}

/// Looks at the volume with eyes of our own, and who can write on it: ntfs-3g does
/// not mind the mark that Windows leaves where it wants to check. (Linux replays
/// the journal of its own file systems.)
fn usable(volume: &dyn ReadAt) -> Result<Usable, VolumeError> {
    let map = fsmap::map(volume);
    let map = map.map_err(|e| VolumeError::Failed(format!("reading the volume: {e}")))?;
    match (map.kind, map.consistency) {
        (FsKind::Ntfs, Consistency::Clean) => Ok(Usable::Ntfs(map)),
        (FsKind::Ntfs, _) => {
            let notes = map.notes.join(" ");
            // (What a capture does about it is no matter here, nor its advice.)
            let why = notes
                .split_once("skipped): ")
                .map_or(&*notes, |(_, why)| why);
            let why = why.split(';').next().unwrap_or(why);
            Err(VolumeError::Unclean(why.to_owned()))
        }
        (kind, _) => match LinuxFs::of(kind.name()) {
            Some(fs) => Ok(Usable::Linux(fs)),
            None => Err(VolumeError::NotNtfs),
        },
    }
}
