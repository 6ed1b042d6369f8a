//! File systems that Linux itself mounts: from loop devices over the volume's file, by
//! the process that edits, as the system has them, and seen by nobody else.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sys::mount::{Access, Trust};

use super::put;
use super::wire::{Answer, Mounted};
use super::{LinuxFs, NewFile, VolumeError};
use crate::identity::look;
use crate::init::kernel_log::KernelLog;

/// A system's file systems in one volume.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'t> {
    /// The volume's file.
    pub(super) volume: &'t Path,
    /// Where the first is mounted.
    pub(super) folder: &'t Path,
    /// Where on that the root is.
    pub(super) root: &'t str,
    /// The one with the root, and what belongs into it.
    pub(super) mounts: &'t [Mounted],
}

/// What a mount is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Finding out: a journal may be replayed in memory.
    Looking,
    Writing,
    /// Reading what was written: nothing may want to be replayed.
    Checking,
}

impl Tree<'_> {
    /// Puts `files` there, and reads them again through other mounts.
    pub(super) fn write(&self, files: &[NewFile]) -> Answer {
        for (what, work) in [
            (For::Writing, put as fn(&File, &NewFile) -> Answer),
            (For::Checking, check),
        ] {
            self.mounted(what, |root| {
                files.iter().try_for_each(|file| work(root, file))
            })?;
        }
        Ok(())
    }

    /// Finds out what `job` says; the answer as it is sent.
    pub(super) fn look(&self, job: &str) -> Result<Vec<u8>, VolumeError> {
        look::confine().map_err(|e| VolumeError::failed("confining the process", &e))?;
        self.mounted(For::Looking, |root| {
            look::in_tree(job, root).map_err(|e| VolumeError::failed("looking into it", &e))
        })
    }

    /// Does `work` in the root of the system.
    ///
    /// In a mount namespace of this process alone. It must not be that of the process which
    /// serves the volume: killed, that one would take down its namespace, and with it the file
    /// system, before its FUSE connection; the file system would wait for the volume for ever,
    /// and everybody's sync(2) for the file system. (Seen with XFS on Linux 6.1 and later.)
    fn mounted<T>(
        &self,
        what: For,
        work: impl FnOnce(&File) -> Result<T, VolumeError>,
    ) -> Result<T, VolumeError> {
        sys::mount::apart().map_err(|error| {
            VolumeError::Setting(format!("this process may not mount anything: {error}"))
        })?;
        let Some((first, others)) = self.mounts.split_first() else {
            return Err(VolumeError::Failed("nothing is to be mounted".into()));
        };
        let failed = |e| VolumeError::failed("opening the system's root", &e);
        let mut devices = Devices::default();
        self.mount(first, self.folder, what, &mut devices)
            .map_err(|e| e.error)?;
        let mut places = vec![self.folder.to_owned()];
        let whole = File::open(self.folder).map_err(failed)?;
        let below = Path::new(self.root.trim_start_matches('/'));
        // (A link may lead to this machine's own files.)
        let root = sys::tree::folder_below(&whole, below).map_err(failed)?;
        for mount in others {
            let place = self.place(&root, mount);
            let place = place.and_then(|place| {
                self.mount(mount, &place, what, &mut devices)?;
                Ok(place)
            });
            match place {
                Ok(place) => places.push(place),
                // (The system itself has nothing there.)
                Err(missed) if missed.is_missing && mount.is_part() => {}
                Err(missed) => return Err(missed.error),
            }
        }
        let done = work(&root)?;
        drop((root, whole));
        for place in places.iter().rev() {
            sys::mount::unmount(place)
                .map_err(|e| VolumeError::failed("unmounting the volume", &e))?;
        }
        Ok(done)
    }

    /// Where in `root` a file system belongs: a folder, found as the system itself would, and
    /// nowhere else.
    fn place(&self, root: &File, mount: &Mounted) -> Result<PathBuf, Missed> {
        let failed = |e| {
            Missed::of(
                &e,
                VolumeError::failed(&format!("opening {}", mount.at), &e),
            )
        };
        let below = Path::new(mount.at.trim_start_matches('/'));
        let folder = sys::tree::open_below(root, below).map_err(failed)?;
        let path = |file| std::fs::read_link(sys::tree::path_of(file)).map_err(failed);
        let (place, top) = (path(&folder)?, path(root)?);
        let is_inside = place.starts_with(&top) && place != top;
        match is_inside && folder.metadata().map_err(failed)?.is_dir() {
            true => Ok(place),
            false => Err(Missed::from(VolumeError::Failed(format!(
                "{} is no folder of the system",
                mount.at
            )))),
        }
    }

    fn mount(
        &self,
        mount: &Mounted,
        place: &Path,
        what: For,
        devices: &mut Devices,
    ) -> Result<(), Missed> {
        let missing = |why: &dyn std::fmt::Display| VolumeError::Setting(why.to_string());
        let kind = mount.kind.name();
        crate::init::volumes::ensure_known(kind).map_err(|e| missing(&format!("{e:#}")))?;
        // (Two devices with one btrfs would be a btrfs of two devices.)
        let (device, open) = match devices.of(mount.start) {
            Some(device) => (device, None),
            None => {
                let below = match what {
                    For::Checking => Access::ReadOnly,
                    For::Looking | For::Writing => Access::ReadWrite,
                };
                let attached = sys::loops::attach_part(self.volume, below, mount.start, mount.len);
                let attached = attached.map_err(|e| missing(&format!("no loop device: {e}")))?;
                (attached.0, Some(attached.1))
            }
        };
        let access = match what {
            For::Writing => Access::ReadWrite,
            For::Looking | For::Checking => Access::ReadOnly,
        };
        let log = KernelLog::from_now();
        let mut done = Err(Error::from(ErrorKind::InvalidInput));
        for options in options(mount.kind, what) {
            let options = match &mount.subvolume {
                Some(subvolume) => format!("{options},{subvolume}"),
                None => (*options).to_owned(),
            };
            let options = Some(options.as_str());
            done = sys::mount::mount(&device, place, kind, access, Trust::Foreign, options);
            // (A file system without a journal has no use for one of them.)
            if !matches!(&done, Err(e) if e.kind() == ErrorKind::InvalidInput) {
                break;
            }
        }
        done.map_err(|e| {
            let why = said_of(&device, log);
            let error = format!("Linux cannot mount {} ({kind}): {e}{why}", mount.at);
            Missed::of(&e, VolumeError::Failed(error))
        })?;
        devices.0.push((mount.start, device));
        drop(open);
        Ok(())
    }
}

