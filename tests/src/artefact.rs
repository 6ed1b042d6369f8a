//! Files that `scripts/test` builds before it runs the tests.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// The file `target/NAME`.
///
/// # Errors
/// When it is not there, with what makes it.
pub fn artefact(name: &str) -> Result<PathBuf> {
    let file = target().join(name);
    if !file.exists() {
        bail!("target/{name} is missing: run scripts/test, which makes it first");
    }
    file.canonicalize()
        .with_context(|| format!("resolving target/{name}"))
}

/// The static `rescue` program, or the one that `RESCUE_PROGRAM` names.
///
/// # Errors
/// When it has not been built.
pub fn rescue_program() -> Result<PathBuf> {
    match env::var_os("RESCUE_PROGRAM") {
        Some(named) => Ok(named.into()),
        None => artefact("rescue"),
    }
}

/// The rescue medium, or the one that `RESCUE_MEDIUM` names.
///
/// # Errors
/// When it has not been built.
pub fn medium() -> Result<PathBuf> {
    match env::var_os("RESCUE_MEDIUM") {
        Some(named) => Ok(named.into()),
        None => artefact("rescue.iso"),
    }
}

/// Whether the slow matrices were asked for (`scripts/test --all`).
#[must_use]
pub fn all() -> bool {
    env::var_os("RESCUE_ALL").is_some()
}

/// A folder for large files, on the same filesystem as `target`; it goes when
/// the value does.
///
/// # Errors
/// When it cannot be created.
pub fn scratch() -> Result<TempDir> {
    let parent = target().join("scratch");
    std::fs::create_dir_all(&parent).context("creating target/scratch")?;
    tempfile::tempdir_in(&parent).context("creating a folder in target/scratch")
}
