//! Extended attributes of files.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::AsRawFd;

use nix::libc;

/// The value of `name`, of at most `most` bytes.
///
/// # Errors
/// `ENODATA` when the file has no such attribute, `ERANGE` when it is longer,
/// `EOPNOTSUPP` when the file system has none.
pub fn get(file: &File, name: &CStr, most: usize) -> Result<Vec<u8>> {
    let mut value = vec![0_u8; most];
    // SAFETY: the name ends with NUL, the buffer has `value.len()` bytes, and both outlive the call.
    let len = unsafe {
        libc::fgetxattr(
            file.as_raw_fd(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    let len = usize::try_from(len).map_err(|_| Error::last_os_error())?;
    value.truncate(len);
    Ok(value)
}

/// Sets `name` to `value`.
///
/// # Errors
/// `EOPNOTSUPP` when the file system has no such attributes, `EPERM` when it
/// may not be changed.
pub fn set(file: &File, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: the name ends with NUL, the value has `value.len()` bytes, and both outlive the call.
    let done = unsafe {
        libc::fsetxattr(
            file.as_raw_fd(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}
