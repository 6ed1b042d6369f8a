//! Terminals: the machine's consoles, and the one the worker gets.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{Error, Result};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::setsid;

mod ioctl {
    use nix::libc;

    nix::ioctl_write_int_bad!(
        /// Makes a terminal the controlling one of the session leader.
        tiocsctty,
        libc::TIOCSCTTY
    );
    nix::ioctl_write_ptr_bad!(
        /// Sets a terminal's size in characters.
        tiocswinsz,
        libc::TIOCSWINSZ,
        libc::winsize
    );
    nix::ioctl_read_bad!(
        /// Reads a terminal's size in characters.
        tiocgwinsz,
        libc::TIOCGWINSZ,
        libc::winsize
    );
}

/// Opens a terminal for reading and writing without waiting for anything (a
/// modem's carrier, room in its buffer), and never as controlling terminal.
///
/// # Errors
/// The file's: `ENODEV`, `ENXIO` when the port is not there.
pub fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open(path)
}

/// Opens the kernel's log so that reading gives a record, or an error when there
/// is no more.
///
/// # Errors
/// The kernel's.
pub fn kernel_log() -> Result<File> {
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options.open("/dev/kmsg")
}

/// Bytes pass through as they are: no echo, no line editing, no signals.
///
/// # Errors
/// `ENOTTY` when it is no terminal, `EIO` when no hardware is behind it.
pub fn set_raw<F: AsFd>(terminal: &F) -> Result<()> {
    let mut settings = tcgetattr(terminal)?;
    cfmakeraw(&mut settings);
    tcsetattr(terminal, SetArg::TCSANOW, &settings)?;
    Ok(())
}

/// A terminal's settings, put back when this goes.
#[derive(Debug)]
pub struct Settings {
    terminal: OwnedFd,
    before: Termios,
}

impl Settings {
    /// Those that `terminal` has now.
    ///
    /// # Errors
    /// `ENOTTY` when it is no terminal, `EMFILE`.
    pub fn of<F: AsFd>(terminal: &F) -> Result<Self> {
        let before = tcgetattr(terminal)?;
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        Ok(Self { terminal, before })
    }

    /// What is typed is not shown from now on.
    ///
    /// # Errors
    /// As [`set_raw`].
    pub fn hide_typing(&self) -> Result<()> {
        let mut settings = self.before.clone();
        settings.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&self.terminal, SetArg::TCSANOW, &settings)?;
        Ok(())
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // A terminal that is gone needs no settings.
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}

/// Columns and rows of a terminal; `None` when it does not know.
#[must_use]
pub fn size<F: AsFd>(terminal: &F) -> Option<(u16, u16)> {
    let mut size = empty_size();
    // SAFETY: the descriptor is open as long as `terminal` is borrowed, and
    // the kernel writes one `winsize` into a live, properly typed place.
    unsafe { ioctl::tiocgwinsz(terminal.as_fd().as_raw_fd(), &raw mut size) }.ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

fn empty_size() -> libc::winsize {
    libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// The near end of a pair of terminals: what a program writes on the far end
/// ([`Pty::far`]) is read here, and the other way round.
#[derive(Debug)]
pub struct Pty {
    near: PtyMaster,
    far: PathBuf,
}

impl Pty {
    /// A new pair of `columns` × `rows` characters. Reading and writing the
    /// near end never waits.
    ///
    /// # Errors
    /// The kernel's: `ENOENT` when /dev/pts is not mounted.
    pub fn open(columns: u16, rows: u16) -> Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let near = posix_openpt(flags)?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let far = PathBuf::from(ptsname_r(&near)?);
        let mut size = empty_size();
        size.ws_col = columns;
        size.ws_row = rows;
        // SAFETY: `near` is open, and the kernel only reads the one `winsize`
        // the pointer refers to.
        unsafe { ioctl::tiocswinsz(near.as_raw_fd(), &raw const size) }?;
        Ok(Self { near, far })
    }

    /// The path of the far end.
    #[must_use]
    pub fn far(&self) -> &Path {
        &self.far
    }

    /// The near end as a file of its own.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn near(&self) -> Result<File> {
        let fd: OwnedFd = self.near.as_fd().try_clone_to_owned()?;
        Ok(File::from(fd))
    }
}

/// Makes this process the leader of a session of its own, with standard input
/// as controlling terminal: Ctrl-C reaches it, a shell has job control.
///
/// # Errors
/// `ENOTTY` when standard input is no terminal.
pub fn take_standard_input() -> Result<()> {
    match setsid() {
        // EPERM: it leads its session already.
        Ok(_) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let input = std::io::stdin();
    // SAFETY: standard input is open while `input` lives; the argument is the
    // documented integer ("do not steal it from another session").
    unsafe { ioctl::tiocsctty(input.as_fd().as_raw_fd(), 0) }?;
    Ok(())
}

/// Reading and writing wait again: for a terminal that a person uses.
///
/// # Errors
/// The kernel's own surprises.
pub fn set_blocking<F: AsFd>(file: &F) -> Result<()> {
    let flags = fcntl(file, FcntlArg::F_GETFL).map_err(Error::from)?;
    let flags = OFlag::from_bits_truncate(flags) & !OFlag::O_NONBLOCK;
    fcntl(file, FcntlArg::F_SETFL(flags)).map_err(Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::time::Duration;

    #[test]
    fn what_goes_in_at_one_end_comes_out_at_the_other() {
        let pty = Pty::open(80, 24).unwrap();
        let mut near = pty.near().unwrap();
        let mut far = open(pty.far()).unwrap();
        assert_eq!(size(&far), Some((80, 24)));
        set_raw(&far).unwrap();
        far.write_all(b"out\n").unwrap();
        assert!(crate::poll::readable(near.as_fd(), Duration::from_secs(5)).unwrap());
        let mut buffer = [0; 16];
        let len = near.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"out\n");
        near.write_all(b"in").unwrap();
        set_blocking(&far).unwrap();
        far.read_exact(&mut buffer[..2]).unwrap();
        assert_eq!(&buffer[..2], b"in");
    }
}
