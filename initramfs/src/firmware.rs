//! Firmware files that modules ask for, out of folders laid out as /lib/firmware.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::kmod::unpack;
use crate::{Error, Result, Tree};

/// How distributions compress them; the kernel of a medium may not know how to
/// undo it, and layers are packed anyway.
const SUFFIXES: [&str; 3] = ["", ".xz", ".zst"];

/// The firmware of a medium.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// Files below `lib/firmware`.
    pub tree: Tree,
    /// Names of those that are in it.
    pub found: Vec<String>,
    /// Names of those that no folder has.
    pub missing: Vec<String>,
}

/// The files called `wanted`, each from the first of `folders` that has it. Links
/// are followed: a file is there under the name that is asked for.
///
/// # Errors
/// [`Error::Read`] for a folder that is not there and files that cannot be read,
/// [`Error::OutsideFirmware`] for a link that leads out of its folder,
/// [`Error::Codec`].
pub fn firmware_layer(folders: &[PathBuf], wanted: &BTreeSet<String>) -> Result<Firmware> {
    let roots: Vec<PathBuf> = folders
        .iter()
        .map(|folder| canonical(folder))
        .collect::<Result<_>>()?;
    let mut out = Firmware::default();
    for name in wanted {
        match find(&roots, name)? {
            None => out.missing.push(name.clone()),
            Some(path) => {
                let bytes = unpack::read(&path)?;
                out.tree
                    .file(&format!("lib/firmware/{name}"), 0o644, bytes)?;
                out.found.push(name.clone());
            }
        }
    }
    Ok(out)
}

fn find(roots: &[PathBuf], name: &str) -> Result<Option<PathBuf>> {
    for root in roots {
        for suffix in SUFFIXES {
            let path = root.join(format!("{name}{suffix}"));
            if !path.is_file() {
                continue;
            }
            let file = canonical(&path)?;
            if !file.starts_with(root) {
                return Err(Error::OutsideFirmware { path, file });
            }
            // The name that is asked for tells how it is packed; the link's target
            // has the same suffix.
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::Node;

    fn wanted(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn data<'a>(firmware: &'a Firmware, name: &str) -> &'a [u8] {
        match firmware.tree.get(&format!("lib/firmware/{name}")) {
            Some(Node::File { data, .. }) => data,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn what_is_asked_for_is_taken_through_links_and_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::create_dir_all(one.join("bnx2")).unwrap();
        fs::create_dir_all(&two).unwrap();
        fs::write(one.join("bnx2/v6.fw"), "six").unwrap();
        symlink("v6.fw", one.join("bnx2/v5.fw")).unwrap();
        symlink("bnx2", one.join("old")).unwrap();
        fs::write(one.join("unasked.fw"), "x").unwrap();
        let packed = zstd::encode_all(&b"packed"[..], 1).unwrap();
        fs::write(two.join("card.bin.zst"), packed).unwrap();
        let names = ["bnx2/v5.fw", "old/v6.fw", "card.bin", "none.fw"];
        let firmware = firmware_layer(&[one, two], &wanted(&names)).unwrap();
        assert_eq!(firmware.missing, ["none.fw"]);
        assert_eq!(firmware.found, ["bnx2/v5.fw", "card.bin", "old/v6.fw"]);
        for (name, text) in [
            ("bnx2/v5.fw", "six"),
            ("old/v6.fw", "six"),
            ("card.bin", "packed"),
        ] {
            assert_eq!(data(&firmware, name), text.as_bytes(), "{name}");
        }
        assert!(firmware.tree.get("lib/firmware/unasked.fw").is_none());
    }

    #[test]
    fn links_that_lead_out_and_folders_that_are_not_there_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(dir.path().join("secret"), "x").unwrap();
        symlink("../secret", root.join("a.fw")).unwrap();
        for names in [["a.fw"], ["../secret"]] {
            let folders = std::slice::from_ref(&root);
            let error = firmware_layer(folders, &wanted(&names)).unwrap_err();
            assert!(matches!(error, Error::OutsideFirmware { .. }), "{error}");
        }
        let gone = [dir.path().join("gone")];
        assert!(firmware_layer(&gone, &wanted(&["a.fw"])).is_err());
    }
}
