//! The file systems of the rescue system itself.

use std::fs;
use std::path::{Path, PathBuf};

use sys::mount::{Access, Trust, mount};

/// Where the parts of the rescue system tell each other how things stand.
pub const STATE: &str = "/run/rescue";

/// Type, folder, options; in this order.
const TABLE: [(&str, &str, Option<&str>); 6] = [
    ("proc", "/proc", None),
    ("sysfs", "/sys", None),
    ("devtmpfs", "/dev", Some("mode=0755")),
    ("devpts", "/dev/pts", Some("mode=0620,ptmxmode=0666")),
    ("tmpfs", "/run", Some("mode=0755")),
    ("tmpfs", "/tmp", Some("mode=1777,size=25%")),
];

/// Where the kernel shows the firmware's variables.
const EFI: &str = "/sys/firmware/efi";

/// Mounts all of them; what could not be mounted, in sentences. What is there
/// already counts as mounted.
#[must_use]
pub fn mount_all() -> Vec<String> {
    let mut problems = Vec::new();
    for (kind, folder, options) in TABLE {
        let target = Path::new(folder);
        let made = fs::create_dir_all(target);
        let mounted = mount(
            Path::new(kind),
            target,
            kind,
            Access::ReadWrite,
            Trust::System,
            options,
        );
        match (made, mounted) {
            (_, Ok(())) => {}
            (_, Err(error)) if error.kind() == std::io::ErrorKind::ResourceBusy => {}
            (Err(error), Err(_)) => problems.push(format!("creating {folder}: {error}")),
            (Ok(()), Err(error)) => problems.push(format!("mounting {kind} on {folder}: {error}")),
        }
    }
    if let Err(error) = fs::create_dir_all(STATE) {
        problems.push(format!("creating {STATE}: {error}"));
    }
    problems
}

/// Mounts the firmware's variables where that is not done yet; the folder, or `None`
/// on a machine that UEFI did not start.
///
/// # Errors
/// The kernel's: `ENODEV` without the module efivarfs, `EOPNOTSUPP` where the
/// firmware offers none.
pub fn efi_variables() -> std::io::Result<Option<PathBuf>> {
    if !fs::exists(EFI).unwrap_or(false) {
        return Ok(None);
    }
    let folder = Path::new(EFI).join("efivars");
    // (The bare folder is empty, and firmware always has variables.)
    if fs::read_dir(&folder).is_ok_and(|mut all| all.next().is_some()) {
        return Ok(Some(folder));
    }
    let kind = "efivarfs";
    let (source, access) = (Path::new(kind), Access::ReadWrite);
    match mount(source, &folder, kind, access, Trust::Foreign, None) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {}
        Err(error) => return Err(error),
    }
    Ok(Some(folder))
}
