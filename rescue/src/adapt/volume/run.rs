//! Starting the process that edits, serving it, ending it.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use disk::{ReadAt, WriteAt};

use super::wire::{self, Announced, Answer, Mounted, Part, Task};
use super::{Editor, NAMESPACE, NewFile, Overlay, VolumeError};
use crate::deadline::{Line, is_closed, is_late, last_words};

/// A process that closed its socket gets this long to end by itself.
const ENDING: Duration = Duration::from_secs(2);
/// All processes get this long to go when they were ended.
const GONE: Duration = Duration::from_secs(10);

/// What is asked of the process that edits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish<'w> {
    /// What Linux mounts itself; ntfs-3g does it when there is nothing.
    pub(super) mounts: &'w [Mounted],
    /// Where the system's root is on the first of these.
    pub(super) folder: &'w str,
    /// What to find out, instead of writing.
    pub(super) job: Option<&'w str>,
    pub(super) files: &'w [NewFile],
}

impl Editor {
    /// Has another process do what `wish` says on `overlay`; what it found out.
    pub(super) fn ask(&self, overlay: &Overlay, wish: &Wish<'_>) -> Result<Vec<u8>, VolumeError> {
        let until = Instant::now() + self.time;
        let apart = !sys::process::is_root();
        let task = self.task(overlay, wish, apart)?;
        let files = wish.files;
        let pair = UnixStream::pair();
        let (ours, theirs) = pair.map_err(|e| VolumeError::failed("making a socket", &e))?;
        let pair = UnixStream::pair();
        let (lives, alive) = pair.map_err(|e| VolumeError::failed("making a socket", &e))?;
        let mut child = self.start(theirs, alive, apart)?;
        let mut line = Line {
            socket: ours,
            until,
        };
        let said = send(&mut line, &task, files).and_then(|()| serve(&mut line, overlay));
        let closed = matches!(&said, Err(e) if is_closed(e.kind()));
        drop(line);
        let ended = end(&mut child, closed || said.is_ok());
        wait_for_all(lives)?;
        let (answer, found) = said.map_err(|error| failure(&error, closed, ended, apart))?;
        answer.map(|()| found)
    }

    fn task(&self, overlay: &Overlay, wish: &Wish<'_>, apart: bool) -> Result<Task, VolumeError> {
        let namespace = fs::read_link(NAMESPACE);
        let namespace = namespace.map_err(|e| VolumeError::failed("reading /proc", &e))?;
        let announced = wish.files.iter().map(|file| Announced {
            file: file.without_bytes(),
            len: file.bytes.len() as u64,
        });
        Ok(Task {
            part: Part::Serve,
            size: overlay.size(),
            mounts: wish.mounts.to_vec(),
            folder: wish.folder.to_owned(),
            job: wish.job.map(str::to_owned),
            program: self.ntfs_3g.clone().into_os_string(),
            namespace: namespace.into_os_string(),
            apart,
            seconds: self.time.as_secs().max(1),
            files: announced.collect(),
        })
    }

    /// Starts this program once more. Without root it is `unshare` that gives it
    /// the right to mount, in a user namespace; with its capabilities passed on
    /// rather than as that namespace's root, since ntfs-3g, as root, calls
    /// setgroups(2), which no such namespace allows.
    fn start(
        &self,
        socket: UnixStream,
        alive: UnixStream,
        apart: bool,
    ) -> Result<Child, VolumeError> {
        let mut command = match apart {
            true => {
                let mut command = Command::new("unshare");
                command
                    .args(["--user", "--map-current-user", "--mount", "--keep-caps"])
                    .arg("--")
                    .arg(&self.rescue);
                command
            }
            false => Command::new(&self.rescue),
        };
        command
            .arg("edit-volume")
            .stdin(OwnedFd::from(socket))
            .stdout(OwnedFd::from(alive))
            .stderr(Stdio::piped())
            .process_group(0);
        sys::process::ends_with_starter(&mut command);
        command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy().into_owned();
            VolumeError::Setting(format!("{program} could not be started: {error}"))
        })
    }
}

fn send(line: &mut Line, task: &Task, files: &[NewFile]) -> io::Result<()> {
    wire::send(line, task)?;
    for file in files {
        line.write_all(&file.bytes)?;
    }
    Ok(())
}

/// Reads and writes for the process that edits, until it answers.
fn serve(line: &mut Line, overlay: &Overlay) -> io::Result<(Answer, Vec<u8>)> {
    let mut buffer = Vec::new();
    loop {
        let [kind] = wire::array(line)?;
        if kind == wire::ANSWER {
            return wire::receive_answer(line);
        }
        if ![wire::READ, wire::WRITE].contains(&kind) {
            return Err(not_understood(format!("it sent {kind:#04x}")));
        }
        let offset = u64::from_le_bytes(wire::array(line)?);
        let len = u32::from_le_bytes(wire::array(line)?);
        if len > wire::MOVE_MOST {
            return Err(not_understood(format!("it moves {len} bytes at once")));
        }
        buffer.resize(len as usize, 0);
        let done = match kind {
            wire::WRITE => {
                line.read_exact(&mut buffer)?;
                let done = overlay.write_all_at(&buffer, offset);
                buffer.clear();
                done
            }
            _ => overlay.read_exact_at(&mut buffer, offset),
        };
        match done {
            Ok(()) => {
                line.write_all(&[wire::GOOD])?;
                line.write_all(&buffer)?;
            }
            Err(_) => line.write_all(&[wire::BAD])?,
        }
    }
}

fn not_understood(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

fn failure(error: &io::Error, closed: bool, ended: String, apart: bool) -> VolumeError {
    if is_late(error.kind()) {
        return VolumeError::Late;
    }
    match closed {
        true if apart && ended.contains("unshare") => VolumeError::Setting(format!(
            "without root it takes user and mount namespaces ({ended})"
        )),
        true => VolumeError::Ended(ended),
        false => VolumeError::Failed(format!("the process that edits is not understood: {error}")),
    }
}

/// Waits until nobody has the other end of `lives`: until all the processes that
/// inherited it are gone, which were told to.
fn wait_for_all(lives: UnixStream) -> Result<(), VolumeError> {
    let mut line = Line {
        socket: lives,
        until: Instant::now() + GONE,
    };
    match io::copy(&mut line, &mut io::sink()) {
        Ok(_) => Ok(()),
        Err(error) => Err(VolumeError::failed(
            "a process that edited the volume cannot be ended",
            &error,
        )),
    }
}

/// Ends the process and its children; how it ended, and what it said.
fn end(child: &mut Child, by_itself: bool) -> String {
    let until = Instant::now() + ENDING;
    let mut status = None;
    while by_itself && status.is_none() && Instant::now() < until {
        // Not waited for yet: its group keeps its number.
        status = sys::process::has_ended(child.id()).ok().filter(|e| *e);
        std::thread::sleep(Duration::from_millis(2));
    }
    // (Fails when all have ended, which is as good.)
    let _ = sys::process::kill_group(child.id());
    let _ = child.kill();
    let status = match child.wait() {
        Ok(status) => status.to_string(),
        Err(error) => format!("how is not known: {error}"),
    };
    let said = last_words(child);
    match said.as_slice() {
        [] => format!("the process that edits: {status}"),
        said => format!("the process that edits: {status}, \"{}\"", said.join(" ")),
    }
}
