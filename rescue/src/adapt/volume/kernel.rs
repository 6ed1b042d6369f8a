//! Volumes that Linux itself writes: mounted from a loop device over the volume's
//! file, by the process that edits, and seen by nobody else.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sys::mount::{Access, Trust};

use super::VolumeError;
use super::put::{self, Wanted};
use super::wire::Answer;

/// Puts `files` on the file system `kind` in `volume`, mounted on `folder`, and reads
/// them again through another mount.
pub(super) fn write(kind: &str, volume: &Path, folder: &Path, files: &[Wanted]) -> Answer {
    for (access, work) in [
        (Access::ReadWrite, put as fn(&File, &Wanted) -> Answer),
        (Access::ReadOnly, check),
    ] {
        mount(kind, volume, folder, access)?;
        let root = File::open(folder);
        let root = root.map_err(|e| VolumeError::failed("opening the volume", &e))?;
        for file in files {
            work(&root, file)?;
        }
        drop(root);
        sys::mount::unmount(folder)
            .map_err(|e| VolumeError::failed("unmounting the volume", &e))?;
    }
    Ok(())
}

fn mount(kind: &str, volume: &Path, folder: &Path, access: Access) -> Answer {
    let missing = |why: &dyn std::fmt::Display| VolumeError::Setting(why.to_string());
    crate::init::volumes::ensure_known(kind).map_err(|e| missing(&format!("{e:#}")))?;
    let attached = sys::loops::attach(volume, access);
    let (device, open) = attached.map_err(|e| missing(&format!("no loop device: {e}")))?;
    // An error found is an error here, whatever the volume says; nothing is written but
    // what has to be, and not when a clock says so.
    let options = match access {
        Access::ReadWrite => "errors=remount-ro,noinit_itable,commit=300",
        Access::ReadOnly => "errors=remount-ro",
    };
    sys::mount::mount(&device, folder, kind, access, Trust::Foreign, Some(options))
        .map_err(|e| VolumeError::Failed(format!("Linux cannot mount it: {e}")))?;
    drop(open);
    Ok(())
}

/// The path from the root, as `openat2` wants it.
fn below(path: &str) -> Result<&Path, VolumeError> {
    put::names(path)?;
    Ok(Path::new(path.trim_start_matches('/')))
}

/// Owner, mode and times of a file that is there are kept, but for that of the change.
fn put(root: &File, wanted: &Wanted) -> Answer {
    let trouble = |e: Error| trouble(&wanted.path, &e);
    let path = below(&wanted.path)?;
    let create = wanted.after == 0;
    let mut file = sys::tree::write_below(root, path, create).map_err(trouble)?;
    let kind = file.metadata().map_err(trouble)?;
    if !kind.is_file() || (wanted.after > 0 && kind.len() != wanted.after) {
        return Err(VolumeError::NotPlain {
            path: wanted.path.clone(),
            name: wanted.path.clone(),
        });
    }
    let len = wanted.after.saturating_add(wanted.bytes.len() as u64);
    file.seek(SeekFrom::Start(wanted.after)).map_err(trouble)?;
    file.write_all(&wanted.bytes).map_err(trouble)?;
    file.set_len(len).map_err(trouble)?;
    file.sync_all().map_err(trouble)
}

fn check(root: &File, wanted: &Wanted) -> Answer {
    let trouble = |e: Error| trouble(&wanted.path, &e);
    let file = sys::tree::open_below(root, below(&wanted.path)?);
    let mut file = file.map_err(trouble)?;
    let mut bytes = Vec::new();
    let most = (wanted.bytes.len() as u64).saturating_add(1);
    file.seek(SeekFrom::Start(wanted.after)).map_err(trouble)?;
    file.take(most).read_to_end(&mut bytes).map_err(trouble)?;
    match bytes == wanted.bytes {
        true => Ok(()),
        false => Err(VolumeError::Differs(wanted.path.clone())),
    }
}

fn trouble(path: &str, error: &Error) -> VolumeError {
    match error.kind() {
        ErrorKind::StorageFull => VolumeError::Full(path.to_owned()),
        _ => VolumeError::failed(&format!("putting {path} there"), error),
    }
}
