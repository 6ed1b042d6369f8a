//! Looking files up below a folder, as if it were the root.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

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

/// Opens the regular file `path` below `root` for reading and writing, found as by
/// [`open_below`]; with `create` it is made where there is none, for its owner to
/// write and for all to read.
///
/// # Errors
/// The kernel's own.
pub fn write_below(root: &File, path: &Path, create: bool) -> io::Result<File> {
    let mut flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut how = OpenHow::new();
    if create {
        flags |= OFlag::O_CREAT;
        how = how.mode(Mode::from_bits_truncate(0o644));
    }
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    Ok(File::from(openat2(
        root.as_fd(),
        path,
        how.flags(flags).resolve(resolve),
    )?))
}

/// A path that leads to what `file` has open, whatever its name is now.
#[must_use]
pub fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
