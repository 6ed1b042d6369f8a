//! More drivers for a finished medium.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use initramfs::{EntryKind, ExtraModules, ModuleIndex, read_archives};
use site::{Contents, Name};

use crate::kernel;
use crate::medium::Medium;

/// Where the running system unpacks them.
const FOLDER: &str = "/run/rescue/site/modules";

/// Adds the modules `paths`, checked against the kernel and the modules of
/// `medium`, and their index.
pub(super) fn add(paths: &[PathBuf], medium: &Medium, contents: &mut Contents) -> Result<()> {
    let known = index(medium).context("finding out which drivers the medium has")?;
    let extra = ExtraModules::read(paths, &known, FOLDER)?;
    for (name, bytes) in extra.files {
        contents.set(Name::new(&format!("modules/{name}"))?, bytes);
    }
    let index = serde_json::to_vec(&extra.index).context("writing the index of drivers")?;
    contents.set(Name::new("modules/index.json")?, index);
    Ok(())
}

/// The medium's own index: the first layer that has one counts.
fn index(medium: &Medium) -> Result<ModuleIndex> {
    let kernel = medium.read("boot/vmlinuz")?.context("it has no kernel")?;
    let kernel = kernel::version(&kernel)?;
    for path in medium.files.keys() {
        if !path.starts_with("boot/") || !path.contains(".cpio") || path.ends_with("site.cpio") {
            continue;
        }
        let bytes = medium.read(path)?.unwrap_or_default();
        let entries = read_archives(&bytes).with_context(|| format!("reading {path}"))?;
        let index = entries
            .iter()
            .find(|e| e.kind == EntryKind::File && e.path == "etc/rescue/modules.json");
        if let Some(entry) = index {
            let index: ModuleIndex = serde_json::from_slice(&entry.data)
                .with_context(|| format!("reading modules.json in {path}"))?;
            ensure!(
                index.kernel == kernel,
                "its modules are for kernel {}, its kernel is {kernel}",
                index.kernel
            );
            return Ok(index);
        }
    }
    anyhow::bail!("no layer has a modules.json")
}
