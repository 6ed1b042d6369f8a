//! Block devices: sizes, exclusive and direct opening, discarding, zeroing.
//!
//! Request numbers and argument types are those of `linux/fs.h`.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{Error, Result};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{FallocateFlags, OFlag, PosixFadviseAdvice};

mod ioctl {
    use nix::{
        ioctl_none, ioctl_read, ioctl_read_bad, ioctl_write_ptr, ioctl_write_ptr_bad,
        request_code_none,
    };

    // BLKGETSIZE64 is numbered with `size_t`: this holds for 64-bit machines.
    ioctl_read!(blkgetsize64, 0x12, 114, u64);
    ioctl_read_bad!(blksszget, request_code_none!(0x12, 104), i32);
    ioctl_read_bad!(blkpbszget, request_code_none!(0x12, 123), u32);
    ioctl_write_ptr_bad!(blkroset, request_code_none!(0x12, 93), i32);
    ioctl_none!(blkrrpart, 0x12, 95);
    ioctl_none!(blkflsbuf, 0x12, 97);
    ioctl_write_ptr_bad!(blkdiscard, request_code_none!(0x12, 119), [u64; 2]);
    ioctl_write_ptr_bad!(blkzeroout, request_code_none!(0x12, 127), [u64; 2]);
    // linux/blkpg.h
    ioctl_write_ptr_bad!(blkpg, request_code_none!(0x12, 105), super::BlkpgArg);
    // linux/ext4.h
    ioctl_write_ptr!(ext4_resize_fs, b'f', 16, u64);
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct BlkpgArg {
    op: i32,
    flags: i32,
    datalen: i32,
    data: *const BlkpgPartition,
}

/// `struct blkpg_partition`; the names are not used by the kernel.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    names: [u8; 128],
}

/// What a file or device is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// Whether other openers are shut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Anyone may open it too.
    Shared,
    /// `O_EXCL`: fails with `EBUSY` when the kernel has a use of the block
    /// device or of a partition on it. Says nothing about regular files.
    Exclusive,
}

/// Whether the page cache is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// Through the page cache.
    Cached,
    /// `O_DIRECT`: buffers, offsets and lengths must be aligned.
    Direct,
}

/// Opens an existing block device or file; never creates one.
///
/// # Errors
/// The kernel's: `ResourceBusy` when exclusive and in use, `InvalidInput`
/// when the filesystem knows no direct I/O.
pub fn open(path: &Path, access: Access, sharing: Sharing, caching: Caching) -> Result<File> {
    let mut flags = OFlag::O_CLOEXEC;
    if sharing == Sharing::Exclusive {
        flags |= OFlag::O_EXCL;
    }
    if caching == Caching::Direct {
        flags |= OFlag::O_DIRECT;
    }
    OpenOptions::new()
        .read(true)
        .write(access == Access::Write)
        .custom_flags(flags.bits())
        .open(path)
}

/// Size of a block device in bytes (`BLKGETSIZE64`).
///
/// # Errors
/// `ENOTTY` when it is no block device.
pub fn size(device: &impl AsFd) -> Result<u64> {
    let mut bytes = 0u64;
    // SAFETY: the descriptor is open, and the kernel writes 8 bytes to a live u64.
    unsafe { ioctl::blkgetsize64(device.as_fd().as_raw_fd(), &raw mut bytes) }?;
    Ok(bytes)
}

/// Logical sector size in bytes (`BLKSSZGET`).
///
/// # Errors
/// `ENOTTY` when it is no block device.
pub fn logical_sector(device: &impl AsFd) -> Result<u32> {
    let mut bytes = 0i32;
    // SAFETY: the descriptor is open, and the kernel writes one int to a live i32.
    unsafe { ioctl::blksszget(device.as_fd().as_raw_fd(), &raw mut bytes) }?;
    u32::try_from(bytes).map_err(|_| Error::other("the kernel reported a negative sector size"))
}

/// Physical sector size in bytes (`BLKPBSZGET`).
///
/// # Errors
/// `ENOTTY` when it is no block device.
pub fn physical_sector(device: &impl AsFd) -> Result<u32> {
    let mut bytes = 0u32;
    // SAFETY: the descriptor is open, and the kernel writes one unsigned int to a live u32.
    unsafe { ioctl::blkpbszget(device.as_fd().as_raw_fd(), &raw mut bytes) }?;
    Ok(bytes)
}

/// Makes the kernel read the partition table again (`BLKRRPART`).
///
/// # Errors
/// `EBUSY` while a partition is in use or another opener is exclusive,
/// `EINVAL` when the device takes no partitions.
pub fn reread_table(device: &impl AsFd) -> Result<()> {
    // SAFETY: the request takes no argument and the descriptor is open.
    unsafe { ioctl::blkrrpart(device.as_fd().as_raw_fd()) }?;
    Ok(())
}

/// Whether opening a disk that just came failed because the kernel is not done
/// with it: its node in /dev is made (`device_add` in block/genhd.c of Linux)
/// before the disk answers to it (`bdev_add`), and gives `ENXIO` in between.
#[must_use]
pub fn is_early(error: &Error) -> bool {
    use nix::libc::{ENOENT, ENXIO};
    matches!(error.raw_os_error(), Some(ENOENT | ENXIO))
}

/// Makes the kernel refuse writes to a disk and its partitions (`BLKROSET`).
///
/// # Errors
/// `EACCES` without `CAP_SYS_ADMIN`, `ENOTTY` when it is no block device.
pub fn make_read_only(device: &impl AsFd) -> Result<()> {
    let yes = 1i32;
    // SAFETY: the descriptor is open, and the kernel reads one int from a live i32.
    unsafe { ioctl::blkroset(device.as_fd().as_raw_fd(), &raw const yes) }?;
    Ok(())
}

