//! The process that looks.

use std::io::{self, Error, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use disk::ReadAt;
use image::IdentityKey;

use super::super::{linux, windows};
use super::wire::{self, Answer, At, Job, Looked, Task};
use super::{Kind, confine, tree};
use crate::adapt::{self, Adaptation, uefi};
use crate::boot_entries;
use crate::files::{Ext, FilesError, Folder, Ntfs};

/// Looks where the process at the other end of standard input says: all that
/// `rescue look` does.
///
/// # Errors
/// When it cannot be confined, or its asker is gone.
pub(crate) fn run() -> io::Result<()> {
    confine()?;
    // When memory runs out, this process is the one to end.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    serve(std::io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// Takes a task from `socket`, and answers it.
pub(super) fn serve(mut socket: UnixStream) -> io::Result<()> {
    let task: Task = serde_json::from_slice(&wire::receive(&mut socket, wire::ANSWER_MOST)?)?;
    let device = Asked(Mutex::new(socket.try_clone()?), size(&task.place));
    let on_ext = matches!(
        task.place,
        At::Partition {
            kind: Kind::Ext,
            ..
        }
    );
    let answer = match &task.job {
        job @ (Job::Root | Job::Linux(..) | Job::Starters | Job::ForBios | Job::Identity(_))
            if on_ext =>
        {
            match Ext::open(Arc::new(device)) {
                Ok(files) => tree::answer(job, &files)?,
                Err(error) => serde_json::to_vec(&Answer::<()>::Err(error.to_string()))?,
            }
        }
        Job::Root | Job::Linux(..) | Job::Starters | Job::ForBios => {
            return Err(ErrorKind::InvalidData.into());
        }
        Job::Identity(key) => serde_json::to_vec(&look(&task.place, key, device))?,
        Job::Windows(hardware, drivers, names) => {
            let answer: Answer<Adaptation> =
                adapt::plan_ntfs(&device, hardware, drivers.as_ref(), names.as_ref());
            serde_json::to_vec(&answer)?
        }
        Job::Starts(around) => {
            let kind = match &task.place {
                At::Partition { kind, .. } => *kind,
                At::Folder(_) => return Err(ErrorKind::InvalidData.into()),
            };
            let answer: Answer<Adaptation> = adapt::plan_starts(Arc::new(device), kind, around);
            serde_json::to_vec(&answer)?
        }
        Job::Loaders(files) => {
            let answer = boot_entries::esp::look(Arc::new(device), files);
            serde_json::to_vec(&answer.map_err(|e| e.to_string()))?
        }
        Job::Survey => serde_json::to_vec(&uefi::survey(&device))?,
        Job::BootFiles => serde_json::to_vec(&uefi::boot_files(&device))?,
        Job::NewStore(names, system) => {
            serde_json::to_vec(&uefi::new_store(&device, names, *system))?
        }
    };
    socket.write_all(&[wire::ANSWER])?;
    wire::send(&mut socket, &answer, wire::ANSWER_MOST)
}

fn size(place: &At) -> u64 {
    match place {
        At::Folder(_) => 0,
        At::Partition { size, .. } => *size,
    }
}

fn look(place: &At, key: &IdentityKey, device: Asked) -> Answer<Looked> {
    let looked = match place {
        At::Folder(path) => {
            let folder = Folder::open(Path::new(path)).map_err(|e| e.to_string())?;
            in_folder(folder, key)
        }
        At::Partition { kind, .. } => match kind {
            Kind::Ntfs => Ntfs::open(Arc::new(device)).map(|files| on_ntfs(&files, key)),
            Kind::Ext | Kind::Xfs | Kind::Btrfs | Kind::Stack | Kind::Fat => Ok(Looked::default()),
        },
    };
    looked.map_err(|e| e.to_string())
}

fn in_folder(folder: Folder, key: &IdentityKey) -> Result<Looked, FilesError> {
    if let Some(system) = linux::read(&folder, key)? {
        return Ok(system.into());
    }
    Ok(windows::read(&folder.any_case(), key).unwrap_or_default())
}

fn on_ntfs(files: &Ntfs, key: &IdentityKey) -> Looked {
    let Some(mut looked) = windows::read(files, key) else {
        return Looked::default();
    };
    if files.dirty() {
        let text = "Windows had not finished with this volume: it was in use or has to be \
                    checked, and what is told of it may be older than what Windows would find.";
        looked.notes.push(text.to_owned());
    }
    looked
}

/// What the asker reads from, and its size.
struct Asked(Mutex<UnixStream>, u64);

impl ReadAt for Asked {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = offset;
        for part in buf.chunks_mut(wire::READ_MOST as usize) {
            let len = part.len() as u32;
            let mut request = vec![wire::READ];
            request.extend(at.to_le_bytes());
            request.extend(len.to_le_bytes());
            socket.write_all(&request)?;
            match wire::array(&mut *socket)? {
                [wire::GOOD] => std::io::Read::read_exact(&mut *socket, part)?,
                _ => {
                    let why = wire::receive(&mut *socket, wire::TEXT_MOST)?;
                    return Err(Error::other(String::from_utf8_lossy(&why).into_owned()));
                }
            }
            at = at.checked_add(len.into()).ok_or(ErrorKind::UnexpectedEof)?;
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.1
    }
}
