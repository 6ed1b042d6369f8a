//! Files and folders, written by fatfs.

use std::io::{Error, ErrorKind, Result, Seek as _, SeekFrom, Write as _};
use std::sync::atomic::Ordering;

use disk::{ReadAt as _, WriteAt as _};
use fatfs::Dir;

use super::{Fat, FatError, Files, NewFile, Stream};

/// Bytes of an entry of a folder.
const ENTRY: usize = 32;
/// In an entry: its attributes, and the halves of its first cluster's number
/// (Microsoft's "FAT32 File System Specification" 1.03).
const ATTRIBUTES: usize = 11;
const CLUSTER: [usize; 2] = [20, 26];
/// The attributes of a piece of a long name.
const LONG_NAME: u8 = 0x0F;

impl Fat {
    pub(super) fn put(
        &self,
        files: &Files<'_>,
        new: &NewFile,
    ) -> std::result::Result<(), FatError> {
        let failed = |e| FatError::of(&format!("writing {}", new.path), e);
        let path = new.path.trim_matches('/');
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut folder = files.root_dir();
        let mut is_root = true;
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            folder = self.enter(&folder, is_root, part, new).map_err(failed)?;
            is_root = false;
        }
        write(&folder, name, &new.bytes).map_err(failed)
    }

    /// Opens a folder, or makes it.
    fn enter<'f, 'v>(
        &self,
        parent: &Dir<'f, Stream<'v>>,
        is_root: bool,
        name: &str,
        new: &NewFile,
    ) -> Result<Dir<'f, Stream<'v>>> {
        match parent.open_dir(name) {
            Err(e) if new.create_folders && e.kind() == ErrorKind::NotFound => {
                let made = parent.create_dir(name)?;
                self.tidy(&made, is_root)?;
                Ok(made)
            }
            other => other,
        }
    }

    /// fatfs 0.3 begins a folder with long names for "." and "..", and has the
    /// latter name the root by its cluster: fsck.fat objects to both, and a folder
    /// in which they are not first is none to others. So they are put right.
    fn tidy(&self, folder: &Dir<'_, Stream<'_>>, in_root: bool) -> Result<()> {
        let odd = || Error::other("a new folder is not as expected");
        // The first thing in it has two entries, and is read to its end.
        let first = folder.iter().next().ok_or_else(odd)??;
        let end = self.at.load(Ordering::Relaxed);
        let start = end.checked_sub(2 * ENTRY as u64).ok_or_else(odd)?;
        let mut entries = [[0; ENTRY]; 4];
        self.disk.read_exact_at(entries.as_flattened_mut(), start)?;
        let [long, dot, other_long, mut parent] = entries;
        let as_expected = first.file_name() == "."
            && [long, other_long]
                .iter()
                .all(|e| e.get(ATTRIBUTES) == Some(&LONG_NAME))
            && dot.starts_with(b".          ")
            && parent.starts_with(b"..         ");
        if !as_expected {
            return Err(odd());
        }
        if in_root {
            for half in CLUSTER {
                parent
                    .iter_mut()
                    .skip(half)
                    .take(2)
                    .for_each(|byte| *byte = 0);
            }
        }
        let none = [0; ENTRY];
        let entries = [dot, parent, none, none];
        self.disk.write_all_at(entries.as_flattened(), start)
    }
}

fn write(folder: &Dir<'_, Stream<'_>>, name: &str, bytes: &[u8]) -> Result<()> {
    let mut file = folder.create_file(name)?;
    if bytes.is_empty() {
        file.truncate()?;
    }
    file.write_all(bytes)?;
    let len = bytes.len() as u64;
    if file.seek(SeekFrom::End(0))? > len {
        file.seek(SeekFrom::Start(len))?;
        file.truncate()?;
    }
    file.flush()
}
