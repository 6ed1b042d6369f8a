//! Packed file systems: the layers that the running system mounts.
//!
//! mksquashfs writes them; what it writes depends on nothing but the tree,
//! the time and the level. The superblock is read back for `inspect`.
//!
//! Source of the layout: `squashfs_super_block` in Linux's
//! `fs/squashfs/squashfs_fs.h`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result, bail};
use initramfs::{Node, Tree};

use crate::xorriso::{run, tool};

/// From this level on, xz.
const XZ: u8 = 10;

/// Bytes of a block. Larger ones pack better, and cost more whenever a small
/// file is read: a module is, at the start of every machine.
const BLOCK: u32 = 256 << 10;

/// `tree` as a squashfs, every time in it `mtime`.
pub(crate) fn pack(tree: &Tree, mtime: u32, level: u8) -> Result<Vec<u8>> {
    let work = tempfile::tempdir().context("making a folder for a layer")?;
    let root = work.path().join("root");
    fs::create_dir(&root).context("making a folder for a layer")?;
    for (path, node) in tree.iter() {
        put(&root.join(path), node).with_context(|| format!("staging {path}"))?;
    }
    let out = work.path().join("layer.squashfs");
    let mut command = tool("mksquashfs");
    // The times are given; the tool refuses to be told twice.
    command.env_remove("SOURCE_DATE_EPOCH");
    command.arg(&root).arg(&out);
    command.args("-noappend -quiet -no-progress -no-xattrs -no-exports -all-root".split(' '));
    let (time, block) = (mtime.to_string(), BLOCK.to_string());
    command.args(["-mkfs-time", &time, "-all-time", &time, "-b", &block]);
    if level >= XZ {
        command.args(["-comp", "xz", "-Xbcj", "x86"]);
    } else {
        let level = level.to_string();
        command.args(["-comp", "zstd", "-Xcompression-level", &level]);
    }
    run(command, "squashfs-tools")?;
    fs::read(&out).context("reading the packed layer")
}

fn put(path: &Path, node: &Node) -> Result<()> {
    match node {
        Node::Dir { mode } => {
            fs::create_dir_all(path)?;
            // A folder without these could not be filled by an ordinary user.
            fs::set_permissions(path, Permissions::from_mode(mode | 0o700))?;
        }
        Node::File { mode, data } => {
            fs::write(path, data)?;
            fs::set_permissions(path, Permissions::from_mode(*mode))?;
        }
        Node::Symlink { target } => symlink(target, path)?,
        Node::CharDevice { .. } => bail!("a packed layer holds no devices"),
    }
    Ok(())
}

/// What a packed file system says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Files, folders and links.
    pub(crate) entries: u32,
    /// "xz", "zstd", …
    pub(crate) compression: &'static str,
}

impl Superblock {
    /// Reads the beginning of `bytes`; none when that is no squashfs 4.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let u16_at = |at| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let u32_at = |at| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        if u32_at(0)? != u32::from_le_bytes(*b"hsqs") || u16_at(28)? != 4 {
            return None;
        }
        let compression = match u16_at(20)? {
            1 => "gzip",
            3 => "lzo",
            4 => "xz",
            5 => "lz4",
            6 => "zstd",
            _ => "?",
        };
        Some(Self {
            entries: u32_at(4)?,
            compression,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_tree_gives_the_same_bytes_and_says_what_it_is() {
        let mut tree = Tree::new();
        tree.file("bin/sh", 0o755, vec![7; 300_000]).unwrap();
        tree.symlink("sh", "bin/sh").unwrap();
        for (level, compression) in [(3, "zstd"), (12, "xz")] {
            let one = pack(&tree, 1_700_000_000, level).unwrap();
            assert_eq!(one, pack(&tree, 1_700_000_000, level).unwrap());
            let read = Superblock::read(&one).unwrap();
            assert_eq!((read.entries, read.compression), (4, compression));
        }
        assert_eq!(Superblock::read(b"hsqs"), None);
        assert_eq!(Superblock::read(&[0; 96]), None);
    }
}
