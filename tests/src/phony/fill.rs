//! File systems with the content of folders, put where their partitions are.

use super::layout::{Part, SECTOR};
use crate::tool;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An EFI system partition.
pub(super) fn fat(disk: &File, part: &Part, content: &Path, work: &Path) -> Result<()> {
    let image = blank(work, part)?;
    let made = ["mkfs.vfat", "-F", "32", "-n", "SYSTEM", "-i", "50484f4e"];
    run("dosfstools", &made, &[&image])?;
    let copied = "mcopy -s -i \"$0\" \"$1\"/* ::";
    run("mtools", &["sh", "-c", copied], &[&image, content])?;
    place(disk, part, &image)
}

/// Makes and fills an NTFS. Its boot sector says where the partition begins, as
/// BIOS machines need it.
pub(super) fn ntfs(
    disk: &File,
    part: &Part,
    label: &str,
    content: &Path,
    work: &Path,
) -> Result<()> {
    let image = blank(work, part)?;
    let start = part.start.to_string();
    let made = [
        "mkntfs", "-q", "-F", "-Q", "-p", &start, "-H", "255", "-S", "63", "-L", label,
    ];
    run("ntfs-3g", &made, &[&image])?;
    let alone: &[&str] = match is_root()? {
        true => &["unshare", "--mount", "sh", "-c", FILL],
        false => &["sh", "-c", FILL],
    };
    run("ntfs-3g", alone, &[&image, content, &work.join("mounted")])
        .context("filling an NTFS: the machine must let this user mount with FUSE (/dev/fuse)")?;
    place(disk, part, &image)
}

/// Mounts a file without root where ntfs-3g is installed setuid, as Debian and
/// Ubuntu do; as root, out of everybody's sight. It is waited for until all is
/// written, which unmounting does not do.
const FILL: &str = r#"
set -e
mkdir -p "$2"
ntfs-3g -o no_detach "$0" "$2" &
pid=$!
tries=0
until mountpoint -q "$2"; do
    kill -0 $pid 2>/dev/null || { echo "ntfs-3g does not mount $0" >&2; exit 1; }
    tries=$((tries + 1)); [ $tries -lt 300 ] || { echo "ntfs-3g takes too long" >&2; kill $pid; exit 1; }
    sleep 0.1
done
status=0
cp -r "$1"/. "$2"/ || status=1
if [ "$(id -u)" = 0 ]; then umount "$2"; else fusermount -u "$2"; fi
wait $pid
exit $status
"#;

/// Something in the sector that a BIOS starts, so that its loss is seen.
pub(super) fn boot_code(disk: &File) -> Result<()> {
    let code = b"\xFA\xEB\xFEphony boot code of a disk made for tests";
    disk.write_all_at(code, 0).context("writing boot code")
}

fn is_root() -> Result<bool> {
    Ok(tool("coreutils", &["id".as_ref(), "-u".as_ref()])?.trim() == "0")
}

fn run(package: &str, words: &[&str], files: &[&Path]) -> Result<()> {
    let mut all: Vec<&OsStr> = words.iter().map(AsRef::as_ref).collect();
    all.extend(files.iter().map(|file| file.as_os_str()));
    tool(package, &all).map(drop)
}

fn blank(work: &Path, part: &Part) -> Result<std::path::PathBuf> {
    let path = work.join("partition");
    let file = File::create(&path).context("creating a partition's file")?;
    file.set_len(part.size * SECTOR)
        .context("sizing a partition's file")?;
    Ok(path)
}

/// Copies what is not zero: the disk is.
fn place(disk: &File, part: &Part, image: &Path) -> Result<()> {
    let mut image = File::open(image).context("opening a partition's file")?;
    let (mut buffer, mut at) = (vec![0; 1 << 20], part.start * SECTOR);
    loop {
        let read = match image.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("reading a partition's file"),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.iter().any(|byte| *byte != 0) {
            disk.write_all_at(bytes, at)
                .context("placing a partition")?;
        }
        at += read as u64;
    }
}
