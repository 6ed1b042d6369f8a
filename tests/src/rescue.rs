//! Running the `rescue` program and judging how it ended.

use crate::rescue_program;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The exit codes a test may expect; `rescue/src/exit.rs` defines them, and they
/// are part of the interface, so they are written down here a second time.
pub mod code {
    /// No such image in this repository.
    pub const NO_SUCH_IMAGE: i32 = 10;
    /// Stored bytes are not what they were.
    pub const DAMAGED: i32 = 11;
    /// An object the image needs is not in the repository.
    pub const MISSING: i32 = 12;
    /// The repository was written by a newer version.
    pub const NEWER_FORMAT: i32 = 13;
    /// The repository cannot be reached, or is none.
    pub const REPOSITORY: i32 = 14;
    /// The image is not signed by a key that is trusted.
    pub const UNTRUSTED: i32 = 15;
    /// The target is smaller than the image needs.
    pub const TARGET_TOO_SMALL: i32 = 20;
    /// The target's sector size is not the image's.
    pub const SECTOR_SIZE: i32 = 21;
    /// The target is mounted, swapped to, or held by something.
    pub const TARGET_BUSY: i32 = 22;
    /// The target holds the repository.
    pub const TARGET_PROTECTED: i32 = 23;
    /// Writing failed, or the target has no room left.
    pub const TARGET_WRITE: i32 = 24;
    /// A system in the image would not start on this hardware.
    pub const WILL_NOT_START: i32 = 29;
    /// The target carries this image already, or the plan's token was used.
    pub const ALREADY_RESTORED: i32 = 26;
}

/// A run of `rescue` that has ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The JSON lines it printed.
    pub lines: Vec<Value>,
    stdout: String,
    stderr: String,
    command: String,
}

fn command(arguments: &[&OsStr]) -> Result<Command> {
    let mut command = Command::new(rescue_program()?);
    command
        .args(arguments)
        .arg("--json")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Captures `disk` into `repository`, which is made when it is not there.
///
/// # Errors
/// When that fails.
pub fn capture(disk: &Path, repository: &Path, more: &[&str]) -> Result<()> {
    let mut words: Vec<&OsStr> = vec!["capture".as_ref(), disk.as_os_str(), "--to".as_ref()];
    words.push(repository.as_os_str());
    words.extend(more.iter().map(OsStr::new));
    rescue(&words)?.succeeded()?;
    Ok(())
}

/// Starts `rescue ARGUMENTS --json` for somebody who will kill it.
///
/// # Errors
/// When it has not been built or cannot be started.
pub fn start(arguments: &[&OsStr]) -> Result<Child> {
    command(arguments)?.spawn().context("starting rescue")
}

/// Runs `rescue ARGUMENTS --json` to its end.
///
/// # Errors
/// When it has not been built or cannot be started.
pub fn rescue(arguments: &[&OsStr]) -> Result<Run> {
    let mut command = command(arguments)?;
    let output = command.output().context("running rescue")?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = stdout.lines().map(serde_json::from_str);
    Ok(Run {
        code: output.status.code(),
        lines: lines.filter_map(Result::ok).collect(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        command: format!("{command:?}"),
        stdout,
    })
}

impl Run {
    /// Passes a success on.
    ///
    /// # Errors
    /// When it failed, with everything it said.
    pub fn succeeded(self) -> Result<Self> {
        self.ended_with(0)
    }

    /// Checks the exit code, and that a failure said each of `words` (in any case).
    ///
    /// # Errors
    /// When either is not so, with everything it said.
    pub fn failed_with(self, code: i32, words: &[&str]) -> Result<Self> {
        let run = self.ended_with(code)?;
        let said = run.said().to_lowercase();
        for word in words {
            let found = said.contains(&word.to_lowercase());
            ensure!(found, "the message does not say {word:?}:\n{}", run.said());
        }
        Ok(run)
    }

    fn ended_with(self, code: i32) -> Result<Self> {
        if self.code != Some(code) {
            let (command, ended, said) = (&self.command, self.code, self.said());
            bail!("{command}\nended with {ended:?} instead of {code}:\n{said}");
        }
        Ok(self)
    }

    /// Everything it printed.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}
