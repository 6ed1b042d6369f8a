//! Looking files up below a folder, as if it were the root.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// Opens `path` below `root` for reading: links are followed, and `root` is
/// the root to all of them (`openat2` with `RESOLVE_IN_ROOT`, Linux 5.6).
///
/// # Errors
/// The kernel's own.
pub fn open_below(root: &File, path: &Path) -> io::Result<File> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(File::from(openat2(root.as_fd(), path, how)?))
}

/// A path that leads to what `file` has open, whatever its name is now.
#[must_use]
pub fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
