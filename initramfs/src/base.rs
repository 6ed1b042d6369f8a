//! The base layer: the binary, and the folders PID 1 starts in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Node, Result, Tree};

/// `/etc/rescue/medium.json`: what the running system knows about its medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumInfo {
    /// Version of this schema: [`MediumInfo::VERSION`].
    pub version: u32,
    /// The ISO's volume id: how the running system finds its medium.
    pub volume: String,
    /// The GUID of its GPT, when it is a disk: the same for ISO and stick.
    pub disk: String,
    /// What it was built from: name of an input and its SHA-256, in hex.
    pub built_from: BTreeMap<String, String>,
    /// Version of the `rescue` binary.
    pub rescue: String,
}

impl MediumInfo {
    /// The schema's version.
    pub const VERSION: u32 = 1;
}

/// What the base layer is made of.
#[derive(Debug, Clone)]
pub struct BaseLayer<'a> {
    /// The static binary that becomes `/init`.
    pub binary: &'a [u8],
    /// What to say about the medium.
    pub medium: &'a MediumInfo,
    /// Which module is for what, as JSON ([`crate::ModuleIndex`]).
    pub index: &'a [u8],
    /// Which module that is not there would be for what, as JSON
    /// ([`crate::AbsentIndex`]).
    pub absent: &'a [u8],
    /// Modules that PID 1 loads, in this order, before it mounts packed
    /// layers: name and bytes.
    pub early: &'a [(String, Vec<u8>)],
}

/// The folder of packed layers, each `<name>.squashfs`, mounted at `<name>`.
const LAYERS: &str = "layers";

/// What programs and the kernel look for at its usual place, and where it is.
const LINKS: &[(&str, &str)] = &[
    ("bin/sh", "/layers/tools/usr/bin/busybox"),
    ("lib/x86_64-linux-gnu", "/layers/tools/lib/x86_64-linux-gnu"),
    ("lib64", "/layers/tools/lib64"),
    ("usr", "/layers/tools/usr"),
    ("lib/modules", "/layers/drivers/lib/modules"),
    ("lib/firmware", "/layers/firmware/lib/firmware"),
];

/// A layer that holds the packed file system `squashfs` for PID 1 to mount at
/// `/layers/<name>`.
///
/// # Errors
/// [`crate::Error::BadPath`] for a name that cannot be one of a file.
pub fn wrap(name: &str, squashfs: Vec<u8>) -> Result<Tree> {
    let mut tree = Tree::new();
    tree.file(&format!("{LAYERS}/{name}.squashfs"), 0o444, squashfs)?;
    Ok(tree)
}

/// Mount points and homes of the running system.
const FOLDERS: &[(&str, u32)] = &[
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc/rescue", 0o755),
    ("layers", 0o755),
    ("lib/early", 0o755),
    ("mnt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sbin", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var/log", 0o755),
];

/// PID 1 needs a console and a bit bucket before it has mounted devtmpfs.
const DEVICES: &[(&str, u32, u32, u32)] = &[
    ("dev/console", 0o600, 5, 1),
    ("dev/null", 0o666, 1, 3),
    ("dev/kmsg", 0o644, 1, 11),
];

impl BaseLayer<'_> {
    /// The layer.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::new();
        for (path, mode) in FOLDERS {
            tree.dir(path, *mode)?;
        }
        for &(path, mode, major, minor) in DEVICES {
            let device = Node::CharDevice { mode, major, minor };
            tree.add(path, device)?;
        }
        tree.file("init", 0o755, self.binary.to_vec())?;
        tree.symlink("bin/rescue", "/init")?;
        // The kernel asks for modules with `/sbin/modprobe -q -- NAME`.
        tree.symlink("sbin/modprobe", "/init")?;
        let json = serde_json::to_vec(self.medium).map_err(|source| Error::Json {
            name: "medium.json",
            source,
        })?;
        tree.file("etc/rescue/medium.json", 0o644, json)?;
        tree.file("etc/rescue/modules.json", 0o644, self.index.to_vec())?;
        tree.file("etc/rescue/absent.json", 0o644, self.absent.to_vec())?;
        for (at, (name, bytes)) in self.early.iter().enumerate() {
            // Two digits, so that the order of names is that of loading.
            let path = format!("lib/early/{at:02}-{name}.ko");
            tree.file(&path, 0o644, bytes.clone())?;
        }
        for (path, target) in LINKS {
            tree.symlink(path, target)?;
        }
        tree.file(
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/root:/bin/sh\n".to_vec(),
        )?;
        tree.file("etc/group", 0o644, b"root:x:0:\n".to_vec())?;
        tree.file("etc/shells", 0o644, b"/bin/sh\n".to_vec())?;
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_archives;

    #[test]
    fn the_kernel_finds_init_and_a_console() {
        let medium = MediumInfo {
            version: MediumInfo::VERSION,
            volume: "RESCUE_1234".to_owned(),
            disk: "d".to_owned(),
            built_from: BTreeMap::from([("kernel".to_owned(), "ab".to_owned())]),
            rescue: "0.1.0".to_owned(),
        };
        let base = BaseLayer {
            binary: b"ELF",
            medium: &medium,
            index: b"{}",
            absent: b"[]",
            early: &[("loop".to_owned(), b"L".to_vec())],
        };
        let archive = base.tree().unwrap().to_cpio(0).unwrap();
        let entries = read_archives(&archive).unwrap();
        let find = |path: &str| entries.iter().find(|e| e.path == path).unwrap();
        assert_eq!(
            (find("init").mode, &find("init").data[..]),
            (0o755, &b"ELF"[..])
        );
        assert_eq!(find("bin/rescue").data, b"/init");
        assert_eq!(find("lib/early/00-loop.ko").data, b"L");
        assert_eq!(find("etc/rescue/modules.json").data, b"{}");
        assert_eq!(find("etc/rescue/absent.json").data, b"[]");
        assert_eq!(find("lib/modules").data, b"/layers/drivers/lib/modules");
        assert_eq!(find("tmp").mode, 0o1777);
        let read: MediumInfo =
            serde_json::from_slice(&find("etc/rescue/medium.json").data).unwrap();
        assert_eq!(read, medium);
    }
}
