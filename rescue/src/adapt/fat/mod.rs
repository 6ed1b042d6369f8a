//! Files of a FAT volume, and files put on one without changing it: what comes
//! out is a list of [`Patch`]es. EFI system partitions are FAT.
//!
//! The crate fatfs reads and writes. Writes stay in memory, in an [`Overlay`]. It
//! checks little of what a volume says, and it does not tell whether two files
//! share a cluster. So whatever it made is only believed when every other file of
//! the volume reads afterwards as it did before, bit by bit. (It also panics on
//! some damaged volumes: another process calls it on what comes from an image.)

mod contents;
mod error;
mod list;
mod make;
mod put;
mod stream;

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use disk::ReadAt;
use fatfs::{FileSystem, FsOptions};
use fsmap::FsKind;

use contents::Contents;
pub use error::FatError;
pub(crate) use make::{New, make};
use stream::{Cached, Clock, Stream};

use super::Patch;
use super::volume::{CHANGES_MOST, NewFile, Overlay};

/// A FAT volume whose files are read.
#[derive(Debug)]
pub struct Fat {
    volume: Arc<Cached>,
    disk: Overlay,
    options: FsOptions,
    /// Where fatfs read or wrote last, in bytes.
    at: AtomicU64,
}

type Files<'f> = FileSystem<Stream<'f>>;

impl Fat {
    /// Opens a volume. Nothing can be written through it.
    ///
    /// # Errors
    /// When it is no FAT, or its boot sector is damaged.
    pub fn open(volume: &Arc<dyn ReadAt>) -> Result<Self, FatError> {
        Self::over(volume, 0, FsOptions::new())
    }

    fn over(volume: &Arc<dyn ReadAt>, most: usize, options: FsOptions) -> Result<Self, FatError> {
        // It checks the boot sector's numbers against each other; fatfs takes them as
        // they come.
        let kind = fsmap::identify(volume).map_err(FatError::map)?.kind;
        if !matches!(kind, FsKind::Fat12 | FsKind::Fat16 | FsKind::Fat32) {
            return Err(FatError::NotFat);
        }
        let volume = Arc::new(Cached::new(Arc::clone(volume)));
        let disk = Overlay::new(Arc::clone(&volume) as Arc<dyn ReadAt>, most);
        let fat = Self {
            volume,
            disk,
            options,
            at: AtomicU64::new(0),
        };
        fat.files().map(drop)?;
        Ok(fat)
    }

    fn files(&self) -> Result<Files<'_>, FatError> {
        let files = FileSystem::new(Stream::new(&self.disk, &self.at), self.options);
        files.map_err(|e| FatError::of("reading its boot sector", e))
    }

    /// The content of the file at `path` ("/EFI/BOOT/BOOTX64.EFI"; letters count
    /// without case), `None` when there is no such file.
    ///
    /// # Errors
    /// When it has more than `most` bytes, or the volume is damaged.
    pub fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, FatError> {
        let files = self.files()?;
        let failed = |e| FatError::of(&format!("reading {path}"), e);
        let Some(mut file) = found(files.root_dir().open_file(path)).map_err(failed)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let limit = most.saturating_add(1);
        (&mut file)
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        match bytes.len() as u64 > most {
            true => Err(FatError::Large {
                path: path.to_owned(),
                most,
            }),
            false => Ok(Some(bytes)),
        }
    }
}

impl Fat {
    /// With what stays before its bytes.
    fn whole(&self, file: &NewFile) -> Result<NewFile, FatError> {
        let mut bytes = match file.after {
            0 => Vec::new(),
            _ => self
                .read(&file.path, file.after.max(CHANGES_MOST as u64))?
                .unwrap_or_default(),
        };
        let after = usize::try_from(file.after).unwrap_or(usize::MAX);
        if after > bytes.len() {
            return Err(FatError::Short {
                path: file.path.clone(),
                expected: file.after,
            });
        }
        bytes.truncate(after);
        bytes.extend_from_slice(&file.bytes);
        Ok(NewFile {
            create_folders: file.create_folders,
            ..NewFile::changed(&file.path, bytes)
        })
    }
}

/// `None` for what is not there. (fatfs says "Not a directory" in an error without
/// a kind: then it is not there either.)
fn found<T>(opened: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match opened {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) if matches!(e.to_string().as_str(), "Not a directory" | "Is a directory") => {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Puts `files` on the FAT `volume`, which itself stays as it is: the patches
/// that do it. A file that is there is written over where it is, then cut or
/// lengthened; with the same length only its own bytes and its time change. All
/// other files stay as they are, or there is an error and no patch. A volume that
/// was mounted when it was captured (its mark says so) is no hindrance.
///
/// # Errors
/// When the volume is no FAT, is damaged or has no room, or a file cannot be where
/// it is wanted.
pub fn edit(volume: &Arc<dyn ReadAt>, files: &[NewFile]) -> Result<Vec<Patch>, FatError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let options = FsOptions::new().time_provider(&Clock);
    edit_with(volume, files.iter(), options)
}

fn edit_with<'f>(
    volume: &Arc<dyn ReadAt>,
    files: impl Iterator<Item = &'f NewFile>,
    options: FsOptions,
) -> Result<Vec<Patch>, FatError> {
    let fat = Fat::over(volume, CHANGES_MOST, options)?;
    let files: Result<Vec<NewFile>, FatError> = files.map(|file| fat.whole(file)).collect();
    let files = files?;
    let map = fsmap::map(volume).map_err(FatError::map)?;
    let before = Contents::of(&fat.files()?)?;
    {
        let mounted = fat.files()?;
        for file in &files {
            fat.put(&mounted, file)?;
        }
        let done = mounted.unmount();
        done.map_err(|e| FatError::of("writing its free space", e))?;
    }
    // What is on it now is seen with fresh eyes.
    fat.volume.anew();
    Contents::of(&fat.files()?)?.check(&before, &files)?;
    let patches = fat.disk.into_patches(&map.free);
    patches.map_err(|e| FatError::of("reading it", e))
}

#[cfg(test)]
pub(super) mod tests;
