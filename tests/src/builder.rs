//! Media that a test has `imagebuilder` make for itself.

use crate::{artefact, rescue_program, tool};
use anyhow::Result;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// `scripts/boot-parts`: the folder that media are made from.
///
/// # Errors
/// When it was not made yet.
pub fn boot_parts() -> Result<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/boot-parts");
    let words: [&OsStr; 2] = [script.as_ref(), "--offline".as_ref()];
    Ok(tool("scripts/boot-parts", &words)?.trim().into())
}

/// `imagebuilder FORM WORDS… --out FILE`, packed quickly.
///
/// # Errors
/// When something is missing, or with its message.
pub fn build(form: &str, file: &Path, more: &[&OsStr]) -> Result<()> {
    let (builder, rescue) = (artefact("debug/imagebuilder")?, rescue_program()?);
    let parts = boot_parts()?;
    let words: [&OsStr; 10] = [
        builder.as_os_str(),
        form.as_ref(),
        "--level".as_ref(),
        "1".as_ref(),
        "--rescue".as_ref(),
        rescue.as_os_str(),
        "--boot-parts".as_ref(),
        parts.as_os_str(),
        "--out".as_ref(),
        file.as_os_str(),
    ];
    tool(
        "imagebuilder, as scripts/test builds it",
        &[&words[..], more].concat(),
    )?;
    Ok(())
}
