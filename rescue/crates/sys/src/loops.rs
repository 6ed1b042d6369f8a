//! Loop devices: a file as a block device.
//!
//! Request numbers and layouts are those of `linux/loop.h`.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{Error, Result, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::mount::Access;

mod ioctl {
    use nix::{ioctl_none_bad, ioctl_write_ptr_bad};

    ioctl_none_bad!(get_free, 0x4C82);
    ioctl_write_ptr_bad!(configure, 0x4C0A, super::LoopConfig);
}

/// `LO_FLAGS_READ_ONLY`.
const READ_ONLY: u32 = 1;
/// `LO_FLAGS_AUTOCLEAR`: the device is given back when nobody uses it any more.
const AUTOCLEAR: u32 = 4;

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// How often another process may take the free device before we do.
const TRIES: usize = 16;

/// Attaches the file `path` to a free loop device; that device.
/// Keep the open file until it is mounted: the device is given back when its
/// last user is gone.
///
/// # Errors
/// The file's, or the kernel's: `ENOENT` without the loop module.
pub fn attach(path: &Path, access: Access) -> Result<(PathBuf, File)> {
    attach_part(path, access, 0, 0)
}

/// As [`attach`], with the `len` bytes at `offset` only; 0 for all from there.
///
/// # Errors
/// As [`attach`].
pub fn attach_part(path: &Path, access: Access, offset: u64, len: u64) -> Result<(PathBuf, File)> {
    let writes = access == Access::ReadWrite;
    let file = OpenOptions::new().read(true).write(writes).open(path)?;
    // The kernel gives the device the size that it has in memory for the file: of one that FUSE
    // serves it knows none before somebody asks. (Seen with Linux 6.1: devices of 0 bytes.)
    let expected = match (file.metadata()?.len().saturating_sub(offset), len) {
        (rest, 0) => rest,
        (rest, len) => rest.min(len),
    };
    let mut control = OpenOptions::new();
    let control = control.read(true).write(true).open("/dev/loop-control")?;
    for _ in 0..TRIES {
        // SAFETY: the request takes no argument; the descriptor is open.
        let number = unsafe { ioctl::get_free(control.as_raw_fd()) }?;
        let device = PathBuf::from(format!("/dev/loop{number}"));
        let opened = OpenOptions::new().read(true).write(writes).open(&device)?;
        let config = config(&file, access, offset, len)?;
        // SAFETY: `config` is a `struct loop_config` (see the test of its size)
        // that outlives the call; the kernel only reads it.
        match unsafe { ioctl::configure(opened.as_raw_fd(), &raw const config) } {
            Ok(_) => return sized(device, opened, expected),
            Err(Errno::EBUSY) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Error::from(Errno::EBUSY))
}

/// The device, if it has the size that it should have.
fn sized(device: PathBuf, mut opened: File, expected: u64) -> Result<(PathBuf, File)> {
    // (Whole sectors.)
    let (size, expected) = (opened.seek(SeekFrom::End(0))?, expected & !511);
    if size == expected {
        return Ok((device, opened));
    }
    let device = device.display();
    Err(Error::other(format!(
        "{device} has {size} bytes, expected {expected}"
    )))
}

fn config(file: &File, access: Access, offset: u64, size_limit: u64) -> Result<LoopConfig> {
    let read_only = match access {
        Access::ReadOnly => READ_ONLY,
        Access::ReadWrite => 0,
    };
    let fd = u32::try_from(file.as_raw_fd()).map_err(Error::other)?;
    Ok(LoopConfig {
        fd,
        block_size: 0,
        info: LoopInfo {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset,
            size_limit,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: AUTOCLEAR | read_only,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        },
        reserved: [0; 8],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_have_the_sizes_of_the_kernels_header() {
        assert_eq!(size_of::<LoopInfo>(), 232);
        assert_eq!(size_of::<LoopConfig>(), 304);
        assert_eq!(std::mem::offset_of!(LoopInfo, flags), 52);
        assert_eq!(std::mem::offset_of!(LoopConfig, info), 8);
    }
}
