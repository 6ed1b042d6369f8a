//! A phony disk in a repository, to be restored for other hardware.

use super::{Asked, Firmware, check_with, make};
use crate::rescue::{Run, capture, rescue};
use crate::{blank_disk, scratch};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An NVMe disk's `modalias`.
pub const NVME: &str = "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02";

/// A captured phony disk.
#[derive(Debug)]
pub struct Captured {
    folder: TempDir,
    /// The disk.
    pub disk: PathBuf,
    /// Where its image is.
    pub repository: PathBuf,
    size: u64,
}

impl Captured {
    /// A disk of today's, see [`make`].
    ///
    /// # Errors
    /// When it cannot be made or captured.
    pub fn new(firmware: Firmware, hibernated: bool) -> Result<Self> {
        Self::of(|disk| make(disk, firmware, hibernated))
    }

    /// The disk that `make` makes.
    ///
    /// # Errors
    /// When it cannot be made or captured.
    pub fn of(make: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let folder = scratch()?;
        let disk = folder.path().join("before.raw");
        make(&disk)?;
        let repository = folder.path().join("repository");
        capture(&disk, &repository, &["--name", "office"])?;
        let size = fs::metadata(&disk)?.len();
        Ok(Self {
            folder,
            disk,
            repository,
            size,
        })
    }

    /// A folder for what else a test needs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A blank disk as large, always the same file.
    ///
    /// # Errors
    /// When the host has no room.
    pub fn target(&self) -> Result<PathBuf> {
        self.larger_target(0)
    }

    /// The same, with so many more bytes.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub fn larger_target(&self, more: u64) -> Result<PathBuf> {
        let target = self.folder.path().join("after.raw");
        blank_disk(&target, self.size + more)?;
        Ok(target)
    }

    /// Restores onto `target` for a machine with one controller.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn restore(&self, target: &Path, controller: &str, more: &[&str]) -> Result<Run> {
        let list = self.folder.path().join("hardware");
        fs::write(&list, format!("{controller}\n"))?;
        let mut words: Vec<&OsStr> = vec!["--hardware".as_ref(), list.as_os_str()];
        words.extend(more.iter().map(OsStr::new));
        self.restore_with(target, &words)
    }

    /// Restores onto `target` as `more` says.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn restore_with(&self, target: &Path, more: &[&OsStr]) -> Result<Run> {
        let mut words: Vec<&OsStr> = vec![
            "restore".as_ref(),
            "office".as_ref(),
            "--from".as_ref(),
            self.repository.as_os_str(),
            "--to".as_ref(),
            target.as_os_str(),
            "--yes".as_ref(),
        ];
        words.extend(more);
        rescue(&words)
    }
}

/// The fact `name` of those lines.
///
/// # Errors
/// When there is none.
pub fn fact(lines: &[Value], name: &str) -> Result<Value> {
    let found = lines.iter().find(|line| line["name"] == name);
    let found = found.with_context(|| format!("no fact {name}: {lines:?}"))?;
    Ok(found["value"].clone())
}

/// The texts of a JSON array.
#[must_use]
pub fn strings(value: &Value) -> Vec<String> {
    let all = value.as_array().cloned().unwrap_or_default();
    all.iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The keys that a plan says it changes: "…: delete [\ControlSet001\…]: why".
///
/// # Errors
/// When it changes nothing, or where it never should.
pub fn keys(plan: &Value) -> Result<Vec<String>> {
    let mut edits = strings(&plan["adapt_edits"]);
    // (Those are of another hive.)
    edits.retain(|edit| !edit.contains("SOFTWARE: "));
    let key = |edit: &String| {
        let (_, rest) = edit.split_once("[\\")?;
        Some(rest.split_once(']')?.0.to_owned())
    };
    let keys: Vec<String> = edits.iter().filter_map(key).collect();
    ensure!(keys.len() == edits.len() && !keys.is_empty(), "{edits:?}");
    let known = |key: &String| {
        let services = key.starts_with(r"ControlSet001\Services\");
        let database = key.starts_with(r"DriverDatabase\");
        services || database || key.starts_with(r"ControlSet001\Control\")
    };
    ensure!(keys.iter().all(known), "{keys:?}");
    Ok(keys)
}

/// Nothing is wrong with `after` but what was planned, and `boot` starts.
///
/// # Errors
/// With what is wrong.
pub fn judge(captured: &Captured, after: &Path, keys: &[String], boot: &[&str]) -> Result<()> {
    judge_with(captured, after, keys, boot, &[])
}

/// The same, with more words for the checker.
///
/// # Errors
/// With what is wrong.
pub fn judge_with(
    captured: &Captured,
    after: &Path,
    keys: &[String],
    boot: &[&str],
    more: &[&str],
) -> Result<()> {
    let allow: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asked = Asked {
        allow: &allow,
        boot,
    };
    let wrong = check_with(&captured.disk, after, asked, more)?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}
