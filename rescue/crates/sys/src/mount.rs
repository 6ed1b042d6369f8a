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
