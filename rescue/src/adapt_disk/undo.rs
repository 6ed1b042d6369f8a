//! What was on a disk before it was changed, in a file.
//!
//! The file: [`MAGIC`], and zstd-compressed JSON: the disk's path, size in bytes and
//! serial number, and the changes with the bytes before and after.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{AdaptError, Side};
use crate::adapt::Patch;
use crate::event::{Event, Sink};
use crate::inventory::Disk;
use crate::restore::Target;

/// What such a file begins with.
const MAGIC: &[u8; 16] = b"rescue undo 1\n\0\0";
/// No such file unpacks to more bytes.
const MOST: u64 = 2 << 30;

/// Why there is no such file, or why it is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// It cannot be written.
    #[error(
        "what would be overwritten cannot be kept in {}: {source}; --backup FILE names another \
         place, on another disk", .file.display()
    )]
    NotKept {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("cannot read {}: {why}", .file.display())]
    NotRead {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// It is another disk's.
    #[error("{} is what was on another disk: {was}; this is {is}", .file.display())]
    Other {
        /// The file.
        file: PathBuf,
        /// That disk.
        was: String,
        /// This one.
        is: String,
    },
    /// The disk is neither as it was before nor as it was after.
    #[error(
        "{target} was written since: at byte {at} it is neither what it was before nor what it was \
         made to be; nothing is brought back"
    )]
    Written {
        /// The disk.
        target: String,
        /// Where.
        at: u64,
    },
}

/// Changes of a disk, and what was there.
#[derive(Debug, Serialize, Deserialize)]
pub struct Undo {
    target: String,
    size: u64,
    serial: Option<String>,
    patches: Vec<Patch>,
}

impl Undo {
    /// `patches` of `disk`, which do not overlap.
    pub(super) fn new(disk: &Disk, patches: Vec<Patch>) -> Self {
        Self {
            target: disk.path.display().to_string(),
            size: disk.size,
            serial: disk.serial.clone(),
            patches,
        }
    }

    /// Keeps it in the new file `file`, on stable storage, and reads that again.
    ///
    /// # Errors
    /// [`UndoError::NotKept`], also when there is such a file.
    pub(super) fn save(&self, file: &Path) -> Result<(), UndoError> {
        let kept = self.written(file);
        kept.map_err(|source| UndoError::NotKept {
            file: file.to_owned(),
            source,
        })
    }

