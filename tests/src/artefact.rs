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

/// Whether a test of the slow matrices is not to run; says so.
#[must_use]
pub fn is_left_out() -> bool {
    if !all() {
        eprintln!("not run: it is for scripts/test --all");
    }
    !all()
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

/// The medium's kernel and its initramfs, all layers in their order, for a
/// machine that starts them directly; in files of `folder`.
///
/// # Errors
/// When the medium cannot be read (package xorriso).
pub fn boot_files(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let boot = folder.join("boot");
    let iso = medium()?;
    let words: [&std::ffi::OsStr; 7] = [
        "xorriso".as_ref(),
        "-osirrox".as_ref(),
        "on".as_ref(),
        "-indev".as_ref(),
        iso.as_os_str(),
        "-extract".as_ref(),
        "/boot".as_ref(),
    ];
    crate::tool("xorriso", &[&words[..], &[boot.as_os_str()]].concat())?;
    let menu = std::fs::read_to_string(boot.join("grub/grub.cfg")).context("reading the menu")?;
    let line = menu.lines().find_map(|l| l.trim().strip_prefix("initrd "));
    let mut initrd = Vec::new();
    for layer in line.context("an initrd line")?.split_whitespace() {
        initrd.extend(std::fs::read(folder.join(layer.trim_start_matches('/')))?);
        initrd.resize(initrd.len().next_multiple_of(4), 0);
    }
    let file = folder.join("initrd");
    std::fs::write(&file, initrd).context("writing the initramfs")?;
    Ok((boot.join("vmlinuz"), file))
}
