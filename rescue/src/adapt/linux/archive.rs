//! A cpio archive in the format "newc", as the kernel unpacks an initramfs.
//!
//! Layout: `Documentation/driver-api/early-userspace/buffer-format.rst` of the
//! Linux kernel. A header is "070701" and thirteen numbers of eight hexadecimal digits; names
//! and contents are padded to four bytes.

/// The mode of a folder that all may look into.
const FOLDER: u32 = 0o040_755;
/// The mode of a file that all may read.
const FILE: u32 = 0o100_644;
/// The name that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// An archive in the making. All in it belongs to root and is from 1970.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    folders: Vec<String>,
    entries: u32,
}

impl Archive {
    /// Folders above the first `above` parts of paths are taken to be there, and
    /// may be links: only what is below them is made.
    pub(super) fn file(&mut self, path: &str, above: usize, contents: &[u8]) {
        let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        for at in slashes.iter().skip(above) {
            let folder = path.get(..*at).unwrap_or_default();
            if !self.folders.iter().any(|made| made == folder) {
                self.entry(folder, FOLDER, &[]);
                self.folders.push(folder.to_owned());
            }
        }
        self.entry(path, FILE, contents);
    }

    /// The archive, ended.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        let number = match name {
            TRAILER => 0,
            _ => {
                self.entries += 1;
                self.entries
            }
        };
        let links = if mode == FOLDER { 2 } else { 1 };
        let size = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let fields = [number, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        let len = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn cpio_reads_it() {
        let mut archive = Archive::default();
        archive.file("lib/modules/6.1/kernel/a.ko", 1, b"aaaaa");
        archive.file("lib/modules/6.1/kernel/b.ko", 1, b"b");
        let bytes = archive.finish();
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("cpio")
            .args(["-i", "-d", "--quiet"])
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .expect("cpio (package cpio)");
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert!(child.wait().unwrap().success());
        let kernel = folder.path().join("lib/modules/6.1/kernel");
        assert_eq!(std::fs::read(kernel.join("a.ko")).unwrap(), b"aaaaa");
        assert_eq!(std::fs::read(kernel.join("b.ko")).unwrap(), b"b");
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.matches("lib/modules/6.1\0").count(), 1);
        assert!(!text.contains("lib\0"), "it may be a link there");
    }
}
