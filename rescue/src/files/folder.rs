//! Files below a folder, as if it were the root of a system.

use std::fs::{File, read_dir};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::{Files, FilesError, MANY};

/// A folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    root: File,
    any_case: bool,
}

impl Folder {
    /// Opens the folder.
    ///
    /// # Errors
    /// The file system's own.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            root: File::open(path)?,
            any_case: false,
        })
    }

    /// From now on ASCII letters count without case, as on Windows.
    #[must_use]
    pub fn any_case(self) -> Self {
        Self {
            any_case: true,
            ..self
        }
    }

    /// `below` with its names as they are in the folder.
    fn spelled(&self, below: &Path) -> std::io::Result<PathBuf> {
        let mut spelled = PathBuf::new();
        for name in below {
            let folder = match spelled.as_os_str().is_empty() {
                true => sys::tree::open_below(&self.root, Path::new("."))?,
                false => sys::tree::open_below(&self.root, &spelled)?,
            };
            let exact = spelled.join(name);
            if sys::tree::open_below(&self.root, &exact).is_ok() {
                spelled = exact;
                continue;
            }
            let mut found = None;
            for entry in read_dir(sys::tree::path_of(&folder))? {
                let entry = entry?.file_name();
                if entry.eq_ignore_ascii_case(name) {
                    found = Some(entry);
                    break;
                }
            }
            spelled.push(found.ok_or(ErrorKind::NotFound)?);
        }
        Ok(spelled)
    }

    fn open_below(&self, below: &Path) -> std::io::Result<File> {
        match self.any_case {
            true => sys::tree::open_below(&self.root, &self.spelled(below)?),
            false => sys::tree::open_below(&self.root, below),
        }
    }

    /// What is at `path`; links do not lead out of the folder.
    fn at(&self, path: &str) -> Result<Option<File>, FilesError> {
        let below = path.trim_start_matches('/');
        let below = if below.is_empty() { "." } else { below };
        match self.open_below(Path::new(below)) {
            Ok(file) => Ok(Some(file)),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(e) => Err(FilesError::new(
                &format!("{}{path}", self.path.display()),
                e,
            )),
        }
    }
}

impl Files for Folder {
    fn read(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>, FilesError> {
        let failed = |e| FilesError::new(path, e);
        let Some(file) = self.at(path)? else {
            return Ok(None);
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = file.take(cap.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(failed)?;
        if bytes.len() as u64 > cap {
            return Err(FilesError::too_large(path, bytes.len() as u64, cap));
        }
        Ok(Some(bytes))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FilesError> {
        let failed = |e| FilesError::new(path, e);
        let Some(folder) = self.at(path)? else {
            return Ok(Vec::new());
        };
        if !folder.metadata().map_err(failed)?.is_dir() {
            return Ok(Vec::new());
        }
        let open = sys::tree::path_of(&folder);
        let mut names = Vec::new();
        for (at, entry) in read_dir(open).map_err(failed)?.enumerate() {
            if at >= MANY {
                return Err(FilesError::too_many(path));
            }
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn letters_count_without_case_when_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("windows/SYSTEM32/Config");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("system"), "hive").unwrap();
        let path = "/Windows/System32/config/SYSTEM";
        let files = Folder::open(root.path()).unwrap();
        assert_eq!(files.read(path, 100).unwrap(), None);
        let files = files.any_case();
        assert_eq!(files.read(path, 100).unwrap().unwrap(), b"hive");
        assert_eq!(
            files.read("/Windows/System32/config/SAM", 100).unwrap(),
            None
        );
        assert_eq!(files.read("/Windows/no/SYSTEM", 100).unwrap(), None);
        assert_eq!(files.list("/WINDOWS/system32").unwrap(), ["Config"]);
        // The name that is meant exactly comes first.
        fs::write(folder.join("SYSTEM"), "other").unwrap();
        assert_eq!(files.read(path, 100).unwrap().unwrap(), b"other");
    }

    #[test]
    fn links_are_followed_within_the_folder_only() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "no").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("usr/lib")).unwrap();
        fs::create_dir(at("etc")).unwrap();
        fs::write(at("usr/lib/os-release"), "ID=x\n").unwrap();
        symlink("/usr/lib/os-release", at("etc/absolute")).unwrap();
        symlink("../usr/lib/os-release", at("etc/relative")).unwrap();
        symlink(outside.path().join("secret"), at("etc/out")).unwrap();
        symlink("../../../../etc/passwd", at("etc/up")).unwrap();
        let files = Folder::open(root.path()).unwrap();
        for name in ["/etc/absolute", "/etc/relative", "/usr/lib/os-release"] {
            assert_eq!(files.read(name, 100).unwrap().unwrap(), b"ID=x\n", "{name}");
        }
        for name in ["/etc/out", "/etc/up", "/etc", "/none", "/etc/absolute/x"] {
            assert_eq!(files.read(name, 100).unwrap(), None, "{name}");
        }
        assert_eq!(files.list("/usr").unwrap(), ["lib"]);
        assert_eq!(files.list("/").unwrap(), ["etc", "usr"]);
        assert_eq!(files.list("/none").unwrap(), [] as [&str; 0]);
        let error = files.read("/etc/relative", 4).unwrap_err().to_string();
        assert!(error.contains("at most 4"), "{error}");
    }
}
