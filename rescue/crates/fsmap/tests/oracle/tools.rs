//! Running host tools, and images in a directory that goes away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fsmap::FsMap;
use tempfile::TempDir;

/// Debian keeps mkfs and friends where users' PATH does not look.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn package(program: &str) -> &'static str {
    match program {
        "mke2fs" | "debugfs" | "e2fsck" | "dumpe2fs" | "tune2fs" | "resize2fs" => "e2fsprogs",
        "mkntfs" | "ntfscp" | "ntfsclone" => "ntfs-3g",
        "mkfs.vfat" => "dosfstools",
        "mcopy" | "mdel" | "mshowfat" => "mtools",
        "mkswap" => "util-linux",
        _ => "partclone",
    }
}

fn output(program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|e| {
            panic!("{program}: {e}; apt-get install {}", package(program));
        })
}

/// Runs a tool that must succeed; its standard output.
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let out = output(program, args);
    assert!(
        out.status.success(),
        "{program} {args:?}: {}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Runs a tool whose exit code says more than yes or no.
pub(crate) fn exit_code(program: &str, args: &[&str]) -> Option<i32> {
    output(program, args).status.code()
}

/// An image file of its own directory.
pub(crate) struct Image {
    dir: TempDir,
}

impl Image {
    /// `len` bytes without content.
    pub(crate) fn sparse(len: u64) -> Self {
        let image = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        File::create(image.path()).unwrap().set_len(len).unwrap();
        image
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    pub(crate) fn arg(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// A path beside the image.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    pub(crate) fn map(&self) -> FsMap {
        fsmap::map(&File::open(self.path()).unwrap()).unwrap()
    }

    /// A directory tree of many small and a few large files, to fill with.
    pub(crate) fn tree(&self, files: usize, large: usize) -> PathBuf {
        let root = self.beside("tree");
        for i in 0..files {
            let dir = root.join(format!("d{}", i % 7));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(format!("f{i}")), content(i, (i * 977) % 30_000)).unwrap();
        }
        fs::create_dir_all(&root).unwrap();
        for i in 0..large {
            fs::write(root.join(format!("large{i}")), content(i, 1_500_000)).unwrap();
        }
        root
    }
}

/// `len` bytes that are nowhere zero.
pub(crate) fn content(seed: usize, len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| ((i * 31 + seed * 7) % 255 + 1) as u8)
        .collect()
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}
