//! Files on a phony disk, read and replaced with tools of the host.

use crate::tool;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const SECTOR: u64 = 512;

/// A partition, in bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u64,
    size: u64,
}

/// The partition that Windows is on: the largest.
fn windows(disk: &Path) -> Result<Place> {
    let words = ["sfdisk".as_ref(), "--json".as_ref(), disk.as_os_str()];
    let table: Value = serde_json::from_str(&tool("fdisk", &words)?).context("reading a table")?;
    let parts = table["partitiontable"]["partitions"].as_array();
    let places = parts.into_iter().flatten().filter_map(|part| {
        Some(Place {
            start: part["start"].as_u64()? * SECTOR,
            size: part["size"].as_u64()? * SECTOR,
        })
    });
    let largest = places.max_by_key(|place| place.size);
    largest.context("the disk has no partitions")
}

/// Where the partition of Windows begins, in bytes.
///
/// # Errors
/// When the table cannot be read.
pub fn windows_start(disk: &Path) -> Result<u64> {
    Ok(windows(disk)?.start)
}

/// A file of the partition of Windows, by its path with `/`, in the case it has.
///
/// # Errors
/// When it is not there.
pub fn read(disk: &Path, path: &str) -> Result<Vec<u8>> {
    with_ntfs(disk, |image| {
        let output = std::process::Command::new("ntfscat")
            .args([image.as_os_str(), path.as_ref()])
            .output();
        let output = output.context("running ntfscat; install the package ntfs-3g")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ntfscat {path}: {}", said.trim());
        Ok(output.stdout)
    })
}

/// Replaces files of the partition of Windows, or adds them to folders that are
/// there.
///
/// # Errors
/// When a folder is not there, or NTFS is full.
pub fn replace(disk: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    change_ntfs(disk, |image| {
        let content = image.with_extension("content");
        for (path, bytes) in files {
            std::fs::write(&content, bytes).context("writing a file's content")?;
            let words: [&OsStr; 5] = [
                "ntfscp".as_ref(),
                "-q".as_ref(),
                image.as_os_str(),
                content.as_os_str(),
                path.as_ref(),
            ];
            tool("ntfs-3g", &words)?;
        }
        Ok(())
    })
}

/// Marks the partition of Windows as one that was in use: `ntfsfix` without options
/// does that, so that Windows checks it.
///
/// # Errors
/// When it is no NTFS.
pub fn mark_in_use(disk: &Path) -> Result<()> {
    change_ntfs(disk, |image| {
        tool("ntfs-3g", &["ntfsfix".as_ref(), image.as_os_str()]).map(drop)
    })
}

/// The names of what is in a folder of the partition of Windows.
///
/// # Errors
/// When it is not there.
pub fn list(disk: &Path, folder: &str) -> Result<Vec<String>> {
    with_ntfs(disk, |image| {
        let words: [&OsStr; 4] = [
            "ntfsls".as_ref(),
            "-p".as_ref(),
            folder.as_ref(),
            image.as_os_str(),
        ];
        let names = tool("ntfs-3g", &words)?;
        Ok(names.lines().map(str::to_owned).collect())
    })
}

/// Replaces a file of the EFI system partition, which begins at 1 MiB.
///
/// # Errors
/// When its folder is not there.
pub fn replace_on_esp(disk: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let folder = crate::scratch()?;
    let content = folder.path().join("content");
    std::fs::write(&content, bytes).context("writing a file's content")?;
    let image = format!("{}@@1M", disk.display());
    let words: [&OsStr; 6] = [
        "mcopy".as_ref(),
        "-o".as_ref(),
        "-i".as_ref(),
        image.as_ref(),
        content.as_os_str(),
        path.as_ref(),
    ];
    tool("mtools", &words).map(drop)
}

/// Works on the partition in a file of its own.
fn with_ntfs<T>(disk: &Path, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let place = windows(disk)?;
    let folder = crate::scratch()?;
    let image = folder.path().join("ntfs");
    let to = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&image)?;
    let from = File::open(disk)?;
    to.set_len(place.size)
        .context("sizing a partition's file")?;
    copy(&from, place.start, &to, 0, place.size)?;
    work(&image)
}

/// The same, and puts it back onto the disk.
fn change_ntfs(disk: &Path, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let place = windows(disk)?;
    with_ntfs(disk, |image| {
        work(image)?;
        let to = File::options().read(true).write(true).open(disk)?;
        let from = File::open(image)?;
        copy(&from, 0, &to, place.start, place.size)
    })
}

/// Copies blocks that differ, so that what is sparse stays so.
fn copy(from: &File, from_at: u64, to: &File, to_at: u64, size: u64) -> Result<()> {
    const BLOCK: u64 = 1 << 20;
    for at in (0..size).step_by(BLOCK as usize) {
        let len = BLOCK.min(size - at) as usize;
        let (mut new, mut old) = (vec![0; len], vec![0; len]);
        from.read_exact_at(&mut new, from_at + at)?;
        to.read_exact_at(&mut old, to_at + at)?;
        if new != old {
            to.write_all_at(&new, to_at + at)?;
        }
    }
    Ok(())
}
