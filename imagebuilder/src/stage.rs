//! The folder that becomes the ISO.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A folder whose files all have one time and one mode, gone when dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    dir: TempDir,
    time: SystemTime,
}

impl Stage {
    /// An empty one, beside the file that it will become: the ISO may not fit
    /// in /tmp.
    pub(crate) fn beside(out: &Path, mtime: u32) -> Result<Self> {
        let parent = out.parent().filter(|p| !p.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let dir = tempfile::Builder::new()
            .prefix(".imagebuilder-")
            .tempdir_in(parent)
            .with_context(|| format!("making a folder in {}", parent.display()))?;
        for name in ["iso", "work"] {
            fs::create_dir(dir.path().join(name)).context("making the staging folder")?;
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(mtime));
        Ok(Self { dir, time })
    }

    /// The root of what becomes the ISO.
    pub(crate) fn iso(&self) -> PathBuf {
        self.dir.path().join("iso")
    }

    /// A folder for files on the way.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Puts a file on the ISO.
    pub(crate) fn file(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let target = self.iso().join(path);
        let write = || -> std::io::Result<()> {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&target, bytes)?;
            fs::set_permissions(&target, Permissions::from_mode(0o444))
        };
        write().with_context(|| format!("staging {path}"))
    }

    /// Makes a file that was put there a program.
    pub(crate) fn executable(&self, path: &str) -> Result<()> {
        let target = self.iso().join(path);
        fs::set_permissions(&target, Permissions::from_mode(0o555))
            .with_context(|| format!("staging {path}"))
    }

    /// Gives everything the one time and mode; call it last.
    pub(crate) fn seal(&self) -> Result<()> {
        seal(&self.iso(), self.time).context("setting the times of staged files")
    }
}

/// Copies a folder with everything in it, times and permissions too.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.set_modified(entry.metadata()?.modified()?)?;
        }
    }
    Ok(())
}

/// Children first: setting them up touches the folder's own time.
fn seal(path: &Path, time: SystemTime) -> std::io::Result<()> {
    let is_dir = path.is_dir();
    if is_dir {
        for entry in fs::read_dir(path)? {
            seal(&entry?.path(), time)?;
        }
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    File::open(path)?.set_modified(time)
}
