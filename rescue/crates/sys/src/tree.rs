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
/// [`open_below`]; with `create` it is made where there is none, with that mode.
///
/// # Errors
/// The kernel's own.
pub fn write_below(root: &File, path: &Path, create: Option<u32>) -> io::Result<File> {
    let mut flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut how = OpenHow::new();
    if let Some(mode) = create {
        flags |= OFlag::O_CREAT;
        how = how.mode(Mode::from_bits_truncate(mode));
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

/// Makes the folders above `path` below `root` that are not there, with that mode;
/// links lead no further than `root`.
///
/// # Errors
/// The kernel's own.
pub fn folders_below(root: &File, path: &Path, mode: u32) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let mut done = PathBuf::new();
    for name in folder {
        let above = match done.as_os_str().is_empty() {
            true => open_below(root, Path::new("."))?,
            false => open_below(root, &done)?,
        };
        done.push(name);
        match open_below(root, &done) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                nix::sys::stat::mkdirat(&above, name, Mode::from_bits_truncate(mode))?;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Calls the file `from` below `root` `to`, when nothing is called so. (That must not change
/// meanwhile: musl has no `renameat2`.)
///
/// # Errors
/// The kernel's own; `AlreadyExists` when there is something.
pub fn rename_below(root: &File, from: &Path, to: &Path) -> io::Result<()> {
    let folder = |path: &Path| match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) => open_below(root, folder),
        None => open_below(root, Path::new(".")),
    };
    let name = |path: &Path| {
        let name = path.file_name().map(std::ffi::OsStr::to_owned);
        name.ok_or(io::ErrorKind::InvalidInput)
    };
    let (old, new) = (folder(from)?, folder(to)?);
    match nix::sys::stat::fstatat(&new, &*name(to)?, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(nix::errno::Errno::ENOENT) => {}
        Err(errno) => return Err(errno.into()),
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
    }
    nix::fcntl::renameat(&old, &*name(from)?, &new, &*name(to)?)?;
    Ok(())
}

/// Opens the folder `path` below `root`, which no part of may be a link.
///
/// # Errors
/// The kernel's own; `ELOOP` when there is a link.
pub fn folder_below(root: &File, path: &Path) -> io::Result<File> {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_DIRECTORY)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    Ok(File::from(openat2(root.as_fd(), path, how)?))
}
