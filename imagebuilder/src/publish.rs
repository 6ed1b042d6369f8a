//! Giving a finished file its name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A finished file or folder under a name of no meaning.
#[derive(Debug)]
pub(crate) struct Unfinished(pub(crate) PathBuf);

/// By rename, so that there is never half a medium under its name.
pub(crate) fn publish(new: Unfinished, out: &Path) -> Result<()> {
    fs::rename(&new.0, out).with_context(|| format!("moving the medium to {}", out.display()))
}
