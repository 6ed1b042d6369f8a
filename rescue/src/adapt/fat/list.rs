//! What is in a folder of a FAT volume.

use super::{Fat, FatError, found};

/// No folder of an EFI system partition has more entries.
const MANY: usize = 10_000;

impl Fat {
    /// The names in the folder at `path`, with the bytes of a file and `None` for a
    /// folder; none when there is no such folder.
    ///
    /// # Errors
    /// When the volume is damaged, or the folder has more than 10000 entries.
    pub fn entries(&self, path: &str) -> Result<Vec<(String, Option<u64>)>, FatError> {
        let files = self.files()?;
        let failed = |e| FatError::of(&format!("reading {path}"), e);
        let root = files.root_dir();
        let folder = match path.trim_matches('/') {
            "" => root,
            path => match found(root.open_dir(path)).map_err(failed)? {
                Some(folder) => folder,
                None => return Ok(Vec::new()),
            },
        };
        let mut entries = Vec::new();
        for entry in folder.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if matches!(name.as_str(), "." | "..") {
                continue;
            }
            if entries.len() >= MANY {
                return Err(FatError::TooMuch { what: "files" });
            }
            entries.push((name, (!entry.is_dir()).then(|| entry.len())));
        }
        Ok(entries)
    }

    /// Whether there is a file at `path`.
    ///
    /// # Errors
    /// When the volume is damaged.
    pub fn has_file(&self, path: &str) -> Result<bool, FatError> {
        let files = self.files()?;
        let opened = found(files.root_dir().open_file(path));
        let opened = opened.map_err(|e| FatError::of(&format!("reading {path}"), e))?;
        Ok(opened.is_some())
    }
}
