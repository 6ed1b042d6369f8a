//! Layers that stay packed: drivers, tools, firmware.
//!
//! Each comes as one squashfs in the initramfs, `/layers/<name>.squashfs`, and
//! is mounted at `/layers/<name>`: memory holds the packed form, and what is
//! read of it can be forgotten again. The two modules that this takes come in
//! the base layer, in the order of loading (docs/MEDIUM.md).

use std::fs;
use std::path::{Path, PathBuf};

use sys::mount::{Access, Trust, mount};

/// Where they are, and where they are mounted.
pub const FOLDER: &str = "/layers";

/// Modules to load before anything is mounted, sorted by their names.
const EARLY: &str = "/lib/early";

/// Mounts all layers; what is amiss, in sentences. The rest works on.
#[must_use]
pub fn mount_all() -> Vec<String> {
    let mut problems = Vec::new();
    for path in files(Path::new(EARLY), "ko") {
        if let Err(error) = sys::module::load(&path, "") {
            let path = path.display();
            problems.push(format!("loading {path}, which layers need: {error}"));
        }
    }
    for path in files(Path::new(FOLDER), "squashfs") {
        let target = path.with_extension("");
        if let Err(error) = open(&path, &target) {
            let path = path.display();
            problems.push(format!(
                "mounting {path}: {error}; what is in it is missing: start from another medium"
            ));
        }
    }
    problems
}

fn open(path: &Path, target: &Path) -> std::io::Result<()> {
    fs::create_dir_all(target)?;
    let (device, _open) = sys::loops::attach(path, sys::mount::Access::ReadOnly)?;
    mount(
        &device,
        target,
        "squashfs",
        Access::ReadOnly,
        Trust::System,
        None,
    )
}

/// The files in `folder` that end in `.{extension}`, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_names_and_others_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["01-b.ko", "00-z.ko", "readme", "x.squashfs"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let found = files(dir.path(), "ko");
        let names: Vec<_> = found.iter().filter_map(|p| p.file_name()).collect();
        assert_eq!(names, ["00-z.ko", "01-b.ko"]);
        assert!(files(&dir.path().join("none"), "ko").is_empty());
    }

    #[test]
    fn a_layer_that_cannot_be_mounted_is_named_by_its_error() {
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("drivers.squashfs");
        assert!(open(&gone, &dir.path().join("drivers")).is_err());
    }
}
