//! The process that looks.

use std::io::{Error, ErrorKind, Result, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use disk::ReadAt;

use super::wire::{self, Answer, At, Looked, Task};
use super::{Kind, MEMORY, TIME};
use crate::files::{Ext, Folder};

/// Looks where the process at the other end of standard input says: all that
/// `rescue look` does.
///
/// # Errors
/// When it cannot be confined, or its asker is gone.
pub(crate) fn run() -> Result<()> {
    sys::limits::confine(MEMORY, TIME.as_secs())?;
    // When memory runs out, this process is the one to end.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    serve(std::io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// Takes a task from `socket`, and answers it.
pub(super) fn serve(mut socket: UnixStream) -> Result<()> {
    let task: Task = serde_json::from_slice(&wire::receive(&mut socket)?)?;
    let device = Asked(Mutex::new(socket.try_clone()?), size(&task.place));
    let answer: Answer = look(&task, device);
    socket.write_all(&[wire::ANSWER])?;
    wire::send(&mut socket, &serde_json::to_vec(&answer)?)
}

fn size(place: &At) -> u64 {
    match place {
        At::Folder(_) => 0,
        At::Partition { size, .. } => *size,
    }
}

fn look(task: &Task, device: Asked) -> Answer {
    let system = match &task.place {
        At::Folder(path) => {
            let folder = Folder::open(Path::new(path)).map_err(|e| e.to_string())?;
            super::super::system(&folder, &task.key)
        }
        At::Partition { kind, .. } => match kind {
            Kind::Ext => Ext::open(Arc::new(device))
                .and_then(|files| super::super::system(&files, &task.key)),
        },
    };
    let system = system.map_err(|e| e.to_string())?;
    Ok(Looked {
        system,
        notes: Vec::new(),
    })
}

/// What the asker reads from, and its size.
struct Asked(Mutex<UnixStream>, u64);

impl ReadAt for Asked {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
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
                    let why = wire::receive(&mut *socket)?;
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
