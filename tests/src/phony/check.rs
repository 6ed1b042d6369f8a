//! Runs `check.py`, which judges a disk without any of our code.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// What may and what must be different.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Keys of `SYSTEM` that may differ, with all below them.
    pub allow: &'a [&'a str],
    /// Services that must start at boot.
    pub boot: &'a [&'a str],
}

/// What is wrong with `after`, a line each, nothing when all is right; `before`
/// is the disk as its Windows left it.
///
/// # Errors
/// When the checker itself fails: its oracles are missing (`scripts/oracles`).
pub fn check(before: &Path, after: &Path, asked: Asked<'_>) -> Result<Vec<String>> {
    check_with(before, after, asked, &[])
}

/// As [`check`]; `after` is what was made for UEFI of a disk that a BIOS started.
///
/// # Errors
/// As [`check`].
pub fn check_uefi(before: &Path, after: &Path, asked: Asked<'_>) -> Result<Vec<String>> {
    check_with(before, after, asked, &["--uefi"])
}

/// The same, with more words for the checker, see `check.py --help`.
///
/// # Errors
/// When the checker itself fails: its oracles are missing (`scripts/oracles`).
pub fn check_with(
    before: &Path,
    after: &Path,
    asked: Asked<'_>,
    more: &[&str],
) -> Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../target/oracles/bin/python");
    ensure!(python.exists(), "no target/oracles: run scripts/oracles");
    let work = crate::scratch()?;
    let mut command = Command::new(python);
    command.arg(root.join("src/phony/check.py"));
    command.env("TMPDIR", work.path());
    command
        .arg("--before")
        .arg(before)
        .arg("--after")
        .arg(after);
    let options = [("--allow", asked.allow), ("--boot", asked.boot)];
    for (option, values) in options {
        values.iter().for_each(|value| {
            command.args([option, value]);
        });
    }
    command.args(more);
    let output = command.output().context("running check.py")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    // It ends with how many are wrong, unless it stumbled.
    let count = said
        .lines()
        .last()
        .and_then(|line| line.strip_suffix(" wrong"));
    let count: usize = count
        .and_then(|count| count.parse().ok())
        .with_context(|| format!("check.py: {}", failed.trim()))?;
    let wrong = said.lines().filter_map(|line| line.strip_prefix("WRONG "));
    let wrong: Vec<String> = wrong.map(str::to_owned).collect();
    ensure!(wrong.len() == count && output.status.success() == wrong.is_empty());
    Ok(wrong)
}
