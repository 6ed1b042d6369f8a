//! Files that `scripts/test` builds before it runs the tests.

use anyhow::{Context, Result, bail};
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

/// The static `rescue` program.
///
/// # Errors
/// When it has not been built.
pub fn rescue_program() -> Result<PathBuf> {
    artefact("rescue")
}

/// The rescue medium.
///
/// # Errors
/// When it has not been built.
pub fn medium() -> Result<PathBuf> {
    artefact("rescue.iso")
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
