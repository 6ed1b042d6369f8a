//! How the parts of the rescue system tell each other how things stand: one
//! JSON file per part in a folder that can be watched.
//!
//! Files survive the death of whoever wrote them, and a person can read them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sys::watch::Watch;

/// No state file is larger than this many bytes.
const LARGEST: u64 = 4 << 20;

/// The folder and what can be done with it.
#[derive(Debug, Clone)]
pub struct Board {
    folder: PathBuf,
}

impl Board {
    /// The rescue system's own.
    #[must_use]
    pub fn system() -> Self {
        Self::at(Path::new(super::mounts::STATE))
    }

    /// Another folder, which must exist.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Replaces what is known under `name`.
    ///
    /// # Errors
    /// The file system's own.
    pub fn publish<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let hidden = self.folder.join(format!(".{name}.{}", std::process::id()));
        fs::write(&hidden, serde_json::to_vec(value)?)?;
        fs::rename(hidden, self.path(name))
    }

    /// What is known under `name`; `None` when nothing is, or nothing readable.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = self.path(name);
        if fs::metadata(&path).ok()?.len() > LARGEST {
            return None;
        }
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Waits until `wanted` finds what it looks for, `give_up` says so after a
    /// change, or `limit` has passed. `None` when it was not found.
    ///
    /// # Errors
    /// When the folder cannot be watched.
    pub fn wait_for<T>(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&Self) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let watch = Watch::folder(&self.folder)?;
        let started = Instant::now();
        loop {
            watch.drain()?;
            if let Some(found) = wanted(self) {
                return Ok(Some(found));
            }
            let left = limit.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            watch.wait(left)?;
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_and_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::at(folder.path());
        assert_eq!(board.read::<u32>("n"), None);
        let other = board.clone();
        let writer = std::thread::spawn(move || {
            for n in 0..4u32 {
                other.publish("n", &n).unwrap();
            }
        });
        let found = board.wait_for(Duration::from_secs(10), |b| {
            b.read::<u32>("n").filter(|n| *n == 3)
        });
        assert_eq!(found.unwrap(), Some(3));
        writer.join().unwrap();
        let never = board.wait_for(Duration::from_millis(5), |b| b.read::<u32>("absent"));
        assert_eq!(never.unwrap(), None);
        fs::write(folder.path().join("bad.json"), "{").unwrap();
        assert_eq!(board.read::<u32>("bad"), None);
    }
}
