//! Disks that hold files: what an operator plugs in beside the medium.

use crate::tool;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::Path;

/// Makes `file` an ext4 filesystem labelled `label` with the content of `folder`,
/// with `spare_mib` MiB to spare.
///
/// # Errors
/// When `mke2fs` is missing or fails, with its message.
pub fn make_volume(file: &Path, label: &str, folder: &Path, spare_mib: u64) -> Result<()> {
    let mib = bytes_below(folder)?.div_ceil(1 << 20);
    // A twentieth for the filesystem's own tables.
    let size = format!("{}M", mib + mib / 20 + spare_mib.max(8));
    let words = [
        "mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", label, "-d",
    ];
    let mut words: Vec<&OsStr> = words.iter().map(AsRef::as_ref).collect();
    words.extend([folder.as_os_str(), file.as_os_str(), size.as_ref()]);
    tool("e2fsprogs", &words)?;
    Ok(())
}

/// Makes `file` an NTFS file system labelled `label` with `folder` in it, under its
/// name. Needs root: what fills it mounts it, out of everybody's sight.
///
/// # Errors
/// When a tool is missing or fails, with its message.
pub fn make_ntfs(file: &Path, label: &str, folder: &Path) -> Result<()> {
    let size = bytes_below(folder)? + (16 << 20);
    let made = std::fs::File::create(file).and_then(|f| f.set_len(size));
    made.context("making a volume's file")?;
    let made: [&OsStr; 6] = [
        "mkntfs".as_ref(),
        "-F".as_ref(),
        "-q".as_ref(),
        "-L".as_ref(),
        label.as_ref(),
        file.as_os_str(),
    ];
    tool("ntfs-3g", &made)?;
    const FILL: &str = "set -e; mount -t tmpfs none /mnt; mkdir /mnt/ntfs; ntfs-3g \"$0\" /mnt/ntfs; \
                        cp -r \"$1\" /mnt/ntfs/; umount /mnt/ntfs";
    let file = file.canonicalize().context("finding the volume's file")?;
    let fill: [&OsStr; 6] = [
        "unshare".as_ref(),
        "--mount".as_ref(),
        "sh".as_ref(),
        "-c".as_ref(),
        FILL.as_ref(),
        file.as_os_str(),
    ];
    let fill: Vec<&OsStr> = fill.into_iter().chain([folder.as_os_str()]).collect();
    tool("ntfs-3g", &fill)?;
    Ok(())
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).context("listing a volume's content")? {
        let entry = entry.context("listing a volume's content")?;
        let about = entry.metadata().context("measuring a volume's content")?;
        sum += match about.is_dir() {
            true => bytes_below(&entry.path())?,
            // Rounded up to what the filesystem will use for it.
            false => about.len().next_multiple_of(4096),
        };
    }
    Ok(sum)
}