    fn written(&self, file: &Path) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(zstd::encode_all(&*serde_json::to_vec(self)?, 3)?);
        // (There may be keys and passwords in it.)
        let mut new = File::options();
        let mut out = new.write(true).create_new(true).mode(0o600).open(file)?;
        out.write_all(&bytes)?;
        out.sync_all()?;
        drop(out);
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        match fs::read(file)? == bytes {
            true => Ok(()),
            false => Err(io::Error::other("it reads back differently")),
        }
    }

    /// Reads it from `file`, for `disk`.
    ///
    /// # Errors
    /// When it is none, or another disk's.
    pub fn load(file: &Path, disk: &Disk) -> Result<Self, UndoError> {
        let not_read = |why: String| UndoError::NotRead {
            file: file.to_owned(),
            why,
        };
        let bytes = fs::read(file).map_err(|e| not_read(e.to_string()))?;
        let packed = bytes.strip_prefix(MAGIC);
        let packed = packed.ok_or_else(|| not_read("rescue adapt did not make it".into()))?;
        let mut json = Vec::new();
        zstd::Decoder::new(packed)
            .and_then(|from| from.take(MOST).read_to_end(&mut json))
            .map_err(|e| not_read(e.to_string()))?;
        let undo: Self = serde_json::from_slice(&json).map_err(|e| not_read(e.to_string()))?;
        let inside = |patch: &Patch| {
            let end = patch.at.checked_add(patch.after.len() as u64);
            end.is_some_and(|end| end <= undo.size) && patch.before.len() == patch.after.len()
        };
        if !undo.patches.iter().all(inside) {
            return Err(not_read("it is damaged".into()));
        }
        if (undo.size, &undo.serial) != (disk.size, &disk.serial) {
            return Err(UndoError::Other {
                file: file.to_owned(),
                was: name(undo.size, undo.serial.as_deref()),
                is: name(disk.size, disk.serial.as_deref()),
            });
        }
        Ok(undo)
    }

    /// Brings back on `disk` what was there; how many bytes.
    ///
    /// # Errors
    /// When something else was written there since, and when it cannot be done.
    pub fn bring_back(&self, disk: &Disk, sink: &dyn Sink) -> anyhow::Result<u64> {
        let target = super::open(disk)?;
        for patch in &self.patches {
            let now = self.read(&target, patch)?;
            if now != patch.before && now != patch.after && !is_mixed(&now, patch) {
                return Err(UndoError::Written {
                    target: self.target.clone(),
                    at: patch.at,
                }
                .into());
            }
        }
        self.put(&target, Side::Before, None, sink)?;
        Ok(self.patches.iter().map(|p| p.before.len() as u64).sum())
    }

    /// Whether the disk has these bytes.
    pub(super) fn check(&self, target: &dyn Target, side: Side) -> Result<(), AdaptError> {
        for patch in &self.patches {
            if self.read(target, patch)? != bytes(patch, side) {
                return Err(AdaptError::Changed {
                    target: self.target.clone(),
                    at: patch.at,
                });
            }
        }
        Ok(())
    }

    /// Writes these bytes, and reads them back from the disk.
    pub(super) fn put(
        &self,
        target: &dyn Target,
        side: Side,
        undo: Option<&Path>,
        sink: &dyn Sink,
    ) -> Result<(), AdaptError> {
        let undo = undo.map(Path::to_owned);
        let failed = |doing, at| {
            let (target, undo) = (self.target.clone(), undo.clone());
            move |source| AdaptError::Io {
                target,
                doing,
                at,
                source,
                undo,
            }
        };
        let mut done = 0u64;
        for patch in &self.patches {
            let written = target.write_all_at(bytes(patch, side), patch.at);
            written.map_err(failed("writing", patch.at))?;
            done = done.saturating_add(patch.after.len() as u64);
            sink.emit(Event::Progress { done });
        }
        target.flush().map_err(failed("flushing", 0))?;
        // A hint: if the cache cannot be dropped the comparison is merely weaker.
        let _ = target.drop_cache();
        for patch in &self.patches {
            let now = self.read(target, patch)?;
            if now != bytes(patch, side) {
                return Err(AdaptError::Differs {
                    target: self.target.clone(),
                    at: patch.at,
                    undo,
                });
            }
        }
        Ok(())
    }

    fn read(&self, target: &dyn Target, patch: &Patch) -> Result<Vec<u8>, AdaptError> {
        let mut now = vec![0; patch.after.len()];
        let read = target.read_exact_at(&mut now, patch.at);
        read.map_err(|source| AdaptError::Io {
            target: self.target.clone(),
            doing: "reading",
            at: patch.at,
            source,
            undo: None,
        })?;
        Ok(now)
    }
}

fn bytes(patch: &Patch, side: Side) -> &[u8] {
    match side {
        Side::Before => &patch.before,
        Side::After => &patch.after,
    }
}

/// Whether each sector is one or the other: the power went in between.
fn is_mixed(now: &[u8], patch: &Patch) -> bool {
    const SECTOR: usize = 512;
    let sides = patch.before.chunks(SECTOR).zip(patch.after.chunks(SECTOR));
    let mut all = now.chunks(SECTOR).zip(sides);
    all.all(|(now, (before, after))| now == before || now == after)
}

fn name(size: u64, serial: Option<&str>) -> String {
    let serial = serial.unwrap_or("no serial number");
    format!("{} ({serial})", disk::human_bytes(size))
}
