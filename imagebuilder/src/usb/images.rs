//! The repository on the stick's data partition.
//!
//! debugfs writes it: without root, with root as the owner of everything, and
//! with times that are given. It says little when it fails, so that everything is
//! read back.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::data::with_sbin;
use crate::images::{FOLDER, Images, Object};
use crate::xorriso::{run, tool};

const BLOCK: u64 = 4096;
/// Of a file system's space, one part in this many for inodes (of 256 bytes, one
/// for every 4 KiB in the smallest) and tables of blocks.
const TABLES: u64 = 14;

/// Bytes that a data partition needs for `images`, beyond those that it has else.
pub(super) fn room(images: &Images) -> Option<u64> {
    let mut bytes: u64 = 0;
    for object in &images.objects {
        // And a block each for its folder or its list of extents.
        let blocks = object.size.checked_next_multiple_of(BLOCK)?;
        bytes = bytes.checked_add(blocks)?.checked_add(BLOCK)?;
    }
    bytes.checked_add(bytes / TABLES)
}

/// The data partition in the file `new.img` of the folder `work`.
#[derive(Debug)]
pub(super) struct Partition<'a> {
    pub(super) work: &'a Path,
    pub(super) image: &'a str,
    /// In bytes.
    pub(super) offset: u64,
    /// Of all files, in seconds since 1970.
    pub(super) time: u32,
}

impl Partition<'_> {
    /// Writes `images` and reads them back.
    pub(super) fn fill(&self, images: &Images) -> Result<()> {
        // By a link, because debugfs cannot be given every name.
        let link = self.work.join("repository");
        symlink(&images.root, &link).context("linking the repository")?;
        let script = self.work.join("images.debugfs");
        fs::write(&script, commands(images)?).context("listing the images")?;
        let mut command = self.debugfs();
        command.args(["-w", "-f", "images.debugfs"]);
        run(command.arg(self.device()), "e2fsprogs").context("writing the images")?;
        crate::content::step("comparing the images with their repository");
        images.check(|object| self.read(object))
    }

    fn read(&self, object: &Object) -> Result<Reading> {
        let mut command = self.debugfs();
        // Without the bitmaps, which only writing needs.
        command.args(["-c", "-R"]);
        command.arg(format!("cat /{FOLDER}/{}", object.name));
        command.arg(self.device());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(Reading(command.spawn().context("running debugfs")?))
    }

    fn debugfs(&self) -> Command {
        let mut command = tool("debugfs");
        command.current_dir(self.work);
        command.env("E2FSPROGS_FAKE_TIME", self.time.to_string());
        with_sbin(&mut command);
        command
    }

    fn device(&self) -> String {
        format!("{}?offset={}", self.image, self.offset)
    }
}

/// What a program prints; it ends with this.
struct Reading(Child);

impl Read for Reading {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let out = self.0.stdout.as_mut();
        out.map_or(Ok(0), |out| out.read(bytes))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Whether it liked its end is told by what it printed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What debugfs is to do: folders before what is in them.
fn commands(images: &Images) -> Result<String> {
    let mut out = String::new();
    let mut last: Vec<&str> = Vec::new();
    writeln!(out, "mkdir /{FOLDER}")?;
    for object in &images.objects {
        let mut folders: Vec<&str> = object.name.split('/').collect();
        folders.pop();
        let common = folders.iter().zip(&last).take_while(|(a, b)| a == b);
        let common = common.count();
        for depth in common..folders.len() {
            let folder = folders.get(..=depth).unwrap_or_default().join("/");
            writeln!(out, "mkdir /{FOLDER}/{folder}")?;
        }
        last = folders;
        let name = &object.name;
        writeln!(out, "write repository/{name} /{FOLDER}/{name}")?;
        writeln!(out, "set_inode_field /{FOLDER}/{name} mode 0100444")?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(objects: &[(&str, u64)]) -> Images {
        let object = |(name, size): &(&str, u64)| Object {
            name: (*name).to_owned(),
            size: *size,
        };
        Images {
            root: "/r".into(),
            objects: objects.iter().map(object).collect(),
        }
    }

    #[test]
    fn folders_are_made_once_and_before_their_files() {
        let images = images(&[
            ("config", 1),
            ("packs/ab/x", 1),
            ("packs/ab/y", 1),
            ("packs/cd/z", 1),
        ]);
        let text = commands(&images).unwrap();
        let made: Vec<_> = text.lines().filter(|l| l.starts_with("mkdir")).collect();
        let expected =
            ["", "/packs", "/packs/ab", "/packs/cd"].map(|f| format!("mkdir /images{f}"));
        assert_eq!(made, expected);
        let at = |what: &str| text.find(what).unwrap();
        assert!(
            at("mkdir /images/packs/ab\n") < at("write repository/packs/ab/x /images/packs/ab/x\n")
        );
    }

    #[test]
    fn room_is_for_whole_blocks_and_tables() {
        assert_eq!(room(&images(&[])), Some(0));
        assert_eq!(
            room(&images(&[("a", 1), ("b", 4096)])),
            Some(4 * 4096 + 4 * 4096 / 14)
        );
        assert_eq!(room(&images(&[("a", u64::MAX)])), None);
    }
}
