//! The processes that edit: what they mount, they and ntfs-3g alone see.
//!
//! Two of them, each waiting for the one before only: the first serves the
//! volume, ntfs-3g uses that, the second uses ntfs-3g. In one process, a thread
//! that waits for ntfs-3g would keep it, killed, from letting the volume go that
//! ntfs-3g, killed, waits for.

use std::fs::{self, File};
use std::io::{self, Error, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use disk::{ReadAt, WriteAt};
use sys::mount::{Access, Trust};

use super::fuse::Owner;
use super::program::{Mode, Ntfs, Places};
use super::put;
use super::wire::{self, Answer, Part, Task};
use super::{FILES_MOST, NAMESPACE, NewFile, VolumeError, fuse, kernel};

/// Covered by a file system of our own, so that nothing is left anywhere.
const ROOM: &str = "/run";
const VOLUME: &str = "/run/volume";
const FOLDER: &str = "/run/ntfs";
const SAID: &str = "/run/said";

/// Edits what the process at the other end of standard input asks for: all that
/// `rescue edit-volume` does.
///
/// # Errors
/// When its asker is gone, or sends what is not understood.
pub(crate) fn run() -> io::Result<()> {
    // When memory runs out, this process is the one to end.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let mut socket: UnixStream = io::stdin().as_fd().try_clone_to_owned()?.into();
    let task: Task = wire::receive(&mut socket)?;
    let files = receive_files(&task, &mut socket)?;
    let asked = Asked(Mutex::new(socket.try_clone()?), task.size);
    let outcome = match task.part {
        Part::Serve => serve(&task, &files, asked),
        Part::Write => work(&task, &files),
    };
    match outcome {
        Ok(found) => wire::send_answer(&mut socket, &Ok(()), &found),
        Err(error) => wire::send_answer(&mut socket, &Err(error), &[]),
    }
}

/// What was found out, or why it could not be done.
type Outcome = Result<Vec<u8>, VolumeError>;

fn work(task: &Task, files: &[NewFile]) -> Outcome {
    let tree = kernel::Tree {
        volume: Path::new(VOLUME),
        folder: Path::new(FOLDER),
        root: &task.folder,
        mounts: &task.mounts,
    };
    match &task.job {
        Some(job) => tree.look(job),
        None if task.mounts.is_empty() => through_ntfs(task, files).map(|()| Vec::new()),
        None => tree.write(files).map(|()| Vec::new()),
    }
}

fn receive_files(task: &Task, socket: &mut UnixStream) -> io::Result<Vec<NewFile>> {
    let total: u64 = task
        .files
        .iter()
        .map(|f| f.len)
        .fold(0, u64::saturating_add);
    if total > FILES_MOST {
        let text = format!("{total} bytes of files, expected at most {FILES_MOST}");
        return Err(Error::new(ErrorKind::InvalidData, text));
    }
    let mut files = Vec::new();
    for file in &task.files {
        let mut bytes = vec![0; usize::try_from(file.len).unwrap_or(0)];
        socket.read_exact(&mut bytes)?;
        files.push(NewFile {
            bytes,
            ..file.file.clone()
        });
    }
    Ok(files)
}

fn serve(task: &Task, files: &[NewFile], volume: Asked) -> Outcome {
    make_room(task)?;
    let covered = fs::metadata(VOLUME);
    let covered = covered.map_err(|e| VolumeError::failed("making room", &e))?;
    let owner = Owner(covered.uid(), covered.gid());
    let device = connect()?;
    let server = std::thread::spawn(move || fuse::serve(&device, &volume, owner));
    let task = Task {
        part: Part::Write,
        ..task.clone()
    };
    let found = match have_written(&task, files) {
        // The kernel tells of any end of the server as an I/O error.
        Err(error) if server.is_finished() => {
            return Err(served(server.join()).err().unwrap_or(error));
        }
        found => found?,
    };
    sys::mount::unmount(Path::new(VOLUME))
        .map_err(|e| VolumeError::failed("unmounting the volume's file", &e))?;
    served(server.join()).map(|()| found)
}

fn served(ended: std::thread::Result<io::Result<()>>) -> Answer {
    match ended {
        Ok(done) => done.map_err(|error| VolumeError::failed("serving the volume", &error)),
        Err(_) => Err(VolumeError::Ended("serving the volume".into())),
    }
}

/// Starts the other process, and waits until it has ended.
fn have_written(task: &Task, files: &[NewFile]) -> Outcome {
    let failed = |e| VolumeError::failed("starting the process that writes", &e);
    let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    command.arg("edit-volume").stdin(OwnedFd::from(theirs));
    sys::process::ends_with_starter(&mut command);
    let mut child = command.spawn().map_err(failed)?;
    // (It holds the other end of the socket.)
    drop(command);
    let answer = converse(&mut ours, task, files);
    drop(ours);
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    let (answer, found) = answer.map_err(|error| {
        VolumeError::Ended(format!("the process that writes: {status} ({error})"))
    })?;
    answer.map(|()| found)
}

fn converse(
    socket: &mut UnixStream,
    task: &Task,
    files: &[NewFile],
) -> io::Result<(Answer, Vec<u8>)> {
    wire::send(socket, task)?;
    for file in files {
        socket.write_all(&file.bytes)?;
    }
    match wire::array(socket)? {
        [wire::ANSWER] => wire::receive_answer(socket),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

/// A mount namespace of our own, and in it a place for files.
fn make_room(task: &Task) -> Result<(), VolumeError> {
    if !task.apart {
        sys::mount::apart().map_err(|error| {
            VolumeError::Setting(format!("this process may not mount anything: {error}"))
        })?;
    }
    let namespace = fs::read_link(NAMESPACE);
    let namespace = namespace.map_err(|e| VolumeError::failed("reading /proc", &e))?;
    if namespace.as_os_str() == task.namespace {
        return Err(VolumeError::Setting(
            "it is not apart from other programs".into(),
        ));
    }
    let (access, trust) = (Access::ReadWrite, Trust::Foreign);
    let (source, target) = (Path::new("rescue"), Path::new(ROOM));
    sys::mount::mount(
        source,
        target,
        "tmpfs",
        access,
        trust,
        Some("size=1m,mode=700"),
    )
    .map_err(|error| VolumeError::Setting(format!("no file system in memory: {error}")))?;
    let made = File::create(VOLUME).and_then(|_| fs::create_dir(FOLDER));
    made.map_err(|e| VolumeError::failed("making room", &e))
}

/// Mounts a FUSE connection as the volume's file.
fn connect() -> Result<File, VolumeError> {
    let missing = |what: &str| VolumeError::Setting(format!("the kernel offers no FUSE: {what}"));
    crate::init::volumes::ensure_known("fuse").map_err(|e| missing(&format!("{e:#}")))?;
    let device = File::options().read(true).write(true).open("/dev/fuse");
    let device = device.map_err(|e| missing(&format!("opening /dev/fuse: {e}")))?;
    sys::mount::fuse_file(&device, Path::new(VOLUME))
        .map_err(|e| missing(&format!("mounting it: {e}")))?;
    Ok(device)
}

/// Writes the files, and reads them again through another mount.
fn through_ntfs(task: &Task, files: &[NewFile]) -> Answer {
    let until = Instant::now() + Duration::from_secs(task.seconds);
    let places = Places {
        program: Path::new(&task.program),
        volume: Path::new(VOLUME),
        folder: Path::new(FOLDER),
        said: Path::new(SAID),
    };
    for (mode, work) in [
        (Mode::Write, put::put as fn(&Path, &NewFile) -> Answer),
        (Mode::Look, put::check),
    ] {
        let mut ntfs = Ntfs::mount(places, mode, until)?;
        for file in files {
            work(places.folder, file).map_err(|error| ntfs.died().unwrap_or(error))?;
        }
        ntfs.close()?;
    }
    Ok(())
}

/// What the asker reads from and writes to, and its size.
struct Asked(Mutex<UnixStream>, u64);

impl Asked {
    fn request(
        &self,
        kind: u8,
        offset: u64,
        len: usize,
        data: &[u8],
        back: &mut [u8],
    ) -> io::Result<()> {
        let len = u32::try_from(len)
            .ok()
            .filter(|len| *len <= wire::MOVE_MOST);
        let len = len.ok_or(ErrorKind::InvalidInput)?;
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut request = vec![kind];
        request.extend(offset.to_le_bytes());
        request.extend(len.to_le_bytes());
        request.extend(data);
        socket.write_all(&request)?;
        match wire::array(&mut *socket)? {
            [wire::GOOD] => socket.read_exact(back),
            _ => Err(Error::other("the asker could not do it")),
        }
    }
}

impl ReadAt for Asked {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.request(wire::READ, offset, buf.len(), &[], buf)
    }

    fn size(&self) -> u64 {
        self.1
    }
}

impl WriteAt for Asked {
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.request(wire::WRITE, offset, buf.len(), buf, &mut [])
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
