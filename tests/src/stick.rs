//! The USB image as a technician has it: on a larger stick, with files on its
//! data partition.

use crate::{artefact, tool};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const SECTOR: u64 = 512;
/// The data partition's number.
const DATA: &str = "3";

/// A copy of `target/rescue-usb.img`.
#[derive(Debug)]
pub struct Stick {
    /// The raw disk.
    pub disk: PathBuf,
}

impl Stick {
    /// Copies the image into `folder`, onto a stick with `spare` more bytes.
    ///
    /// # Errors
    /// When the image is missing or does not fit.
    pub fn new(folder: &Path, spare: u64) -> Result<Self> {
        let disk = folder.join("stick.raw");
        let image = artefact("rescue-usb.img")?;
        let size = fs::copy(&image, &disk).context("copying the USB image")?;
        let file = File::options().write(true).open(&disk)?;
        file.set_len(size + spare).context("sizing the stick")?;
        Ok(Self { disk })
    }

    /// First byte and size of the data partition.
    ///
    /// # Errors
    /// When the table cannot be read (package gdisk).
    pub fn data(&self) -> Result<(u64, u64)> {
        let words = [
            "sgdisk".as_ref(),
            "-i".as_ref(),
            DATA.as_ref(),
            self.disk.as_os_str(),
        ];
        let told = tool("gdisk", &words)?;
        let number = |name: &str| -> Result<u64> {
            let line = told.lines().find_map(|l| l.strip_prefix(name));
            let word = line.and_then(|l| l.split_whitespace().next());
            Ok(word
                .with_context(|| format!("no {name} in {told}"))?
                .parse()?)
        };
        let (first, last) = (number("First sector: ")?, number("Last sector: ")?);
        Ok((first * SECTOR, (last + 1 - first) * SECTOR))
    }

    /// Copies what is in `folder` to the root of the data partition.
    ///
    /// # Errors
    /// When something does not fit (package e2fsprogs).
    pub fn fill(&self, folder: &Path) -> Result<()> {
        let mut script = String::new();
        list(folder, Path::new(""), &mut script)?;
        let commands = self.disk.with_extension("debugfs");
        fs::write(&commands, script).context("writing commands for debugfs")?;
        let mut data = self.disk.as_os_str().to_owned();
        data.push(format!("?offset={}", self.data()?.0));
        let words: [&OsStr; 5] = [
            "debugfs".as_ref(),
            "-w".as_ref(),
            "-f".as_ref(),
            commands.as_os_str(),
            &data,
        ];
        tool("e2fsprogs", &words)?;
        Ok(())
    }

    /// The data partition in a file of its own.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn data_file(&self) -> Result<PathBuf> {
        use std::os::unix::fs::FileExt;
        let (start, size) = self.data()?;
        let mut bytes = vec![0; usize::try_from(size)?];
        File::open(&self.disk)?.read_exact_at(&mut bytes, start)?;
        let file = self.disk.with_extension("ext4");
        fs::write(&file, bytes).context("writing the data partition")?;
        Ok(file)
    }
}

/// The commands that make `below` of `root` in an ext4 file system.
fn list(root: &Path, below: &Path, script: &mut String) -> Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            writeln!(script, "mkdir /{}", path.display())?;
            list(root, &path, script)?;
        } else {
            writeln!(
                script,
                "write {} /{}",
                entry.path().display(),
                path.display()
            )?;
        }
    }
    Ok(())
}
