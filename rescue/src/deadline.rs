//! A socket to another process of this program, used until a moment and no longer.

use std::io::{ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The socket.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) socket: UnixStream,
    /// From then on every call fails with [`ErrorKind::TimedOut`].
    pub(crate) until: Instant,
}

impl Line {
    /// Time for the next call; none left is an error.
    fn left(&self) -> Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for Line {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        self.socket.read(buf)
    }
}

impl Write for Line {
    fn write(&mut self, buf: &[u8]) -> Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        self.socket.write(buf)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Receives `N` bytes.
pub(crate) fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}
