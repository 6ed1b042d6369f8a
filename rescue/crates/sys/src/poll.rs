//! Waiting for several file descriptors at once.

use std::io::Result;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

/// What one descriptor is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// There is something to read (or the end of it).
    pub input: bool,
    /// There is room to write.
    pub output: bool,
    /// The other side is gone, or the device failed.
    pub hangup: bool,
}

/// What one descriptor is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Interest<'fd> {
    /// The descriptor.
    pub fd: BorrowedFd<'fd>,
    /// Wait for room to write, too.
    pub output: bool,
}

/// Waits until one of `interests` is ready or `limit` has passed (`None`: for
/// ever); the answers are in the same order. A signal ends the wait with
/// nothing ready.
///
/// # Errors
/// The kernel's: `EINVAL` for more descriptors than the process may open.
pub fn wait(interests: &[Interest<'_>], limit: Option<Duration>) -> Result<Vec<Ready>> {
    let mut fds: Vec<PollFd<'_>> = interests
        .iter()
        .map(|i| {
            let mut flags = PollFlags::POLLIN;
            if i.output {
                flags |= PollFlags::POLLOUT;
            }
            PollFd::new(i.fd, flags)
        })
        .collect();
    match nix::poll::poll(&mut fds, timeout(limit)) {
        Ok(_) | Err(Errno::EINTR) => Ok(fds.iter().map(ready).collect()),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for one descriptor to have something to read; false when `limit`
/// passed first.
///
/// # Errors
/// As [`wait`].
pub fn readable(fd: BorrowedFd<'_>, limit: Duration) -> Result<bool> {
    let deadline = Instant::now().checked_add(limit);
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        let ready = wait(&[Interest { fd, output: false }], left)?;
        if ready.iter().any(|r| r.input || r.hangup) {
            return Ok(true);
        }
        if left.is_some_and(|l| l.is_zero()) {
            return Ok(false);
        }
    }
}

fn ready(fd: &PollFd<'_>) -> Ready {
    let flags = fd.revents().unwrap_or(PollFlags::empty());
    Ready {
        input: flags.contains(PollFlags::POLLIN),
        output: flags.contains(PollFlags::POLLOUT),
        hangup: flags.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL),
    }
}

/// Rounded up, so that a wait never ends just before its deadline.
fn timeout(limit: Option<Duration>) -> PollTimeout {
    let Some(limit) = limit else {
        return PollTimeout::NONE;
    };
    let ms = limit.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn a_pipe_is_readable_once_written() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert!(!readable(reader.as_fd(), Duration::from_millis(1)).unwrap());
        writer.write_all(b"x").unwrap();
        assert!(readable(reader.as_fd(), Duration::from_secs(5)).unwrap());
        let both = [Interest {
            fd: writer.as_fd(),
            output: true,
        }];
        assert!(wait(&both, None).unwrap()[0].output);
    }
}
