//! The firmware's variables, as Linux shows them: one file each in efivarfs, its
//! first four bytes the attributes, the rest the value.
//!
//! Source: Linux's `Documentation/filesystems/efivarfs.rst` and `fs/efivarfs`. A
//! variable is written by one `write`, whole; a value of nothing, or `unlink`, removes
//! it. What is read comes from the firmware each time.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};

use sys::inode_flags;

/// There are no more variables than this.
const MANY: usize = 10_000;

/// A variable's value and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) attributes: u32,
    pub(super) bytes: Vec<u8>,
}

/// Those variables that the UEFI specification itself defines.
pub(super) trait Variables {
    /// The names of all.
    fn names(&self) -> Result<Vec<String>>;

    /// `None` when there is no such variable.
    fn read(&self, name: &str) -> Result<Option<Value>>;

    fn write(&self, name: &str, value: &Value) -> Result<()>;

    fn remove(&self, name: &str) -> Result<()>;
}

/// Those in a folder where efivarfs is mounted, or that looks like it.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}-{}", efi::GLOBAL))
    }
}

impl Variables for Folder {
    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)?.take(MANY) {
            let name = entry?.file_name();
            let name = name.to_str().and_then(|name| {
                let name = name.strip_suffix(efi::GLOBAL)?;
                name.strip_suffix('-')
            });
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<Option<Value>> {
        const ATTRIBUTES: usize = 4;
        let file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        let most = efi::LARGEST.saturating_add(ATTRIBUTES);
        file.take(most.saturating_add(1) as u64)
            .read_to_end(&mut all)?;
        if all.len() > most {
            return Err(not_understood(format!("it has more than {most} bytes")));
        }
        let Some((attributes, bytes)) = all.split_first_chunk() else {
            let found = all.len();
            return Err(not_understood(format!(
                "it has {found} bytes, expected at least {ATTRIBUTES}"
            )));
        };
        Ok(Some(Value {
            attributes: u32::from_le_bytes(*attributes),
            bytes: bytes.to_vec(),
        }))
    }

    fn write(&self, name: &str, value: &Value) -> Result<()> {
        let path = self.path(name);
        let lock = Unlocked::open(&path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut all = value.attributes.to_le_bytes().to_vec();
        all.extend(&value.bytes);
        let written = file.write(&all)?;
        if written != all.len() {
            return Err(Error::from(ErrorKind::WriteZero));
        }
        // (A plain folder keeps the end of what was longer.)
        if file.metadata()?.len() > all.len() as u64 {
            file.set_len(all.len() as u64)?;
        }
        lock.lock();
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        // (It need not be locked again.)
        let _ = Unlocked::open(&path)?;
        fs::remove_file(path)
    }
}

/// A variable that Linux had marked as one that must not be changed (for some, a
/// machine without them does not start), and does not while this lasts.
struct Unlocked(Option<File>);

impl Unlocked {
    fn open(path: &Path) -> Result<Self> {
        let Ok(file) = File::open(path) else {
            // A new one has no mark; why it cannot be opened, the writing tells.
            return Ok(Self(None));
        };
        // (A folder that only looks like efivarfs may have no such marks.)
        if !inode_flags::is_immutable(&file).unwrap_or(false) {
            return Ok(Self(None));
        }
        inode_flags::set_immutable(&file, false)?;
        Ok(Self(Some(file)))
    }

    /// Marks it again; without the mark it works as well.
    fn lock(self) {
        if let Some(file) = self.0 {
            let _ = inode_flags::set_immutable(&file, true);
        }
    }
}

fn not_understood(why: String) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        let variables = Folder::new(folder.path());
        (folder, variables)
    }

    fn value(bytes: &[u8]) -> Value {
        Value {
            attributes: 7,
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn a_variable_is_a_file_with_its_attributes_in_front() {
        let (folder, variables) = folder();
        let path = folder
            .path()
            .join("BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c");
        for (bytes, all) in [
            (&[1, 0, 2, 0][..], &[7, 0, 0, 0, 1, 0, 2, 0][..]),
            (&[9, 0], &[7, 0, 0, 0, 9, 0]),
        ] {
            variables.write("BootOrder", &value(bytes)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), all);
            assert_eq!(variables.read("BootOrder").unwrap(), Some(value(bytes)));
        }
        fs::write(
            folder
                .path()
                .join("db-d719b2cb-3d3a-4596-a3bc-dad00e67656f"),
            "x",
        )
        .unwrap();
        assert_eq!(variables.names().unwrap(), ["BootOrder"]);
        variables.remove("BootOrder").unwrap();
        assert_eq!(variables.read("BootOrder").unwrap(), None);
        fs::write(&path, [7, 0, 0]).unwrap();
        let error = variables.read("BootOrder").unwrap_err().to_string();
        assert!(error.contains("3 bytes"), "{error}");
        fs::write(&path, vec![7; efi::LARGEST + 5]).unwrap();
        assert!(variables.read("BootOrder").is_err());
    }

    /// Where the file system has that mark and the test may set it.
    #[test]
    fn a_variable_that_linux_protects_is_changed_and_protected_again() {
        let (folder, variables) = folder();
        variables.write("Boot0001", &value(&[1; 9])).unwrap();
        let path = folder.path().join(format!("Boot0001-{}", efi::GLOBAL));
        let file = File::open(&path).unwrap();
        if inode_flags::set_immutable(&file, true).is_err() {
            return;
        }
        assert!(OpenOptions::new().write(true).open(&path).is_err());
        let written = variables.write("Boot0001", &value(&[2]));
        let protected = inode_flags::is_immutable(&file).unwrap();
        let removed = variables.remove("Boot0001");
        let _ = inode_flags::set_immutable(&file, false);
        written.unwrap();
        removed.unwrap();
        assert!(protected);
    }
}