/// The loop devices of what is mounted, by where that begins in the volume's file.
#[derive(Debug, Default)]
struct Devices(Vec<(u64, PathBuf)>);

impl Devices {
    fn of(&self, start: u64) -> Option<PathBuf> {
        let mut all = self.0.iter();
        let (_, device) = all.find(|(at, _)| *at == start)?;
        Some(device.clone())
    }
}

/// What could not be mounted.
struct Missed {
    /// Whether that is not there, or the folder where it belongs.
    is_missing: bool,
    error: VolumeError,
}

impl Missed {
    fn of(cause: &Error, error: VolumeError) -> Self {
        Self {
            is_missing: cause.kind() == ErrorKind::NotFound,
            error,
        }
    }
}

impl From<VolumeError> for Missed {
    fn from(error: VolumeError) -> Self {
        Self {
            is_missing: false,
            error,
        }
    }
}

impl Mounted {
    /// Whether it is a part of a place only, as "/var/cache" is.
    fn is_part(&self) -> bool {
        self.at.trim_start_matches('/').contains('/')
    }
}

/// What the kernel logged about `device`, to follow an error.
fn said_of(device: &Path, log: Option<KernelLog>) -> String {
    let name = device.file_name().unwrap_or_default().to_string_lossy();
    let lines = log.map(|mut log| log.last_about(&name)).unwrap_or_default();
    match lines.is_empty() {
        true => String::new(),
        false => format!(" (Linux says: {})", lines.join("; ")),
    }
}

/// An error found is an error here, whatever the volume says; nothing is written but
/// what has to be, and not when a clock says so; the first that the
/// file system takes counts. (The file system may be mounted on this
/// machine, too, from the disk it was captured from.)
fn options(kind: LinuxFs, what: For) -> &'static [&'static str] {
    match (kind, what) {
        (LinuxFs::Ext4, For::Writing) => &[
            "errors=remount-ro,noinit_itable,commit=300",
            "errors=remount-ro,noinit_itable",
        ],
        (LinuxFs::Ext4, _) => &["errors=remount-ro"],
        (LinuxFs::Xfs, _) => &["nouuid"],
        (LinuxFs::Btrfs, For::Writing) => &["skip_balance,commit=300"],
        (LinuxFs::Btrfs, _) => &["skip_balance"],
    }
}

/// The path from the root, as `openat2` wants it.
fn below(path: &str) -> Result<&Path, VolumeError> {
    put::names(path)?;
    Ok(Path::new(path.trim_start_matches('/')))
}

/// Owner, mode and times of a file that is there are kept, but for that of the change.
fn put(root: &File, wanted: &NewFile) -> Answer {
    let trouble = |e: Error| trouble(&wanted.path, &e);
    let path = below(&wanted.path)?;
    let mode = |all, own| if wanted.private { own } else { all };
    if wanted.create_folders {
        sys::tree::folders_below(root, path, mode(0o755, 0o700)).map_err(trouble)?;
    }
    if wanted.folder {
        // (Those above a file in it.)
        return sys::tree::folders_below(root, &path.join("file"), mode(0o755, 0o700))
            .map_err(trouble);
    }
    if let Some(was) = &wanted.was {
        return sys::tree::rename_below(root, below(was)?, path).map_err(trouble);
    }
    let create = (wanted.after == 0).then_some(mode(0o644, 0o600));
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

fn check(root: &File, wanted: &NewFile) -> Answer {
    let trouble = |e: Error| trouble(&wanted.path, &e);
    let file = sys::tree::open_below(root, below(&wanted.path)?);
    let mut file = file.map_err(trouble)?;
    if wanted.folder {
        return match file.metadata().map_err(trouble)?.is_dir() {
            true => Ok(()),
            false => Err(VolumeError::Differs(wanted.path.clone())),
        };
    }
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
