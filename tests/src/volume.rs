//! Disks that hold files: what an operator plugs in beside the medium.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// Makes `file` an ext4 filesystem labelled `label` with the content of `folder`,
/// with `spare_mib` MiB to spare.
///
/// # Errors
/// When `mke2fs` is missing or fails, with its message.
pub fn make_volume(file: &Path, label: &str, folder: &Path, spare_mib: u64) -> Result<()> {
    let mib = bytes_below(folder)?.div_ceil(1 << 20);
    // A twentieth for the filesystem's own tables.
    let size = format!("{}M", mib + mib / 20 + spare_mib.max(8));
    let output = Command::new("mke2fs")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(["-q", "-F", "-t", "ext4", "-L", label, "-m", "0", "-d"])
        .arg(folder)
        .arg(file)
        .arg(size)
        .output()
        .context("running mke2fs; install the package e2fsprogs")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mke2fs: {}", message.trim());
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
