//! A dynamic program and every library it needs, into a layer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Elf;
use crate::{Error, Result, Tree};

/// Where Debian's loader looks without a cache, best first.
pub const SEARCH: &[&str] = &[
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "lib64",
    "usr/lib64",
    "lib",
    "usr/lib",
];

struct Wanted {
    /// Path in the root and in the layer.
    path: String,
    needed_by: String,
}

/// Adds `program` ("usr/sbin/mke2fs", relative to the folder `root`), its
/// loader and its libraries to `tree`, each at the path where the loader
/// looks for it. Links are followed: the layer holds plain files.
/// Libraries that a program opens by itself (NSS, plugins) are not seen.
///
/// # Errors
/// [`Error::Read`], [`Error::BadElf`], [`Error::MissingLibrary`].
pub fn add_program(tree: &mut Tree, root: &Path, program: &str) -> Result<()> {
    let mut work = vec![Wanted {
        path: program.to_owned(),
        needed_by: "you".to_owned(),
    }];
    let mut seen = BTreeSet::new();
    while let Some(wanted) = work.pop() {
        if !seen.insert(wanted.path.clone()) {
            continue;
        }
        let bytes = read(root, &wanted)?;
        let dynamic = Elf::parse(&wanted.path, &bytes)?.dynamic()?;
        if let Some(interpreter) = &dynamic.interpreter {
            work.push(Wanted {
                path: interpreter.trim_start_matches('/').to_owned(),
                needed_by: wanted.path.clone(),
            });
        }
        let folders = folders(&wanted.path, &dynamic.runpath);
        for library in &dynamic.needed {
            work.push(find(root, library, &wanted.path, &folders)?);
        }
        tree.file(&wanted.path, 0o755, bytes)?;
    }
    Ok(())
}

/// The folders searched for the libraries of the file at `path`.
fn folders(path: &str, runpath: &[String]) -> Vec<String> {
    let origin = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let own = runpath
        .iter()
        .map(|entry| {
            entry
                .replace("${ORIGIN}", origin)
                .replace("$ORIGIN", origin)
        })
        .map(|entry| plain(&entry));
    own.chain(SEARCH.iter().map(|s| (*s).to_owned())).collect()
}

/// Without a leading slash, `.` or `..`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn find(root: &Path, library: &str, needed_by: &str, folders: &[String]) -> Result<Wanted> {
    folders
        .iter()
        .map(|folder| format!("{folder}/{library}"))
        .find(|path| resolve(root, path).is_some_and(|file| file.is_file()))
        .map(|path| Wanted {
            path,
            needed_by: needed_by.to_owned(),
        })
        .ok_or_else(|| Error::MissingLibrary {
            library: library.to_owned(),
            needed_by: needed_by.to_owned(),
            searched: folders.to_vec(),
        })
}

fn read(root: &Path, wanted: &Wanted) -> Result<Vec<u8>> {
    let absent = || std::io::Error::other(format!("not found; needed by {}", wanted.needed_by));
    let path = root.join(&wanted.path);
    let read = match resolve(root, &wanted.path) {
        Some(file) => fs::read(file),
        None => Err(absent()),
    };
    read.map_err(|source| Error::Read { path, source })
}

/// Follows links inside `root`, as they would be followed after a chroot, so
/// that an absolute link of an unpacked package stays in it.
fn resolve(root: &Path, path: &str) -> Option<PathBuf> {
    let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut done: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = todo.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                done.pop();
                continue;
            }
            _ => done.push(part),
        }
        let here = root.join(done.join("/"));
        if let Ok(target) = fs::read_link(&here) {
            links += 1;
            if links > 40 {
                return None;
            }
            done.pop();
            if target.is_absolute() {
                done.clear();
            }
            let target = target.to_string_lossy();
            todo.extend(target.split('/').rev().map(str::to_owned));
        } else if !here.exists() {
            return None;
        }
    }
    Some(root.join(done.join("/")))
}
