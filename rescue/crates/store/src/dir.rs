//! A folder of a file system, mounted shares included.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use crate::{Error, Result, Store, names};

/// Files kept open: a restore reads the same packs again and again.
const OPEN_FILES: usize = 32;

/// Objects as files of a folder. A new object is written under a hidden name,
/// flushed, renamed, and its folder flushed: it is there whole or not at all.
#[derive(Debug)]
pub struct DirStore {
    root: PathBuf,
    temporary: AtomicU64,
    /// Most recently used first.
    open: Mutex<VecDeque<(String, Arc<File>)>>,
}

impl DirStore {
    /// The store in an existing folder.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when it is not there or no folder.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let reason = match fs::metadata(&root) {
            Ok(meta) if meta.is_dir() => {
                return Ok(Self {
                    root,
                    temporary: AtomicU64::new(0),
                    open: Mutex::default(),
                });
            }
            Ok(_) => "it is not a folder".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Error::Unreachable {
            location: root.display().to_string(),
            reason,
        })
    }

    /// The store in a folder, which is made when it is not there. The folder
    /// above it has to exist: a share that is not mounted must not be
    /// mistaken for an empty one.
    ///
    /// # Errors
    /// As [`DirStore::open`], and what making the folder says.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        match fs::create_dir(&root) {
            Ok(()) => {
                if let Some(parent) = root.parent() {
                    // Best effort: the objects' own flushes follow.
                    let _ = sync_dir(parent);
                }
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let location = root.display().to_string();
                return Err(Error::Unreachable {
                    reason: format!(
                        "making the folder failed: {error}. The folder above it has to exist; \
                         if that is a share, mount it first"
                    ),
                    location,
                });
            }
        }
        Self::open(root)
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        if names::is_valid(name) {
            return Ok(self.root.join(name));
        }
        let source = io::Error::new(ErrorKind::InvalidInput, "not a possible object name");
        Err(self.error(name, "naming", source))
    }

    fn error(&self, name: &str, action: &'static str, source: io::Error) -> Error {
        let (location, name) = (self.location(), name.to_owned());
        match source.kind() {
            // A folder on the way that is a file is as good as nothing there.
            ErrorKind::NotFound | ErrorKind::NotADirectory => Error::NotFound { location, name },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full { location, name },
            ErrorKind::ReadOnlyFilesystem => Error::ReadOnly { location, name },
            _ => Error::Io {
                location,
                name,
                action,
                source,
            },
        }
    }

    fn open_files(&self) -> MutexGuard<'_, VecDeque<(String, Arc<File>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object's file, from the ones kept open when it is among them.
    fn file(&self, name: &str) -> Result<Arc<File>> {
        let mut open = self.open_files();
        let at = open.iter().position(|(n, _)| n == name);
        if let Some(hit) = at.and_then(|at| open.remove(at)) {
            let file = hit.1.clone();
            open.push_front(hit);
            return Ok(file);
        }
        drop(open);
        let file = File::open(self.path(name)?).map_err(|e| self.error(name, "opening", e))?;
        let file = Arc::new(file);
        let mut open = self.open_files();
        open.truncate(OPEN_FILES - 1);
        open.push_front((name.to_owned(), file.clone()));
        Ok(file)
    }

    fn forget(&self, name: &str) {
        self.open_files().retain(|(n, _)| n != name);
    }

    /// Makes the folders down to `folder`, each durable.
    fn make_folders(&self, folder: &Path) -> io::Result<()> {
        if folder == self.root || folder.is_dir() {
            return Ok(());
        }
        let Some(parent) = folder.parent() else {
            return Ok(());
        };
        self.make_folders(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => sync_dir(parent),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        self.make_folders(folder)?;
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        // Another machine may write to the same share with the same process id.
        let moment = UNIX_EPOCH.elapsed().map_or(0, |d| d.subsec_nanos());
        let process = std::process::id();
        let temporary = folder.join(format!(".tmp-{process}-{moment}-{number}"));
        let written = write_durably(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| sync_dir(folder));
        if written.is_err() {
            // What failed is reported; a left-over hidden file harms nobody.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn list_into(&self, folder: &Path, prefix: &str, out: &mut Vec<String>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(|n| format!("{prefix}{n}")) else {
                continue;
            };
            if !names::is_valid(&name) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.list_into(&entry.path(), &format!("{name}/"), out)?;
            } else if kind.is_file() {
                out.push(name);
            }
        }
        Ok(())
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_dir(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some network file systems cannot flush a folder.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

impl Store for DirStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn get(&self, name: &str, cap: u64) -> Result<Vec<u8>> {
        let path = self.path(name)?;
        let reading = |e| self.error(name, "reading", e);
        let file = File::open(path).map_err(reading)?;
        let size = file.metadata().map_err(reading)?.len();
        if size > cap {
            return Err(Error::TooLarge {
                location: self.location(),
                name: name.to_owned(),
                size,
                cap,
            });
        }
        let mut bytes = Vec::new();
        file.take(cap).read_to_end(&mut bytes).map_err(reading)?;
        Ok(bytes)
    }

    fn read_range(&self, name: &str, offset: u64, buf: &mut [u8]) -> Result<()> {
        let file = self.file(name)?;
        match file.read_exact_at(buf, offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Error::ShortObject {
                location: self.location(),
                name: name.to_owned(),
                size: self.size(name)?,
                expected: offset.saturating_add(buf.len() as u64),
            }),
            other => other.map_err(|e| self.error(name, "reading", e)),
        }
    }

    fn size(&self, name: &str) -> Result<u64> {
        let meta = fs::metadata(self.path(name)?).map_err(|e| self.error(name, "finding", e))?;
        if meta.is_file() {
            return Ok(meta.len());
        }
        Err(Error::NotFound {
            location: self.location(),
            name: name.to_owned(),
        })
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name)?;
        match self.size(name) {
            Ok(size) if size == bytes.len() as u64 => return Ok(()),
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        self.forget(name);
        self.write(&path, bytes).map_err(|error| {
            let vanished = error.kind() == ErrorKind::NotFound;
            match self.error(name, "writing", error) {
                Error::NotFound { location, .. } if vanished => Error::Unreachable {
                    location,
                    reason: "the folder is gone".to_owned(),
                },
                other => other,
            }
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let listing = |e| self.error(prefix, "listing", e);
        if !names::is_valid_prefix(prefix) {
            let source = io::Error::new(ErrorKind::InvalidInput, "not a folder with its slash");
            return Err(listing(source));
        }
        let mut out = Vec::new();
        self.list_into(&self.root.join(prefix), prefix, &mut out)
            .map_err(listing)?;
        out.sort_unstable();
        Ok(out)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.forget(name);
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.map_err(|e| self.error(name, "deleting", e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_told_in_our_words() {
        let store = DirStore::open("/").unwrap();
        let told = |errno| store.error("a", "writing", io::Error::from_raw_os_error(errno));
        // errno(3): ENOSPC, EDQUOT, EROFS, ENOENT, EIO.
        assert!(matches!(told(28), Error::Full { .. }));
        assert!(matches!(told(122), Error::Full { .. }));
        assert!(matches!(told(30), Error::ReadOnly { .. }));
        assert!(matches!(told(2), Error::NotFound { .. }));
        assert!(matches!(
            told(5),
            Error::Io {
                action: "writing",
                ..
            }
        ));
    }
}
