//! Waiting until something in a folder changes.

use std::io::Result;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Changes in one folder, from its making on.
#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
}

impl Watch {
    /// Watches for files put or written in the folder `path`.
    ///
    /// # Errors
    /// `ENOENT` when there is no such folder.
    pub fn folder(path: &Path) -> Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let what = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE;
        inotify.add_watch(path, what)?;
        Ok(Self { inotify })
    }

    /// Waits for a change not yet seen; false when `limit` passed first.
    ///
    /// # Errors
    /// The kernel's own surprises.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        if !crate::poll::readable(self.inotify.as_fd(), limit)? {
            return Ok(false);
        }
        self.drain()?;
        Ok(true)
    }

    /// Forgets the changes seen so far: call it before looking at the files.
    ///
    /// # Errors
    /// The kernel's own surprises.
    pub fn drain(&self) -> Result<()> {
        loop {
            match self.inotify.read_events() {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_ends_the_wait() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::folder(folder.path()).unwrap();
        assert!(!watch.wait(Duration::from_millis(1)).unwrap());
        std::fs::write(folder.path().join("state"), "x").unwrap();
        assert!(watch.wait(Duration::from_secs(5)).unwrap());
        assert!(!watch.wait(Duration::from_millis(1)).unwrap());
    }
}
