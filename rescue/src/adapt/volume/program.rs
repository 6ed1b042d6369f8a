//! `ntfs-3g`, for the time of one mount.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::VolumeError;
use crate::init::volumes::is_mounted;

/// What is mounted over which folder, and where the program's words go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'p> {
    pub(super) program: &'p Path,
    pub(super) volume: &'p Path,
    pub(super) folder: &'p Path,
    pub(super) said: &'p Path,
}

/// For writing, or for looking only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Write,
    Look,
}

impl Mode {
    /// `norecover` keeps ntfs-3g from emptying a journal that is in use; it then
    /// opens the volume for reading only (2022.10.3 does, though `rw` is given), and
    /// the first write says so.
    fn options(self) -> &'static str {
        match self {
            Self::Write => "no_detach,rw,norecover,windows_names,big_writes,noatime",
            Self::Look => "no_detach,ro,norecover",
        }
    }
}

/// How often something that happens soon is looked for.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes of what the program said that are told.
const WORDS: u64 = 4096;

/// A mounted volume. Ended by [`Self::close`]; else as it is dropped, by force.
#[derive(Debug)]
pub(super) struct Ntfs<'p> {
    child: Child,
    places: Places<'p>,
    until: Instant,
}

impl<'p> Ntfs<'p> {
    /// Starts the program, and waits until it serves its files.
    pub(super) fn mount(
        places: Places<'p>,
        mode: Mode,
        until: Instant,
    ) -> Result<Self, VolumeError> {
        let said =
            File::create(places.said).map_err(|e| VolumeError::failed("making a file", &e))?;
        let mut command = Command::new(places.program);
        command
            .args(["-o", mode.options()])
            .args([places.volume, places.folder])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            // Standard output stays what it is: the asker sees by it who lives.
            .stderr(said);
        sys::process::ends_with_starter(&mut command);
        let child = command.spawn().map_err(|error| {
            VolumeError::Setting(format!(
                "{} could not be started ({error}); it is in the package ntfs-3g",
                places.program.display()
            ))
        })?;
        let mut ntfs = Self {
            child,
            places,
            until,
        };
        while !is_mounted(places.folder) {
            if let Some(status) = ntfs.status()? {
                return Err(refusal(status, &ntfs.words()));
            }
            ntfs.pause()?;
        }
        Ok(ntfs)
    }

    /// Unmounts, and waits until all is written.
    pub(super) fn close(mut self) -> Result<(), VolumeError> {
        sys::mount::unmount(self.places.folder)
            .map_err(|e| VolumeError::failed("unmounting the volume", &e))?;
        loop {
            if let Some(status) = self.status()? {
                return match status.success() {
                    true => Ok(()),
                    false => Err(VolumeError::Ended(told(status, &self.words()))),
                };
            }
            self.pause()?;
        }
    }

    /// How it ended, if it did.
    pub(super) fn status(&mut self) -> Result<Option<ExitStatus>, VolumeError> {
        let status = self.child.try_wait();
        status.map_err(|e| VolumeError::failed("waiting for ntfs-3g", &e))
    }

    /// That it ended too early, if it did.
    pub(super) fn died(&mut self) -> Option<VolumeError> {
        let status = self.status().ok().flatten()?;
        Some(VolumeError::Ended(told(status, &self.words())))
    }

    fn pause(&self) -> Result<(), VolumeError> {
        if Instant::now() > self.until {
            return Err(VolumeError::Late);
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }

    fn words(&self) -> String {
        let mut said = Vec::new();
        if let Ok(file) = File::open(self.places.said) {
            let _ = file.take(WORDS).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines = said.lines().map(str::trim).filter(|l| !l.is_empty());
        lines.collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Ntfs<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) && !is_mounted(self.places.folder) {
            return;
        }
        // First the program: a volume that is given up need not be complete.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = sys::mount::detach(self.places.folder);
        let _ = fs::remove_file(self.places.said);
    }
}

fn told(status: ExitStatus, words: &str) -> String {
    match words {
        "" => format!("ntfs-3g: {status}"),
        words => format!("ntfs-3g: {status}, \"{words}\""),
    }
}

/// What a program means that ended instead of mounting. (Exit codes: the manual
/// page ntfs-3g.probe(8).)
fn refusal(status: ExitStatus, words: &str) -> VolumeError {
    match status.code() {
        Some(12) => VolumeError::NotNtfs,
        Some(14) => VolumeError::Unclean("Windows is hibernated on it".into()),
        Some(15) => VolumeError::Unclean("it was not unmounted cleanly".into()),
        Some(19 | 21) => VolumeError::Setting(told(status, words)),
        _ => VolumeError::Ended(told(status, words)),
    }
}
