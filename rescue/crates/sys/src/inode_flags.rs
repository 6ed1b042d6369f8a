//! Flags of files beyond their permissions: `chattr +i`.
//!
//! Request numbers and the flag are those of `linux/fs.h`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Result;
use std::os::fd::AsRawFd;

use nix::libc::c_long;

mod ioctl {
    use nix::{ioctl_read, ioctl_write_ptr};

    ioctl_read!(get_flags, b'f', 1, super::c_long);
    ioctl_write_ptr!(set_flags, b'f', 2, super::c_long);
}

/// `FS_IMMUTABLE_FL`.
const IMMUTABLE: c_long = 0x10;

fn flags(file: &File) -> Result<c_long> {
    let mut flags: c_long = 0;
    // SAFETY: the kernel writes an int to the long that the pointer leads to, which is
    // larger, and zero before.
    unsafe { ioctl::get_flags(file.as_raw_fd(), &raw mut flags) }?;
    Ok(flags)
}

/// Whether `file` can be neither changed nor removed.
///
/// # Errors
/// `ENOTTY` or `EOPNOTSUPP` where the file system has no such flags.
pub fn is_immutable(file: &File) -> Result<bool> {
    Ok(flags(file)? & IMMUTABLE != 0)
}

/// Makes `file` one that can be neither changed nor removed, or that again.
///
/// # Errors
/// As [`is_immutable`]; `EPERM` without the right to do so.
pub fn set_immutable(file: &File, yes: bool) -> Result<()> {
    let rest = flags(file)? & !IMMUTABLE;
    let flags = if yes { rest | IMMUTABLE } else { rest };
    // SAFETY: the kernel reads an int from the long that the pointer leads to, whose
    // lower half comes first; it outlives the call.
    unsafe { ioctl::set_flags(file.as_raw_fd(), &raw const flags) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Where the file system has the flag and this process may set it.
    #[test]
    fn an_immutable_file_cannot_be_removed_until_it_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = File::create(&path).unwrap();
        if set_immutable(&file, true).is_err() {
            return;
        }
        assert!(is_immutable(&file).unwrap());
        let refused = fs::remove_file(&path).unwrap_err();
        set_immutable(&file, false).unwrap();
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(!is_immutable(&file).unwrap());
        fs::remove_file(&path).unwrap();
    }
}
