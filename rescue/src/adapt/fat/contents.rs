//! All files of a volume, to be compared.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::{FatError, Files, NewFile};

const FILES_MOST: usize = 20_000;
const DEEPEST: usize = 32;
/// Bytes of all files.
const BYTES_MOST: u64 = 1 << 30;

/// What is on a volume: by path in small letters, what is there under that name.
pub(super) struct Contents(BTreeMap<String, Vec<Entry>>);

#[derive(PartialEq, Eq)]
enum Entry {
    Folder,
    File { len: u64, hash: blake3::Hash },
}

impl Contents {
    pub(super) fn of(files: &Files<'_>) -> Result<Self, FatError> {
        let failed = |path: &str, e| FatError::of(&format!("reading /{path}"), e);
        let mut all: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        let (mut count, mut total) = (0, 0_u64);
        let mut folders = vec![(String::new(), files.root_dir(), 0)];
        while let Some((prefix, folder, depth)) = folders.pop() {
            for entry in folder.iter() {
                let entry = entry.map_err(|e| failed(&prefix, e))?;
                let name = entry.file_name();
                if matches!(name.as_str(), "." | "..") {
                    continue;
                }
                count += 1;
                if count > FILES_MOST || depth > DEEPEST {
                    return Err(FatError::TooMuch { what: "files" });
                }
                let path = format!("{prefix}{name}");
                let found = match entry.is_dir() {
                    true => {
                        folders.push((format!("{path}/"), entry.to_dir(), depth + 1));
                        Entry::Folder
                    }
                    false => {
                        total = total.saturating_add(entry.len());
                        if total > BYTES_MOST {
                            return Err(FatError::TooMuch { what: "bytes" });
                        }
                        hashed(entry.to_file()).map_err(|e| failed(&path, e))?
                    }
                };
                all.entry(path.to_lowercase()).or_default().push(found);
            }
        }
        Ok(Self(all))
    }

    /// Whether there is what there was, but for `new`, and these are there.
    pub(super) fn check(mut self, before: &Self, new: &[NewFile]) -> Result<(), FatError> {
        let shared = |path: &str| FatError::Shared {
            path: format!("/{path}"),
        };
        for file in new {
            let path = file.path.trim_matches('/').to_lowercase();
            let expected = Entry::File {
                len: file.bytes.len() as u64,
                hash: blake3::hash(&file.bytes),
            };
            let now = self.0.remove(&path);
            if now.as_deref() != Some(&[expected]) {
                return Err(shared(&path));
            }
            // The folders that it is in may be new.
            for (at, _) in path.match_indices('/') {
                let folder = path.get(..at).unwrap_or_default();
                if !before.0.contains_key(folder) {
                    self.0.remove(folder);
                }
            }
        }
        let is_new = |path: &str| {
            let mut new = new.iter();
            new.any(|file| file.path.trim_matches('/').to_lowercase() == path)
        };
        for (path, entries) in before.0.iter().filter(|(path, _)| !is_new(path)) {
            if self.0.remove(path).as_ref() != Some(entries) {
                return Err(shared(path));
            }
        }
        match self.0.keys().next() {
            Some(path) => Err(shared(path)),
            None => Ok(()),
        }
    }
}

fn hashed(mut file: fatfs::File<'_, super::Stream<'_>>) -> std::io::Result<Entry> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; 64 << 10];
    let mut len = 0_u64;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            let hash = hasher.finalize();
            return Ok(Entry::File { len, hash });
        }
        hasher.update(piece.get(..count).unwrap_or_default());
        len = len.saturating_add(count as u64);
    }
}