/// Tells the kernel that partition `number` of a disk now is at `range`, in
/// bytes (`BLKPG_RESIZE_PARTITION`). It may be in use; its start must be what
/// it was. Nothing is written to the disk.
///
/// # Errors
/// `EBUSY` when it would lie on another partition, `ENXIO` when there is none
/// of that number.
pub fn resize_partition(disk: &impl AsFd, number: u32, range: Range<u64>) -> Result<()> {
    const BLKPG_RESIZE_PARTITION: i32 = 3;
    let length = range.end.saturating_sub(range.start);
    let partition = BlkpgPartition {
        start: i64::try_from(range.start).map_err(Error::other)?,
        length: i64::try_from(length).map_err(Error::other)?,
        number: i32::try_from(number).map_err(Error::other)?,
        names: [0; 128],
    };
    let argument = BlkpgArg {
        op: BLKPG_RESIZE_PARTITION,
        flags: 0,
        datalen: i32::try_from(size_of::<BlkpgPartition>()).map_err(Error::other)?,
        data: &raw const partition,
    };
    // SAFETY: both structures live until the call returns, and are laid out as
    // linux/blkpg.h says; the kernel only reads them.
    unsafe { ioctl::blkpg(disk.as_fd().as_raw_fd(), &raw const argument) }?;
    Ok(())
}

/// Makes the mounted ext4 file system that `folder` is in `blocks` of its own
/// blocks large (`EXT4_IOC_RESIZE_FS`). The kernel does all of it, through the
/// journal: an interruption leaves the old size or the new one.
///
/// # Errors
/// `ENOTTY` when it is no ext4, `EROFS` when it is mounted read-only, `ENOSPC`
/// or `EINVAL` when it cannot have that size.
pub fn resize_ext4(folder: &impl AsFd, blocks: u64) -> Result<()> {
    // SAFETY: the kernel reads 8 bytes from a live u64; the descriptor is open.
    unsafe { ioctl::ext4_resize_fs(folder.as_fd().as_raw_fd(), &raw const blocks) }?;
    Ok(())
}

/// Writes back and drops what the page cache holds of a device (`BLKFLSBUF`).
///
/// # Errors
/// `EACCES` without privilege, or the device's own.
pub fn drop_buffers(device: &impl AsFd) -> Result<()> {
    // SAFETY: the request takes no argument and the descriptor is open.
    unsafe { ioctl::blkflsbuf(device.as_fd().as_raw_fd()) }?;
    Ok(())
}

/// Tells a device that `range` (bytes, whole sectors) holds nothing
/// (`BLKDISCARD`). What it reads as afterwards is not defined.
///
/// # Errors
/// `EOPNOTSUPP` when the device cannot, `EINVAL` when not sector-aligned.
pub fn discard(device: &impl AsFd, range: Range<u64>) -> Result<()> {
    let argument = [range.start, range.end.saturating_sub(range.start)];
    // SAFETY: the kernel reads two u64 from a live array; the descriptor is open.
    unsafe { ioctl::blkdiscard(device.as_fd().as_raw_fd(), &raw const argument) }?;
    Ok(())
}

/// Makes `range` (bytes, whole sectors) of a device read as zero
/// (`BLKZEROOUT`); the kernel writes zeros where the device has no command.
///
/// # Errors
/// `EINVAL` when not sector-aligned, or the device's own.
pub fn zero_out(device: &impl AsFd, range: Range<u64>) -> Result<()> {
    let argument = [range.start, range.end.saturating_sub(range.start)];
    // SAFETY: the kernel reads two u64 from a live array; the descriptor is open.
    unsafe { ioctl::blkzeroout(device.as_fd().as_raw_fd(), &raw const argument) }?;
    Ok(())
}

/// Makes `range` of a regular file a hole, which reads as zero; the size stays.
///
/// # Errors
/// `EOPNOTSUPP` when the filesystem cannot.
pub fn punch_hole(file: &impl AsFd, range: Range<u64>) -> Result<()> {
    let start = i64::try_from(range.start).map_err(Error::other)?;
    let end = i64::try_from(range.end).map_err(Error::other)?;
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    nix::fcntl::fallocate(file, flags, start, end.saturating_sub(start))?;
    Ok(())
}

/// Asks the kernel to drop its cached (clean) pages of a file, so that the
/// next read comes from the disk. A hint.
///
/// # Errors
/// The kernel's; safe to ignore.
pub fn drop_cache(file: &impl AsFd) -> Result<()> {
    nix::fcntl::posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_punched_range_reads_zero_and_keeps_the_size() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 16384]).unwrap();
        punch_hole(&file, 4096..8192).unwrap();
        let mut all = vec![1; 16384];
        file.read_exact_at(&mut all, 0).unwrap();
        assert!(all[4096..8192].iter().all(|b| *b == 0));
        assert!(all[..4096].iter().chain(&all[8192..]).all(|b| *b == 7));
        drop_cache(&file).unwrap();
    }

    #[test]
    fn a_file_is_not_taken_for_a_device() {
        let file = tempfile::tempfile().unwrap();
        assert!(size(&file).is_err());
        assert!(logical_sector(&file).is_err());
        assert!(physical_sector(&file).is_err());
        assert!(zero_out(&file, 0..512).is_err());
        assert!(discard(&file, 0..512).is_err());
    }
}
