//! Mounting and unmounting.

use std::io::Result;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags};

/// Whether a mount may change what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written, not even a journal replay where that can be avoided.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// What a mount does not allow, beside writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Device nodes and programs work: the rescue system's own file systems.
    System,
    /// No device nodes, no programs: a disk that was found in the machine.
    Foreign,
}

/// Mounts `source` (a device, or a word for virtual file systems) of type
/// `kind` on the existing folder `target`. `data` is the file system's own
/// option string.
///
/// # Errors
/// The kernel's: `EBUSY` when something is mounted there already, `ENODEV`
/// when it does not know `kind`, `EINVAL` when the device holds none.
pub fn mount(
    source: &Path,
    target: &Path,
    kind: &str,
    access: Access,
    trust: Trust,
    data: Option<&str>,
) -> Result<()> {
    let mut flags = MsFlags::empty();
    if access == Access::ReadOnly {
        flags |= MsFlags::MS_RDONLY;
    }
    if trust == Trust::Foreign {
        flags |= MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID;
    }
    nix::mount::mount(Some(source), target, Some(kind), flags, data)?;
    Ok(())
}

/// From now on what this process mounts is seen by it and its children alone,
/// and gone with the last of them.
///
/// # Errors
/// `EPERM` when this process may not mount.
pub fn apart() -> Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    nix::mount::mount(None::<&Path>, "/", None::<&str>, flags, None::<&str>)?;
    Ok(())
}

/// Mounts the FUSE connection `device` (an open `/dev/fuse`) as one regular file,
/// over the existing file `target`. Whoever holds `device` answers for it.
///
/// # Errors
/// `EPERM` when this process may not mount, `ENODEV` when the kernel has no FUSE.
pub fn fuse_file(device: &std::fs::File, target: &Path) -> Result<()> {
    use nix::unistd::{getegid, geteuid};
    use std::os::fd::AsRawFd;
    let data = format!(
        "fd={},rootmode=100000,user_id={},group_id={}",
        device.as_raw_fd(),
        geteuid(),
        getegid()
    );
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID;
    nix::mount::mount(
        Some("rescue"),
        target,
        Some("fuse"),
        flags,
        Some(data.as_str()),
    )?;
    Ok(())
}

/// Unmounts `target`.
///
/// # Errors
/// The kernel's: `EBUSY` while something is open in it.
pub fn unmount(target: &Path) -> Result<()> {
    nix::mount::umount2(target, MntFlags::UMOUNT_NOFOLLOW)?;
    Ok(())
}

/// Takes `target` out of sight now; it is unmounted when nobody uses it.
///
/// # Errors
/// The kernel's: `EINVAL` when nothing is mounted there.
pub fn detach(target: &Path) -> Result<()> {
    nix::mount::umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    Ok(())
}
