//! A small disk for tests that need no operating system: quick to make, with a
//! little of everything.

use crate::{Random, Web};
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: u64 = 1 << 20;
/// Where the filesystem lies.
const PARTITION: u64 = MIB;

/// A disk to capture, and a repository that holds its image.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The raw disk.
    pub disk: PathBuf,
    /// The repository's folder.
    pub repository: PathBuf,
}

impl Sample {
    /// Makes in `folder` a bootable-looking GPT disk of `mib` MiB (at least 32), two
    /// thirds filled with files, and captures it under the name `sample`.
    ///
    /// # Errors
    /// When a tool is missing or the capture fails.
    pub fn captured(folder: &Path, mib: u64) -> Result<Self> {
        let sample = Self {
            disk: folder.join("sample.raw"),
            repository: folder.join("repository"),
        };
        make_disk(&sample.disk, &folder.join("content"), mib)?;
        crate::rescue::capture(&sample.disk, &sample.repository, &["--name", "sample"])?;
        Ok(sample)
    }

    /// The same, its repository read through `web`.
    #[must_use]
    pub fn served_by(&self, web: &Web) -> Self {
        Self {
            repository: web.url().into(),
            ..self.clone()
        }
    }
}

/// Runs a tool of the host; what it printed.
///
/// # Errors
/// When it is missing (names `package`) or fails.
pub fn tool(package: &str, words: &[&OsStr]) -> Result<String> {
    let (program, arguments) = words.split_first().context("a command")?;
    let output = Command::new(program)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(arguments)
        .output()
        .with_context(|| format!("running {program:?}; install the package {package}"))?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{words:?}: {}", message.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn make_disk(disk: &Path, content: &Path, mib: u64) -> Result<()> {
    let mut random = Random::seeded(mib);
    fs::create_dir_all(content).context("creating the sample's content")?;
    for number in 0..mib * 2 / 3 {
        let mut bytes = random.bytes(700_000);
        bytes.extend(format!("line of file {number}\n").repeat(10_000).bytes());
        fs::write(content.join(format!("file{number}")), bytes).context("writing content")?;
    }
    let file = File::create(disk).context("creating the sample disk")?;
    file.set_len(mib * MIB).context("sizing the sample disk")?;
    let words = ["sgdisk", "--clear", "--new=1:2048:0", "--typecode=1:8300"];
    let words: Vec<&OsStr> = words.iter().map(AsRef::as_ref).collect();
    tool("gdisk", &[&words[..], &[disk.as_os_str()]].concat())?;
    // Boot code and its signature, as a boot loader would have left them.
    file.write_all_at(&random.bytes(440), 0)
        .context("writing boot code")?;
    file.write_all_at(b"known bytes in a gap", 300 * 512)
        .context("writing a gap")?;
    let (offset, size) = (format!("offset={PARTITION}"), format!("{}M", mib - 2));
    let words: [&OsStr; 11] = [
        "mke2fs".as_ref(),
        "-q".as_ref(),
        "-F".as_ref(),
        "-t".as_ref(),
        "ext4".as_ref(),
        "-d".as_ref(),
        content.as_os_str(),
        "-E".as_ref(),
        offset.as_ref(),
        disk.as_os_str(),
        size.as_ref(),
    ];
    tool("e2fsprogs", &words)?;
    fs::remove_dir_all(content).context("removing the sample's content")
}
