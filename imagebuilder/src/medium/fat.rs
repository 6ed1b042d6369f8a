//! The files of a FAT filesystem, and where their bytes are.
//!
//! fatfs does not tell where a file lies. But it reads a file's data from the
//! disk in one piece per call, last of all it reads in that call; so the last
//! read of each call is where the data is. What was found that way is read again
//! and compared before anything is made of it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result, ensure};
use disk::{Extent, ReadAt};
use fatfs::{FileSystem, FsOptions};

const MOST_FILES: usize = 10_000;
const DEEPEST: usize = 16;
/// No file on a medium is larger.
const LARGEST: u64 = 1 << 30;

/// A FAT filesystem on a disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fat {
    /// In bytes from the start of the disk.
    pub(super) start: u64,
    /// In bytes.
    pub(super) len: u64,
}

impl Fat {
    /// Size of every file, by path.
    pub(super) fn files(self, disk: &dyn ReadAt) -> Result<BTreeMap<String, u64>> {
        let last = Cell::new(Extent { start: 0, len: 0 });
        let fs = self.open(disk, &last)?;
        let mut out = BTreeMap::new();
        let mut folders = vec![(String::new(), fs.root_dir(), 0)];
        while let Some((prefix, dir, depth)) = folders.pop() {
            for entry in dir.iter() {
                let entry = entry.context("listing the EFI partition")?;
                let name = entry.file_name();
                let path = format!("{prefix}{name}");
                ensure!(
                    out.len() < MOST_FILES,
                    "it has more than {MOST_FILES} files"
                );
                if entry.is_file() {
                    out.insert(path, entry.len());
                } else if !matches!(name.as_str(), "." | "..") && depth < DEEPEST {
                    folders.push((format!("{path}/"), entry.to_dir(), depth + 1));
                }
            }
        }
        Ok(out)
    }

    /// Where on the disk the file `path` is, in the order of its bytes.
    pub(super) fn extents(self, disk: &dyn ReadAt, path: &str) -> Result<Vec<Extent>> {
        let last = Cell::new(Extent { start: 0, len: 0 });
        let fs = self.open(disk, &last)?;
        let file = fs.root_dir().open_file(path)?;
        follow(file, disk, &last).with_context(|| format!("finding where {path} is"))
    }

    fn open<'a>(
        self,
        disk: &'a dyn ReadAt,
        last: &'a Cell<Extent>,
    ) -> Result<FileSystem<Volume<'a>>> {
        let volume = Volume {
            disk,
            start: self.start,
            len: self.len,
            at: 0,
            last,
        };
        FileSystem::new(volume, FsOptions::new()).context("it holds no FAT filesystem")
    }
}

fn follow(
    mut file: fatfs::File<'_, Volume<'_>>,
    disk: &dyn ReadAt,
    last: &Cell<Extent>,
) -> Result<Vec<Extent>> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut piece = vec![0; 1 << 16];
    let mut again = vec![0; 1 << 16];
    let mut found = 0_u64;
    loop {
        let len = file.read(&mut piece)?;
        if len == 0 {
            return Ok(extents);
        }
        let part = last.get();
        ensure!(part.len == len as u64, "it was not read in one piece");
        let check = again.get_mut(..len).context("more came than asked for")?;
        disk.read_exact_at(check, part.start)?;
        ensure!(
            piece.get(..len) == Some(&*check),
            "it is not where it seemed to be"
        );
        match extents.last_mut() {
            Some(before) if before.end() == part.start => before.len += part.len,
            _ => extents.push(part),
        }
        found = found.saturating_add(part.len);
        ensure!(found <= LARGEST, "it has more than {LARGEST} bytes");
    }
}

/// A partition, as fatfs wants it; it is never written through this.
struct Volume<'a> {
    disk: &'a dyn ReadAt,
    start: u64,
    len: u64,
    at: u64,
    /// What was read last.
    last: &'a Cell<Extent>,
}

impl Read for Volume<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = buf.len().min(left);
        let start = self.start.saturating_add(self.at);
        let piece = buf.get_mut(..len).unwrap_or_default();
        self.disk.read_exact_at(piece, start)?;
        let len = len as u64;
        self.at = self.at.saturating_add(len);
        self.last.set(Extent { start, len });
        Ok(piece.len())
    }
}

impl Write for Volume<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Volume<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;

    #[test]
    fn files_are_found_where_they_lie_even_in_pieces() {
        let big: Vec<u8> = (0..200_000_u32).map(|n| (n / 7) as u8).collect();
        let files = [("a/B.BIN".to_owned(), &big[..]), ("empty".to_owned(), b"")];
        let image = crate::esp::image(&files, 1).unwrap();
        let mut disk = vec![0xee; 4096];
        disk.extend(&image);
        let disk = MemDisk::new(disk);
        let fat = Fat {
            start: 4096,
            len: image.len() as u64,
        };
        let found = fat.files(&disk).unwrap();
        assert_eq!((found["empty"], found["a/B.BIN"]), (0, 200_000));
        assert_eq!(fat.extents(&disk, "empty").unwrap(), []);
        let extents = fat.extents(&disk, "a/B.BIN").unwrap();
        let mut bytes = Vec::new();
        for extent in &extents {
            let mut piece = vec![0; extent.len as usize];
            disk.read_exact_at(&mut piece, extent.start).unwrap();
            bytes.extend(piece);
        }
        assert!(bytes == big && extents[0].start > 4096);
        assert!(
            Fat {
                start: 0,
                len: 4096
            }
            .files(&disk)
            .is_err()
        );
    }
}
