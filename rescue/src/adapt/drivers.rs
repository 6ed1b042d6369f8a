//! A folder of drivers for Windows: what is in it, and the files to bring in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::patch::base64;
use super::volume::NewFile;

/// Files of a folder of drivers at most, and folders in folders.
const FILES: usize = 20_000;
const DEPTH: usize = 16;
/// Bytes of an INF, and of all of them.
const INF: u64 = 4 << 20;
const ALL_INFS: u64 = 128 << 20;
/// Bytes of a file that is brought in.
const FILE: u64 = 128 << 20;

/// A folder of drivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drivers {
    folder: PathBuf,
    pub(super) listing: Box<Listing>,
}

/// What is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// Paths of all files, from the folder, with `/`.
    pub(super) files: Vec<String>,
    /// The INF files among them.
    pub(super) infs: Vec<Inf>,
    /// Bytes of each of the files.
    pub(super) sizes: Vec<u64>,
    /// Bytes that may be brought in beside what Windows starts with.
    pub(super) room: u64,
    /// Whether nothing else is.
    pub(super) boot_only: bool,
}

impl Listing {
    /// Bytes of a file; more than there may be for one that is not listed.
    pub(super) fn size(&self, path: &str) -> u64 {
        let at = self.files.binary_search_by(|file| file.as_str().cmp(path));
        let size = at.ok().and_then(|at| self.sizes.get(at)).copied();
        size.unwrap_or(u64::MAX)
    }
}

/// An INF file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inf {
    pub(super) path: String,
    #[serde(with = "base64")]
    pub(super) bytes: Vec<u8>,
}

/// A file that is to be copied from the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copy {
    /// Its path in the folder.
    pub(super) from: String,
    /// Its path on the volume, with `/`.
    pub(super) to: String,
}

impl Drivers {
    /// Looks through `folder`.
    ///
    /// # Errors
    /// When it cannot be read, has too much in it, or no INF file.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut listing = Box::new(Listing::default());
        list(folder, "", 0, &mut listing.files)?;
        listing.files.sort_unstable();
        let size = |path: &String| fs::metadata(folder.join(path)).map_or(u64::MAX, |m| m.len());
        listing.sizes = listing.files.iter().map(size).collect();
        listing.room = room();
        let mut total = 0u64;
        let infs = listing.files.iter().filter(|path| is_inf(path));
        for path in infs {
            let bytes = read(&folder.join(path), INF)?;
            total = total.saturating_add(bytes.len() as u64);
            if total > ALL_INFS {
                bail!(
                    "{} has more than {ALL_INFS} bytes of INF files",
                    folder.display()
                );
            }
            let path = path.clone();
            listing.infs.push(Inf { path, bytes });
        }
        if listing.infs.is_empty() {
            bail!(
                "{} has no driver for Windows: no .inf file; unpack the driver's package there",
                folder.display()
            );
        }
        let folder = folder.to_owned();
        Ok(Self { folder, listing })
    }

    /// The files that are brought in, with what is in them.
    pub(super) fn files(&self, copies: &[Copy]) -> anyhow::Result<Vec<NewFile>> {
        let file = |copy: &Copy| {
            // (What is copied was chosen from the listing.)
            let known = self.listing.files.contains(&copy.from);
            anyhow::ensure!(known, "{} is not in the folder of drivers", copy.from);
            let bytes = read(&self.folder.join(&copy.from), FILE)?;
            Ok(NewFile::made(copy.to.clone(), bytes))
        };
        copies.iter().map(file).collect()
    }
}

/// Bytes for what Windows can do without: an eighth of the memory that is free, for it
/// is kept there several times until it is written.
fn room() -> u64 {
    const MOST: u64 = 96 << 20;
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut lines = text.lines();
    let free = lines.find_map(|line| line.strip_prefix("MemAvailable:"));
    let free = free.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let free = free.unwrap_or_default().saturating_mul(1024);
    (free / 8).min(MOST)
}

fn is_inf(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("inf"))
}

/// The files below `folder`; links are left out.
fn list(folder: &Path, path: &str, depth: usize, into: &mut Vec<String>) -> anyhow::Result<()> {
    let here = folder.join(path);
    let failed = || format!("cannot read {}", here.display());
    if depth > DEPTH {
        bail!("{} has folders more than {DEPTH} deep", folder.display());
    }
    for entry in fs::read_dir(&here).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = match path {
            "" => name,
            path => format!("{path}/{name}"),
        };
        let kind = entry.file_type().with_context(failed)?;
        if kind.is_dir() {
            list(folder, &path, depth.saturating_add(1), into)?;
        } else if kind.is_file() {
            into.push(path);
        }
        if into.len() > FILES {
            bail!("{} has more than {FILES} files", folder.display());
        }
    }
    Ok(())
}

fn read(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let failed = || format!("cannot read {}", path.display());
    let size = fs::metadata(path).with_context(failed)?.len();
    if size > most {
        bail!(
            "{} has {size} bytes, expected at most {most}",
            path.display()
        );
    }
    fs::read(path).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_and_only_what_is_in_it_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let error = Drivers::read(root).unwrap_err().to_string();
        assert!(error.contains("no .inf file"), "{error}");
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/x.INF"), "[Version]").unwrap();
        fs::write(root.join("a/x.sys"), "MZ").unwrap();
        let drivers = Drivers::read(root).unwrap();
        assert_eq!(drivers.listing.files, ["a/x.INF", "a/x.sys"]);
        assert_eq!(drivers.listing.infs.len(), 1);
        let copy = |from: &str| {
            let (from, to) = (from.to_owned(), "/Windows/x.sys".to_owned());
            drivers.files(&[Copy { from, to }])
        };
        assert_eq!(copy("a/x.sys").unwrap()[0].bytes, b"MZ");
        assert!(copy("../x").is_err());
    }
}
